"""Fills the new journal: how its partitions stand, the rules, then everybody, in small transactions.

Each transaction also says how far it is, so a run that was killed goes on behind the last one.
"""

from collections.abc import Iterator
from typing import Final

from confluent_kafka import murmur2

from streams.adapters.kafka.names import Names
from streams.adapters.kafka.rules_log import RULES
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.codec.generations import GenerationMark
from streams.codec.journal import encode_input
from streams.codec.partition import RULES_KEY, encode_rules
from streams.core.inputs import CustomerMoved
from streams.repartition.marks import Marks
from streams.repartition.old_generation import Moving, OldGeneration
from streams.repartition.steps import Observe, Progress, Reading, Step

JOURNAL: Final = "rfm.journal"
# One transaction's worth: well within its time-out, and little to say again after a kill.
MAX_CUSTOMERS: Final = 2_000
MAX_BYTES: Final = 4 * 1024 * 1024


class Filler:
    """Writes what was read of the old generation into the new one, through one producer."""

    def __init__(
        self,
        old: OldGeneration,
        new_names: Names,
        partitions: int,
        marks: Marks,
        producer: TransactionalProducer,
    ) -> None:
        self._old = old
        self._journal = new_names.topic(JOURNAL)
        self._rules = new_names.topic(RULES)
        self._partitions = partitions
        self._marks = marks
        self._producer = producer

    def begin(self, reading: Reading) -> GenerationMark:
        """Say how the new partitions stand, and by which rules."""
        mark = self._marks.filled_to(0, -1, reading.positions)
        producer = self._producer
        producer.begin()
        for number, one in enumerate(reading.beginnings):
            producer.publish(self._journal, None, encode_input(one), (), number)
        producer.publish(self._rules, RULES_KEY, encode_rules(reading.rules), (), 0)
        self._marks.publish_filled(producer, mark)
        producer.commit()
        return mark

    def fill(
        self, reading: Reading, begun: GenerationMark, observe: Observe, told: Progress
    ) -> None:
        """Everybody behind the place up to which the new generation has them."""
        partitions, total = reading.partitions, reading.customers
        done = sum(len(one.offsets) for one in partitions[: begun.source])
        done += sum(offset <= begun.offset for offset in partitions[begun.source].offsets)
        for partition in partitions[begun.source :]:
            behind = begun.offset if partition.number == begun.source else -1
            for chunk in _chunks(self._old.customers(partition, behind)):
                observe(Step.CUSTOMERS)
                self._fill_chunk(partition.number, chunk, reading)
                done += len(chunk)
                told("Moving customers", done, total)

    def _fill_chunk(self, source: int, chunk: list[Moving], reading: Reading) -> None:
        producer = self._producer
        producer.begin()
        for _, customer_id, state in chunk:
            key = customer_id.encode()
            moved = CustomerMoved(
                received_at_ms=reading.time_ms, customer_id=customer_id, state=state
            )
            number = murmur2(key, self._partitions)
            producer.publish(self._journal, key, encode_input(moved), (), number)
        mark = self._marks.filled_to(source, chunk[-1].offset, reading.positions)
        self._marks.publish_filled(producer, mark)
        producer.commit()


def _chunks(customers: Iterator[Moving]) -> Iterator[list[Moving]]:
    chunk: list[Moving] = []
    size = 0
    for one in customers:
        chunk.append(one)
        size += len(one.state)
        if len(chunk) >= MAX_CUSTOMERS or size >= MAX_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
