"""`StateLog` on Kafka: reads `rfm.state` back, committed records only, up to a known end."""

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.adapters.kafka.config import Config, reader_config
from streams.adapters.kafka.refusals import failure_of
from streams.ports import Record

_TIMEOUT_S = 10.0


class KafkaStateReader:
    """One pass over one partition; see `StateReader`."""

    def __init__(self, base: Config, topic: str, partition: int, offset: int, end: int) -> None:
        self.start_offset = offset
        self.position = offset
        self.end_offset = end
        self._consumer: Consumer | None = None
        if offset < end:
            self._consumer = Consumer(reader_config(base))
            self._consumer.assign([TopicPartition(topic, partition, offset)])

    def read(self, max_records: int, timeout_s: float) -> list[Record]:
        """The next records. The end of a partition, which an event tells, counts control records."""
        if self._consumer is None or self.position >= self.end_offset:
            return []
        try:
            messages = self._consumer.consume(max_records, timeout_s)
        except KafkaException as error:
            raise failure_of("reading rfm.state", error.args[0]) from error
        records: list[Record] = []
        for message in messages:
            problem, offset = message.error(), message.offset()
            if problem is not None and problem.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                raise failure_of("reading rfm.state", problem)
            if offset is None:
                continue
            if problem is not None:
                self.position = max(self.position, offset)
                continue
            records.append(Record(message.partition() or 0, offset, message.key(), message.value()))
            self.position = offset + 1
        return records

    def close(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


class KafkaStateLog:
    """`rfm.state` of one installation."""

    def __init__(self, base: Config, topic: str) -> None:
        self._base = base
        self._topic = topic
        # A read_committed end can lie before the marker of a transaction that is already committed.
        self._ends = Consumer(reader_config(base, committed=False))

    def open(self, partition: int, offset: int) -> KafkaStateReader:
        """A reader up to the end as of now."""
        return KafkaStateReader(self._base, self._topic, partition, offset, self.end(partition))

    def end(self, partition: int) -> int:
        """The read_uncommitted end of a partition."""
        try:
            _, end = self._ends.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=_TIMEOUT_S, cached=False
            )
        except KafkaException as error:
            raise failure_of("end of rfm.state", error.args[0]) from error
        return int(end)

    def close(self) -> None:
        """Close the connection."""
        self._ends.close()
