"""What happens to a Redis Cluster: masters die with and without loss, are swapped, sleep; slots move."""

import os
import signal
from collections.abc import Callable
from random import Random

from redis.crc import key_slot

from streams.adapters.embedded import EmbeddedRedis
from streams.adapters.redis.keys import Keys
from streams.settings import Settings
from tests.redis_cluster import RedisCluster, direct
from tests.soak.harness import wait_until

# Under load a partition is written several times a second.
LOSS_S = 30.0


class ClusterFaults:
    """Does harm to the shard that holds a partition of an installation."""

    def __init__(self, cluster: RedisCluster, settings: Settings, rng: Random) -> None:
        self._cluster = cluster
        self._settings = settings
        self._rng = rng
        self.by_name: dict[str, Callable[[int], str]] = {
            "lossy failover": self.lose_writes,
            "failover": self.kill_master,
            "swap": self.swap,
            "slot move": self.move_slot,
            "stale master": self.pause_master,
        }

    def lose_writes(self, partition: int) -> str:
        """Kill a master with writes that its replica, which takes over, never got."""
        slot, cluster = self._slot(partition), self._cluster
        old, (replica, *_) = cluster.shard(slot)
        lost = 0
        with cluster.cut_off(slot):

            def is_lossy() -> bool:
                nonlocal lost
                lost = self._offset(old, partition) - self._offset(replica, partition)
                return lost > 0

            wait_until(is_lossy, LOSS_S, "writes that the replica does not get")
            old.kill()
        cluster.wait_for_takeover(slot, old)
        cluster.heal()
        return f"the master of partition {partition} died with {lost} offsets and more"

    def kill_master(self, partition: int) -> str:
        """Kill a master; its replica takes over, and it comes back as a replica."""
        old = self._cluster.shard(self._slot(partition)).master
        old.kill()
        self._cluster.wait_for_takeover(self._slot(partition), old)
        self._cluster.heal()
        return f"the master of partition {partition} died"

    def swap(self, partition: int) -> str:
        """Swap a master and its replica in good order."""
        self._cluster.fail_over(self._slot(partition))
        self._cluster.wait_until_whole()
        return f"master and replica of partition {partition} were swapped"

    def move_slot(self, partition: int) -> str:
        """Move a partition's slot to another master."""
        slot = self._slot(partition)
        source = self._cluster.shard(slot).master
        others = [node for node in self._masters() if node is not source]
        self._cluster.move_slot(slot, self._rng.choice(others))
        return f"the slot of partition {partition} was moved"

    def pause_master(self, partition: int) -> str:
        """Let a master sleep until it is one no more, and wake it: for a moment it does not know."""
        old = self._cluster.shard(self._slot(partition)).master
        os.kill(old.pid, signal.SIGSTOP)
        try:
            # What sleeps says nothing, so only the others are asked.
            self._cluster.wait_for_takeover(self._slot(partition), old, silent=old)
        finally:
            os.kill(old.pid, signal.SIGCONT)
        self._cluster.wait_until_whole()
        return f"the master of partition {partition} slept and woke as one that is none"

    def _slot(self, partition: int) -> int:
        return key_slot(self._key(partition).encode())

    def _key(self, partition: int) -> str:
        return Keys(self._settings.namespace).partition(partition).position

    def _offset(self, node: EmbeddedRedis, partition: int) -> int:
        with direct(node) as client:
            client.execute_command("READONLY")
            return int(client.hget(self._key(partition), "offset") or 0)

    def _masters(self) -> list[EmbeddedRedis]:
        found = []
        for node in self._cluster.nodes:
            with direct(node) as client:
                if client.info("replication")["role"] == "master":
                    found.append(node)
        return found
