"""What may start a campaign: a segment entered or left, an event, a date, a calendar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from streams.core.local_time.calendar import Daily, Monthly, Quarterly, Schedule, Weekly, Yearly
from streams.core.schemes.scheme import Shop
from streams.core.tree import Tree, TreeError, compile_tree

EVENT, CLOCK = "event", "clock"
# What never starts anything: moving limits, new rules, back-filled history, two customers made one.
STARTING_CAUSES: Final = frozenset({EVENT, CLOCK})
UP, DOWN = "up", "down"
BIRTHDAY, FIRST_ORDER = "birthday", "first_order"
STRONGEST = "strongest"
EVENTS: Final = (
    "order.placed",
    "order.cancelled",
    "return.registered",
    "cart.updated",
    "cart.abandoned",
    "customer.updated",
    "consent.changed",
    "service.contacted",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A segment (or flag) entered, or with `leaves` left, by one of `causes`.

    `origins` are the segments to come from (None: any, nowhere included), `direction` is up or down
    in the scheme's order from best to worst.
    """

    scheme: str
    segment: str
    leaves: bool
    origins: frozenset[str] | None
    direction: str | None
    causes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of the customer that meets `when`; an abandoned cart may be one that time made."""

    event: str
    when: Tree | None
    causes: frozenset[str]


class Date(NamedTuple):
    """A day of the customer each year, at `minute` of the customer's local day."""

    date: str
    minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """A calendar in the shop's time zone, for customers who meet `when`.

    `seasons`: in which quarters (1 to 4), `strongest` for the two with the highest mean net revenue;
    None for all.
    """

    schedule: Schedule
    seasons: frozenset[int] | str | None
    when: Tree | None


class Triggers(NamedTuple):
    entries: tuple[Entry, ...]
    events: tuple[Event, ...]
    dates: tuple[Date, ...]
    timetables: tuple[Timetable, ...]


def compile_triggers(raws: Sequence[Mapping[str, Any]], shop: Shop) -> Triggers:
    """Triggers from their journaled form; ValueError says which one is wrong and why."""
    entries: list[Entry] = []
    events: list[Event] = []
    dates: list[Date] = []
    timetables: list[Timetable] = []
    for index, raw in enumerate(raws):
        match raw["kind"]:
            case "enters" | "leaves":
                entries.append(_entry(raw, index))
            case "event":
                events.append(_event(raw, index, shop))
            case "date":
                if raw["date"] not in {BIRTHDAY, FIRST_ORDER}:
                    raise ValueError(f"triggers[{index}]: no date {raw['date']!r} of a customer")
                dates.append(Date(raw["date"], int(raw["minute"])))
            case "schedule":
                timetables.append(_timetable(raw, index, shop))
            case other:
                raise ValueError(f"triggers[{index}]: unknown kind {other!r}")
    if not raws:
        raise ValueError("a campaign needs a trigger")
    return Triggers(tuple(entries), tuple(events), tuple(dates), tuple(timetables))


def _entry(raw: Mapping[str, Any], index: int) -> Entry:
    origins = raw["from"]
    return Entry(
        scheme=str(raw["scheme"]),
        segment=str(raw["segment"]),
        leaves=raw["kind"] == "leaves",
        origins=None if origins is None else frozenset(origins),
        direction=raw["direction"],
        causes=_causes(raw, index),
    )


def _event(raw: Mapping[str, Any], index: int, shop: Shop) -> Event:
    if raw["event"] not in EVENTS:
        raise ValueError(
            f"triggers[{index}]: no event {raw['event']!r}; known: {', '.join(EVENTS)}"
        )
    when = _tree(raw["when"], index, shop)
    return Event(event=raw["event"], when=when, causes=_causes(raw, index))


def _timetable(raw: Mapping[str, Any], index: int, shop: Shop) -> Timetable:
    seasons = raw["seasons"]
    try:
        schedule = _schedule(raw)
    except ValueError as error:
        raise ValueError(f"triggers[{index}]: {error}") from error
    return Timetable(
        schedule=schedule,
        seasons=seasons if seasons is None or seasons == STRONGEST else frozenset(seasons),
        when=_tree(raw["when"], index, shop),
    )


def _schedule(raw: Mapping[str, Any]) -> Schedule:
    minute = int(raw["minute"])
    match raw["every"]:
        case "day":
            return Daily(minute=minute)
        case "week":
            return Weekly(minute=minute, weekday=raw["weekday"])
        case "month":
            return Monthly(minute=minute, day=raw["day"])
        case "quarter":
            return Quarterly(minute=minute)
        case "year":
            return Yearly(minute=minute, month=raw["month"], day=raw["day"])
        case other:
            raise ValueError(f"every {other!r}: give day, week, month, quarter or year")


def _causes(raw: Mapping[str, Any], index: int) -> frozenset[str]:
    causes = frozenset(raw["causes"])
    if not causes or not causes <= STARTING_CAUSES:
        allowed = ", ".join(sorted(STARTING_CAUSES))
        raise ValueError(f"triggers[{index}]: causes must be of {allowed}, found {sorted(causes)}")
    return causes


def _tree(raw: object, index: int, shop: Shop) -> Tree | None:
    if raw is None:
        return None
    try:
        return compile_tree(raw, window_ms=shop.window_ms)
    except TreeError as error:
        raise TreeError(error.path, error.problem, inside=f"triggers[{index}].when") from error
