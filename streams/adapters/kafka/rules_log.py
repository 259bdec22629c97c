"""The rules in force: journaled to every partition in one transaction, and kept in `rfm.rules`.

Beside them stands what has become of this generation, see streams/codec/generations.py. One
transactional id for all processes: whoever starts last fences the others, so that two versions
of one number cannot both be journaled.
"""

from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.adapters.kafka.config import Config, reader_config
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.refusals import failure_of
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.codec.generations import MARK_KEY, GenerationMark, decode_mark, require_open
from streams.codec.journal import encode_input
from streams.codec.partition import RULES_KEY, RulesRecord, decode_rules, encode_rules
from streams.core.inputs import RulesApplied
from streams.errors import Transient

_TIMEOUT_S = 10.0
_SILENT = "no answer while reading the rules"
_OPEN = (
    "a transaction is under way there, or the broker does not answer; where this does not pass, "
    "`kafka-transactions.sh find-hanging` names it"
)
RULES = "rfm.rules"
# From the rules in force (None: none yet) to the text of those that follow.
Change = Callable[[RulesRecord | None], str]


class Standing(NamedTuple):
    """What `rfm.rules` says: the rules in force and the mark of the generation, where there are any."""

    rules: RulesRecord | None = None
    mark: GenerationMark | None = None


class KafkaRulesLog:
    """Reads and journals rules of one installation."""

    def __init__(self, base: Config, names: Names, partitions: int) -> None:
        self._base = base
        self._names = names
        self._partitions = partitions

    def load(self) -> RulesRecord | None:
        """The latest journaled rules; None before the first. Also of a generation that has moved."""
        return self.read().rules

    def check_open(self) -> None:
        """Raise `UsageError` where life does not go on in this generation."""
        self._read_open(waits=True)

    def read(self, *, waits: bool = False) -> Standing:
        """Everything that stands in the topic, the latest of each.

        Without the id, a mark may be committed and not yet readable: who `waits` reads on until no
        transaction is under way, or raises `Transient`.
        """
        topic = self._names.topic(RULES)
        consumer = Consumer(reader_config(self._base))
        found = Standing()
        try:
            end = self._written_end(topic) if waits else self._end(consumer, topic)
            consumer.assign([TopicPartition(topic, 0, 0)])
            position = 0
            while position < end:
                message = consumer.poll(_TIMEOUT_S)
                if message is None:
                    raise Transient(f"{topic}: {_OPEN if waits else _SILENT}")
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                    raise failure_of(topic, error)
                position = max(position, message.offset() or 0)
                if error is None:
                    position += 1
                    found = _taken(found, message.key(), message.value())
        except KafkaException as error:
            raise failure_of(topic, error.args[0]) from error
        finally:
            consumer.close()
        return found

    def _written_end(self, topic: str) -> int:
        """The end of everything written, transactions under way included."""
        consumer = Consumer(reader_config(self._base, committed=False))
        try:
            return self._end(consumer, topic)
        finally:
            consumer.close()

    @staticmethod
    def _end(consumer: Consumer, topic: str) -> int:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=_TIMEOUT_S)
        return int(end)

    def _read_open(self, *, waits: bool = False) -> RulesRecord | None:
        standing = self.read(waits=waits)
        require_open(self._names.generation, standing.mark)
        return standing.rules

    def ensure(self, text: str, now_ms: int) -> RulesRecord:
        """The rules in force; where there are none, `text` becomes version 1."""
        return self._read_open(waits=True) or self._journal(
            lambda known: text if known is None else known.rules, now_ms
        )

    def apply(self, change: Change, now_ms: int) -> RulesRecord:
        """Journal what `change` makes of the rules in force; equal rules stay as they are.

        `change` may be asked twice, as somebody else may have changed them meanwhile.
        """
        known = self._read_open()
        if known is not None and change(known) == known.rules:
            return known
        return self._journal(change, now_ms)

    def _journal(self, change: Change, now_ms: int) -> RulesRecord:
        producer = self.open_producer()
        try:
            # Read again under the id: whoever was faster has committed or is fenced by now.
            known = self._read_open()
            text = change(known)
            if known is not None and known.rules == text:
                return known
            record = RulesRecord(known.version + 1 if known is not None else 1, text)
            applied = RulesApplied(
                received_at_ms=now_ms, version=record.version, rules=record.rules
            )
            value = encode_input(applied)
            producer.begin()
            for partition in range(self._partitions):
                producer.publish(self._names.topic("rfm.journal"), None, value, (), partition)
            producer.publish(self._names.topic(RULES), RULES_KEY, encode_rules(record), (), 0)
            producer.commit()
        finally:
            producer.close()
        return record

    def open_producer(self) -> TransactionalProducer:
        """A producer under the one id by which rules are journaled; who had it before is fenced."""
        return TransactionalProducer(self._base, self._names.transactional_id("rules", "all"))


def _taken(found: Standing, key: bytes | None, value: bytes | None) -> Standing:
    if key == MARK_KEY:
        return found._replace(mark=decode_mark(value) if value else None)
    return found._replace(rules=decode_rules(value or b""))
