"""`StateStore` on Redis. Foreign errors are mapped here; every write is idempotent under its guard."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import AskError, ClusterError, RedisClusterException, TryAgainError
from redis.retry import Retry

from streams.adapters.redis.cluster import cluster_failure, connect_cluster, is_cluster
from streams.adapters.redis.keys import Keys, PartitionKeys
from streams.adapters.redis.scripts import APPLY, LOAD, LOAD_TIMERS, SCAN, Client, Script
from streams.adapters.redis.url import parse
from streams.errors import BrokenInvariant, Denied, Transient, UsageError
from streams.ports import Outcome, PositionChanged, StoredPosition, StoreWrite, check_generation

# Fields per HSCAN: some 100 KiB an answer.
SCAN_COUNT = 500
# A server's life is named by 40 hexadecimal digits, which a cursor of ours has below Redis's own.
_LIFE_BITS = 160
_POLICY = "noeviction"
_NO_REPLICAS = "NOREPLICAS"
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
# A refusal within a script has no error code of its own: the words of Redis 7 and Valkey, and of older.
_REFUSED_IN_SCRIPT = ("ACL failure in script", "The user executing the script can't")


def connect(url: str, *, timeout_s: float = 5.0) -> Client:
    """A client that answers or fails within `timeout_s`; retries are the caller's, under the guard.

    That of a cluster asks for the topology at once. Raises ValueError where the URL is none, and as
    `mapped` does.
    """
    if is_cluster(url):
        with mapped():
            return connect_cluster(url, timeout_s)
    parse(url)
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1),
        decode_responses=False,
    )


def ping(client: Client) -> None:
    """Raise `Transient` unless Redis answers, in a cluster every master."""
    with mapped():
        if isinstance(client, redis.RedisCluster):
            for node in client.get_primaries():
                client.get_redis_connection(node).ping()
        else:
            client.ping()


class RedisStateStore:
    """States of one journal (namespace and generation) in Redis, one server or a cluster."""

    def __init__(self, client: Client, keys: Keys, generation: str) -> None:
        self._client = client
        self._keys = keys
        self._generation = generation
        self._checked: set[str] = set()

    def check(self) -> None:
        """Refuse a Redis that would drop states on its own account; in a cluster any of its nodes."""
        client = self._client
        if not isinstance(client, redis.RedisCluster):
            with mapped():
                policy = _eviction_policy(client)
            _demand_no_eviction(policy, "Redis")
            return
        for node in client.get_primaries():
            self._check_node(client, node)
        for node in client.get_replicas():
            # One that is away is asked when it has become a master.
            with suppress(Transient):
                self._check_node(client, node)

    def position(self, partition: int) -> StoredPosition | None:
        """Where a partition stands."""
        keys = self._keys.partition(partition)
        self._check_owner(keys)
        with mapped():
            # The client is typed for both kinds of answers; ours are bytes.
            found: Any = self._client.hmget(
                keys.position, ["generation", "offset", "partition", "rules", "snapshot"]
            )
        generation, offset, record, rules, snapshot = found
        if generation is None or offset is None:
            return None
        check_generation(generation.decode(), self._generation, partition)
        return StoredPosition(generation.decode(), int(offset), record, rules, snapshot)

    def load(self, partition: int, base: int, ids: Sequence[str]) -> list[bytes | None]:
        """States by id, if the position is `base`."""
        keys = self._keys.partition(partition)
        values: list[bytes | None] = self._run(LOAD, keys, [base, *ids])
        return values

    def load_timers(
        self, partition: int, base: int, after: tuple[int, str] | None, limit: int
    ) -> list[tuple[int, str]]:
        """Timers behind `after`, in order, if the position is `base`."""
        keys = self._keys.partition(partition)
        found: list[tuple[int, str]] = []
        skipped, least = 0, "-inf" if after is None else str(after[0])
        while len(found) < limit:
            flat = self._run(LOAD_TIMERS, keys, [base, least, skipped, limit])
            page = [
                (int(float(due)), customer_id.decode())
                for customer_id, due in zip(flat[::2], flat[1::2], strict=True)
            ]
            # Many customers may share the due instant of `after`; those up to it are known.
            found += [timer for timer in page if after is None or timer > after]
            skipped += len(page)
            if len(page) < limit:
                break
        return found[:limit]

    def apply(self, write: StoreWrite) -> Outcome:
        """Write if the guard allows."""
        keys = self._keys.partition(write.partition)
        removed = [customer_id for customer_id, due_ms in write.timers if due_ms is None]
        arguments: list[Any] = [
            self._generation,
            write.base,
            write.new,
            write.partition_record or b"",
            write.rules_record or b"",
            write.snapshot_record or b"",
            len(write.states),
            len(write.timers) - len(removed),
            len(removed),
            len(write.population),
        ]
        for state in write.states:
            arguments += state
        for customer_id, due_ms in write.timers:
            if due_ms is not None:
                arguments += (due_ms, customer_id)
        arguments += removed
        for named in write.population.items():
            arguments += named
        return Outcome(self._run(APPLY, keys, arguments).decode())

    def wipe(self, partition: int) -> None:
        """Remove a partition in one command: a position without its states would be believed.

        Another worker may be writing the partition anew at this very moment; whichever comes first,
        what is left is either whole or has no position.
        """
        client: Any = self._client
        with mapped():
            # Not `unlink`: that of a cluster's client goes by another way, with other retries.
            client.execute_command("UNLINK", *self._keys.partition(partition))

    def scan(self, partition: int) -> Iterator[tuple[str, bytes]]:
        """All customers of a partition, each once.

        Begins again where another server answers than before: a replica that took over, or the same
        one restarted. What it would give for the cursor of the other leaves customers out.
        """
        seen: set[bytes] = set()
        life, cursor = b"", 0
        while True:
            answering, following, page = self._page(partition, cursor, SCAN_COUNT)
            if cursor and answering != life:
                cursor = 0
                continue
            life, cursor = answering, following
            for customer_id, value in page:
                if customer_id not in seen:
                    seen.add(customer_id)
                    yield customer_id.decode(), value
            if cursor == 0:
                return

    def scan_page(
        self, partition: int, cursor: int, count: int
    ) -> tuple[int, list[tuple[str, bytes]]]:
        """About `count` customers from a cursor on, and the next cursor, 0 at the end.

        Raises `PositionChanged` where another server answers than the one that gave the cursor.
        """
        answering, following, page = self._page(partition, cursor >> _LIFE_BITS, count)
        life = int(answering, 16)
        if cursor and cursor % (1 << _LIFE_BITS) != life:
            raise PositionChanged(
                f"another server answers for partition {partition} than where the walk began"
            )
        named = following << _LIFE_BITS | life if following else 0
        return named, [(key.decode(), value) for key, value in page]

    def population(self, partition: int) -> dict[str, bytes]:
        """The records about the whole partition by name."""
        with mapped():
            found: Any = self._client.hgetall(self._keys.partition(partition).population)
        return {name.decode(): value for name, value in found.items()}

    def count_timers(self, partition: int, until_ms: int) -> tuple[int, int]:
        """Timers in all, and those due."""
        keys = self._keys.partition(partition)
        with mapped():
            total = self._client.zcard(keys.timers)
            due = self._client.zcount(keys.timers, "-inf", until_ms)
        return int(total), int(due)

    def _page(
        self, partition: int, cursor: int, count: int
    ) -> tuple[bytes, int, list[tuple[bytes, bytes]]]:
        """The life of the server that answered, the next cursor, and ids with states."""
        life, (following, flat) = self._run(SCAN, self._keys.partition(partition), [cursor, count])
        return life, int(following), list(zip(flat[::2], flat[1::2], strict=True))

    def _run(self, script: Script, keys: PartitionKeys, arguments: Iterable[Any]) -> Any:
        self._check_owner(keys)
        with mapped():
            try:
                return script.run(self._client, keys, arguments)
            except redis.ResponseError as error:
                if str(error).startswith("POSITION"):
                    raise PositionChanged(f"the store is at {str(error)[9:]}") from error
                raise

    def _check_owner(self, keys: PartitionKeys) -> None:
        """Check a node when a partition is first met on it: failovers and new masters move them."""
        client = self._client
        if isinstance(client, redis.RedisCluster):
            with mapped():
                node = client.get_node_from_key(keys.position)
            if node.name not in self._checked:
                # Where it is away the command that follows finds out, and who is in its place.
                with suppress(Transient):
                    self._check_node(client, node)

    def _check_node(self, client: redis.RedisCluster, node: ClusterNode) -> None:
        with mapped():
            policy = _eviction_policy(client.get_redis_connection(node))
        _demand_no_eviction(policy, f"Redis at {node.name}")
        self._checked.add(node.name)


def _demand_no_eviction(policy: str | None, where: str) -> None:
    if policy not in (None, _POLICY):
        raise BrokenInvariant(
            f"{where} has maxmemory-policy {policy}, which drops customers when memory is short; "
            f"set it to {_POLICY}"
        )


def _eviction_policy(client: redis.Redis) -> str | None:
    # CONFIG would tell it too, but also the server's passwords: nobody should need to allow it.
    found: Any = client.info("memory")
    return str(found["maxmemory_policy"]) if "maxmemory_policy" in found else None


def _is_refused_in_script(error: redis.ResponseError) -> bool:
    return str(error).startswith(_REFUSED_IN_SCRIPT)


@contextmanager
def mapped() -> Iterator[None]:
    """Turn a server that cannot be asked right now into `Transient`, one that refuses into `Denied`.

    A login or certificate that is refused is a `UsageError`.
    """
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.AuthorizationError) as error:
        raise UsageError(
            f"Redis refuses the login ({error}): check user and password in RFM_REDIS_URL"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError) as error:
        if _UNTRUSTED in str(error):
            raise UsageError(
                f"the certificate of Redis is not trusted ({error}): name its authority by "
                "?ssl_ca_certs=FILE in RFM_REDIS_URL, and the server by a name in it"
            ) from error
        raise Transient(f"Redis does not answer: {error}") from error
    except redis.ReadOnlyError as error:
        raise Transient(f"Redis is read-only just now (a failover?): {error}") from error
    except AskError as error:
        # MOVED too. A cluster's client follows both by itself.
        raise UsageError(
            f"RFM_REDIS_URL names one node of a Redis Cluster ({error}): write redis+cluster:// and "
            "several of its nodes, HOST:PORT,HOST:PORT"
        ) from error
    except (ClusterError, RedisClusterException, TryAgainError) as error:
        raise cluster_failure(error) from error
    except redis.ResponseError as error:
        if isinstance(error, redis.exceptions.NoPermissionError) or _is_refused_in_script(error):
            raise Denied(
                f"Redis does not allow this login what its role needs ({error}): `rfm-streams topics "
                "acl` prints it"
            ) from error
        if str(error).startswith(_NO_REPLICAS):
            raise Transient(f"Redis takes no write (min-replicas-to-write): {error}") from error
        raise
