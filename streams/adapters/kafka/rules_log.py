"""The rules in force: journaled to every partition in one transaction, and kept in `rfm.rules`.

One transactional id for all processes: whoever starts last fences the others, so that two versions
of one number cannot both be journaled.
"""

from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.adapters.kafka.config import Config, reader_config
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.refusals import failure_of
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.codec.journal import encode_input
from streams.codec.partition import RULES_KEY, RulesRecord, decode_rules, encode_rules
from streams.core.inputs import RulesApplied
from streams.errors import Transient

_TIMEOUT_S = 10.0
# From the rules in force (None: none yet) to the text of those that follow.
Change = Callable[[RulesRecord | None], str]


class KafkaRulesLog:
    """Reads and journals rules of one installation."""

    def __init__(self, base: Config, names: Names, partitions: int) -> None:
        self._base = base
        self._names = names
        self._partitions = partitions

    def load(self) -> RulesRecord | None:
        """The latest journaled rules; None before the first."""
        topic = self._names.topic("rfm.rules")
        consumer = Consumer(reader_config(self._base))
        found: RulesRecord | None = None
        try:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=_TIMEOUT_S)
            consumer.assign([TopicPartition(topic, 0, 0)])
            position = 0
            while position < end:
                message = consumer.poll(_TIMEOUT_S)
                if message is None:
                    raise Transient(f"{topic}: no answer while reading the rules")
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                    raise failure_of(topic, error)
                position = max(position, message.offset() or 0)
                if error is None:
                    position += 1
                    found = decode_rules(message.value() or b"")
        except KafkaException as error:
            raise failure_of(topic, error.args[0]) from error
        finally:
            consumer.close()
        return found

    def ensure(self, text: str, now_ms: int) -> RulesRecord:
        """The rules in force; where there are none, `text` becomes version 1."""
        return self.load() or self._journal(
            lambda known: text if known is None else known.rules, now_ms
        )

    def apply(self, change: Change, now_ms: int) -> RulesRecord:
        """Journal what `change` makes of the rules in force; equal rules stay as they are.

        `change` may be asked twice, as somebody else may have changed them meanwhile.
        """
        known = self.load()
        if known is not None and change(known) == known.rules:
            return known
        return self._journal(change, now_ms)

    def _journal(self, change: Change, now_ms: int) -> RulesRecord:
        producer = TransactionalProducer(self._base, self._names.transactional_id("rules", "all"))
        try:
            # Read again under the id: whoever was faster has committed or is fenced by now.
            known = self.load()
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
            producer.publish(self._names.topic("rfm.rules"), RULES_KEY, encode_rules(record), (), 0)
            producer.commit()
        finally:
            producer.close()
        return record
