"""Sees to it that every record that was fetched is received, in order.

Between the two Faust has several places that drop a record and go on with the next, each for a reason
of its own. A record that is passed over is lost as soon as a later one is done and its position
committed, so a gap here ends the stage, which begins anew from the committed position.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from streams.errors import Transient
from streams.ports import Clock

# Nothing stands between the two but a queue that is emptied at once.
RECEIVED_WITHIN_S: Final = 30.0


class Handover:
    """The records of one member, from the client to the lanes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fetched: dict[int, deque[tuple[int, float]]] = {}
        self._gap: str | None = None

    def fetched(self, partition: int, offsets: Iterable[int]) -> None:
        """The client has handed these on."""
        now_s = self._clock.monotonic_s()
        waiting = self._fetched.setdefault(partition, deque())
        waiting.extend((offset, now_s) for offset in offsets)

    def received(self, partition: int, offset: int) -> bool:
        """One came through; False where another was expected, and from then on."""
        waiting = self._fetched.get(partition)
        expected = waiting.popleft()[0] if waiting else None
        if expected != offset and self._gap is None:
            self._gap = f"offset {offset} of partition {partition} came instead of {expected}"
        return self._gap is None

    def begin_anew(self) -> None:
        """Partitions changed hands: what was under way comes again."""
        self._fetched.clear()

    def check(self) -> None:
        """Raise `Transient` where a record did not come through."""
        too_old_s = self._clock.monotonic_s() - RECEIVED_WITHIN_S
        for partition, waiting in self._fetched.items():
            if waiting and waiting[0][1] < too_old_s and self._gap is None:
                self._gap = f"offset {waiting[0][0]} of partition {partition} never came"
        if self._gap is not None:
            raise Transient(f"Faust passed a record over ({self._gap}); it is read again")
