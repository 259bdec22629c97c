"""An installation's topics on a real broker, with intake workers to start, crash and judge."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from schemas.dead_letters import Reason
from streams.adapters.kafka.config import producer_config, reader_config
from streams.bootstrap import ensure_topics, names_of
from streams.codec.journal import decode_input
from streams.core.inputs import CustomerEvent, Input
from streams.intake.build import Intake, build_intake
from streams.intake.cycle import Step
from streams.intake.ports import Source
from streams.runtime.measures import NO_POSITIONS
from streams.settings import Settings, load_settings
from tests.waiting import wait_until

WAIT_S = 60
Headers = list[tuple[str, str | bytes | None]]


class Letter(NamedTuple):
    """One record as a reader sees it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    def header(self, name: str) -> str:
        """Text of the last header of that name."""
        return next(
            value.decode()
            for key, value in self.headers[::-1]
            if key == name and isinstance(value, bytes)
        )


class Recorder:
    """`IntakeMeasures` that keeps what it was told."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.ages_s: list[float] = []
        self.aborts: list[str] = []
        self.reasons: list[Reason] = []
        self.unread: dict[Source, int] = {}
        self.positions: dict[Source, int] = {}
        self.fences = 0

    def polled(self, records: int) -> None:
        assert records >= 0

    def committed(self, records: int, seconds: float, event_to_journal_s: float | None) -> None:
        assert seconds >= 0
        self.batches.append(records)
        if event_to_journal_s is not None:
            self.ages_s.append(event_to_journal_s)

    def aborted(self, reason: str, positions: Mapping[str, int] = NO_POSITIONS) -> None:
        self.aborts.append(reason)

    def dead_letter(self, reason: Reason) -> None:
        self.reasons.append(reason)

    def owned(self, unread: Mapping[Source, int], positions: Mapping[Source, int]) -> None:
        self.unread = dict(unread)
        self.positions = dict(positions)

    def has_read_all(self, sources: int) -> bool:
        """Whether so many sources are owned and, as was told last, nothing of them is unread."""
        return len(self.unread) == sources and set(self.unread.values()) == {0}

    def fenced(self) -> None:
        self.fences += 1


class Rig:
    """Topics of one namespace; `publish` writes to the public ones, `journal` and others read."""

    def __init__(self, bootstrap_servers: str, namespace: str, **overrides: object) -> None:
        self.settings: Settings = load_settings(
            kafka_bootstrap_servers=bootstrap_servers,
            namespace=namespace,
            **{"partitions": 2, **overrides},  # type: ignore[arg-type]
        )
        self.names = names_of(self.settings)
        ensure_topics(self.settings)
        self._producer = Producer(producer_config(self.settings.kafka_config()))

    def publish(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers | None = None,
        partition: int = -1,
    ) -> None:
        """Queue one record; `flush` sends it."""
        self._producer.produce(self.names.topic(topic), value, key, partition, headers=headers)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until the broker has all that was published."""
        assert self._producer.flush(WAIT_S) == 0

    @contextmanager
    def intake(
        self, instance: str = "a", observe: Callable[[Step], None] = lambda step: None
    ) -> Iterator[tuple[Intake, Recorder]]:
        """A worker that leaves as a killed one does: nothing is aborted, nothing committed."""
        measures = Recorder()
        intake = build_intake(self.settings, instance, measures, observe)
        try:
            yield intake, measures
        finally:
            intake.close()

    def fetch(self, topic: str) -> list[Letter]:
        """Every committed record of a topic, partition by partition."""
        consumer = Consumer(reader_config(self.settings.kafka_config()))
        physical = self.names.topic(topic)
        partitions = consumer.list_topics(physical, timeout=WAIT_S).topics[physical].partitions
        consumer.assign([TopicPartition(physical, number, 0) for number in partitions])
        found: list[Letter] = []
        unfinished = set(partitions)
        deadline = time.monotonic() + WAIT_S
        while unfinished:
            assert time.monotonic() < deadline, f"the end of {physical} did not come"
            for message in consumer.consume(10_000, 0.1):
                error, partition = message.error(), message.partition()
                assert partition is not None
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    unfinished.discard(partition)
                    continue
                found.append(
                    Letter(
                        partition,
                        message.offset() or 0,
                        message.key(),
                        message.value(),
                        cast("Headers", message.headers() or []),
                        message.timestamp()[1],
                    )
                )
        consumer.close()
        return sorted(found, key=lambda letter: letter[:2])

    def journal(self) -> list[Input]:
        """Every committed input, partition by partition."""
        return [decode_input(letter.value or b"") for letter in self.fetch("rfm.journal")]

    def events(self) -> list[CustomerEvent]:
        """Every committed event of a customer."""
        return [entry for entry in self.journal() if isinstance(entry, CustomerEvent)]

    def dead_letters(self) -> list[Letter]:
        """Every committed dead letter."""
        return self.fetch("dead-letters")


def run_until(intake: Intake, is_done: Callable[[], bool], what: str) -> None:
    """Run cycles until something is true."""

    def step() -> bool:
        intake.cycle.run_once()
        return is_done()

    wait_until(step, WAIT_S, what)


def run_dry(intake: Intake, expected: int) -> None:
    """Run cycles until so many records were taken, and once more for what must not come."""
    taken = 0

    def is_done() -> bool:
        nonlocal taken
        taken += intake.cycle.run_once()
        return taken >= expected

    wait_until(is_done, WAIT_S, f"{expected} records were taken")
    for _ in range(5):
        taken += intake.cycle.run_once()
    assert taken == expected


def order(number: int, **changes: object) -> bytes:
    """A valid order, the `number`-th; `...` leaves a field out."""
    fields: dict[str, Any] = {
        "event_id": f"e-{number}",
        "type": "order.placed",
        "customer_id": f"C-{number % 50}",
        "occurred_at": "2026-03-01T09:30:00.000Z",
        "order_id": f"O-{number}",
        "currency": "EUR",
        "total": "19.99",
        **changes,
    }
    kept = {name: value for name, value in fields.items() if value is not ...}
    return json.dumps(kept, ensure_ascii=False).encode()


def event_ids(events: Sequence[CustomerEvent]) -> list[str]:
    """Sorted ids, so that a missing and a doubled one both show."""
    return sorted(event.event_id for event in events)
