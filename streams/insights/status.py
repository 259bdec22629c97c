"""How far everything is, asked of Kafka and Redis without being a member of anything."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS
from streams.adapters.kafka.config import reader_config
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.refusals import failure_of
from streams.adapters.kafka.state_log import KafkaStateLog
from streams.adapters.system_clock import SystemClock
from streams.codec.partition import decode_partition
from streams.codec.text import format_instant
from streams.errors import ForeignStore
from streams.insights.capture import is_behind
from streams.insights.topic_reader import TopicReader
from streams.ports import StateStore, StoredPosition
from streams.settings import Settings

_TIMEOUT_S = 10.0
_ROLES = ("intake", "decide")
# So few offsets are looked at one by one, because control records are no records.
_COUNTED_LAG = 100


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One journal partition.

    `lag` is in records still to be decided; where it exceeds 100 the few control records count too.
    `store` is current, behind, empty, or foreign; `time` the partition's time, RFC 3339.
    """

    partition: int
    journal_end: int
    decided: int | None
    lag: int
    time: str | None
    state_end: int
    stored: int | None
    store: str
    timers: int
    timers_overdue: int
    rules_version: int | None


@dataclass(frozen=True, slots=True)
class TopicLag:
    """What intake has left to read of a public topic, counted as the lag of a partition is."""

    topic: str
    lag: int


@dataclass(frozen=True, slots=True)
class Member:
    instance: str
    host: str
    partitions: str


@dataclass(frozen=True, slots=True)
class Group:
    group: str
    state: str
    members: list[Member]


@dataclass(frozen=True, slots=True)
class Status:
    partitions: list[PartitionStatus]
    intake: list[TopicLag]
    groups: list[Group]
    dead_letters: int


class StatusReader:
    """Reads the status. Use it as a context."""

    def __init__(self, settings: Settings, store: StateStore) -> None:
        self._settings = settings
        self._names = Names(settings.namespace, settings.generation)
        self._base = settings.kafka_config()
        self._store = store
        # Kept: answers to a client that is gone never come.
        self._admin = AdminClient(self._base)
        self._state_log = KafkaStateLog(self._base, self._names.topic("rfm.state"))
        self._journal = TopicReader(self._base, self._names.topic("rfm.journal"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._state_log.close()
        self._journal.close()

    def read(self) -> Status:
        """Everything as of now; raises `Transient` where Kafka or Redis does not answer."""
        journal = self._names.topic("rfm.journal")
        count = self._settings.partitions
        decided = self._committed("decide", [(journal, number) for number in range(count)])
        now_ms = SystemClock().now_ms() if self._settings.clock == "wall" else 0
        return Status(
            [
                self._partition(number, decided.get((journal, number)), now_ms)
                for number in range(count)
            ],
            self._intake(),
            [self._group(role) for role in _ROLES],
            self._count_dead_letters(),
        )

    def _partition(self, number: int, decided: int | None, now_ms: int) -> PartitionStatus:
        bounds = self._journal.bounds(number)
        lag = _count_unread(self._journal, number, decided)
        state_end = self._state_log.end(number)
        try:
            stored = self._store.position(number)
        except ForeignStore:
            return PartitionStatus(
                number, bounds.end, decided, lag, None, state_end, None, "foreign", 0, 0, None
            )
        record = (
            decode_partition(stored.partition_record)
            if stored is not None and stored.partition_record is not None
            else None
        )
        time_ms = record.time_ms if record is not None else 0
        timers, overdue = self._store.count_timers(number, max(now_ms, time_ms))
        return PartitionStatus(
            number,
            bounds.end,
            decided,
            lag,
            format_instant(time_ms) if record is not None else None,
            state_end,
            stored.offset if stored is not None else None,
            self._store_state(number, stored, state_end),
            timers,
            overdue,
            record.rules_version if record is not None else None,
        )

    def _store_state(self, number: int, stored: StoredPosition | None, state_end: int) -> str:
        offset = stored.offset if stored is not None else 0
        if offset < state_end and is_behind(self._state_log, number, offset):
            return "behind" if stored is not None else "empty"
        return "current"

    def _intake(self) -> list[TopicLag]:
        lags: list[TopicLag] = []
        present = self._partition_counts()
        for topic in TOPICS:
            name = self._names.topic(topic.name)
            if topic.role != "public" or name not in present:
                continue
            committed = self._committed("intake", [(name, one) for one in range(present[name])])
            reader = TopicReader(self._base, name)
            try:
                lag = sum(
                    _count_unread(reader, number, committed.get((name, number)))
                    for number in range(present[name])
                )
            finally:
                reader.close()
            lags.append(TopicLag(name, lag))
        return lags

    def _partition_counts(self) -> dict[str, int]:
        try:
            topics = self._admin.list_topics(timeout=_TIMEOUT_S).topics
        except KafkaException as error:
            raise failure_of("topics", error.args[0]) from error
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def _committed(
        self, role: str, partitions: list[tuple[str, int]]
    ) -> dict[tuple[str, int], int | None]:
        config = {**reader_config(self._base), "group.id": self._names.group(role)}
        consumer = Consumer(config)
        try:
            found = consumer.committed(
                [TopicPartition(topic, number) for topic, number in partitions],
                timeout=_TIMEOUT_S,
            )
        except KafkaException as error:
            raise failure_of(f"positions of {role}", error.args[0]) from error
        finally:
            consumer.close()
        return {
            (one.topic, one.partition): one.offset if one.offset >= 0 else None for one in found
        }

    def _group(self, role: str) -> Group:
        name = self._names.group(role)
        futures = self._admin.describe_consumer_groups([name], request_timeout=_TIMEOUT_S)
        try:
            found = futures[name].result(2 * _TIMEOUT_S)
        except KafkaException as error:
            # A group that nobody ever joined is none, which newer brokers call an error.
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return Group(name, "none", [])
            raise failure_of(f"members of {name}", error.args[0]) from error
        members = [
            Member(
                member.group_instance_id or member.client_id,
                member.host,
                ", ".join(
                    f"{one.topic} {one.partition}" for one in member.assignment.topic_partitions
                ),
            )
            for member in found.members
        ]
        return Group(name, found.state.name.lower(), members)

    def _count_dead_letters(self) -> int:
        reader = TopicReader(self._base, self._names.topic("dead-letters"))
        try:
            bounds = reader.bounds(0)
            return sum(1 for _ in reader.read(0, bounds.start, bounds.end))
        finally:
            reader.close()


def _count_unread(reader: TopicReader, number: int, position: int | None) -> int:
    bounds = reader.bounds(number)
    next_offset = max(position or 0, bounds.start)
    lag = bounds.end - next_offset
    if 0 < lag <= _COUNTED_LAG:
        return sum(1 for _ in reader.read(number, next_offset, bounds.end))
    return lag
