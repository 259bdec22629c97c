"""Five workers under load while workers, Redis and the broker fail at random; then the oracle."""

from pathlib import Path
from random import Random

import pytest

from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
from tests.soak import chaos
from tests.soak.chaos import Chaos, Plan
from tests.soak.harness import install, settle
from tests.soak.public import Load
from tests.soak.reading import Reading
from tests.soak.seeds import draw_seed

MEMBERS = [("decide", "a"), ("decide", "b"), ("decide", "c"), ("intake", "a"), ("intake", "b")]
PARTITIONS = 6
CUSTOMERS = 300
SHORT = Plan(
    duration_s=14,
    faults={
        chaos.KILL: 6,
        chaos.PAUSE: 3,
        chaos.ZOMBIE: 1,
        chaos.REDIS_KILL: 1,
        chaos.REDIS_FLUSH: 1,
        chaos.REDIS_RESTORE: 1,
        chaos.BROKER_RESTART: 1,
    },
    session_timeout_ms=3_000,
    zombie_s=5.0,
)
# The product's own session timeout of 10 s.
LONG = Plan(
    duration_s=300,
    faults={
        chaos.KILL: 34,
        chaos.PAUSE: 16,
        chaos.ZOMBIE: 10,
        chaos.REDIS_KILL: 4,
        chaos.REDIS_FLUSH: 4,
        chaos.REDIS_RESTORE: 4,
        chaos.BROKER_RESTART: 2,
        chaos.BROKER_KILL: 1,
    },
    session_timeout_ms=None,
    zombie_s=13.0,
)


def soak(
    plan: Plan, kafka: EmbeddedKafka, server: EmbeddedRedis, folder: Path, rate: float
) -> None:
    """Run the plan under load, let everything drain, and compare."""
    seed = draw_seed()
    installation = install(
        "soak",
        kafka.bootstrap_servers,
        server.url,
        folder,
        partitions=PARTITIONS,
        max_batch_records=500,
    )
    load = Load(installation.settings, seed, CUSTOMERS, rate)
    troubles = Chaos(installation, kafka, server, plan, Random(seed), MEMBERS)
    load.start()
    try:
        troubles.run()
        published = load.end()
        with Reading(installation.settings) as reading:
            settle(installation, reading, troubles.workers, 120, with_intake=True)
            print(f"{troubles.restarts} restarts, {published.total()} events, {reading.summary()}")
            assert reading.complaints(published) == []
            assert min(reading.count_said().values()) > CUSTOMERS
    finally:
        load.end()
        troubles.end()


def test_a_short_soak(
    private_kafka: EmbeddedKafka, private_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    """Given load; when everything fails once; then nothing is missing and nothing is there twice."""
    soak(SHORT, private_kafka, private_redis, tmp_path, rate=150)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_soak(
    private_kafka: EmbeddedKafka, private_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    """The same with sixty kills and pauses."""
    soak(LONG, private_kafka, private_redis, tmp_path, rate=200)
