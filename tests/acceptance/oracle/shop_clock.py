"""A clock on the shop's wall: quiet hours, and times of day to wait for. Time in ms since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Collection

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class QuietHours(NamedTuple):
    """Minutes of the local day: quiet from `starts` on, no longer at `ends`."""

    starts: int
    ends: int


def local(at_ms: int, zone: str) -> datetime:
    """What the wall clock shows at an instant."""
    return (_EPOCH + at_ms * _MS).astimezone(ZoneInfo(zone))


def instant(day: date, minute: int, zone: str) -> int:
    """When the wall clock shows a minute of a day: the first time where it shows it twice.

    A time that is left out in spring is that much later, as clocks that were not set would have it.
    """
    shown = datetime.combine(day, time(), tzinfo=ZoneInfo(zone)) + minute * _MINUTE
    return (shown.astimezone(UTC) - _EPOCH) // _MS


def is_quiet(at_ms: int, hours: QuietHours, zone: str) -> bool:
    """Whether an instant lies in quiet hours, which may go over midnight."""
    now = local(at_ms, zone)
    minute = now.hour * 60 + now.minute
    if hours.starts < hours.ends:
        return hours.starts <= minute < hours.ends
    return minute >= hours.starts or minute < hours.ends


def next_time(at_ms: int, minute: int, zone: str, weekdays: Collection[int] = range(7)) -> int:
    """The first instant at or after `at_ms` with that time of day, on one of these days (Monday: 0)."""
    day = local(at_ms, zone).date()
    while day.weekday() not in weekdays or instant(day, minute, zone) < at_ms:
        day += _DAY
    return instant(day, minute, zone)


def later_by_days(at_ms: int, span_ms: int, zone: str) -> int:
    """The same time of day so many whole days later; ValueError for a span that is none."""
    days, rest_ms = divmod(span_ms, _DAY // _MS)
    if rest_ms:
        message = "teach the oracle repetitions that are no whole days"
        raise ValueError(message)
    shown = local(at_ms, zone)
    return instant(shown.date() + days * _DAY, shown.hour * 60 + shown.minute, zone)


def end_of_quiet(at_ms: int, hours: QuietHours, zone: str) -> int:
    """When quiet hours that hold at `at_ms` are over."""
    return next_time(at_ms, hours.ends, zone)
