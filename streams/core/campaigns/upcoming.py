"""When any of many calendars comes next: asked for every customer, the same for all of them."""

from collections.abc import Sequence

from streams.core.local_time.calendar import Schedule
from streams.core.local_time.zones import Zone


class Upcoming:
    """The next instant of several calendars in one zone.

    It remembers for which span its latest answer holds, which changes no answer: instants asked for
    one after the other mostly lie between two of the calendars'.
    """

    __slots__ = ("_from_ms", "_next_ms", "_schedules", "_zone")

    def __init__(self, schedules: Sequence[Schedule], zone: Zone) -> None:
        self._schedules = tuple(schedules)
        self._zone = zone
        self._from_ms, self._next_ms = 0, 0

    def next_ms(self, after_ms: int) -> int | None:
        """The first instant after `after_ms`; None without calendars."""
        if not self._schedules:
            return None
        if not self._from_ms <= after_ms < self._next_ms:
            self._next_ms = min(one.next_ms(self._zone, after_ms) for one in self._schedules)
            self._from_ms = after_ms
        return self._next_ms

    def is_at(self, at_ms: int) -> bool:
        """Whether one of the calendars is exactly at this instant."""
        return self.next_ms(at_ms - 1) == at_ms
