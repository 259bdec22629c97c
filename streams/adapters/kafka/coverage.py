"""Notices partitions that a consumer group has given to nobody.

Under cooperative rebalancing a partition moves in two rounds: its owner gives it up, and by joining
again asks for the round that hands it on. An owner that dies between the two and comes back under
its instance name gets its former share back without a round, and knows nothing of what it gave up:
the group is stable, and nobody is told to ask. The partition then stands still for ever, so members
look, and ask (tests/soak/test_hole.py shows it).
"""

import struct
import time
from collections.abc import Collection, Sequence
from threading import Thread
from typing import Final, Protocol, cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.adapters.kafka.config import Config

# A hole is believed when two looks in a row see the same; a rebalance takes about a second.
LOOK_EVERY_S: Final = 5.0
_REQUEST_TIMEOUT_S: Final = 5.0
_STABLE: Final = "Stable"

Place = tuple[str, int]
_NOTHING: Final[frozenset[Place]] = frozenset()


class Coverage:
    """Looks at the group now and then, in a thread of its own: nobody ever waits for the answer."""

    def __init__(self, base: Config, group: str, places: Collection[Place]) -> None:
        self._admin = AdminClient(base)
        self._group = group
        self._places = frozenset(places)
        self._looking: Thread | None = None
        self._seen: frozenset[Place] = _NOTHING
        self._before: frozenset[Place] = _NOTHING
        self._next_s = time.monotonic() + LOOK_EVERY_S

    def find_hole(self) -> frozenset[Place]:
        """Partitions that nobody owns, once they were seen twice; mostly nothing."""
        if self._looking is not None:
            return _NOTHING if self._looking.is_alive() else self._conclude()
        if time.monotonic() >= self._next_s:
            self._looking = Thread(target=self._look, name="coverage", daemon=True)
            self._looking.start()
        return _NOTHING

    def _conclude(self) -> frozenset[Place]:
        self._looking = None
        self._next_s = time.monotonic() + LOOK_EVERY_S
        confirmed = self._seen & self._before
        # Once told, the same hole is believed again after two further looks at the earliest.
        self._before = _NOTHING if confirmed else self._seen
        return confirmed

    def _look(self) -> None:
        # The older call. DescribeConsumerGroups of librdkafka 2.16 ends the whole process on an
        # assertion (`eonce->refcnt > 0`) when the broker goes away under it.
        try:
            groups = self._admin.list_groups(self._group, timeout=_REQUEST_TIMEOUT_S)
        except KafkaException:
            self._seen = _NOTHING  # the broker is away, which others notice
            return
        # The client's own types for this call are wrong.
        self._seen = self._missing_in(cast("list[Group]", groups))

    def _missing_in(self, groups: Sequence["Group"]) -> frozenset[Place]:
        owned = {
            place
            for group in groups
            if group.state == _STABLE
            for member in group.members
            for place in owned_by(member.assignment)
        }
        # Nobody at all is an answer to a group that is being made.
        return self._places - owned if owned else _NOTHING


class Member(Protocol):
    """A member of a group as the client describes it."""

    assignment: bytes


class Group(Protocol):
    """A group as the client describes it."""

    state: str
    members: Sequence[Member]


def owned_by(data: bytes) -> list[Place]:
    """The partitions in a member's assignment, as Kafka's consumer protocol writes them."""
    if not data:
        return []
    found: list[Place] = []
    _, topics = struct.unpack_from(">hi", data)
    at = struct.calcsize(">hi")
    for _ in range(topics):
        (length,) = struct.unpack_from(">h", data, at)
        topic = data[at + 2 : at + 2 + length].decode()
        at += 2 + length
        (count,) = struct.unpack_from(">i", data, at)
        found += [(topic, number) for number in struct.unpack_from(f">{count}i", data, at + 4)]
        at += 4 * (count + 1)
    return found
