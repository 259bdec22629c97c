"""Local time in the core is what the standard library says of the pinned tz database."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from io import BytesIO
from itertools import chain, count
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.local_time.calendar import (
    Daily,
    Monthly,
    Quarterly,
    Schedule,
    Weekly,
    Yearly,
    first_local_ms,
    next_date_ms,
    quarter_of,
)
from streams.core.local_time.quiet import release_ms
from streams.core.local_time.zones import Zone, zone
from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS
from tests.contract.zone_table import names, tzif
from tests.properties.profiles import tried

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WALL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the wall clock has no zone
MILLISECOND = timedelta(milliseconds=1)
FIRST_MS = (datetime(2000, 1, 1, tzinfo=UTC) - EPOCH) // MILLISECOND
LAST_MS = (datetime(2051, 1, 1, tzinfo=UTC) - EPOCH) // MILLISECOND
# Kinds of change: by an hour, half an hour, a month of a lunar year, winter as the exception, at and
# over midnight, a whole day; and none.
SAMPLE = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Europe/Dublin",
]
ODD = ["America/St_Johns", "America/Scoresbysund", "America/Havana", "Pacific/Apia", "Asia/Tokyo"]


class Both(NamedTuple):
    """A zone as the core and as the standard library have it, and its changes up to 2050."""

    ours: Zone
    theirs: ZoneInfo
    changes: list[int]


@cache
def both(name: str) -> Both:
    ours = zone(name)
    assert ours is not None, name
    # Never `ZoneInfo(name)`: that would ask the machine's own database first.
    theirs = ZoneInfo.from_file(BytesIO(tzif(name)), key=name)
    changes, at_ms = [], ours.next_change_ms(FIRST_MS)
    while at_ms is not None and at_ms < LAST_MS:
        changes.append(at_ms)
        at_ms = ours.next_change_ms(at_ms)
    return Both(ours, theirs, changes)


def wall(theirs: ZoneInfo, utc_ms: int) -> datetime:
    return (EPOCH + utc_ms * MILLISECOND).astimezone(theirs)


def offset_ms(theirs: ZoneInfo, utc_ms: int) -> int:
    offset = wall(theirs, utc_ms).utcoffset()
    assert offset is not None
    return offset // MILLISECOND


# -- zones -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_every_name_has_the_offsets_of_the_database(seed: int) -> None:
    chance = Random(seed)
    for name in names():
        ours, theirs, _ = both(name)
        for _ in range(20):
            at_ms = chance.randrange(FIRST_MS, LAST_MS)
            assert ours.offset_ms(at_ms) == offset_ms(theirs, at_ms), f"{name} at {at_ms}"


def test_every_change_is_one_of_the_database_to_the_millisecond() -> None:
    seen: set[int] = set()
    for name in names():
        ours, theirs, changes = both(name)
        if id(ours) in seen:
            continue
        seen.add(id(ours))
        for at_ms in changes:
            before, after = offset_ms(theirs, at_ms - 1), offset_ms(theirs, at_ms)
            assert before != after, f"{name} at {at_ms}"
            assert (ours.offset_ms(at_ms - 1), ours.offset_ms(at_ms)) == (before, after), name
            assert at_ms - 1 in ours.instants_ms(at_ms - 1 + before), name
            assert at_ms in ours.instants_ms(at_ms + after), name


@pytest.mark.parametrize("name", SAMPLE + ODD)
def test_no_change_of_the_database_is_missing(name: str) -> None:
    ours, theirs, changes = both(name)
    # Between two changes the database must have one offset only, looked at every six hours.
    for first, last in zip([FIRST_MS, *changes], [*changes, LAST_MS], strict=True):
        expected = ours.offset_ms(first) // MINUTE_MS
        seen = {offset_ms(theirs, at) // MINUTE_MS for at in range(first, last, 6 * HOUR_MS)}
        assert seen == {expected}, f"{name} from {first}"


@st.composite
def zones_and_instants(draw: st.DrawFn) -> tuple[Both, int]:
    """An instant of any time, mostly within two days of a change."""
    one = both(draw(st.sampled_from(SAMPLE + ODD)))
    anchors = st.sampled_from(one.changes) if one.changes else st.just(FIRST_MS)
    off = st.integers(-2 * 24 * 60, 2 * 24 * 60).map(lambda minutes: minutes * MINUTE_MS)
    exact = st.sampled_from([0, 0, -1, 1, 30_000])
    near = st.builds(lambda at, minutes, more: at + minutes + more, anchors, off, exact)
    return one, draw(near | st.integers(FIRST_MS + DAY_MS, LAST_MS))


minutes_of_day = st.integers(0, 1_439) | st.sampled_from([0, 30, 60, 90, 119, 120, 150, 180, 1_410])


@tried(300)
@given(zones_and_instants())
def test_what_the_wall_shows_is_what_the_library_says(given_: tuple[Both, int]) -> None:
    (ours, theirs, _), at_ms = given_
    shown = wall(theirs, at_ms)
    assert ours.local_ms(at_ms) == (shown.replace(tzinfo=None) - WALL_EPOCH) // MILLISECOND
    assert ours.local_minute_of_day(at_ms) == shown.hour * 60 + shown.minute
    assert ours.weekday(at_ms) == shown.weekday()
    assert ours.civil_date(at_ms) == (shown.year, shown.month, shown.day)
    assert quarter_of(ours, at_ms) == (shown.year, (shown.month + 2) // 3)


# -- quiet hours -----------------------------------------------------------------------------------


@tried(150)
@given(zones_and_instants(), minutes_of_day, minutes_of_day)
def test_quiet_hours_end_where_a_search_by_minutes_ends(
    given_: tuple[Both, int], starts: int, ends: int
) -> None:
    (ours, theirs, _), now_ms = given_
    assert release_ms(ours, now_ms, starts, ends) == _searched(theirs, now_ms, starts, ends)


def _searched(theirs: ZoneInfo, now_ms: int, starts: int, ends: int) -> int:
    quiet = {minute % 1_440 for minute in range(starts, ends if starts <= ends else ends + 1_440)}
    # Offsets are whole minutes, so that a minute of the wall clock begins with one of UTC.
    next_minute = now_ms - now_ms % MINUTE_MS + MINUTE_MS
    for at_ms in chain([now_ms], range(next_minute, now_ms + 3 * DAY_MS, MINUTE_MS)):
        shown = wall(theirs, at_ms)
        if shown.hour * 60 + shown.minute not in quiet:
            return at_ms
    raise AssertionError("quiet for three days")


# -- calendars -------------------------------------------------------------------------------------

Days = Callable[[date], bool]


def _is_anniversary(day: date, month: int, of_month: int) -> bool:
    if (month, of_month) == (2, 29) and not _is_leap(day.year):
        return (day.month, day.day) == (3, 1)
    return (day.month, day.day) == (month, of_month)


def _is_leap(year: int) -> bool:
    return (date(year, 3, 1) - date(year, 2, 1)).days == 29


dates = st.dates(date(2000, 1, 1), date(2000, 12, 31)) | st.sampled_from(
    [date(2000, 2, 29), date(2000, 1, 1), date(2000, 12, 31)]
)
quarters = st.frozensets(st.integers(1, 4), min_size=1)


@st.composite
def schedules(draw: st.DrawFn, minute: int) -> tuple[Schedule, Days]:
    """A schedule, and the same as a question to a date."""
    weekday, of_month, chosen = draw(st.integers(0, 6)), draw(st.integers(1, 28)), draw(quarters)
    turn = draw(dates)
    kinds: list[tuple[Schedule, Days]] = [
        (Daily(minute=minute), lambda day: True),
        (Weekly(minute=minute, weekday=weekday), lambda day: day.weekday() == weekday),
        (Monthly(minute=minute, day=of_month), lambda day: day.day == of_month),
        (
            Quarterly(minute=minute, quarters=chosen),
            lambda day: day.day == 1 and day.month in {3 * one - 2 for one in chosen},
        ),
        (
            Yearly(minute=minute, month=turn.month, day=turn.day),
            lambda day: _is_anniversary(day, turn.month, turn.day),
        ),
    ]
    chosen_kind: tuple[Schedule, Days] = draw(st.sampled_from(kinds))
    return chosen_kind


@tried(200)
@given(zones_and_instants(), minutes_of_day, st.data())
def test_calendars_are_due_as_an_enumeration_of_days_says(
    given_: tuple[Both, int], minute: int, data: st.DataObject
) -> None:
    (ours, theirs, _), after_ms = given_
    schedule, is_day = data.draw(schedules(minute))
    assert schedule.next_ms(ours, after_ms) == _enumerated(theirs, after_ms, minute, is_day)


@tried(100)
@given(zones_and_instants(), minutes_of_day, dates)
def test_dates_of_customers_come_as_an_enumeration_of_days_says(
    given_: tuple[Both, int], minute: int, turn: date
) -> None:
    (ours, theirs, _), after_ms = given_
    expected = _enumerated(
        theirs, after_ms, minute, lambda day: _is_anniversary(day, turn.month, turn.day)
    )
    assert next_date_ms(ours, turn.month, turn.day, minute, after_ms) == expected


def _enumerated(theirs: ZoneInfo, after_ms: int, minute: int, is_day: Days) -> int:
    # Three days earlier: more than any clock was ever set.
    first = wall(theirs, after_ms).date() - timedelta(days=3)
    for day in (first + timedelta(days=days) for days in count()):
        if is_day(day) and (due_ms := _first_shown(theirs, day, minute)) > after_ms:
            return due_ms
    raise AssertionError("an endless calendar ended")


def _first_shown(theirs: ZoneInfo, day: date, minute: int) -> int:
    """As PEP 495 has it: `fold` 0 is the first of two, and a time in a gap an instant after it."""
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=theirs)
    shown_ms = (local - EPOCH) // MILLISECOND
    naive = local.replace(tzinfo=None)
    if wall(theirs, shown_ms).replace(tzinfo=None) == naive:
        return shown_ms
    while wall(theirs, shown_ms - MINUTE_MS).replace(tzinfo=None) > naive:
        shown_ms -= MINUTE_MS
    return shown_ms


weekday_sets = st.none() | st.frozensets(st.integers(0, 6), min_size=1)


# Few, because a week has ten thousand minutes.
@tried(40)
@given(zones_and_instants(), minutes_of_day, weekday_sets)
def test_a_wait_ends_where_a_search_by_minutes_ends(
    given_: tuple[Both, int], minute: int, weekdays: frozenset[int] | None
) -> None:
    (ours, theirs, _), from_ms = given_
    assert first_local_ms(ours, from_ms, minute, weekdays) == _waited(
        theirs, from_ms, minute, weekdays
    )


def _waited(theirs: ZoneInfo, from_ms: int, minute: int, weekdays: frozenset[int] | None) -> int:
    """Minute by minute: the wall shows it, or has just jumped over it on an allowed day."""
    at_ms = -(-from_ms // MINUTE_MS) * MINUTE_MS
    before = wall(theirs, at_ms - MINUTE_MS).replace(tzinfo=None)
    while True:
        shown = wall(theirs, at_ms).replace(tzinfo=None)
        passed = before + timedelta(minutes=1)
        # This minute, and those that were skipped before it.
        for local in [shown] if shown <= passed else _minutes(passed, shown):
            of_day = local.hour * 60 + local.minute
            if of_day == minute and (weekdays is None or local.weekday() in weekdays):
                return at_ms
        before, at_ms = shown, at_ms + MINUTE_MS


def _minutes(first: datetime, last: datetime) -> list[datetime]:
    return [
        first + timedelta(minutes=one) for one in range((last - first) // timedelta(minutes=1) + 1)
    ]
