"""A campaign as data: who, when, what, under which limits (`docs/campaigns.md`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streams.core.campaigns.triggers import Date, Entry, Event, Timetable, compile_triggers
from streams.core.schemes.scheme import Shop
from streams.core.tree import Tree, TreeError, compile_tree
from streams.core.values import DAY_MS

ACT, SKIP, STOP = "act", "skip", "stop"
DEFER, DROP = "defer", "drop"
CUSTOMER, CART = "customer", "cart"
ABANDONED_CART = "cart.abandoned"
# Nobody follows more steps than this, and a run is looked at once for each.
MAX_STEPS: Final = 20
# A year of weekly mails; who has not answered by then is not asked again by the same run.
MAX_ROUNDS: Final = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What a step does for those who meet `when` (None: everybody): act, skip it, or stop the run.

    `offer` names a class of voucher, None for none.
    """

    when: Tree | None
    does: str
    template: str
    offer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDefinition:
    """One step, due `after_ms` from the base of the run, valid for `valid_for_ms` from then.

    With `minute` it waits for that local time of day (minutes from midnight) and, with `weekdays`
    (0 is Monday), for one of these days. With `every_ms` it is repeated at that distance, `rounds`
    times in all; the steps behind it are then never reached, so it stands last.
    """

    name: str
    after_ms: int
    minute: int | None
    weekdays: frozenset[int] | None
    every_ms: int | None
    rounds: int
    valid_for_ms: int
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """What ends a run at once, also while it waits or is held back.

    `events` are event types, each with the conditions (None: none) under which it ends the run.
    `segments` are (scheme, segment) whose entering ends it; `leaving` says that leaving the segment
    by which it started does, too.
    """

    events: Mapping[str, tuple[Tree | None, ...]]
    segments: frozenset[tuple[str, str]]
    leaving: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """The blast-radius guard: at most `most` actions in any `per_ms`, and of the customers a share.

    The share counts in the same span, and only above a handful: see `guard`.
    """

    most: int
    per_ms: int
    share_percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One campaign. Durations in milliseconds; a lower `priority` goes first.

    `when` must hold at the start and again at the instant of each step. `quiet_ms`: not while any
    event of the customer is younger. `re_entry_ms`: the least distance between two starts of one
    key, None for never again. `group_gap_ms`: the same between starts of any campaigns of one
    `group`, of which only one may run at a time. `tags` say what kind of offer it makes; a start
    mutes `mutes` (tags) for `mutes_for_ms`. `is_capped`, `keeps_quiet_hours` and `beyond_cap` say how
    the limits on all campaigns hold for this one.

    `is_armed`: it may start. `is_dry_run`: it decides and sends nothing. `is_paused`: its steps are
    held. `release` counts how often it was resumed, `present_since` is the version of the rules by
    which present members may start (0: never), `takes_future` says whether coming ones may.
    """

    name: str
    version: int
    priority: int
    channels: tuple[str, ...]
    tags: frozenset[str]
    key: str
    entries: tuple[Entry, ...]
    events: tuple[Event, ...]
    dates: tuple[Date, ...]
    timetables: tuple[Timetable, ...]
    when: Tree | None
    quiet_ms: int
    re_entry_ms: int | None
    group: str | None
    group_gap_ms: int
    mutes: frozenset[str]
    mutes_for_ms: int
    exits: Exits
    max_start_delay_ms: int
    is_capped: bool
    keeps_quiet_hours: bool
    beyond_cap: str
    control_percent: int
    flood: Flood
    suggestions: int
    tells_return_rates: bool
    steps: tuple[StepDefinition, ...]
    is_armed: bool = True
    takes_future: bool = True
    is_dry_run: bool = False
    is_paused: bool = False
    release: int = 0
    present_since: int = 0

    @property
    def on_abandoned_cart(self) -> bool:
        """Whether a cart left behind starts it."""
        return any(one.event == ABANDONED_CART for one in self.events)

    @property
    def trees(self) -> tuple[Tree, ...]:
        """Every rule tree in it."""
        found = [self.when]
        found += [one.when for one in self.events]
        found += [one.when for one in self.timetables]
        found += [one.when for step in self.steps for one in step.variants]
        found += [tree for some in self.exits.events.values() for tree in some]
        return tuple(tree for tree in found if tree is not None)


def compile_campaign(raw: Mapping[str, Any], arming: Mapping[str, Any], shop: Shop) -> Campaign:
    """A campaign from its journaled form and how it is armed.

    KeyError, TypeError and ValueError say what is wrong and where.
    """
    name = str(raw["name"])
    triggers = compile_triggers(raw["triggers"], shop)
    if raw["key"] == CART and any(one.event not in _CART_EVENTS for one in triggers.events):
        raise ValueError(f"campaign {name}: key cart needs events of carts, {_CART_EVENTS}")
    exits, flood = raw["exits"], raw["flood"]
    mutes = raw["mutes"] or {"tags": (), "for_ms": 0}
    return Campaign(
        name=name,
        version=int(raw["version"]),
        priority=int(raw["priority"]),
        channels=tuple(raw["channels"]),
        tags=frozenset(raw["tags"]),
        key=str(raw["key"]),
        entries=triggers.entries,
        events=triggers.events,
        dates=triggers.dates,
        timetables=triggers.timetables,
        when=_tree(raw["when"], "when", shop),
        quiet_ms=int(raw["quiet_ms"]),
        re_entry_ms=raw["re_entry_ms"],
        group=raw["group"],
        group_gap_ms=int(raw["group_gap_ms"]),
        mutes=frozenset(mutes["tags"]),
        mutes_for_ms=int(mutes["for_ms"]),
        exits=Exits(
            events=_exit_events(exits["events"], shop),
            segments=frozenset((one["scheme"], one["segment"]) for one in exits["segments"]),
            leaving=bool(exits["leaving"]),
        ),
        max_start_delay_ms=int(raw["max_start_delay_ms"]),
        is_capped=bool(raw["is_capped"]),
        keeps_quiet_hours=bool(raw["keeps_quiet_hours"]),
        beyond_cap=str(raw["beyond_cap"]),
        control_percent=int(raw["control_percent"]),
        flood=Flood(
            most=int(arming.get("most") or flood["most"]),
            per_ms=int(flood["per_ms"]),
            share_percent=int(flood["share_percent"]),
        ),
        suggestions=int(raw["suggestions"]),
        tells_return_rates=bool(raw["tells_return_rates"]),
        steps=_steps(name, raw["steps"], shop),
        is_armed=bool(arming.get("armed", True)),
        takes_future=bool(arming.get("future", True)),
        is_dry_run=bool(arming.get("dry_run", False)),
        is_paused=bool(arming.get("paused", False)),
        release=int(arming.get("release", 0)),
        present_since=int(arming.get("present_since", 0)),
    )


_CART_EVENTS: Final = ("cart.updated", ABANDONED_CART)


def _tree(raw: object, what: str, shop: Shop) -> Tree | None:
    if raw is None:
        return None
    try:
        return compile_tree(raw, window_ms=shop.window_ms)
    except TreeError as error:
        raise TreeError(error.path, error.problem, inside=what) from error


def _exit_events(
    raws: Sequence[Mapping[str, Any]], shop: Shop
) -> Mapping[str, tuple[Tree | None, ...]]:
    found: dict[str, tuple[Tree | None, ...]] = {}
    for index, raw in enumerate(raws):
        tree = _tree(raw["when"], f"exits.events[{index}]", shop)
        found[raw["event"]] = (*found.get(raw["event"], ()), tree)
    return found


def _steps(name: str, raws: Sequence[Mapping[str, Any]], shop: Shop) -> tuple[StepDefinition, ...]:
    steps = tuple(_step(raw, index, shop) for index, raw in enumerate(raws))
    offsets = [step.after_ms for step in steps]
    if not 0 < len(steps) <= MAX_STEPS or offsets != sorted(offsets):
        raise ValueError(
            f"campaign {name}: between 1 and {MAX_STEPS} steps in order of time, found {offsets}"
        )
    if len({step.name for step in steps}) != len(steps):
        raise ValueError(f"campaign {name}: two steps have one name")
    if any(step.every_ms is not None for step in steps[:-1]):
        raise ValueError(f"campaign {name}: only the last step can be repeated")
    return steps


def _step(raw: Mapping[str, Any], index: int, shop: Shop) -> StepDefinition:
    weekdays, every_ms = raw["weekdays"], raw["every_ms"]
    rounds = int(raw["rounds"] or MAX_ROUNDS) if every_ms is not None else 1
    if every_ms is not None and (every_ms < DAY_MS or not 1 < rounds <= MAX_ROUNDS):
        raise ValueError(
            f"steps[{index}]: repeated at least a day apart, 2 to {MAX_ROUNDS} times in all"
        )
    if not raw["variants"]:
        raise ValueError(f"steps[{index}]: a step needs a variant")
    return StepDefinition(
        name=str(raw["name"]),
        after_ms=int(raw["after_ms"]),
        minute=raw["minute"],
        weekdays=None if weekdays is None else frozenset(weekdays),
        every_ms=every_ms,
        rounds=rounds,
        valid_for_ms=int(raw["valid_for_ms"]),
        variants=tuple(
            Variant(
                when=_tree(one["when"], f"steps[{index}].variants[{at}].when", shop),
                does=str(one["does"]),
                template=str(one["template"]),
                offer=one["offer"],
            )
            for at, one in enumerate(raw["variants"])
        ),
    )
