"""Local time: zones, quiet hours and calendars on days when clocks are set."""

import pytest

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
from streams.core.local_time.posix_rule import parse_rule
from streams.core.local_time.quiet import release_ms
from streams.core.local_time.zones import NAMES, Zone, zone
from streams.core.population.products import Quarter
from streams.core.tree.dates import Date, parse_instant_ms
from streams.core.values import DAY_MS, HOUR_MS
from tests.contract import zone_table

MIDNIGHT, TWO, HALF_PAST_TWO, THREE, NINE, TEN_PM = 0, 120, 150, 180, 540, 1_320
MONDAY, SATURDAY, SUNDAY = 0, 5, 6


def at(text: str) -> int:
    instant = parse_instant_ms(text)
    assert instant is not None, text
    return instant


def of(name: str) -> Zone:
    found = zone(name)
    assert found is not None, name
    return found


BERLIN, NEW_YORK, LORD_HOWE = of("Europe/Berlin"), of("America/New_York"), of("Australia/Lord_Howe")


# -- zones -----------------------------------------------------------------------------------------


def test_the_committed_table_is_that_of_the_pinned_database() -> None:
    committed = zone_table.TABLE.read_text(encoding="utf-8")
    assert committed == zone_table.table(), "run: python -m tests.contract.zone_table"
    assert set(zone_table.names()) == NAMES


@pytest.mark.parametrize(
    "name",
    ["europe/berlin", "Mars/Olympus", "", "Europe", "../../etc/passwd", "CEST", "Europe/Berlin "],
)
def test_a_zone_that_is_none_is_unknown(name: str) -> None:
    assert zone(name) is None


def test_names_of_one_history_share_a_zone() -> None:
    assert zone("Europe/Kyiv") is zone("Europe/Kiev") is of("Europe/Kyiv")


@pytest.mark.parametrize(
    ("name", "instant", "hours"),
    [
        ("UTC", "2026-07-01", 0),
        ("Europe/Berlin", "2026-01-15T12:00:00Z", 1),
        ("Europe/Berlin", "2026-03-29T00:59:59.999Z", 1),
        ("Europe/Berlin", "2026-03-29T01:00:00Z", 2),
        ("Europe/Berlin", "2026-10-25T00:59:59.999Z", 2),
        ("Europe/Berlin", "2026-10-25T01:00:00Z", 1),
        ("Europe/Berlin", "2099-07-01", 2),
        ("America/New_York", "2006-03-20", -5),  # by the law of before 2007
        ("America/New_York", "2007-03-20", -4),
        ("Australia/Sydney", "2026-01-15", 11),
        ("Australia/Sydney", "2026-07-15", 10),
        ("Australia/Lord_Howe", "2026-01-15", 11),
        ("Australia/Lord_Howe", "2026-07-15", 10.5),
        ("Europe/Dublin", "2026-01-15", 0),  # there winter is the exception
        ("Europe/Dublin", "2026-07-15", 1),
        ("Africa/Casablanca", "2024-03-01", 1),
        ("Africa/Casablanca", "2024-03-20", 0),  # Ramadan
        ("Asia/Kathmandu", "2026-07-15", 5.75),
        ("Pacific/Apia", "2011-12-30T09:59:59Z", -10),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", 14),
        ("America/Nuuk", "2026-07-15", -1),
        ("Asia/Tokyo", "2026-07-15", 9),
    ],
)
def test_offsets_are_those_of_the_law(name: str, instant: str, hours: float) -> None:
    assert of(name).offset_ms(at(instant)) == hours * HOUR_MS


def test_outside_what_is_known_the_nearest_offset_holds() -> None:
    assert BERLIN.offset_ms(at("1985-07-01")) == HOUR_MS
    assert of("Australia/Sydney").offset_ms(at("1985-07-01")) == 11 * HOUR_MS
    assert BERLIN.offset_ms(at("2101-07-01")) == HOUR_MS
    assert BERLIN.next_change_ms(at("2101-01-01")) is None


