"""Time zones: what clocks on the wall show at an instant, and at which instant they show it.

Local times are whole milliseconds since 1970-01-01T00:00 as the wall clock counts them, so that a day
is `local_ms // DAY_MS` and its time of day the rest.

Known from 2000 to 2100. Before, the offset with which 2000 began holds: nothing here is older than a
shop's history. After, the one with which 2100 ends: nobody has made laws for then.
"""

from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from typing import Final

from streams.core.local_time.posix_rule import parse_rule
from streams.core.local_time.zone_table import HISTORIES
from streams.core.tree.dates import Date, date_of, day_number
from streams.core.values import DAY_MS, MINUTE_MS

FIRST_MS: Final = day_number(2000, 1, 1) * DAY_MS
_LAST_YEAR: Final = 2100
# 1970-01-01 was a Thursday, and Monday is 0.
_FIRST_WEEKDAY: Final = 3
_RECORDS: Final = HISTORIES.split("\n\n")
_NUMBERS: Final = {
    name: number
    for number, record in enumerate(_RECORDS)
    for name in record.rpartition(";")[2].split()
}
NAMES: Final = frozenset(_NUMBERS)
"""Every name of the tz database, links included."""


class Zone:
    """One history of offsets (local time minus UTC), shared by all names that have it.

    `changes` are (instant, offset from then on) in order of time.
    """

    __slots__ = ("_changes", "_local_ends", "_offsets")

    def __init__(self, first_offset_ms: int, changes: Iterable[tuple[int, int]]) -> None:
        self._changes: list[int] = []
        self._offsets = [first_offset_ms]
        # Where the wall clock stands when each offset but the last one ends.
        self._local_ends: list[int] = []
        for at_ms, offset_ms in changes:
            before_ms = self._offsets[-1]
            if offset_ms != before_ms:
                self._changes.append(at_ms)
                self._local_ends.append(at_ms + before_ms)
                self._offsets.append(offset_ms)

    def offset_ms(self, utc_ms: int) -> int:
        """What to add to the instant for local time."""
        return self._offsets[bisect_right(self._changes, utc_ms)]

    def local_ms(self, utc_ms: int) -> int:
        """What the wall clock shows at the instant."""
        return utc_ms + self._offsets[bisect_right(self._changes, utc_ms)]

    def local_minute_of_day(self, utc_ms: int) -> int:
        """0 to 1,439, as the wall clock shows it."""
        return self.local_ms(utc_ms) % DAY_MS // MINUTE_MS

    def weekday(self, utc_ms: int) -> int:
        """0 for Monday to 6 for Sunday."""
        return weekday_of(self.local_ms(utc_ms) // DAY_MS)

    def civil_date(self, utc_ms: int) -> Date:
        """The date on the wall."""
        return date_of(self.local_ms(utc_ms) // DAY_MS)

    def next_change_ms(self, utc_ms: int) -> int | None:
        """The first later instant at which the offset is another; None where that is not known."""
        number = bisect_right(self._changes, utc_ms)
        return self._changes[number] if number < len(self._changes) else None

    def instants_ms(self, local_ms: int) -> tuple[int, ...]:
        """The instants at which the wall clock shows this: one, or two in order where it is repeated.

        For a time that is skipped the first instant after the gap. So the first of them is always the
        first instant at which the wall clock shows this time or a later one.
        """
        number = bisect_right(self._local_ends, local_ms)
        first_ms = local_ms - self._offsets[number]
        if number:
            first_ms = max(first_ms, self._changes[number - 1])
        if number < len(self._changes):
            again_ms = local_ms - self._offsets[number + 1]
            if again_ms >= self._changes[number]:
                return first_ms, again_ms
        return (first_ms,)


def zone(name: str) -> Zone | None:
    """The zone of an IANA name as spelt there (`Europe/Berlin`), or None for any other text."""
    number = _NUMBERS.get(name)
    return None if number is None else _zone(number)


def weekday_of(day: int) -> int:
    """0 for Monday to 6 for Sunday, of a day counted from 1970-01-01."""
    return (day + _FIRST_WEEKDAY) % 7


# At most as many as there are histories, some 200: all of them together are below 2 MB.
@cache
def _zone(number: int) -> Zone:
    rule, offsets, _ = _RECORDS[number].split(";")
    first, *later = offsets.split()
    known = [
        (int(at) * MINUTE_MS, int(offset) * MINUTE_MS)
        for at, _, offset in (one.partition("=") for one in later)
    ]
    since_ms = known[-1][0] if known else FIRST_MS - 1
    first_year = date_of(since_ms // DAY_MS).year
    by_rule = parse_rule(rule)
    known += [
        change
        for year in range(first_year, _LAST_YEAR + 1)
        for change in by_rule.changes(year)
        if change[0] > since_ms
    ]
    return Zone(int(first) * MINUTE_MS, known)
