"""A Redis Cluster of real servers on this machine, to be broken: masters, replicas and spare nodes.

Needs servers that know `cluster-port` (Redis 7.0, Valkey): the default, 10,000 above the port, lies
where the kernel takes client ports.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from streams.adapters.embedded import EmbeddedRedis
from streams.adapters.embedded.ports import find_free_port
from tests.waiting import wait_until

MASTERS = 3
# Nothing fails over that was not killed: a machine at work stalls for seconds.
PATIENT_MS = 15_000
# Where masters are killed on purpose. A takeover comes some two seconds after.
HASTY_MS = 1_500
READY_S = 30.0
_MOVED_AT_ONCE = 100


class Shard(NamedTuple):
    """Who serves a slot: its master, and the replicas that are not known to have failed."""

    master: EmbeddedRedis
    replicas: list[EmbeddedRedis]


class RedisCluster:
    """Running nodes. `start` them, use `url`, `stop` them or leave the `with` block."""

    def __init__(self, masters: list[EmbeddedRedis], replicas: list[EmbeddedRedis]) -> None:
        self.nodes = [*masters, *replicas]
        self._masters = masters
        self._replicas = replicas
        self._by_port = {port_of(node): node for node in self.nodes}

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        node_timeout_ms: int = PATIENT_MS,
        spares: int = 0,
        owner_pid: int | None = None,
    ) -> Self:
        """Start three masters and `spares` that have no slots yet, each with a replica."""
        shards = MASTERS + spares

        def start_node(number: int) -> EmbeddedRedis:
            options = _options(node_timeout_ms)
            data_dir = folder / f"redis-cluster-{number}"
            return EmbeddedRedis(data_dir.absolute(), find_free_port(), options, owner_pid)

        with ThreadPoolExecutor(2 * shards) as pool:
            nodes = list(pool.map(start_node, range(2 * shards)))
        cluster = cls(nodes[:shards], nodes[shards:])
        cluster._form()
        return cluster

    @property
    def spares(self) -> list[EmbeddedRedis]:
        """The masters that began without slots."""
        return self._masters[MASTERS:]

    @property
    def url(self) -> str:
        """For the product: any node may be asked first."""
        hosts = ",".join(f"127.0.0.1:{port_of(node)}" for node in self.nodes)
        return f"redis+cluster://{hosts}/0"

    def shard_of(self, key: str) -> Shard:
        """Who serves a key."""
        return self.shard(key_slot(key.encode()))

    def shard(self, slot: int, silent: EmbeddedRedis | None = None) -> Shard:
        """Who serves a slot, by the first node that runs."""
        asked = next(one for one in self.nodes if one.is_running and one is not silent)
        master = self._by_port[self._master_port(asked, slot)]
        known: bytes = self.ask(asked, "CLUSTER", "NODES")
        # Not by CLUSTER SLOTS, which leaves out a replica that has got no write yet.
        nodes = [line.split() for line in known.decode().splitlines()]
        by_port = {int(one[1].partition("@")[0].rpartition(":")[2]): one for one in nodes}
        followed = by_port[port_of(master)][0]
        replicas = [
            self._by_port[port]
            for port, one in by_port.items()
            if one[3] == followed and "fail" not in one[2]
        ]
        return Shard(master, replicas)

    def ask(self, node: EmbeddedRedis, *command: str | int | bytes) -> Any:
        """One command to one node, whatever its part in the cluster; the answer as it comes."""
        with direct(node) as client:
            return client.execute_command(*command)

    def wait_for_takeover(
        self, slot: int, old: EmbeddedRedis, silent: EmbeddedRedis | None = None
    ) -> EmbeddedRedis:
        """The new master of a slot, once every running node says so and serves again.

        One that is `silent`, because it sleeps, is not asked.
        """
        wait_until(
            lambda: all(
                self._master_port(node, slot) != port_of(old) and self._state(node) == "ok"
                for node in self.nodes
                if node.is_running and node is not silent
            ),
            READY_S,
            "a replica has taken over",
        )
        return self.shard(slot, silent).master

    def heal(self) -> None:
        """Start again what does not run, and wait until every master has a replica up to date."""
        for node in self.nodes:
            if not node.is_running:
                node.restart()
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Return once all nodes serve, and as many replicas follow as there were at first."""
        wait_until(self._is_whole, READY_S, "the cluster is whole")

    def fail_over(self, slot: int) -> EmbeddedRedis:
        """Swap a master and its replica in good order, as an operator would; the new master."""
        shard = self.shard(slot)
        self.ask(shard.replicas[0], "CLUSTER", "FAILOVER")
        return self.wait_for_takeover(slot, shard.master)

    @contextmanager
    def cut_off(self, slot: int) -> Iterator[None]:
        """What a master takes meanwhile does not reach its replica; both go on talking of states."""
        master, replicas = self.shard(slot)
        # Nobody has a password here, so that a replica that comes with one is refused.
        self.ask(replicas[0], "CONFIG", "SET", "masterauth", "wrong")
        self.ask(master, "CLIENT", "KILL", "TYPE", "replica")
        try:
            yield
        finally:
            self.ask(replicas[0], "CONFIG", "SET", "masterauth", "")

    def begin_move(self, slot: int, target: EmbeddedRedis) -> EmbeddedRedis:
        """Declare a slot on its way; the node it comes from."""
        source = self.shard(slot).master
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))
        return source

    def move_keys(self, slot: int, source: EmbeddedRedis, target: EmbeddedRedis, most: int) -> int:
        """Move some of its keys; the number moved."""
        keys: list[bytes] = self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, most)
        if keys:
            to: list[str | int] = ["127.0.0.1", port_of(target), "", 0, 10_000]
            self.ask(source, "MIGRATE", *to, "KEYS", *keys)
        return len(keys)

    def end_move(self, slot: int, source: EmbeddedRedis, target: EmbeddedRedis) -> None:
        """Give the slot to its new master, and wait until all nodes know."""
        new = self.id_of(target)
        for node in (target, source, *self.nodes):
            with direct(node) as client:
                if client.info("replication")["role"] == "master":
                    client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new)
        wait_until(
            lambda: all(self._master_port(node, slot) == port_of(target) for node in self.nodes),
            READY_S,
            "all nodes know where the slot is",
        )

    def move_slot(self, slot: int, target: EmbeddedRedis) -> None:
        """All of it, as `redis-cli --cluster reshard` does."""
        source = self.begin_move(slot, target)
        while self.move_keys(slot, source, target, _MOVED_AT_ONCE):
            pass
        self.end_move(slot, source, target)

    def id_of(self, node: EmbeddedRedis) -> str:
        """A node's own id."""
        found: bytes = self.ask(node, "CLUSTER", "MYID")
        return found.decode()

    def stop(self) -> None:
        """End every node."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _form(self) -> None:
        """Make a cluster of nodes that know nothing."""
        share = REDIS_CLUSTER_HASH_SLOTS // MASTERS
        for number, node in enumerate(self.nodes):
            self.ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(self._masters[:MASTERS]):
            first = number * share
            last = REDIS_CLUSTER_HASH_SLOTS - 1 if number == MASTERS - 1 else first + share - 1
            self.ask(node, "CLUSTER", "ADDSLOTSRANGE", first, last)
        for number, node in enumerate(self.nodes):
            # Each with each: what is left to gossip takes seconds.
            for other in self.nodes[number + 1 :]:
                self.ask(node, "CLUSTER", "MEET", "127.0.0.1", port_of(other), _bus_of(other))
        wait_until(self._is_acquainted, READY_S, "all nodes know each other")
        for master, replica in zip(self._masters, self._replicas, strict=True):
            self.ask(replica, "CLUSTER", "REPLICATE", self.id_of(master))
        self.wait_until_whole()

    def _is_acquainted(self) -> bool:
        return all(
            b"handshake" not in known
            and b"fail" not in known
            and known.count(b" connected") == len(self.nodes)
            for known in (self.ask(node, "CLUSTER", "NODES") for node in self.nodes)
        )

    def _is_whole(self) -> bool:
        if any(self._state(node) != "ok" for node in self.nodes) or not self._is_acquainted():
            return False
        following = 0
        for node in self.nodes:
            with direct(node) as client:
                told = client.info("replication")
            if told["role"] == "master":
                following += told["connected_slaves"]
            elif told["master_link_status"] != "up":
                return False
        return following == len(self._replicas)

    def _state(self, node: EmbeddedRedis) -> str:
        told: bytes = self.ask(node, "CLUSTER", "INFO")
        return dict(line.split(":") for line in told.decode().split())["cluster_state"]

    def _master_port(self, node: EmbeddedRedis, slot: int) -> int:
        """The master of a slot, as a node knows it; 0 where it knows none."""
        for first, last, master, *_ in self.ask(node, "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(master[1])
        return 0


@contextmanager
def direct(node: EmbeddedRedis) -> Iterator["redis.Redis"]:
    """A client of one node."""
    with redis.Redis.from_url(node.url, socket_timeout=5) as client:
        yield client


def port_of(node: EmbeddedRedis) -> int:
    """The port for clients."""
    return int(node.url.rpartition(":")[2].partition("/")[0])


def _bus_of(node: EmbeddedRedis) -> int:
    options = node._options
    return int(options[options.index("--cluster-port") + 1])


def _options(node_timeout_ms: int) -> list[str]:
    values = {
        "cluster-enabled": "yes",
        "cluster-config-file": "nodes.conf",
        "cluster-node-timeout": str(node_timeout_ms),
        "cluster-port": str(find_free_port()),
        # Replicas stay where a test looks for them, and stand however old they are.
        "cluster-allow-replica-migration": "no",
        "cluster-replica-validity-factor": "0",
        "repl-diskless-sync-delay": "0",
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
    }
    return [part for name, value in values.items() for part in (f"--{name}", value)]
