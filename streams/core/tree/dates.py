"""Dates of the Gregorian calendar in UTC, by arithmetic: the core reads no clock and no calendar."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY: Final = 2
# Days from 1 March of the year 0 to 1 January 1970, and in 400 years.
_EPOCH_DAYS: Final = 719_468
_CYCLE_DAYS: Final = 146_097
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_INSTANT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_LAST_HOUR: Final = 23
_LAST_MINUTE: Final = 59
# A leap second counts as the first instant after it, as in the contracts.
_LAST_SECOND: Final = 60


class Date(NamedTuple):
    year: int
    month: int
    day: int


def parse_date(text: object) -> Date | None:
    """The date of a text YYYY-MM-DD; None for anything else, also for a day that never was."""
    return _parse_date(text) if isinstance(text, str) else None


# Every decision on a customer may ask for an age. Ninety years of birth dates are 33,000 texts.
@lru_cache(maxsize=32_768)
def _parse_date(text: str) -> Date | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    date = Date(int(match[1]), int(match[2]), int(match[3]))
    return date if _exists(date) else None


def parse_instant_ms(text: object) -> int | None:
    """Milliseconds since 1970 of an RFC 3339 text, or of the first instant of a date in UTC.

    None for anything else: a time without its offset is not an instant.
    """
    date = parse_date(text)
    if date is not None:
        return day_number(*date) * DAY_MS
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    date = parse_date(match[1])
    hour, minute, second = int(match[2]), int(match[3]), int(match[4])
    off_hour, off_minute = int(match[7] or 0), int(match[8] or 0)
    if (
        date is None
        or max(hour, off_hour) > _LAST_HOUR
        or max(minute, off_minute) > _LAST_MINUTE
        or second > _LAST_SECOND
    ):
        return None
    milliseconds = int(f"{match[5] or 0}00"[:3])
    if second == _LAST_SECOND:
        milliseconds = 0
    offset_ms = off_hour * HOUR_MS + off_minute * MINUTE_MS
    local_ms = day_number(*date) * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS
    local_ms += second * SECOND_MS + milliseconds
    return local_ms + offset_ms if match[6] == "-" else local_ms - offset_ms


def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01. A 29 February of a common year is that year's 1 March.

    Years begin in March here, so that the leap day is the last of its year (Hinnant,
    "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
    """
    if month <= _FEBRUARY:
        year -= 1
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + day_of_year - _EPOCH_DAYS


def birthday_ms(birth: Date, age: int) -> int:
    """The first instant, in UTC, at which somebody born then is `age` years old.

    Who was born on 29 February turns a year older on 1 March of a common year.
    """
    return day_number(birth.year + age, birth.month, birth.day) * DAY_MS


def age_at(birth: Date, now_ms: int) -> int:
    """Whole years at `now_ms` in UTC; below zero for somebody not yet born."""
    year, month, day = date_of(now_ms // DAY_MS)
    return year - birth.year - ((month, day) < (birth.month, birth.day))


# Decisions follow one another in time, so nearly all are about one and the same day.
@lru_cache(maxsize=64)
def date_of(days: int) -> Date:
    """The date so many days after 1970-01-01 (Hinnant, `civil_from_days`)."""
    cycle, day_of_cycle = divmod(days + _EPOCH_DAYS, _CYCLE_DAYS)
    leap_days = day_of_cycle // 1_460 - day_of_cycle // 36_524 + day_of_cycle // 146_096
    year_of_cycle = (day_of_cycle - leap_days) // 365
    day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle // 4 - year_of_cycle // 100)
    from_march = (5 * day_of_year + 2) // 153
    month = from_march + 3 if from_march < 10 else from_march - 9  # noqa: PLR2004 - March to December
    year = 400 * cycle + year_of_cycle + (month <= _FEBRUARY)
    return Date(year, month, day_of_year - (153 * from_march + 2) // 5 + 1)


def _exists(date: Date) -> bool:
    if not date.year or not 1 <= date.month <= len(_MONTH_DAYS):
        return False
    days = _MONTH_DAYS[date.month - 1]
    if date.month == _FEBRUARY and _is_leap(date.year):
        days += 1
    return 1 <= date.day <= days


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