def test_the_wall_tells_minute_weekday_and_date() -> None:
    new_year = at("2026-01-01T04:59:59.999Z")  # a Thursday in Greenwich
    assert NEW_YORK.local_minute_of_day(new_year) == 23 * 60 + 59
    assert NEW_YORK.weekday(new_year) == 2
    assert NEW_YORK.civil_date(new_year) == Date(2025, 12, 31)
    assert NEW_YORK.local_minute_of_day(new_year + 1) == MIDNIGHT
    assert NEW_YORK.weekday(new_year + 1) == 3
    assert NEW_YORK.civil_date(new_year + 1) == Date(2026, 1, 1)
    assert NEW_YORK.next_change_ms(new_year) == at("2026-03-08T07:00:00Z")


@pytest.mark.parametrize(
    ("name", "local", "instants"),
    [
        ("Europe/Berlin", "2026-06-01T09:00:00Z", ["2026-06-01T07:00:00Z"]),
        ("Europe/Berlin", "2026-03-29T02:30:00Z", ["2026-03-29T01:00:00Z"]),
        ("Europe/Berlin", "2026-03-29T03:00:00Z", ["2026-03-29T01:00:00Z"]),
        ("Europe/Berlin", "2026-10-25T01:59:00Z", ["2026-10-24T23:59:00Z"]),
        ("Europe/Berlin", "2026-10-25T02:00:00Z", ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"]),
        ("Europe/Berlin", "2026-10-25T02:30:00Z", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]),
        ("Europe/Berlin", "2026-10-25T03:00:00Z", ["2026-10-25T02:00:00Z"]),
        (
            "Australia/Lord_Howe",
            "2026-04-05T01:45:00Z",
            ["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"],
        ),
        ("Australia/Lord_Howe", "2026-10-04T02:15:00Z", ["2026-10-03T15:30:00Z"]),
        ("Pacific/Apia", "2011-12-30T09:00:00Z", ["2011-12-30T10:00:00Z"]),
    ],
)
def test_a_local_time_is_once_or_twice_or_after_its_gap(
    name: str, local: str, instants: list[str]
) -> None:
    assert of(name).instants_ms(at(local)) == tuple(map(at, instants))


@pytest.mark.parametrize("text", ["", "CET-1CEST", "CET-1CEST,J60,J300", "CET-1CEST,M3.5.0", "1"])
def test_a_rule_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no POSIX rule"):
        parse_rule(text)


# -- quiet hours -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "released"),
    [
        ("2026-06-01T20:59:59.999+02:00", "2026-06-01T20:59:59.999+02:00"),
        ("2026-06-01T21:00:00+02:00", "2026-06-02T08:00:00+02:00"),
        ("2026-06-02T07:59:59.999+02:00", "2026-06-02T08:00:00+02:00"),
        ("2026-06-02T08:00:00+02:00", "2026-06-02T08:00:00+02:00"),
        ("2026-03-28T22:00:00+01:00", "2026-03-29T08:00:00+02:00"),
        ("2026-10-24T22:00:00+02:00", "2026-10-25T08:00:00+01:00"),
    ],
)
def test_a_night_is_quiet_by_the_wall_clock(now: str, released: str) -> None:
    assert release_ms(BERLIN, at(now), 21 * 60, 8 * 60) == at(released)


def test_it_is_never_quiet_where_quiet_ends_as_it_starts() -> None:
    assert release_ms(BERLIN, at("2026-06-01"), TWO, TWO) == at("2026-06-01")


def test_an_end_in_the_skipped_hour_is_the_end_of_the_gap() -> None:
    now = at("2026-03-29T01:10:00+01:00")
    assert release_ms(BERLIN, now, MIDNIGHT, HALF_PAST_TWO) == at("2026-03-29T03:00:00+02:00")


def test_quiet_that_is_skipped_as_a_whole_is_none() -> None:
    before = at("2026-03-29T01:59:59.999+01:00")
    assert release_ms(BERLIN, before, TWO, HALF_PAST_TWO) == before
    assert release_ms(BERLIN, before + 1, TWO, HALF_PAST_TWO) == before + 1


