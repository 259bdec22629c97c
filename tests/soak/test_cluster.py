"""Deciders under load on a Redis Cluster whose masters die, are swapped and give slots away."""

import random
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.bootstrap import build_store
from tests.integration.deliver_rig import DeliverRig, webhook_environment
from tests.receiver import Receiver, listening
from tests.redis_cluster import HASTY_MS, RedisCluster
from tests.soak.cluster_faults import ClusterFaults
from tests.soak.deliver_schedule import Workers, complaints, publish_mix, run_kills, summary
from tests.soak.harness import Installation, Worker, install, settle, wait_until
from tests.soak.public import Load
from tests.soak.reading import Reading
from tests.soak.seeds import draw_seed

MEMBERS = [("decide", "a"), ("decide", "b"), ("intake", "a")]
PARTITIONS = 6
CUSTOMERS = 100
RATE = 120
DRAIN_S = 120
# Load between two faults, so that the next one meets a partition at work.
CALM_S = 1.0


@pytest.fixture
def cluster(server_dir: Path) -> Iterator[RedisCluster]:
    """A cluster of this test's own, with a master more that has no slots."""
    with RedisCluster.start(server_dir, node_timeout_ms=HASTY_MS, spares=1) as running:
        yield running


class Shop:
    """An installation on the cluster with its workers, which are begun again when they end."""

    def __init__(self, kafka: str, cluster: RedisCluster, folder: Path) -> None:
        self.installation: Installation = install(
            f"s{uuid.uuid4().hex[:10]}",
            kafka,
            cluster.url,
            folder,
            partitions=PARTITIONS,
            max_batch_records=500,
        )
        self.workers = [Worker(self.installation, role, name) for role, name in MEMBERS]

    def look_after(self) -> None:
        """Begin again who has ended; raise where one ended for a broken invariant."""
        for place, worker in enumerate(self.workers):
            worker.check()
            if worker.exit_code is not None:
                self.workers[place] = Worker(self.installation, worker.role, worker.instance)

    def wait_until_deciding(self) -> None:
        """Return once every partition has something in Redis."""
        store = build_store(self.installation.settings)
        wait_until(
            lambda: all(store.position(number) is not None for number in range(PARTITIONS)),
            60,
            "every partition to be decided",
        )

    def end(self) -> None:
        """Kill everybody."""
        for worker in self.workers:
            worker.kill()


def storm(kafka: str, cluster: RedisCluster, folder: Path, faults: list[tuple[str, int]]) -> None:
    """Do one harm after the other under load, let everything drain, and compare with the oracle.

    `faults` are names and partitions; `worker` kills one of them instead.
    """
    seed = draw_seed()
    rng = random.Random(seed)
    shop = Shop(kafka, cluster, folder)
    settings = shop.installation.settings
    load = Load(settings, seed, CUSTOMERS, RATE)
    harm = ClusterFaults(cluster, settings, rng)
    load.start()
    try:
        shop.wait_until_deciding()
        for name, partition in faults:
            if name == "worker":
                rng.choice(shop.workers).kill()
                print(f"{time.time():.3f}: a worker was killed")
            else:
                print(f"{time.time():.3f}: {harm.by_name[name](partition)}")
            shop.look_after()
            time.sleep(CALM_S)
        published = load.end()
        with Reading(settings) as reading:
            settle(shop.installation, reading, shop.workers, DRAIN_S, with_intake=True)
            print(f"{published.total()} events, {reading.summary()}")
            assert reading.complaints(published) == []
            assert min(reading.count_said().values()) > 0
    finally:
        load.end()
        shop.end()


@pytest.mark.soak
def test_a_lossy_failover_and_a_moved_slot_change_nothing(
    kafka: str, cluster: RedisCluster, tmp_path: Path
) -> None:
    """Given load; when acknowledged writes are lost and a slot moves; then nothing is missing."""
    storm(kafka, cluster, tmp_path, [("lossy failover", 0), ("slot move", 1)])


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_cluster_that_never_rests(kafka: str, cluster: RedisCluster, tmp_path: Path) -> None:
    """The same with every fault at every partition, and workers killed in between."""
    rng = random.Random(draw_seed())
    kinds = ["lossy failover", "failover", "swap", "slot move", "stale master"]
    faults = [(kind, number) for kind in kinds for number in range(PARTITIONS)]
    faults += [("worker", 0)] * 8
    rng.shuffle(faults)
    storm(kafka, cluster, tmp_path, faults)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_actions_go_out_while_masters_and_workers_die(
    kafka: str, cluster: RedisCluster, namespace: str
) -> None:
    """Given the delivery stage; when masters die with its marks and states; then nothing is lost."""
    seed = draw_seed()
    dice = random.Random(seed)
    environment = {
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": cluster.url,
        "RFM_NAMESPACE": namespace,
        "RFM_PARTITIONS": str(PARTITIONS),
    }
    rig = DeliverRig(environment)
    receiver = Receiver(fail_share=0.2, delay_s=0.02, seed=seed)
    mix = publish_mix(rig, 600, dice, by_mail=False)
    harm = ClusterFaults(cluster, rig.settings, dice)
    with listening(receiver) as url:
        workers = Workers({**environment, **webhook_environment(url)}, 2)
        try:
            run_kills(
                workers,
                receiver,
                len(mix.plain),
                4,
                dice,
                lambda kill: print(harm.kill_master(kill)),
            )
            rig.wait_for_outcomes(len(mix.with_outcome()), 180)
        finally:
            workers.end()
    reported = rig.outcomes()
    rig.close()
    print(summary(mix, receiver, reported))
    assert complaints(mix, receiver, reported) == []
