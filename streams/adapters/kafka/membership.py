"""A member of a consumer group, with cooperative rebalancing and its own idea of what it owns.

Records are handed on only for partitions that were owned without a break since before the poll and
that were started; positions are kept here, so that nothing depends on what the client prefetched.
"""

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from streams.adapters.kafka.config import Config, consumer_config
from streams.adapters.kafka.coverage import Coverage
from streams.adapters.kafka.leaving import leave
from streams.adapters.kafka.parking import park
from streams.adapters.kafka.refusals import failure_of, is_refusal
from streams.errors import BrokenInvariant, Fenced, Transient
from streams.ports import Polled, Record

_PARTITION_EOF = KafkaError._PARTITION_EOF  # noqa: SLF001 - the client's public names
_ALL_BROKERS_DOWN = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001
_FATAL = KafkaError._FATAL  # noqa: SLF001
_FENCED = KafkaError._FENCED  # noqa: SLF001
_FENCED_TEXT = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
_COMMITTED_TIMEOUT_S = 10.0
# Between two polls, so short: an answer takes a few milliseconds.
_END_TIMEOUT_S = 0.5


def is_taken_over(error: KafkaError) -> bool:
    """Whether a consumer's error says that another one has its instance name now.

    The client hands it on as `_FATAL`, without the flag, and with the true error in its text only.
    """
    if error.code() == _FATAL:
        return _FENCED_TEXT in error.str()
    return error.code() in (_FENCED, KafkaError.FENCED_INSTANCE_ID)


def is_fatal(error: KafkaError) -> bool:
    """Whether a consumer is of no more use; the client sets the flag not in every case."""
    return error.fatal() or error.code() == _FATAL


