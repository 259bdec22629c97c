"""The shipped campaigns and their policy as plain values, read from the YAML files with PyYAML alone.

Every scalar is read as text and turned into what the field means here; a field that this reader does
not know is an error, so that nothing of a file is passed over. Time in ms, times of day in minutes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from .shop_clock import QuietHours

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .rule_trees import Tree

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Trigger(NamedTuple):
    """What starts a campaign. `kind`: enters, leaves, event, date or schedule."""

    kind: str
    causes: frozenset[str]
    when: Tree | None = None
    scheme: str = ""
    segment: str = ""
    origins: tuple[str, ...] | None = None
    direction: str | None = None
    event: str = ""
    date: str = ""
    minute: int = 0
    every: str = ""
    weekday: int | None = None
    day: int | None = None
    month: int | None = None
    seasons: str | tuple[int, ...] | None = None


class Variant(NamedTuple):
    """What a step does for those who meet `when`: act, skip or stop."""

    when: Tree | None
    does: str
    template: str
    offer: str | None


class Step(NamedTuple):
    """One action of a campaign, or its repetition `every_ms`."""

    name: str
    after_ms: int
    minute: int | None
    weekdays: tuple[int, ...]
    every_ms: int | None
    rounds: int | None
    valid_for_ms: int
    variants: tuple[Variant, ...]


class Campaign(NamedTuple):
    """`campaigns/NAME.yaml`. `re_entry_ms`: 0 for each cause, None for never."""

    name: str
    priority: int
    channels: tuple[str, ...]
    tags: frozenset[str]
    triggers: tuple[Trigger, ...]
    when: Tree | None
    quiet_ms: int
    re_entry_ms: int | None
    group: str | None
    group_gap_ms: int
    mutes: frozenset[str]
    mutes_for_ms: int
    exit_events: tuple[tuple[str, Tree | None], ...]
    exit_segments: tuple[tuple[str, str], ...]
    leaving_ends: bool
    max_start_delay_ms: int
    caps: str
    keeps_quiet_hours: bool
    control_percent: int
    guard: tuple[int, int, int]
    is_armed: bool
    steps: tuple[Step, ...]


class Cap(NamedTuple):
    """At most `actions` in any span of `per_ms`."""

    actions: int
    per_ms: int
    channel: str | None


class Policy(NamedTuple):
    """`policy.yaml`. `mutes`: (scheme, segment, tags); `perks`: offers that cost no margin."""

    caps: tuple[Cap, ...]
    quiet_hours: QuietHours | None
    holdout_percent: int
    seasons: frozenset[int]
    mutes: tuple[tuple[str, str, frozenset[str]], ...]
    perks: frozenset[str]
    needs_costs: bool


def read_policy(file: Path) -> Policy:
    """Read `policy.yaml`."""
    raw = _Fields(file, _texts(file))
    offers = raw.inner("offers")
    quiet = raw.take("quiet_hours")
    policy = Policy(
        tuple(
            Cap(int(one["actions"]), _ms(one["per"]), one.get("channel"))
            for one in raw.take("caps")
        ),
        None if quiet == "none" else QuietHours(_minute(quiet["from"]), _minute(quiet["to"])),
        _percent(raw.take("holdout")),
        frozenset(int(one) for one in raw.take("seasons")),
        tuple(
            (one["scheme"], one["segment"], frozenset(one["tags"])) for one in raw.take("mutes", [])
        ),
        frozenset(
            name for name, one in offers.take("classes").items() if one.get("perk") == "true"
        ),
        offers.take("without_costs", "perks") == "perks",
    )
    # Nothing in a file of orders has a cost or a category, so no floor is ever asked.
    for name in ("floor", "floors", "never_discounted"):
        offers.take(name, None)
    offers.end()
    raw.end()
    return policy


def read_campaigns(folder: Path) -> dict[str, Campaign]:
    """Read every campaign of a folder, by name."""
    found = {}
    for file in sorted(folder.glob("*.yaml")):
        campaign = _campaign(_Fields(file, _texts(file)))
        found[campaign.name] = campaign
    return found


class _Fields:
    """The fields of one mapping, each to be taken once; whatever is left at the end is an error."""

    def __init__(self, file: Path, raw: Mapping[str, Any]) -> None:
        self._file = file
        self._raw = dict(raw)

    def take(self, name: str, *default: Any) -> Any:
        return self._raw.pop(name, *default)

    def inner(self, name: str) -> _Fields:
        return _Fields(self._file, self.take(name, {}))

    def end(self) -> None:
        if self._raw:
            message = f"{self._file}: teach the oracle {sorted(self._raw)}"
            raise ValueError(message)


def _texts(file: Path) -> dict[str, Any]:
    # The base loader makes nothing but texts, lists and mappings.
    found: dict[str, Any] = yaml.load(file.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    return found


def _ms(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+) *([smhdw])", text).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS_MS[unit]


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def _percent(text: str) -> int:
    return int(text.removesuffix("%"))


def _campaign(raw: _Fields) -> Campaign:
    triggers = raw.take("triggers", None) or [raw.take("trigger")]
    read_triggers = tuple(_trigger(raw._file, one) for one in triggers)
    mutes, exits, guard = raw.inner("mutes"), raw.inner("exits"), raw.inner("guard")
    re_entry = raw.take("re_entry", "each")
    enters = any(one.kind == "enters" for one in read_triggers)
    campaign = Campaign(
        name=raw.take("name"),
        priority=int(raw.take("priority")),
        channels=tuple(raw.take("channels")),
        tags=frozenset(raw.take("tags", [])),
        triggers=read_triggers,
        when=raw.take("when", None),
        quiet_ms=_ms(raw.take("quiet", "0s")),
        re_entry_ms={"each": 0, "never": None}[re_entry]
        if re_entry in {"each", "never"}
        else _ms(re_entry),
        group=raw.take("group", None),
        group_gap_ms=_ms(raw.take("group_gap", "0s")),
        mutes=frozenset(mutes.take("tags", [])),
        mutes_for_ms=_ms(mutes.take("for", "0s")),
        exit_events=tuple(
            (one, None) if isinstance(one, str) else (one["event"], one.get("when"))
            for one in exits.take("events", ["order.placed"])
        ),
        exit_segments=tuple((one["scheme"], one["segment"]) for one in exits.take("segments", [])),
        leaving_ends=exits.take("leaving", "true" if enters else "false") == "true",
        max_start_delay_ms=_ms(raw.take("max_start_delay", "7d")),
        caps=raw.take("caps", "defer"),
        keeps_quiet_hours=raw.take("quiet_hours", "true") == "true",
        control_percent=_percent(raw.take("control", "10%")),
        guard=(
            int(guard.take("actions", "10000")),
            _ms(guard.take("per", "1h")),
            _percent(guard.take("share", "20%")),
        ),
        is_armed=raw.take("armed", "true") == "true",
        steps=tuple(_step(raw._file, one) for one in raw.take("steps")),
    )
    # What goes into the parameters is no part of the decision; a version says which file it is.
    for name in ("version", "suggestions", "return_rates", "key"):
        raw.take(name, None)
    if raw.take("dry_run", "false") == "true":
        message = f"{raw._file}: this oracle knows no campaign in dry run"
        raise ValueError(message)
    for fields in (mutes, exits, guard, raw):
        fields.end()
    return campaign


def _trigger(file: Path, found: Mapping[str, Any]) -> Trigger:
    raw = _Fields(file, found)
    trigger = _plain_trigger(file, raw)
    raw.end()
    return trigger


def _plain_trigger(file: Path, raw: _Fields) -> Trigger:
    causes = raw.take("causes", None)
    when = raw.take("when", None)
    # A flag is gained and lost as a segment is entered and left.
    for word, kind in (
        ("enters", "enters"), ("gains", "enters"), ("leaves", "leaves"), ("loses", "leaves"),
    ):  # fmt: skip
        asked = raw.inner(word)
        scheme = asked.take("scheme", None)
        if scheme is None:
            continue
        origins = asked.take("from", None)
        trigger = Trigger(
            kind, frozenset(causes), when, scheme, asked.take("segment"),
            None if origins is None else tuple(origins), asked.take("direction", None),
        )  # fmt: skip
        asked.end()
        return trigger
    event = raw.take("event", None)
    if event is not None:
        by_default = ["event", "clock"] if event == "cart.abandoned" else ["event"]
        return Trigger("event", frozenset(causes or by_default), when, event=event)
    date = raw.take("date", None)
    if date is not None:
        return Trigger("date", frozenset({"clock"}), date=date, minute=_minute(raw.take("at")))
    return _schedule(raw.inner("schedule"), when)


def _schedule(raw: _Fields, when: Tree | None) -> Trigger:
    on, day, month = (raw.take(name, None) for name in ("on", "day", "month"))
    seasons = raw.take("seasons", None)
    trigger = Trigger(
        "schedule", frozenset({"clock"}), when,
        every=raw.take("every"),
        minute=_minute(raw.take("at")),
        weekday=None if on is None else _WEEKDAYS.index(on),
        day=None if day is None else int(day),
        month=None if month is None else int(month),
        seasons=tuple(int(one) for one in seasons) if isinstance(seasons, list) else seasons,
    )  # fmt: skip
    raw.end()
    return trigger


def _step(file: Path, found: Mapping[str, Any]) -> Step:
    raw = _Fields(file, found)
    at, on, every, rounds = (raw.take(name, None) for name in ("at", "on", "every", "rounds"))
    days = _WEEKDAYS if on is None else [on] if isinstance(on, str) else on
    variants = raw.take("variants", None)
    if variants is None:
        variants = [{"template": raw.take("template"), "offer": raw.take("offer", None)}]
    step = Step(
        raw.take("name"),
        _ms(raw.take("after")),
        None if at is None else _minute(at),
        tuple(_WEEKDAYS.index(one) for one in days),
        None if every is None else _ms(every),
        None if rounds is None else int(rounds),
        _ms(raw.take("valid_for")),
        tuple(_variant(file, one) for one in variants),
    )
    raw.end()
    return step


def _variant(file: Path, found: Mapping[str, Any]) -> Variant:
    raw = _Fields(file, found)
    does = next((word for word in ("skip", "stop") if raw.take(word, None) == "true"), "act")
    variant = Variant(
        raw.take("when", None), does, raw.take("template", ""), raw.take("offer", None)
    )
    raw.end()
    return variant
