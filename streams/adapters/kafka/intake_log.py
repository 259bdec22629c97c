"""`IntakeLog` on Kafka: a group member on all public topics and a transactional producer."""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import methodcaller
from typing import Final, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from schemas.topics import TOPICS
from streams.adapters.kafka.config import Config, consumer_config
from streams.adapters.kafka.coverage import Coverage
from streams.adapters.kafka.leaving import leave
from streams.adapters.kafka.membership import is_fatal, is_taken_over
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.parking import park
from streams.adapters.kafka.refusals import failure_of, is_refusal
from streams.adapters.kafka.rules_log import KafkaRulesLog
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.errors import BrokenInvariant, Fenced, Transient, UsageError
from streams.intake.ports import Outgoing, Position, Source, SourceRecord, SourcesPolled
from streams.ports import Headers

ROLE: Final = "intake"
JOURNAL: Final = "rfm.journal"
PUBLIC_TOPICS: Final = tuple(topic.name for topic in TOPICS if topic.role == "public")

_TIMEOUT_S: Final = 10.0
_PARTITION_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - the client's public names
_ALL_BROKERS_DOWN: Final = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001
# Not called as a method: the client returns a broken list along with an exception where a name is
# not UTF-8. Python's general call notices that; a method call that it has specialised does not, and
# the list then crashes the process.
_headers_of: Final = methodcaller("headers")
_GONE: Final = {
    KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
    KafkaError.OFFSET_OUT_OF_RANGE,
}


class KafkaIntakeLog:
    """The public topics and the journal of one installation, for the intake called `instance`."""

    def __init__(self, base: Config, names: Names, instance: str, *, leaves: bool = False) -> None:
        self._topics: dict[str, str] = {}
        self._names = names
        self._rules_log = KafkaRulesLog(base, names, partitions=0)
        self._must_check = False
        # The producer first: its start ends what an earlier life of this instance left open.
        self._producer = _IntakeProducer(base, names.transactional_id(ROLE, instance))
        self._member = _SourceMember(base, names, f"{ROLE}-{instance}", leaves=leaves)

    def sources(self) -> frozenset[Source]:
        """Every partition of every public topic, as the broker said at the start."""
        return self._member.sources

    def poll(self, max_records: int, timeout_s: float) -> SourcesPolled:
        """One poll of the public topics; raises `UsageError` where this generation has moved."""
        if self._must_check:
            # As in `KafkaJournalLog.poll`: before anything is read.
            self._rules_log.check_open()
            self._must_check = False
        polled = self._member.poll(max_records, timeout_s)
        self._must_check = bool(polled.gained)
        return polled

    def start(self, source: Source, offset: int | None) -> None:
        """Read from `offset` on; None is the oldest record."""
        self._member.start(source, offset)

    def halt(self, source: Source) -> None:
        """Read no more until started again."""
        self._member.halt(source)

    def committed(self, sources: Collection[Source]) -> dict[Source, Position]:
        """The committed positions of the group with their notes."""
        return self._member.committed(sources)

    def unread(self, source: Source) -> int | None:
        """Records behind the position, by the end that the latest fetch told; None before one."""
        return self._member.unread(source)

    def begin(self) -> None:
        """Open the transaction."""
        self._producer.begin()

    def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Add records to the transaction, in this order."""
        self._producer.publish_all(outgoing, self._topic)

    def send_positions(self, positions: Mapping[Source, Position], membership: object) -> None:
        """Add the positions of the sources."""
        self._producer.send_positions(
            [self._member.position(source, where) for source, where in positions.items()],
            membership,
        )

    def fetch_broker_time(self) -> int | None:
        """The broker's clock at the first journal record of this transaction, once it is there."""
        return self._producer.fetch_broker_time()

    def commit(self) -> None:
        """Commit."""
        self._producer.commit()

    def abort(self) -> None:
        """Drop the transaction."""
        self._producer.abort()

    def renew(self) -> None:
        """A new producer after an unknown outcome."""
        self._producer.renew()

    @property
    def has_joined(self) -> bool:
        """Whether the group has given this member its share, which may be none."""
        return self._member.has_joined

    def close(self) -> None:
        """Leave the group and drop what is queued."""
        self._producer.close()
        self._member.close()

    def _topic(self, logical: str) -> str:
        physical = self._topics.get(logical)
        if physical is None:
            physical = self._topics[logical] = self._names.topic(logical)
        return physical


