"""Asks deciders, through the journal, to tell the present segments of customers again.

They answer in transactions of their own, behind every change that they have told: so whoever asks
never overtakes one, whatever runs. One transactional id for all processes: who asks last goes on.
"""

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.adapters.kafka.config import Config, reader_config
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.codec.journal import encode_input
from streams.core.inputs import SegmentsRequested
from streams.errors import Transient

_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 0.02
# Longer than a dead decider's partitions take to find another one.
PATIENCE_S = 60.0


class SegmentRequests:
    """Journals requests, and waits until they are answered."""

    def __init__(self, base: Config, names: Names) -> None:
        self._topic = names.topic("rfm.journal")
        self._producer = TransactionalProducer(base, names.transactional_id("segments", "all"))
        self._group = Consumer({**reader_config(base), "group.id": names.group("decide")})

    def journal(self, customers: Mapping[int, Sequence[str]]) -> dict[int, int]:
        """Journal one request per partition, in one transaction; gives their offsets."""
        self._producer.begin()
        for number, asked in customers.items():
            # Nothing is said about time: 0 leaves the partition's where it is.
            record = encode_input(SegmentsRequested(received_at_ms=0, customers=list(asked)))
            self._producer.publish_tracked(self._topic, None, record, number)
        return dict(self._producer.commit())

    def wait_until_answered(self, offsets: Mapping[int, int], patience_s: float) -> None:
        """Return once all of them are decided; raises `Transient` where that does not happen."""
        deadline_s = time.monotonic() + patience_s
        while unread := self._unread(offsets):
            if time.monotonic() > deadline_s:
                raise Transient(
                    f"partition {', '.join(map(str, unread))} of the journal was not read for "
                    f"{patience_s:g} s: see that decide runs (`rfm-streams status`), then run this "
                    "again"
                )
            time.sleep(_LOOK_EVERY_S)

    def close(self) -> None:
        """Close the connections."""
        self._producer.close()
        self._group.close()

    def _unread(self, offsets: Mapping[int, int]) -> list[int]:
        asked = [TopicPartition(self._topic, number) for number in offsets]
        try:
            found = self._group.committed(asked, timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise Transient(f"positions of decide: {error.args[0].str()}") from error
        return [one.partition for one in found if one.offset <= offsets[one.partition]]
