"""Notices partitions that a consumer group has given to nobody.

Under cooperative rebalancing a partition moves in two rounds: its owner gives it up, and by joining
again asks for the round that hands it on. An owner that dies between the two and comes back under
its instance name gets its former share back without a round, and knows nothing of what it gave up:
the group is stable, and nobody is told to ask. Seen after broker restarts with workers killed at the
same moment; the partition then stands still for ever, so members look, and ask.
"""

import time
from collections.abc import Collection
from concurrent.futures import Future

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._group import ConsumerGroupDescription

from streams.adapters.kafka.config import Config

# A hole is believed when two looks in a row see the same; a rebalance takes about a second.
LOOK_EVERY_S = 5.0
_REQUEST_TIMEOUT_S = 5.0

Place = tuple[str, int]


class Coverage:
    """Looks at the group now and then, without ever waiting for the answer."""

    def __init__(self, base: Config, group: str, places: Collection[Place]) -> None:
        self._admin = AdminClient(base)
        self._group = group
        self._places = frozenset(places)
        self._asked: Future[ConsumerGroupDescription] | None = None
        self._next_s = time.monotonic() + LOOK_EVERY_S
        self._missing: frozenset[Place] = frozenset()

    def find_hole(self) -> frozenset[Place]:
        """Partitions that nobody owns, once they were seen twice; mostly nothing."""
        if self._asked is None:
            if time.monotonic() >= self._next_s:
                found = self._admin.describe_consumer_groups(
                    [self._group], request_timeout=_REQUEST_TIMEOUT_S
                )
                self._asked = found[self._group]
            return frozenset()
        if not self._asked.done():
            return frozenset()
        asked, self._asked = self._asked, None
        self._next_s = time.monotonic() + LOOK_EVERY_S
        missing = self._missing_in(asked)
        confirmed = missing & self._missing
        # Once told, the same hole is believed again after two further looks at the earliest.
        self._missing = frozenset() if confirmed else missing
        return confirmed

    def _missing_in(self, asked: Future[ConsumerGroupDescription]) -> frozenset[Place]:
        try:
            group = asked.result()
        except KafkaException:
            return frozenset()  # the broker is away, which others notice
        if group.state != ConsumerGroupState.STABLE:
            return frozenset()
        owned = {
            (one.topic, one.partition)
            for member in group.members
            for one in member.assignment.topic_partitions
        }
        return self._places - owned
