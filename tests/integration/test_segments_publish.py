"""`segments publish` after an upgrade: customers decided before there was a topic, beside live ones."""

import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from streams.adapters.kafka.config import producer_config
from streams.adapters.kafka.segment_requests import SegmentRequests
from streams.bootstrap import build_store, ensure_topics, names_of
from streams.cli.segments_publish import request_all
from streams.codec.journal import encode_input
from streams.codec.present_segments import CUSTOMER_SEGMENTS
from streams.core.inputs import OrderPlaced
from streams.core.values import DAY_MS
from streams.errors import Transient
from streams.insights.topic_reader import TopicReader
from streams.settings import Settings, load_settings
from tests.command_line import run_command
from tests.integration.running import running
from tests.soak.oracle import Said, compare_present
from tests.soak.reading import Reading, read_store
from tests.waiting import wait_until

# Several pages of each partition.
CUSTOMERS = 1_500
PARTITIONS = 2
WAIT_S = 60.0


@pytest.fixture
def environment(kafka: str, redis_url: str, namespace: str) -> dict[str, str]:
    return {
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_NAMESPACE": namespace,
        "RFM_PARTITIONS": str(PARTITIONS),
        "RFM_METRICS_PORT": "0",
        "RFM_LOG_FORMAT": "json",
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return load_settings()


class Orders:
    """Journals orders that arrive now, in batches or without pause."""

    def __init__(self, settings: Settings) -> None:
        self._topic = names_of(settings).topic("rfm.journal")
        self._producer = Producer(producer_config(settings.kafka_config()))
        self._number = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def send(self, count: int, days_ago: float) -> None:
        for _ in range(count):
            self._send_one(days_ago)
        assert self._producer.flush(30) == 0

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join()
        assert self._producer.flush(30) == 0

    def _run(self) -> None:
        while not self._ending.wait(0.002):
            self._send_one(0.0)

    def _send_one(self, days_ago: float) -> None:
        now_ms = time.time_ns() // 1_000_000
        self._number += 1
        customer_id = f"C-{self._number * 7 % CUSTOMERS}"
        order = OrderPlaced(
            event_id=f"e{self._number}", customer_id=customer_id,
            occurred_at_ms=now_ms - round(days_ago * DAY_MS), received_at_ms=now_ms,
            identity=self._number, source="test", order_id=f"o{self._number}", total_minor=20_000,
        )  # fmt: skip
        self._producer.produce(self._topic, encode_input(order), customer_id.encode())
        self._producer.poll(0)


def present(settings: Settings) -> dict[bytes, Said]:
    with Reading(settings) as reading:
        return reading._read_present()


def count(settings: Settings) -> int:
    """Records of the topic so far."""
    reader = TopicReader(settings.kafka_config(), names_of(settings).topic(CUSTOMER_SEGMENTS))
    try:
        return sum(reader.bounds(number).end for number in range(PARTITIONS))
    finally:
        reader.close()


def replace_topic(settings: Settings) -> None:
    """As if there had been none until now."""
    admin = AdminClient(settings.kafka_config())
    name = names_of(settings).topic(CUSTOMER_SEGMENTS)
    admin.delete_topics([name])[name].result(WAIT_S)
    wait_until(lambda: name not in admin.list_topics(timeout=10).topics, WAIT_S, "it is deleted")
    ensure_topics(settings)


def complaints(settings: Settings) -> list[str]:
    found = present(settings)
    return compare_present(found, found, read_store(settings))


def test_a_topic_is_filled_beside_live_changes(
    environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    """Given customers it does not know; when it is filled meanwhile; then their latest is there."""
    for command in (("topics", "create"), ("rules", "apply")):
        assert run_command(environment, *command).code == 0
    orders = Orders(settings)
    orders.send(CUSTOMERS, 200)
    with Reading(settings) as reading, running(["decide"], environment, tmp_path) as run:
        run.wait_ready("decide main-0")
        wait_until(lambda: reading.what_is_left() is None, WAIT_S, "all is decided")
        assert len(present(settings)) == CUSTOMERS
        assert run.end() == 0
        replace_topic(settings)
    with Reading(settings) as reading, running(["decide"], environment, tmp_path) as run:
        run.wait_ready("decide main-0")
        assert present(settings) == {}
        orders.begin()
        try:
            ran = run_command(environment, "segments", "publish")
        finally:
            orders.end()
        assert ran.code == 0, ran.err
        assert f"{CUSTOMERS} customers are told" in ran.err
        wait_until(lambda: reading.what_is_left() is None, WAIT_S, "all is decided")
        assert complaints(settings) == []
        told, before = present(settings), count(settings)
        assert len(told) == CUSTOMERS
        assert run_command(environment, "segments", "publish").code == 0
        wait_until(lambda: count(settings) > before, WAIT_S, "it is told again")
        assert present(settings) == told
        assert run.end() == 0


def test_where_nobody_answers_it_says_what_to_do(
    environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    """Given nobody who decides; then the command ends, and what it asked is answered later."""
    for command in (("topics", "create"), ("rules", "apply")):
        assert run_command(environment, *command).code == 0
    ran = run_command(environment, "segments", "publish")
    assert ran.code == 2
    assert "nothing was decided yet" in ran.err
    Orders(settings).send(10, 1)
    with Reading(settings) as reading, running(["decide"], environment, tmp_path) as run:
        run.wait_ready("decide main-0")
        wait_until(lambda: reading.what_is_left() is None, WAIT_S, "all is decided")
        assert run.end() == 0
    replace_topic(settings)
    requests = SegmentRequests(settings.kafka_config(), names_of(settings))
    advanced: list[int] = []
    with pytest.raises(Transient, match="see that decide runs"):
        request_all(build_store(settings), [0, 1], requests, advanced.append, 0.5)
    requests.close()
    assert advanced == []
    with running(["decide"], environment, tmp_path):
        wait_until(lambda: len(present(settings)) == 10, WAIT_S, "it is answered")
    assert complaints(settings) == []