def test_in_the_repeated_hour_quiet_begins_twice() -> None:
    first, second = at("2026-10-25T02:10:00+02:00"), at("2026-10-25T02:10:00+01:00")
    between = at("2026-10-25T02:40:00+02:00")
    assert release_ms(BERLIN, first, TWO, HALF_PAST_TWO) == at("2026-10-25T02:30:00+02:00")
    assert release_ms(BERLIN, between, TWO, HALF_PAST_TWO) == between
    assert release_ms(BERLIN, second, TWO, HALF_PAST_TWO) == at("2026-10-25T02:30:00+01:00")


def test_quiet_is_interrupted_where_the_clock_is_set_back_before_its_start() -> None:
    first, second = at("2026-10-25T02:45:00+02:00"), at("2026-10-25T02:45:00+01:00")
    assert release_ms(BERLIN, first, HALF_PAST_TWO, NINE) == at("2026-10-25T02:00:00+01:00")
    assert release_ms(BERLIN, second, HALF_PAST_TWO, NINE) == at("2026-10-25T09:00:00+01:00")


def test_quiet_goes_on_where_the_clock_is_set_back_within_it() -> None:
    now = at("2026-04-05T01:40:00+11:00")
    assert release_ms(LORD_HOWE, now, 90, TWO) == at("2026-04-05T02:00:00+10:30")


@pytest.mark.parametrize(("starts", "ends"), [(-1, 480), (1_440, 480), (480, 1_440), (480, -1)])
def test_quiet_hours_are_minutes_of_a_day(starts: int, ends: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 1439"):
        release_ms(BERLIN, 0, starts, ends)


# -- calendars -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        (Daily(minute=NINE), "2026-06-01T08:59:59.999+02:00", "2026-06-01T09:00:00+02:00"),
        (Daily(minute=NINE), "2026-06-01T09:00:00+02:00", "2026-06-02T09:00:00+02:00"),
        (Daily(minute=HALF_PAST_TWO), "2026-03-28T12:00:00Z", "2026-03-29T03:00:00+02:00"),
        (Daily(minute=HALF_PAST_TWO), "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"),
        (Daily(minute=HALF_PAST_TWO), "2026-10-24T12:00:00Z", "2026-10-25T02:30:00+02:00"),
        (Daily(minute=HALF_PAST_TWO), "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"),
        (Weekly(minute=NINE, weekday=MONDAY), "2026-06-01", "2026-06-01T09:00:00+02:00"),
        (Weekly(minute=NINE, weekday=MONDAY), "2026-06-02", "2026-06-08T09:00:00+02:00"),
        (Monthly(minute=NINE, day=28), "2026-01-29", "2026-02-28T09:00:00+01:00"),
        (Monthly(minute=NINE, day=1), "2026-12-01T12:00:00Z", "2027-01-01T09:00:00+01:00"),
        (Quarterly(minute=NINE), "2026-02-01", "2026-04-01T09:00:00+02:00"),
        (Quarterly(minute=NINE), "2026-12-31", "2027-01-01T09:00:00+01:00"),
        (
            Quarterly(minute=NINE, quarters=frozenset({3, 4})),
            "2026-10-01T09:00:00+02:00",
            "2027-07-01T09:00:00+02:00",
        ),
        (Yearly(minute=NINE, month=11, day=27), "2026-06-01", "2026-11-27T09:00:00+01:00"),
        (Yearly(minute=NINE, month=11, day=27), "2026-11-28", "2027-11-27T09:00:00+01:00"),
    ],
)
def test_a_calendar_is_due_next_at_local_time(schedule: Schedule, after: str, due: str) -> None:
    assert schedule.next_ms(BERLIN, at(after)) == at(due)


def test_a_day_that_was_skipped_is_due_when_the_next_begins() -> None:
    apia, daily = of("Pacific/Apia"), Daily(minute=NINE)
    gap_end = at("2011-12-31T00:00:00+14:00")
    assert daily.next_ms(apia, at("2011-12-29T09:00:00-10:00")) == gap_end
    assert daily.next_ms(apia, gap_end) == at("2011-12-31T09:00:00+14:00")
    assert Daily(minute=MIDNIGHT).next_ms(apia, gap_end) == at("2012-01-01T00:00:00+14:00")


