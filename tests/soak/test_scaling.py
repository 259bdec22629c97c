"""Workers come, go, die and are restarted in turn under load, and partitions become others.

Three deciders of twelve partitions become five; one leaves in good order, one is killed; then each is
restarted under its name, which moves no partition. What came out is judged by the oracle.
"""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
from streams.errors import UsageError
from streams.repartition.moving import Repartition
from tests.soak.harness import Installation, Worker, install, settle, wait_until
from tests.soak.public import Load
from tests.soak.reading import Reading
from tests.soak.seeds import draw_seed

PARTITIONS, OTHER_PARTITIONS = 12, 7
CUSTOMERS = 200
NAMES, ADDED = ("a", "b", "c"), ("d", "e")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is lived between two changes, and how soon a member that is gone is forgotten."""

    between_s: float
    session_timeout_ms: int | None
    rate: float


SHORT = Pace(between_s=0.7, session_timeout_ms=4_000, rate=150)
# The product's own session timeout of 10 s.
LONG = Pace(between_s=12, session_timeout_ms=None, rate=300)


class Crew:
    """The deciders of an installation by name, and one intake."""

    def __init__(self, installation: Installation, pace: Pace) -> None:
        self.installation = installation
        self.pace = pace
        self.workers: dict[str, Worker] = {}
        self.begin("intake", "i")

    def begin(self, role: str, name: str) -> None:
        """Start a worker under a name."""
        self.workers[name] = Worker(
            self.installation, role, name, session_timeout_ms=self.pace.session_timeout_ms
        )

    def add(self, *names: str) -> None:
        """More deciders."""
        for name in names:
            self.begin("decide", name)
        self.wait_for_share(*names)

    def live(self) -> None:
        """Let time pass under load; nobody may stop by itself."""
        time.sleep(self.pace.between_s)
        for worker in self.workers.values():
            worker.check()
            assert worker.exit_code is None, f"{worker.instance} ended:\n{worker.tail()}"

    def wait_for_share(self, *names: str) -> None:
        """Return once each of them has decided something to decide by."""
        for name in names:
            self.wait_for_more(name, 0)

    def wait_for_more(self, name: str, known: int) -> None:
        """Return once a decider has made more than `known` partitions ready."""
        wait_until(lambda: readied(self.workers[name]) > known, 60, f"{name} to get a share")

    def roll(self, *names: str) -> Counter[str]:
        """Restart the deciders one after the other; how many partitions each made ready meanwhile."""
        before = {name: readied(self.workers[name]) for name in names}
        for name in names:
            known = readied(self.workers[name])
            self.workers[name].stop()
            self.begin("decide", name)
            self.wait_for_more(name, known)
            self.live()
        return Counter({name: readied(self.workers[name]) - before[name] for name in names})

    def settle(self, reading: Reading) -> None:
        """Let everything be decided, and stop."""
        settle(self.installation, reading, list(self.workers.values()), 120, with_intake=True)

    def kill(self) -> None:
        """End everybody."""
        for worker in self.workers.values():
            worker.kill()


def readied(worker: Worker) -> int:
    """How often a partition was made ready, in all lives of a name."""
    text = worker.log.read_text() if worker.log.exists() else ""
    return sum(" is ready" in line for line in text.splitlines())


def is_at_rest(repartition: Repartition) -> bool:
    """Whether nobody is in the groups any more; whatever else is in the way is raised."""
    try:
        repartition.look()
    except UsageError as error:
        if "processes are running" in str(error):
            return False
        raise
    return True


def change_hands(crew: Crew) -> None:
    """Everything that can happen to the number of workers."""
    crew.add(*NAMES)
    crew.live()
    crew.add(*ADDED)
    crew.live()
    # In good order: it leaves, and the others have its share at once.
    crew.workers.pop("d").stop()
    crew.live()
    crew.workers["b"].kill()
    crew.begin("decide", "b")
    crew.live()


def scale(pace: Pace, kafka: str, redis_url: str, folder: Path) -> Installation:
    """Live through all of it under load, and compare."""
    installation = install(
        "scaling", kafka, redis_url, folder,
        partitions=PARTITIONS, max_batch_records=500, leave_on_stop=True,
    )  # fmt: skip
    load = Load(installation.settings, draw_seed(), CUSTOMERS, pace.rate)
    crew = Crew(installation, pace)
    load.start()
    try:
        change_hands(crew)
        published = load.end()
        with Reading(installation.settings) as reading:
            crew.settle(reading)
            assert reading.complaints(published) == []
            assert min(reading.count_said().values()) > CUSTOMERS
    finally:
        load.end()
        crew.kill()
    return installation


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_workers_come_and_go_under_load(
    private_kafka: EmbeddedKafka, private_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    scale(SHORT, private_kafka.bootstrap_servers, private_redis.url, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_workers_come_and_go_under_load_for_long(
    private_kafka: EmbeddedKafka, private_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    scale(LONG, private_kafka.bootstrap_servers, private_redis.url, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_rolling_restart_moves_no_partition(
    private_kafka: EmbeddedKafka, private_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    """Given static members; when each is restarted in turn; then each reads its own share again."""
    pace = Pace(between_s=3, session_timeout_ms=None, rate=200)
    installation = install(
        "rolling", private_kafka.bootstrap_servers, private_redis.url, tmp_path,
        partitions=PARTITIONS, max_batch_records=500,
    )  # fmt: skip
    load = Load(installation.settings, draw_seed(), CUSTOMERS, pace.rate)
    crew = Crew(installation, pace)
    load.start()
    try:
        crew.add(*NAMES)
        time.sleep(10)  # shares are even by now
        assert crew.roll(*NAMES) == Counter(dict.fromkeys(NAMES, PARTITIONS // len(NAMES)))
        published = load.end()
        with Reading(installation.settings) as reading:
            crew.settle(reading)
            assert reading.complaints(published) == []
    finally:
        load.end()
        crew.kill()


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("others", [OTHER_PARTITIONS, PARTITIONS + OTHER_PARTITIONS])
def test_lives_on_either_side_of_a_repartition_are_one(
    private_kafka: EmbeddedKafka, private_redis: EmbeddedRedis, tmp_path: Path, others: int
) -> None:
    """Given moving limits, timers and guards; when partitions change; then nothing is lost or twice."""
    first = scale(SHORT, private_kafka.bootstrap_servers, private_redis.url, tmp_path / "first")
    repartition = Repartition(first.settings, others)

    wait_until(lambda: is_at_rest(repartition), 60, "everybody to be forgotten")
    repartition.run()
    repartition.close()
    overrides = {**first.overrides, "partitions": others, "generation": 2}
    second = Installation(overrides, tmp_path / "first")
    load = Load(second.settings, draw_seed() + 1, CUSTOMERS, SHORT.rate)
    crew = Crew(second, SHORT)
    load.start()
    try:
        change_hands(crew)
        load.end()
        with Reading(first.settings) as old, Reading(second.settings) as reading:
            crew.settle(reading)
            assert reading.complaints(before=old.journal()) == []
    finally:
        load.end()
        crew.kill()
