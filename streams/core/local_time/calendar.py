"""Calendars in local time: when something is due next.

A local time that is skipped counts as the first instant after the gap. One that is repeated counts at
its first occurrence only, so that nothing is due twice. Where a whole day was skipped (Samoa, 30
December 2011), it was due when the next began.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from streams.core.local_time.zones import Zone, weekday_of
from streams.core.population import products
from streams.core.population.products import Quarter
from streams.core.tree.dates import Date, date_of, day_number
from streams.core.values import DAY_MS, MINUTE_MS

ALL_QUARTERS: Final = frozenset({1, 2, 3, 4})
_DAY_MINUTES: Final = DAY_MS // MINUTE_MS
_WEEKDAYS: Final = range(7)
# The days that every month has.
_MONTH_DAYS: Final = range(1, 29)
_LEAP_YEAR: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(ABC):
    """Days of a calendar, each at `minute` (0 to 1,439) of the local day.

    ValueError for a schedule that cannot be.
    """

    minute: int

    def __post_init__(self) -> None:
        _check(0 <= self.minute < _DAY_MINUTES, "minute", self.minute, "from 0 to 1439")

    def next_ms(self, zone: Zone, after_ms: int) -> int:
        """The first instant of the calendar after `after_ms`, never that itself."""
        day = zone.local_ms(after_ms) // DAY_MS
        while True:
            day = self._from_day(day)
            due_ms = zone.instants_ms(day * DAY_MS + self.minute * MINUTE_MS)[0]
            if due_ms > after_ms:
                return due_ms
            day += 1

    @abstractmethod
    def _from_day(self, day: int) -> int:
        """The first day of the calendar from this one on, counted from 1970-01-01."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily(Schedule):
    """Every day."""

    def _from_day(self, day: int) -> int:
        return day


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly(Schedule):
    """Every week on one day, 0 for Monday to 6 for Sunday."""

    weekday: int

    def __post_init__(self) -> None:
        Schedule.__post_init__(self)
        _check(self.weekday in _WEEKDAYS, "weekday", self.weekday, "from 0 (Monday) to 6")

    def _from_day(self, day: int) -> int:
        return day + (self.weekday - weekday_of(day)) % 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Monthly(Schedule):
    """Every month on one day that all months have, 1 to 28."""

    day: int

    def __post_init__(self) -> None:
        Schedule.__post_init__(self)
        _check(self.day in _MONTH_DAYS, "day", self.day, "from 1 to 28, a day of every month")

    def _from_day(self, day: int) -> int:
        date = date_of(day)
        if date.day <= self.day:
            return day_number(date.year, date.month, self.day)
        next_month = date_of(day_number(date.year, date.month, 1) + 31)
        return day_number(next_month.year, next_month.month, self.day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarterly(Schedule):
    """The first day of each of these quarters, 1 to 4."""

    quarters: frozenset[int] = ALL_QUARTERS

    def __post_init__(self) -> None:
        Schedule.__post_init__(self)
        right = bool(self.quarters) and self.quarters <= ALL_QUARTERS
        _check(right, "quarters", sorted(self.quarters), "one or more of 1 to 4")

    def _from_day(self, day: int) -> int:
        year = date_of(day).year
        first_days = (day_number(y, 3 * q - 2, 1) for y in (year, year + 1) for q in self.quarters)
        return min(first for first in first_days if first >= day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Yearly(Schedule):
    """Every year on one date; 29 February is 1 March in common years, as for ages."""

    month: int
    day: int

    def __post_init__(self) -> None:
        Schedule.__post_init__(self)
        date = Date(_LEAP_YEAR, self.month, self.day)
        _check(
            date_of(day_number(*date)) == date, "date", date[1:], "a month and a day it can have"
        )

    def _from_day(self, day: int) -> int:
        year = date_of(day).year
        this_year = day_number(year, self.month, self.day)
        return this_year if this_year >= day else day_number(year + 1, self.month, self.day)


def next_date_ms(zone: Zone, month: int, day: int, minute: int, after_ms: int) -> int:
    """When a birthday or anniversary comes next after `after_ms`, at `minute` of the local day."""
    return _yearly(month, day, minute).next_ms(zone, after_ms)


# Customers share them: the days of a year for two campaigns.
@lru_cache(maxsize=2 * 366)
def _yearly(month: int, day: int, minute: int) -> Yearly:
    return Yearly(month=month, day=day, minute=minute)


def first_local_ms(
    zone: Zone, at_or_after_ms: int, minute_of_day: int, weekdays: frozenset[int] | None
) -> int:
    """The first instant from `at_or_after_ms` on at which the local minute begins.

    Only on `weekdays` (0 is Monday; None: any). For waiting and not for repeating: in an hour that is
    repeated the second occurrence will do as well. ValueError where the wait would never end.
    """
    _check(0 <= minute_of_day < _DAY_MINUTES, "minute", minute_of_day, "from 0 to 1439")
    if weekdays is not None and weekdays.isdisjoint(_WEEKDAYS):
        raise ValueError(
            f"weekdays {sorted(weekdays)}: give one or more of 0 (Monday) to 6, or None"
        )
    # A clock set back over midnight repeats the end of the day before.
    day = zone.local_ms(at_or_after_ms) // DAY_MS - 1
    while True:
        if weekdays is None or weekday_of(day) in weekdays:
            for instant_ms in zone.instants_ms(day * DAY_MS + minute_of_day * MINUTE_MS):
                if instant_ms >= at_or_after_ms:
                    return instant_ms
        day += 1


def quarter_of(zone: Zone, utc_ms: int) -> Quarter:
    """The calendar quarter on the wall at an instant."""
    return products.quarter_of(zone.local_ms(utc_ms))


def _check(right: bool, what: str, found: object, wanted: str) -> None:
    if not right:
        raise ValueError(f"{what} {found}: give {wanted}")