class GroupMember:
    """One consumer of one topic."""

    def __init__(
        self, base: Config, topic: str, group: str, instance: str, *, leaves: bool = False
    ) -> None:
        self._topic = topic
        self._group = group
        self._leaves = leaves
        self._consumer = Consumer(
            {
                **consumer_config(base, group, instance),
                # A position out of range means that records are gone: stop, never skip.
                "auto.offset.reset": "error",
            }
        )
        self._owned: set[int] = set()
        self._next: dict[int, int] = {}
        self._polled = Polled()
        # Raised by the next poll, so that what came beside it is not lost.
        self._trouble: Transient | None = None
        self._must_begin_anew = False
        # Whether the group has given this member its share, which may be none.
        self.has_joined = False
        self._coverage = Coverage(base, group, self._places())
        self._subscribe()

    def poll(self, max_records: int, timeout_s: float) -> Polled:
        """One poll; callbacks of a rebalance run inside it."""
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble
        polled = self._polled
        if self._must_begin_anew:
            self._must_begin_anew = False
            for partition in self._owned:
                self.halt(partition)
            polled.gained = sorted(self._owned)
        if self._coverage.find_hole():
            # Joining anew makes the group hand out everything.
            self._consumer.unsubscribe()
            self._subscribe()
        try:
            messages = self._consumer.consume(max_records, timeout_s)
        except KafkaException as error:
            # What this poll had fetched is gone: every partition begins anew. What it has lost is
            # told by the next one.
            self._must_begin_anew = True
            raise failure_of("poll", error.args[0]) from error
        self._polled = Polled()
        changed = {*polled.gained, *polled.lost}
        for message in messages:
            self._take(message, polled, changed)
        if self._owned:
            polled.membership = self._consumer.consumer_group_metadata()
        return polled

    def start(self, partition: int, offset: int) -> None:
        """Read from `offset` on."""
        self._next[partition] = offset
        try:
            self._consumer.seek(TopicPartition(self._topic, partition, offset))
            self._consumer.resume([TopicPartition(self._topic, partition)])
        except KafkaException as error:
            del self._next[partition]
            raise failure_of(f"seek of partition {partition}", error.args[0]) from error

    def halt(self, partition: int) -> None:
        """Read no more until started again."""
        self._next.pop(partition, None)
        if partition in self._owned:
            self._consumer.pause([TopicPartition(self._topic, partition)])

    def committed(self, partition: int) -> int | None:
        """The group's position; waits for transactions under way."""
        try:
            found = self._consumer.committed(
                [TopicPartition(self._topic, partition)], timeout=_COMMITTED_TIMEOUT_S
            )[0]
        except KafkaException as error:
            raise failure_of("committed position", error.args[0]) from error
        if found.error is not None:
            raise failure_of("committed position", found.error)
        return found.offset if found.offset >= 0 else None

    def position(self, partition: int, offset: int) -> TopicPartition:
        """A position as the client wants it."""
        return TopicPartition(self._topic, partition, offset)

    def ends(self) -> dict[int, int]:
        """The ends of the owned partitions, where known.

        As of the latest fetch; the broker is asked, for a bounded time, about what is halted.
        """
        found: dict[int, int] = {}
        for partition in sorted(self._owned):
            is_read = partition in self._next
            place = TopicPartition(self._topic, partition)
            try:
                _, end = self._consumer.get_watermark_offsets(
                    place, timeout=_END_TIMEOUT_S, cached=is_read
                )
            except KafkaException:
                if is_read:
                    continue  # nothing was fetched of it yet
                break  # the broker does not answer, and would not for the next one either
            if end >= 0:
                found[partition] = end
        return found

    def close(self) -> None:
        """End; a static member keeps its place until the session times out, unless it `leaves`."""
        if self._leaves:
            leave(self._consumer, self._owned)
        self._consumer.close()

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def _places(self) -> list[tuple[str, int]]:
        try:
            found = self._consumer.list_topics(self._topic, timeout=_COMMITTED_TIMEOUT_S)
        except KafkaException as error:
            raise failure_of(f"listing {self._topic}", error.args[0]) from error
        return [(self._topic, number) for number in found.topics[self._topic].partitions]

    def _take(self, message: Message, polled: Polled, changed: set[int]) -> None:
        error = message.error()
        partition, offset = message.partition(), message.offset()
        if error is not None:
            self._take_error(error, partition, polled)
            return
        if partition is None or offset is None or partition in changed:
            return
        expected = self._next.get(partition)
        if expected is None or offset < expected:
            # Fetched before a seek, or of a partition that is halted: it will come again.
            return
        self._next[partition] = offset + 1
        polled.at_end.discard(partition)
        polled.records.setdefault(partition, []).append(
            Record(partition, offset, None, message.value())
        )

    def _take_error(self, error: KafkaError, partition: int | None, polled: Polled) -> None:
        if error.code() == _PARTITION_EOF:
            if partition in self._next and partition is not None:
                polled.at_end.add(partition)
        elif error.code() in (
            KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
            KafkaError.OFFSET_OUT_OF_RANGE,
        ):
            raise BrokenInvariant(
                f"{self._topic} partition {partition}: the next record to read is gone "
                f"({error.str()}). Its retention is shorter than this worker was away"
            )
        elif is_refusal(error):
            raise failure_of(f"reading {self._topic} in group {self._group}", error)
        elif is_taken_over(error):
            raise Fenced(
                f"another process joined the group under this one's instance name ({error.str()}); "
                "two processes of one role need two names: RFM_INSTANCE"
            )
        elif is_fatal(error):
            raise BrokenInvariant(f"consumer: {error.name()}: {error.str()}")
        elif error.code() != _ALL_BROKERS_DOWN and not error.retriable():
            self._trouble = Transient(f"poll: {error.name()}: {error.str()}")

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.has_joined = True
        # Owned whatever becomes of the parking: where it fails the client takes them over by itself,
        # and every partition begins anew.
        for one in partitions:
            self._owned.add(one.partition)
            self._next.pop(one.partition, None)
            self._polled.gained.append(one.partition)
        # Nothing is fetched until the partition is recovered and started.
        park(consumer, partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._owned.discard(one.partition)
            self._next.pop(one.partition, None)
            self._polled.lost.append(one.partition)
            if one.partition in self._polled.gained:
                self._polled.gained.remove(one.partition)
        # On a loss the client has no assignment left to take from; it unassigns by itself then.
        consumer.incremental_unassign(partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.has_joined = False
        self._revoked(consumer, partitions)
