"""The subscribers of `examples/`: killed again and again on a real broker, each change applied once."""

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from schemas.customer_segments import CustomerSegments
from schemas.segment_changes import SegmentChanged
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.bootstrap import ensure_topics, names_of
from streams.core.values import stable_id
from streams.settings import Settings, load_settings
from tests.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples/subscribers"
WAIT_S = 60.0
KILLS = 3
CUSTOMERS = 40
SCHEMES = ("rfm", "loyalty", "behaviour")
SEGMENTS = ("Champions", "At Risk", "Lost Customers", None)
FLAGS: tuple[list[str], ...] = (["Bulk Buyer"], ["Bulk Buyer", "Spending Limiter"], [])
# In no committed record.
TAKEN_BACK = "taken back"


class Teller:
    """Tells changes as decide does: with the present segments, in one transaction.

    `lists` is what a subscriber must hold, `entered` what came since `forget_entered`.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        names = names_of(settings)
        self._changes, self._present = (
            names.topic("segment-changes"), names.topic("customer-segments"),
        )  # fmt: skip
        self._producer = TransactionalProducer(
            settings.kafka_config(), names.transactional_id("test", "teller")
        )
        self._dice = random.Random(seed)
        self._sequences: Counter[tuple[str, str]] = Counter()
        self._number = 0
        self.lists: dict[tuple[str, str], tuple[Any, int]] = {}
        self.entered: Counter[tuple[str, str]] = Counter()
        self.told = 0

    def tell(self, count: int) -> None:
        """Commit a transaction of so many changes; now and then one that is aborted comes first."""
        if self._dice.random() < 0.3:
            self._producer.begin()
            self._publish_taken_back()
            self._producer.flush()
            self._producer.abort()
        self.begin(count)
        self.commit()

    def begin(self, count: int, *, erases: bool = True) -> None:
        """Publish, and leave the transaction open."""
        self._producer.begin()
        for _ in range(count):
            customer_id = f"C-{self._dice.randrange(CUSTOMERS)}"
            if erases and self._dice.random() < 0.1:
                self._erase(customer_id)
            else:
                self._change(customer_id, lasting=not erases)
        self._producer.flush()

    def commit(self) -> None:
        """Commit what is open."""
        self._producer.commit()

    def close(self) -> None:
        self._producer.close()

    def _change(self, customer_id: str, *, lasting: bool) -> None:
        scheme = self._dice.choice(SCHEMES)
        known = self.lists.get((customer_id, scheme), (None, 0))[0]
        names: Sequence[Any] = FLAGS if scheme == "behaviour" else SEGMENTS
        segment = self._dice.choice([one for one in names if one != known and (one or not lasting)])
        self._say(customer_id, scheme, segment, "event")
        self._say_present(customer_id)

    def _erase(self, customer_id: str) -> None:
        for scheme in SCHEMES:
            if self.lists.get((customer_id, scheme), (None, 0))[0]:
                self._say(customer_id, scheme, None, "erasure")
        self._say_present(customer_id)

    def _say(self, customer_id: str, scheme: str, segment: Any, cause: str) -> None:
        self._sequences[customer_id, scheme] += 1
        self.told += 1
        self._publish(customer_id, scheme, segment, cause, self._sequences[customer_id, scheme])
        self.lists[customer_id, scheme] = (segment, self._sequences[customer_id, scheme])
        self.entered[scheme, json.dumps(segment)] += 1

    def _publish_taken_back(self) -> None:
        for number in range(CUSTOMERS):
            self._publish(f"C-{number}", "rfm", TAKEN_BACK, "event", 1_000)

    def _publish(
        self, customer_id: str, scheme: str, segment: Any, cause: str, sequence: int
    ) -> None:
        self._number += 1
        body = {
            **SegmentChanged.example(),
            "event_id": stable_id("test", str(self._number)),
            "customer_id": customer_id,
            "scheme": scheme,
            "previous": None,
            "current": segment,
            "cause": {"kind": cause},
            "sequence": sequence,
        }
        value = SegmentChanged.model_validate(body).model_dump_json().encode()
        self._producer.publish(self._changes, customer_id.encode(), value, (), None)

    def _say_present(self, customer_id: str) -> None:
        segments = {
            scheme: {"segment": one[0], "since": "2026-03-01T09:30:00.000Z", "sequence": one[1]}
            for scheme in SCHEMES
            if (one := self.lists.get((customer_id, scheme))) is not None
        }
        value = None
        if any(one["segment"] for one in segments.values()):
            body = {"customer_id": customer_id, "segments": segments}
            contract = CustomerSegments.model_validate(body)
            value = contract.model_dump_json().encode()
        else:
            for scheme in SCHEMES:
                self.lists.pop((customer_id, scheme), None)
        self._producer.publish(self._present, customer_id.encode(), value, (), None)


class Program:
    """One of the examples, which may be killed."""

    def __init__(self, name: str, settings: Settings, folder: Path) -> None:
        self.path = folder / "lists.db"
        self._log = folder / "log.txt"
        self._command = [
            sys.executable, str(EXAMPLES / f"{name}.py"), str(self.path),
            settings.kafka_bootstrap_servers, settings.namespace,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        """SIGKILL, after seeing that it did not end by itself."""
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        self._process.kill()
        self._process.wait()
        self._process = None

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What its file says; nothing before there is one."""
        if not self.path.exists():
            return []
        with closing(sqlite3.connect(self.path, timeout=30)) as db:
            try:
                return db.execute(query).fetchall()
            except sqlite3.OperationalError:
                return []  # its tables are being made

    def wait_for(self, query: str, least: int) -> None:
        """Until the first figure of an answer is at least that."""

        def is_there() -> bool:
            assert self._process is None or self._process.poll() is None, self._log.read_text()
            return bool(found := self.ask(query)) and found[0][0] >= least

        wait_until(is_there, WAIT_S, f"{query} gives {least}\n{self._tail()}")

    def _tail(self) -> str:
        return self._log.read_text()[-2_000:] if self._log.exists() else ""

    def lists(self) -> dict[tuple[str, str], tuple[Any, int]]:
        rows = self.ask("SELECT customer, scheme, segment, sequence FROM lists")
        return {(one[0], one[1]): (json.loads(one[2]), one[3]) for one in rows}

    def entered(self) -> Counter[tuple[str, str]]:
        return Counter({(one[0], one[1]): one[2] for one in self.ask("SELECT * FROM entered")})