class _IntakeProducer(TransactionalProducer):
    """Publishes whole batches, dead letters with nulls among them, and asks what time it is."""

    def publish_all(self, outgoing: Sequence[Outgoing], physical: Callable[[str], str]) -> None:
        """Add records in order; the report of the first journal record tells the broker's time."""
        self.broker_time_ms = 0
        is_tracked = False
        for topic, key, value, headers, partition in outgoing:
            # Kafka takes null values and null headers, and the client does; only our type does not.
            known_value, known_headers = cast("bytes", value), cast("Headers", headers)
            if not is_tracked and topic == JOURNAL and partition is None:
                is_tracked = True
                self.publish_tracked(physical(topic), cast("bytes", key), known_value, -1)
            else:
                self.publish(physical(topic), key, known_value, known_headers, partition)

    def fetch_broker_time(self) -> int | None:
        """Wait for the reports of what was published; None where the tracked one did not come."""
        self.flush()
        return self.broker_time_ms or None


class _SourceMember:
    """One consumer of all public topics, with cooperative rebalancing.

    As `GroupMember` of one topic: records are handed on only for sources that were owned without a
    break since before the poll and that were started.
    """

    def __init__(self, base: Config, names: Names, instance: str, *, leaves: bool) -> None:
        self._group = names.group(ROLE)
        self._leaves = leaves
        self._physical = {topic: names.topic(topic) for topic in PUBLIC_TOPICS}
        self._logical = {physical: topic for topic, physical in self._physical.items()}
        self._consumer = Consumer(
            {
                **consumer_config(base, names.group(ROLE), instance),
                # A position out of range means that records are gone: stop, never skip. Where there
                # is no position yet, `start` says itself that reading begins with the oldest.
                "auto.offset.reset": "error",
            }
        )
        self._owned: set[Source] = set()
        self._next: dict[Source, int] = {}
        # Where a source stood when it was halted: what lies behind is unread all the same.
        self._halted: dict[Source, int] = {}
        # An end that was reached lies behind what ends a shop's transactions, which is no record.
        self._reached: dict[Source, int] = {}
        self._gained: dict[Source, None] = {}
        self._lost: dict[Source, None] = {}
        self.sources = self._fetch_sources()
        # Whether the group has given this member its share, which may be none.
        self.has_joined = False
        self._is_shut_out = False
        self._coverage = Coverage(
            base, names.group(ROLE), [self._place(source) for source in self.sources]
        )
        self._subscribe()

    def poll(self, max_records: int, timeout_s: float) -> SourcesPolled:
        """One poll; callbacks of a rebalance run inside it."""
        polled = SourcesPolled()
        if self._coverage.find_hole():
            # Joining anew makes the group hand out everything.
            self._consumer.unsubscribe()
            self._subscribe()
        try:
            messages = self._consumer.consume(max_records, timeout_s)
        except KafkaException as error:
            raise failure_of("poll", error.args[0]) from error
        changed = self._gained.keys() | self._lost.keys()
        polled.gained, self._gained = list(self._gained), {}
        polled.lost, self._lost = list(self._lost), {}
        for message in messages:
            self._take(message, polled, changed)
        if self._owned:
            polled.membership = self._consumer.consumer_group_metadata()
        return polled

    def start(self, source: Source, offset: int | None) -> None:
        """Read from `offset` on; None is the oldest record."""
        where = TopicPartition(*self._place(source), OFFSET_BEGINNING if offset is None else offset)
        try:
            self._consumer.seek(where)
            self._consumer.resume([where])
        except KafkaException as error:
            raise failure_of(f"seek of {source}", error.args[0]) from error
        self._forget(source)
        self._next[source] = offset or 0

    def halt(self, source: Source) -> None:
        """Read no more until started again."""
        if source in self._next:
            self._halted[source] = self._next.pop(source)
        if source in self._owned:
            self._consumer.pause([TopicPartition(*self._place(source))])

    def committed(self, sources: Collection[Source]) -> dict[Source, Position]:
        """The group's positions; waits for transactions under way."""
        asked = [TopicPartition(*self._place(source)) for source in sources]
        try:
            answers = self._consumer.committed(asked, timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise failure_of("committed positions", error.args[0]) from error
        found: dict[Source, Position] = {}
        for answer in answers:
            source = (self._logical[answer.topic], answer.partition)
            if answer.error is not None:
                raise failure_of(f"committed position of {source}", answer.error)
            known = answer.offset >= 0
            found[source] = (
                Position(answer.offset, answer.metadata or "") if known else Position(None)
            )
        return found

    def unread(self, source: Source) -> int | None:
        """Records behind the position, by the end that the latest fetch told; None before one."""
        position = self._next.get(source, self._halted.get(source))
        place = TopicPartition(*self._place(source))
        try:
            oldest, end = self._consumer.get_watermark_offsets(place, cached=True)
        except KafkaException as error:
            raise failure_of(f"end of {source}", error.args[0]) from error
        if position is None or end < 0:
            return None
        return max(0, int(end) - max(position, int(oldest), self._reached.get(source, 0)))

    def position(self, source: Source, where: Position) -> TopicPartition:
        """A position as the client wants it."""
        topic, partition = self._place(source)
        offset = 0 if where.offset is None else where.offset
        return TopicPartition(topic, partition, offset, where.note)

    def close(self) -> None:
        """End; a static member keeps its place until the session times out, unless it `leaves`.

        A member that the group has shut out has nothing to leave, and its `close` would wait for
        ever for an answer to it.
        """
        if not self._is_shut_out:
            if self._leaves:
                leave(self._consumer, self._owned)
            self._consumer.close()

    def _forget(self, source: Source) -> None:
        for known in (self._next, self._halted, self._reached):
            known.pop(source, None)

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            list(self._physical.values()),
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._revoked,
        )

    def _place(self, source: Source) -> tuple[str, int]:
        return self._physical[source[0]], source[1]

    def _fetch_sources(self) -> frozenset[Source]:
        try:
            topics = self._consumer.list_topics(timeout=_TIMEOUT_S).topics
        except KafkaException as error:
            raise Transient(
                f"listing topics: {error.args[0].str()}; check RFM_KAFKA_BOOTSTRAP_SERVERS"
            ) from error
        missing = sorted(self._logical.keys() - topics.keys())
        if missing:
            raise UsageError(f"no topic {', '.join(missing)}: run `rfm-streams topics create`")
        return frozenset(
            (logical, partition)
            for physical, logical in self._logical.items()
            for partition in topics[physical].partitions
        )

    def _take(self, message: Message, polled: SourcesPolled, changed: set[Source]) -> None:
        error = message.error()
        offset = message.offset()
        if error is not None:
            self._take_error(error, message, polled)
            return
        source = (self._logical[cast("str", message.topic())], cast("int", message.partition()))
        expected = self._next.get(source)
        if offset is None or expected is None or offset < expected or source in changed:
            # Fetched before a seek, or of a source that is halted: it will come again.
            return
        self._next[source] = offset + 1
        polled.at_end.discard(source)
        records = polled.records.get(source)
        if records is None:
            records = polled.records[source] = []
        records.append(_to_record(message, offset))

    def _take_error(self, error: KafkaError, message: Message, polled: SourcesPolled) -> None:
        code, topic, partition = error.code(), message.topic(), message.partition()
        if code == _PARTITION_EOF:
            source = (self._logical[cast("str", topic)], cast("int", partition))
            if source in self._next:
                polled.at_end.add(source)
                self._reached[source] = message.offset() or 0
        elif code in _GONE:
            raise BrokenInvariant(
                f"{topic} partition {partition}: the next record to read is gone ({error.str()}). "
                "Its retention is shorter than intake was away, so events were lost before they "
                "were read: publish them again from the shop, then reset the group's position"
            )
        elif is_refusal(error):
            raise failure_of(f"reading {topic or 'topics'} in group {self._group}", error)
        elif is_taken_over(error):
            raise Fenced(f"another intake process of the same name took over: {error.str()}")
        elif is_fatal(error):
            raise BrokenInvariant(f"consumer: {error.name()}: {error.str()}")
        elif code != _ALL_BROKERS_DOWN and not error.retriable():
            # Not raised: the records that came with it would be lost on the way.
            polled.troubles.append(f"{error.name()}: {error.str()}")

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.has_joined = True
        # Owned whatever becomes of the parking: where it fails the client takes them over by itself.
        for source in self._sources_of(partitions):
            self._owned.add(source)
            self._forget(source)
            # Gained implies that whatever was held before is void.
            self._lost.pop(source, None)
            self._gained[source] = None
        # Nothing is fetched until the source's position is known.
        park(consumer, partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for source in self._sources_of(partitions):
            self._owned.discard(source)
            self._forget(source)
            self._gained.pop(source, None)
            self._lost[source] = None
        # On a loss the client has no assignment left to take from; it unassigns by itself then.
        consumer.incremental_unassign(partitions)

    def _sources_of(self, partitions: list[TopicPartition]) -> list[Source]:
        return [(self._logical[one.topic], one.partition) for one in partitions]


def _to_record(message: Message, offset: int) -> SourceRecord:
    try:
        # Kafka's headers are a list of names and bytes; our type says so, the client's says more.
        headers = cast("list[tuple[str, bytes | None]] | None", _headers_of(message))
    except SystemError:
        # The client decodes names without a check: this is how it says that one is not UTF-8.
        return SourceRecord(
            offset, message.key(), message.value(), None, has_unreadable_headers=True
        )
    return SourceRecord(offset, message.key(), message.value(), headers)
