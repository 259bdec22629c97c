"""Publishes contract events to the public topics, as a shop would."""

import json
import time
from collections.abc import Iterable, Iterator

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS
from streams.adapters.kafka.config import Config, producer_config
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.refusals import failure_of
from streams.codec.text import format_instant
from streams.core.values import stable_id
from streams.errors import Transient
from streams.files.events import Event

BACKFILL_HEADER = ("rfm-backfill", b"true")
PUBLIC_TOPICS = tuple(topic.name for topic in TOPICS if topic.role == "public")
# A rate is kept in slices of this length: short enough to be smooth, long enough to be cheap.
_SLICE_S = 0.05
_FLUSH_S = 60.0


class Publisher:
    """An idempotent producer for events and time marks. `failed` counts what was not delivered."""

    def __init__(self, base: Config, names: Names) -> None:
        self._names = names
        self._base = base
        self._producer = Producer(
            {**producer_config(base), "enable.idempotence": True, "linger.ms": 20}
        )
        self.failed = 0
        self.first_failure = ""

    def publish_all(
        self, events: Iterable[Event], *, rate: float | None, backfill: bool
    ) -> Iterator[int]:
        """Publish events, at most `rate` a second; yields the number so far, now and then."""
        headers: list[tuple[str, str | bytes | None]] | None = (
            [BACKFILL_HEADER] if backfill else None
        )
        topics = {name: self._names.topic(name) for name in PUBLIC_TOPICS}
        started_s = time.monotonic()
        published = 0
        for event in events:
            self._publish(topics[event.topic], event.key, event.value, headers)
            published += 1
            if rate is not None:
                ahead_s = published / rate - (time.monotonic() - started_s)
                if ahead_s > _SLICE_S:
                    time.sleep(ahead_s)
            if published % 500 == 0:
                self._producer.poll(0)
                yield published
        yield published

    def mark(self, until_ms: int) -> int:
        """Say in every partition of every public topic that all events up to then are there."""
        until = format_instant(until_ms)
        marks = 0
        for name, partitions in self._partitions().items():
            for partition in range(partitions):
                mark = {
                    "type": "time.mark",
                    "schema_version": 1,
                    "event_id": stable_id("time.mark", name, str(partition), until),
                    "until": until,
                }
                topic = self._names.topic(name)
                self._publish(topic, None, json.dumps(mark).encode(), None, partition)
                marks += 1
        return marks

    def finish(self) -> None:
        """Wait until everything is delivered; raises `Transient` where something was not."""
        left = self._producer.flush(_FLUSH_S)
        if left or self.failed:
            why = self.first_failure or "the broker did not answer in time"
            raise Transient(
                f"{left + self.failed} events were not delivered: {why}. Publish the file again: "
                "events that did arrive are recognised by their ids"
            )

    def _publish(
        self,
        topic: str,
        key: str | None,
        value: bytes,
        headers: list[tuple[str, str | bytes | None]] | None,
        partition: int = -1,
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition, on_delivery=self._delivered, headers=headers
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                # Larger than the topics allow, for one: told, counted, and the rest goes on.
                self._count_failure(error.args[0])
                return
            else:
                return

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._count_failure(error)

    def _count_failure(self, error: KafkaError) -> None:
        self.failed += 1
        self.first_failure = self.first_failure or error.str()

    def _partitions(self) -> dict[str, int]:
        try:
            found = AdminClient(self._base).list_topics(timeout=10.0).topics
        except KafkaException as error:
            raise failure_of("listing topics", error.args[0]) from error
        return {
            name: len(found[self._names.topic(name)].partitions)
            for name in PUBLIC_TOPICS
            if self._names.topic(name) in found
        }