@pytest.fixture
def settings(kafka: str, namespace: str) -> Settings:
    found = load_settings(kafka_bootstrap_servers=kafka, namespace=namespace, partitions=3)
    ensure_topics(found)
    return found


@pytest.fixture
def teller(settings: Settings) -> Iterator[Teller]:
    found = Teller(settings, 7)
    yield found
    found.close()


@pytest.mark.parametrize("name", ["on_confluent_kafka", "on_faust"])
def test_each_change_is_applied_once_whatever_is_killed(
    name: str, settings: Settings, teller: Teller, tmp_path: Path
) -> None:
    """Given history and an open transaction; when it starts and dies on the way; then all is once."""
    for _ in range(10):
        teller.tell(20)
    # what is open while it starts stands in both topics, and must count as one of them
    teller.begin(20, erases=False)
    program = Program(name, settings, tmp_path)
    program.start()
    try:
        time.sleep(0.5)
        teller.commit()
        program.wait_for("SELECT count(*) FROM positions", settings.partitions)
        teller.entered.clear()
        known = teller.told
        for _ in range(KILLS):
            before = teller.told - known
            for _ in range(5):
                teller.tell(20)
            # in the middle of what was just told
            program.wait_for("SELECT count(*) FROM seen", before + 10)
            program.kill()
            program.start()
        teller.tell(20)
        wait_until(lambda: program.lists() == teller.lists, WAIT_S, "all is applied")
        program.kill()
        assert program.lists() == teller.lists
        assert program.entered() == teller.entered
    finally:
        program.end()


def test_positions_that_are_set_back_apply_nothing_twice(
    settings: Settings, teller: Teller, tmp_path: Path
) -> None:
    """Given a file whose positions are those of the start; then the ids say what was done."""
    teller.tell(20)
    program = Program("on_confluent_kafka", settings, tmp_path)
    program.start()
    try:
        program.wait_for("SELECT count(*) FROM positions", settings.partitions)
        teller.entered.clear()
        before = program.ask("SELECT number, next FROM positions")
        told = teller.told
        for _ in range(5):
            teller.tell(20)
        program.wait_for("SELECT count(*) FROM seen", teller.told - told)
        program.kill()
        after = program.ask("SELECT number, next FROM positions")
        with closing(sqlite3.connect(program.path)) as db, db:
            db.executemany("UPDATE positions SET next = ? WHERE number = ?",
                           [(offset, number) for number, offset in before])  # fmt: skip
        program.start()
        reached = sum(offset for _, offset in after)
        program.wait_for("SELECT sum(next) FROM positions", reached)
        program.kill()
        assert program.lists() == teller.lists
        assert program.entered() == teller.entered
    finally:
        program.end()


def test_more_partitions_of_the_topic_end_a_program_that_would_not_read_them(
    settings: Settings, teller: Teller, tmp_path: Path
) -> None:
    teller.tell(5)
    program = Program("on_confluent_kafka", settings, tmp_path)
    program.start()
    try:
        program.wait_for("SELECT count(*) FROM positions", settings.partitions)
        program.kill()
        topic = names_of(settings).topic("segment-changes")
        admin = AdminClient(settings.kafka_config())
        admin.create_partitions([NewPartitions(topic, settings.partitions + 1)])[topic].result()
        wait_until(
            lambda: (
                len(admin.list_topics(topic, 10).topics[topic].partitions) > settings.partitions
            ),
            WAIT_S,
            "the broker shows the new partition",
        )
        program.start()
        process = program._process
        assert process is not None
        assert process.wait(WAIT_S) == 1
        assert "remove the file" in program._tail()
        program._process = None
    finally:
        program.end()


def test_a_missing_change_stops_the_program(
    settings: Settings, teller: Teller, tmp_path: Path
) -> None:
    """Given a number beyond the next one; then it says so, and applies nothing behind it."""
    teller.tell(20)
    program = Program("on_confluent_kafka", settings, tmp_path)
    program.start()
    try:
        program.wait_for("SELECT count(*) FROM positions", settings.partitions)
        (customer_id, scheme), (_, sequence) = next(iter(teller.lists.items()))
        producer = teller._producer
        producer.begin()
        teller._publish(customer_id, scheme, "Champions", "event", sequence + 2)
        producer.commit()
        process = program._process
        assert process is not None
        assert process.wait(WAIT_S) == 1
        assert "are missing" in program._tail()
        assert program.lists()[customer_id, scheme] == teller.lists[customer_id, scheme]
        program._process = None
    finally:
        program.end()
