"""A Redis Cluster, named by `redis+cluster://` and several nodes; what redis-py leaves to its users.

Read in redis-py 8.1: a command that meets a connection error, a time-out or CLUSTERDOWN asks a first
node for the topology and is sent again, as often as `retry` says and at once; MOVED, ASK and TRYAGAIN
are followed up to 16 times in one call. So any write may run twice, which the guard answers. Reads go
to masters only: we ask for no replica.
"""

import asyncio
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import redis
import redis.asyncio
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.cluster import PRIMARY, REDIS_ALLOWED_KEYS, ClusterNode
from redis.connection import SSLConnection
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from streams.adapters.redis.url import parse
from streams.errors import RfmError, Transient, UsageError

DEFAULT_PORT: Final = 6379
# With the topology asked anew in between. What takes longer is a failover, and the caller's affair.
RETRIES: Final = 1
# Every first node may be tried within one call, and several may be gone without a word.
CONNECT_S: Final = 2.0
# Causes behind a failure, one inside the other; redis-py nests three.
_CAUSES: Final = 8
_URL: Final = re.compile(r"(?P<scheme>rediss?)\+cluster://(?P<rest>.*)", re.DOTALL)
_HOSTS: Final = re.compile(r"(?P<login>[^/?#]*@)?(?P<hosts>[^/?#@]*)(?P<tail>.*)", re.DOTALL)
_NO_CLUSTER: Final = "cluster support disabled"


class ClusterAddress(NamedTuple):
    """Where to ask for the cluster first, and how to connect to any of its nodes."""

    nodes: list[tuple[str, int]]
    options: dict[str, Any]


def is_cluster(url: str) -> bool:
    """Whether a URL names a cluster."""
    return _URL.match(url) is not None


def parse_cluster_url(url: str) -> ClusterAddress:
    """Read `redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT`; raises ValueError, telling no secret.

    Login and options are those of every node; options are redis-py's, as for one server.
    """
    found = _URL.match(url)
    split = _HOSTS.match(found["rest"]) if found is not None else None
    if found is None or split is None:
        raise ValueError("the URL of a Redis Cluster begins with redis+cluster://")
    nodes: list[tuple[str, int]] = []
    options: dict[str, Any] = {}
    for host in split["hosts"].split(","):
        login = split["login"] or ""
        options = parse(f"{found['scheme']}://{login}{host.strip()}{split['tail']}")
        name, port = options.pop("host", None), options.pop("port", DEFAULT_PORT)
        if not name:
            raise ValueError("redis+cluster:// wants nodes behind it: HOST:PORT,HOST:PORT")
        nodes.append((name, port))
    if options.pop("db", 0):
        raise ValueError("a Redis Cluster has database 0 only")
    options["ssl"] = options.pop("connection_class", None) is SSLConnection
    # What both clients take: one refuses others without a plain word, the other drops them.
    known = inspect.signature(redis.asyncio.RedisCluster).parameters.keys() & REDIS_ALLOWED_KEYS
    unknown = options.keys() - known
    if unknown:
        raise ValueError(f"redis+cluster:// knows no option {min(unknown)!r}")
    return ClusterAddress(nodes, options)


class FollowingCluster(redis.RedisCluster):
    """Follows ASK also to a node without slots, as a new master is while it is given its first.

    redis-py knows nodes by CLUSTER SLOTS, and breaks off at others (its issue 4015).
    """

    def get_node(
        self, host: str | None = None, port: int | None = None, node_name: str | None = None
    ) -> ClusterNode | None:
        """The node, where it is known, or named by a redirection."""
        node: ClusterNode | None = self.nodes_manager.get_node(host, port, node_name)
        if node is None and node_name is not None:
            node = ClusterNode(*_host_and_port(node_name), PRIMARY)
            with self.nodes_manager._lock:  # noqa: SLF001 - as redis-py does on MOVED
                self.nodes_manager.nodes_cache[node_name] = node
        return node


class FollowingAsyncCluster(redis.asyncio.RedisCluster):
    """The same for an event loop."""

    def get_node(
        self, host: str | None = None, port: int | None = None, node_name: str | None = None
    ) -> AsyncClusterNode | None:
        """The node, where it is known, or named by a redirection."""
        node = super().get_node(host, port, node_name)
        if node is None and node_name is not None:
            options: dict[str, Any] = self.get_connection_kwargs()
            node = AsyncClusterNode(*_host_and_port(node_name), PRIMARY, **options)
            self.nodes_manager.set_nodes(self.nodes_manager.nodes_cache, {node_name: node})
        return node


class AsyncClusterClients:
    """Several clients of one cluster, each for one command at a time; the others wait their turn.

    Whoever learns in redis-py's client for event loops that a node is gone, or the fifth that a slot
    has moved, closes connections under those who are using them, who get an `AttributeError`.
    """

    def __init__(self, clients: Sequence[redis.asyncio.RedisCluster]) -> None:
        self._clients = clients
        # The latest used first: it knows the topology.
        self._free: asyncio.LifoQueue[redis.asyncio.RedisCluster] = asyncio.LifoQueue()
        for client in clients:
            self._free.put_nowait(client)

    async def execute_command(self, *args: Any) -> Any:
        """Send by the next client that is free."""
        client = await self._free.get()
        try:
            # With the topology known first it goes where its key is, not anywhere to be sent on.
            return await (await client.initialize()).execute_command(*args)
        finally:
            self._free.put_nowait(client)

    async def aclose(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.aclose()
            # That does nothing where the client was about to ask for the topology anew.
            await client.nodes_manager.aclose()
            await client.nodes_manager.aclose("startup_nodes")


def connect_cluster(url: str, timeout_s: float) -> redis.RedisCluster:
    """A client that has asked for the topology; raises ValueError, or redis-py's errors."""
    nodes, options = parse_cluster_url(url)
    return FollowingCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes],
        retry=Retry(NoBackoff(), RETRIES),
        **_settled(timeout_s, options),
    )


def connect_async_cluster(url: str, timeout_s: float, count: int) -> AsyncClusterClients:
    """Clients for one event loop; each asks for the topology with its first command."""
    nodes, options = parse_cluster_url(url)
    return AsyncClusterClients(
        [
            FollowingAsyncCluster(
                startup_nodes=[AsyncClusterNode(host, port) for host, port in nodes],
                retry=AsyncRetry(NoBackoff(), RETRIES),
                **_settled(timeout_s, options),
            )
            for _ in range(count)
        ]
    )


def cluster_failure(error: Exception) -> RfmError:
    """What an error of a cluster as a whole means."""
    cause = _first_cause(error)
    if _NO_CLUSTER in str(cause):
        return UsageError(
            "RFM_REDIS_URL names a Redis that is no cluster: write redis:// in place of "
            "redis+cluster://"
        )
    told = f"{error}" if cause is error or str(cause) in str(error) else f"{error}: {cause}"
    return Transient(
        f"Redis does not answer: its cluster cannot do this just now (a failover, a slot on its "
        f"way?): {told}"
    )


def _settled(timeout_s: float, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        # Whom a person named is asked every time: behind a name there may be other addresses by
        # then, and all nodes found so far may be gone.
        "dynamic_startup_nodes": False,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(timeout_s, CONNECT_S),
        "decode_responses": False,
        **options,
    }


def _host_and_port(name: str) -> tuple[str, int]:
    host, _, port = name.rpartition(":")
    return host, int(port)


def _first_cause(error: BaseException) -> BaseException:
    for _ in range(_CAUSES):
        inner = error.__cause__ or error.__context__
        if not isinstance(inner, redis.RedisError | RedisClusterException):
            break
        error = inner
    return error
