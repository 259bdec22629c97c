"""Reads everything back: topics with read_committed, and Redis. For the oracle and for waiting."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS
from streams.adapters.kafka.config import reader_config
from streams.adapters.redis.keys import Keys
from streams.adapters.redis.store import connect
from streams.bootstrap import build_store, names_of
from streams.codec.journal import decode_input
from streams.codec.partition import decode_partition
from streams.codec.present_segments import CUSTOMER_SEGMENTS
from streams.core.inputs import CustomerEvent
from streams.runtime.population import CENSUS_FIELD, is_gathered
from streams.settings import Settings
from tests.soak.oracle import (
    OUTPUT_TOPICS,
    JournalRecord,
    Said,
    Share,
    carry_present,
    compare,
    compare_counts,
    compare_present,
    compare_shares,
    counted_in,
    fold,
    latest_share,
)

JOURNAL = "rfm.journal"
STATE = "rfm.state"
PUBLIC_TOPICS = tuple(topic.name for topic in TOPICS if topic.role == "public")
# A timer further ahead than this is not waited for.
NEAR_MS = 3_600_000
_TIMEOUT_S = 60.0
_LOOK_S = 2.0
_EOF = KafkaError._PARTITION_EOF


class Tail:
    """Reads one topic from its beginning, committed records only, as far as it goes each time."""

    def __init__(self, settings: Settings, logical: str) -> None:
        self._topic = names_of(settings).topic(logical)
        self._consumer = Consumer(reader_config(settings.kafka_config()))
        found = self._consumer.list_topics(self._topic, timeout=_TIMEOUT_S)
        partitions = len(found.topics[self._topic].partitions)
        self._position = dict.fromkeys(range(partitions), 0)
        self.records: dict[int, list[Message]] = {number: [] for number in range(partitions)}
        self._consumer.assign([TopicPartition(self._topic, n, 0) for n in range(partitions)])

    def catch_up(self) -> None:
        """Read to the end as of now; the client's position tells, control records included."""
        deadline = time.monotonic() + _TIMEOUT_S
        ends = {number: self.end(number) for number in self._position}
        while any(self._position[number] < end for number, end in ends.items()):
            assert time.monotonic() < deadline, f"{self._topic}: {self._position}, end {ends}"
            for message in self._consumer.consume(10_000, 0.1):
                self._take(message)

    def end(self, number: int) -> int:
        """The end up to which all transactions have an outcome."""
        _, end = self._consumer.get_watermark_offsets(
            TopicPartition(self._topic, number), timeout=_TIMEOUT_S, cached=False
        )
        return int(end)

    def next_offset(self, number: int) -> int:
        """The offset behind the last record; 0 before the first."""
        records = self.records[number]
        return (records[-1].offset() or 0) + 1 if records else 0

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _take(self, message: Message) -> None:
        number, offset, error = message.partition(), message.offset(), message.error()
        if error is not None and error.code() != _EOF:
            return  # a broker that restarts; catch_up has its own deadline
        if number is None or offset is None:
            return
        if error is None:
            self.records[number].append(message)
            offset += 1
        self._position[number] = max(self._position[number], offset)