def test_a_leap_birthday_is_celebrated_when_the_age_turns() -> None:
    def due(after: str) -> int:
        return next_date_ms(of("UTC"), 2, 29, NINE, at(after))

    assert due("2027-01-01") == at("2027-03-01T09:00:00Z")
    assert due("2027-03-01T09:00:00Z") == at("2028-02-29T09:00:00Z")
    assert due("2028-02-29T09:00:00Z") == at("2029-03-01T09:00:00Z")


@pytest.mark.parametrize(
    ("from_", "minute", "weekdays", "reached"),
    [
        ("2026-06-01T08:00:00+02:00", NINE, None, "2026-06-01T09:00:00+02:00"),
        ("2026-06-01T09:00:00+02:00", NINE, None, "2026-06-01T09:00:00+02:00"),
        ("2026-06-01T09:00:00.001+02:00", NINE, None, "2026-06-02T09:00:00+02:00"),
        ("2026-06-01T10:00:00+02:00", NINE, {SATURDAY, SUNDAY}, "2026-06-06T09:00:00+02:00"),
        ("2026-06-01T10:00:00+02:00", NINE, {MONDAY}, "2026-06-08T09:00:00+02:00"),
        ("2026-03-29T01:30:00+01:00", HALF_PAST_TWO, None, "2026-03-29T03:00:00+02:00"),
        ("2026-10-25T02:00:00+02:00", HALF_PAST_TWO, None, "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:31:00+02:00", HALF_PAST_TWO, None, "2026-10-25T02:30:00+01:00"),
        ("2026-10-25T02:31:00+01:00", HALF_PAST_TWO, None, "2026-10-26T02:30:00+01:00"),
    ],
)
def test_a_wait_ends_at_the_next_such_minute(
    from_: str, minute: int, weekdays: set[int] | None, reached: str
) -> None:
    allowed = None if weekdays is None else frozenset(weekdays)
    assert first_local_ms(BERLIN, at(from_), minute, allowed) == at(reached)


def test_a_clock_set_back_over_midnight_repeats_the_evening_before() -> None:
    # Newfoundland until 2011: at 00:01 it was 23:01 of the day before.
    newfoundland, past_midnight = of("America/St_Johns"), at("2010-11-07T00:00:30-02:30")
    evening = at("2010-11-06T23:30:00-03:30")
    assert first_local_ms(newfoundland, past_midnight, 23 * 60 + 30, None) == evening
    assert (
        first_local_ms(newfoundland, past_midnight, 23 * 60 + 30, frozenset({SATURDAY})) == evening
    )
    assert Daily(minute=MIDNIGHT).next_ms(newfoundland, past_midnight) > past_midnight + DAY_MS


def test_a_quarter_begins_at_local_midnight() -> None:
    midnight = at("2026-01-01T00:00:00+01:00")
    assert quarter_of(BERLIN, midnight) == Quarter(2026, 1)
    assert quarter_of(BERLIN, midnight - 1) == Quarter(2025, 4)
    assert quarter_of(NEW_YORK, midnight) == Quarter(2025, 4)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Daily, {"minute": 1_440}),
        (Daily, {"minute": -1}),
        (Weekly, {"minute": 0, "weekday": 7}),
        (Monthly, {"minute": 0, "day": 29}),
        (Monthly, {"minute": 0, "day": 0}),
        (Quarterly, {"minute": 0, "quarters": frozenset()}),
        (Quarterly, {"minute": 0, "quarters": frozenset({0, 1})}),
        (Yearly, {"minute": 0, "month": 2, "day": 30}),
        (Yearly, {"minute": 0, "month": 13, "day": 1}),
        (Yearly, {"minute": 0, "month": 0, "day": 1}),
        (Yearly, {"minute": 1_440, "month": 1, "day": 1}),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(
    kind: type[Schedule], fields: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="give "):
        kind(**fields)  # type: ignore[arg-type]


def test_a_wait_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="give one or more"):
        first_local_ms(BERLIN, 0, NINE, frozenset())
    with pytest.raises(ValueError, match="from 0 to 1439"):
        first_local_ms(BERLIN, 0, 1_440, None)
