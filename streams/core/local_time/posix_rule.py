"""POSIX rules: what a zone does every year from its last recorded change on.

`CET-1CEST,M3.5.0,M10.5.0/3` as in the footer of a TZif file (RFC 9636, 3.3.1). Days of changes are
read in the form M only, `month.week.weekday`; the tz database writes no other.
"""

import re
from typing import Final, NamedTuple

from streams.core.tree.dates import date_of, day_number
from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_NAME: Final = r"(?:<[A-Za-z0-9+-]+>|[A-Za-z]+)"
_TIME: Final = r"[+-]?[0-9]{1,3}(?::[0-9]{2}){0,2}"
_DAY: Final = rf"M([0-9]{{1,2}})\.([1-5])\.([0-6])(?:/({_TIME}))?"
_RULE: Final = re.compile(rf"{_NAME}({_TIME})(?:{_NAME}({_TIME})?,{_DAY},{_DAY})?")
_USUAL_TIME: Final = "2"
# 1970-01-01 was a Thursday, and POSIX counts from Sunday.
_FIRST_WEEKDAY: Final = 4


class Change(NamedTuple):
    """The `week`th `weekday` (0 is Sunday) of `month`, the last one for 5.

    `after_ms` from its midnight by the wall clock before the change; also negative or above a day.
    """

    month: int
    week: int
    weekday: int
    after_ms: int


class Daylight(NamedTuple):
    """The other offset of a year, from `begins` to `ends`; in Ireland it is winter's."""

    offset_ms: int
    begins: Change
    ends: Change


class Rule(NamedTuple):
    """Offsets are local time minus UTC."""

    offset_ms: int
    daylight: Daylight | None

    def changes(self, year: int) -> list[tuple[int, int]]:
        """(instant, offset from then on) of both changes of a year, in order of time."""
        if self.daylight is None:
            return []
        daylight_ms, begins, ends = self.daylight
        return sorted(
            [
                (_local_ms(begins, year) - self.offset_ms, daylight_ms),
                (_local_ms(ends, year) - daylight_ms, self.offset_ms),
            ]
        )


def parse_rule(text: str) -> Rule:
    """The rule of a text; ValueError for what is none or has days in another form than M."""
    match = _RULE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no POSIX rule with days in the form M: read it in this module"
        )
    # POSIX counts westwards: what to add to local time for UTC.
    offset_ms = -_time_ms(match[1])
    if match[3] is None:
        return Rule(offset_ms, None)
    daylight_ms = -_time_ms(match[2]) if match[2] else offset_ms + HOUR_MS
    begins, ends = (
        Change(int(month), int(week), int(weekday), _time_ms(time or _USUAL_TIME))
        for month, week, weekday, time in (match.group(3, 4, 5, 6), match.group(7, 8, 9, 10))
    )
    return Rule(offset_ms, Daylight(daylight_ms, begins, ends))


def _time_ms(text: str) -> int:
    parts = [int(part) for part in text.lstrip("+-").split(":")]
    units = (HOUR_MS, MINUTE_MS, SECOND_MS)
    elapsed = sum(part * unit for part, unit in zip(parts, units, strict=False))
    return -elapsed if text.startswith("-") else elapsed


def _local_ms(change: Change, year: int) -> int:
    first = day_number(year, change.month, 1)
    day = first + (change.weekday - first - _FIRST_WEEKDAY) % 7 + 7 * (change.week - 1)
    # A fifth one that the month does not have: the last is the fourth.
    if date_of(day).month != change.month:
        day -= 7
    return day * DAY_MS + change.after_ms