class Reading:
    """One installation as its subscribers and its Redis see it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._journal = Tail(settings, JOURNAL)
        self._groups = {
            role: Consumer(
                {
                    **reader_config(settings.kafka_config()),
                    "group.id": names_of(settings).group(role),
                }
            )
            for role in ("decide", "intake")
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._journal.close()
        for group in self._groups.values():
            group.close()

    def what_is_left(self, *, with_intake: bool = False) -> str | None:
        """What is still to do; None where every record is taken in and every near timer decided."""
        try:
            return (self._left_by_intake() if with_intake else None) or self._left_by_decide()
        except KafkaException as error:
            return f"the broker does not say: {error}"

    def describe_groups(self) -> str:
        """Say which member owns what by the broker, and where each journal partition ends."""
        admin = AdminClient(self._settings.kafka_config())
        groups = [names_of(self._settings).group(role) for role in self._groups]
        lines = [
            f"{name} ({one.state.name}) {member.group_instance_id}: "
            + ", ".join(f"{at.topic} {at.partition}" for at in member.assignment.topic_partitions)
            for name, found in admin.describe_consumer_groups(groups).items()
            for one in [found.result(_TIMEOUT_S)]
            for member in one.members
        ]
        ends = {number: self._journal.end(number) for number in self._journal.records}
        return "\n".join([*lines, f"{JOURNAL} ends, read_committed: {ends}"])

    def undecided(self) -> str | None:
        """The first partition whose journal is not decided to its end; None where all are."""
        self._journal.catch_up()
        settings = self._settings
        topic = names_of(settings).topic(JOURNAL)
        committed = self._committed("decide", topic, settings.partitions)
        for number in range(settings.partitions):
            wanted = self._journal.next_offset(number)
            if committed[number] != wanted:
                return f"partition {number} is decided up to {committed[number]} of {wanted}"
        return None

    def _left_by_decide(self) -> str | None:
        undecided = self.undecided()
        if undecided is not None:
            return undecided
        settings = self._settings
        store, near_ms = build_store(settings), time.time_ns() // 1_000_000 + NEAR_MS
        for number in range(settings.partitions):
            wanted = self._journal.next_offset(number)
            position = store.position(number)
            record = position.partition_record if position is not None else None
            stored = decode_partition(record).journal_offset if record is not None else 0
            if stored != wanted:
                return f"partition {number} is in Redis up to {stored} of {wanted}"
            due = store.count_timers(number, near_ms)[1]
            if due:
                return f"partition {number} has {due} timers before it"
        return None

    def _left_by_intake(self) -> str | None:
        for logical in PUBLIC_TOPICS:
            topic = names_of(self._settings).topic(logical)
            described = self._groups["intake"].list_topics(topic, timeout=_TIMEOUT_S)
            count = len(described.topics[topic].partitions)
            committed = self._committed("intake", topic, count)
            for number in range(count):
                end = self._journal._consumer.get_watermark_offsets(
                    TopicPartition(topic, number), timeout=_TIMEOUT_S, cached=False
                )[1]
                if committed[number] != end:
                    return f"{logical} partition {number} is taken in up to {committed[number]} of {end}"
        return None

    def journal(self) -> dict[int, list[JournalRecord]]:
        """The whole journal by partition."""
        self._journal.catch_up()
        return {
            number: [JournalRecord(one.offset() or 0, one.value() or b"") for one in records]
            for number, records in self._journal.records.items()
        }

    def complaints(
        self,
        published: Counter[str] | None = None,
        before: Mapping[int, Sequence[JournalRecord]] | None = None,
    ) -> list[str]:
        """Everything in which this run differs from the oracle's; call when nothing runs.

        `published` are the event ids sent to public topics, with their counts; `before` is the
        journal of the generation from which everybody was moved into this one.
        """
        settings = self._settings
        journal = self.journal()
        wanted = fold(journal)
        store = read_store(settings)
        if before is not None:
            former = fold(before)
            for topic, earlier in former.said.items():
                wanted.said[topic] = earlier + wanted.said[topic]
            wanted.present = carry_present(former.present, wanted.present, store)
        said = {topic: self._read_said(topic) for topic in OUTPUT_TOPICS}
        found = compare(wanted, said)
        counted = counted_in(journal)
        found += compare_counts(
            "census or snapshot",
            Counter({str(key): count for key, count in wanted.counted.items()}),
            Counter({str(key): count for key, count in counted.items()}),
        )
        found += compare_shares("rfm.state", wanted.shares, self._read_state())
        found += compare_shares("Redis", wanted.shares, store)
        found += compare_present(wanted.present, self._read_present(), store)
        if published is not None:
            standing = self._read_public()
            # A shop's producer may send again what a killed broker had already taken: what stands in
            # the topics is what was published.
            twice = (standing - published).total()
            print(f"{twice} events stand in the public topics more often than they were sent")
            found += [f"sent event lost: {one}" for one in (published - standing).elements()]
            found += compare_counts(
                "published event",
                standing,
                taken_in([*journal.values(), *(before or {}).values()]),
            )
            self._tell_repeated(standing)
        return found

    def _tell_repeated(self, standing: Counter[str]) -> None:
        """Print where each event stands that the journal has too often, and since when."""
        places: dict[str, list[str]] = {}
        for number, records in self._journal.records.items():
            for one in records:
                event = decode_input(one.value() or b"")
                if isinstance(event, CustomerEvent):
                    place = f"{number} offset {one.offset()} at {event.received_at_ms}"
                    places.setdefault(event.event_id, []).append(place)
        sources: dict[str, list[str]] = {}
        for topic in PUBLIC_TOPICS:
            for number, records in self._read(topic).items():
                for one in records:
                    event_id = msgspec.json.decode(one.value() or b"")["event_id"]
                    place = f"{topic} {number} offset {one.offset()} at {one.timestamp()[1]}"
                    sources.setdefault(event_id, []).append(place)
        for event_id, stands in places.items():
            if len(stands) > standing[event_id]:
                print(f"repeated: {event_id}: {stands} from {sources.get(event_id)}")

    def _read_public(self) -> Counter[str]:
        return Counter(
            msgspec.json.decode(one.value() or b"")["event_id"]
            for topic in PUBLIC_TOPICS
            for records in self._read(topic).values()
            for one in records
        )

    def summary(self) -> str:
        """What there was, in one line: a run in which nothing happened proves nothing."""
        self._journal.catch_up()
        counts = {topic: len(self._read_said(topic)) for topic in OUTPUT_TOPICS}
        counts[JOURNAL] = sum(map(len, self._journal.records.values()))
        return ", ".join(f"{count} {topic}" for topic, count in counts.items())

    def count_said(self) -> dict[str, int]:
        """Numbers of records by output topic."""
        return {topic: len(self._read_said(topic)) for topic in OUTPUT_TOPICS}

    def _committed(self, role: str, topic: str, partitions: int) -> dict[int, int]:
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        # An open transaction holds the answer back; whoever waits must look after workers meanwhile.
        found = self._groups[role].committed(asked, timeout=_LOOK_S)
        return {one.partition: max(one.offset, 0) for one in found}

    def _read_said(self, logical: str) -> list[Said]:
        return [
            Said(one.key(), one.value() or b"", tuple(one.headers() or ()))  # type: ignore[arg-type]
            for records in self._read(logical).values()
            for one in records
        ]

    def _read_present(self) -> dict[bytes, Said]:
        """What a new subscriber starts from: the latest record of each key."""
        latest: dict[bytes, Said] = {}
        for records in self._read(CUSTOMER_SEGMENTS).values():
            for one in records:
                key, value = one.key() or b"", one.value()
                if value is None:
                    latest.pop(key, None)
                else:
                    headers: Any = tuple(one.headers() or ())
                    latest[key] = Said(key, value, headers)
        return latest

    def _read_state(self) -> dict[int, Share]:
        return {
            number: latest_share((one.key() or b"", one.value() or b"") for one in records)
            for number, records in self._read(STATE).items()
        }

    def _read(self, logical: str) -> dict[int, list[Message]]:
        tail = Tail(self._settings, logical)
        try:
            tail.catch_up()
        finally:
            tail.close()
        return tail.records


def read_store(settings: Settings) -> dict[int, Share]:
    """What Redis holds; the sorted sets of timers are read by themselves."""
    store, keys = build_store(settings), Keys(settings.namespace)
    client = connect(settings.redis_url.get_secret_value())
    shares = {}
    for number in range(settings.partitions):
        position = store.position(number)
        timers: Any = client.zrange(keys.partition(number).timers, 0, -1, withscores=True)
        record = position.partition_record if position is not None else None
        shares[number] = Share(
            states=dict(store.scan(number)),
            timers={customer_id.decode(): int(due_ms) for customer_id, due_ms in timers},
            rules=position.rules_record if position is not None else None,
            record=decode_partition(record) if record is not None else None,
            snapshot=position.snapshot_record if position is not None else None,
            census=store.population(number).get(CENSUS_FIELD),
            gathered={
                name.partition(":")[2]: value
                for name, value in store.population(number).items()
                if is_gathered(name)
            },
        ).settle()
    client.close()
    return shares


def taken_in(journal: Iterable[Sequence[JournalRecord]]) -> Counter[str]:
    """Ids of the customers' events in the journal, with their counts."""
    found: Counter[str] = Counter()
    for records in journal:
        for record in records:
            event = decode_input(record.value)
            if isinstance(event, CustomerEvent):
                found[event.event_id] += 1
    return found
