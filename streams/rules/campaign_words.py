"""A journaled campaign in words, as tables show it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from schemas.currencies import MINOR_DIGITS
from streams.core.campaigns.definition import CART, MAX_ROUNDS
from streams.core.campaigns.triggers import STRONGEST
from streams.rules.asked_segments import FLAGS
from streams.rules.spans import format_span
from streams.rules.tree_words import tree_words
from streams.rules.values import WEEKDAYS, minute_text

Raw = Mapping[str, Any]
Rows = list[tuple[str, str]]
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_CAUSES: Final = {"event": "an event", "clock": "the clock"}
_DATES: Final = {"birthday": "birthday", "first_order": "day of the first order, each year"}


def describe_campaign(campaign: Raw, rules: Raw) -> Rows:
    """What starts, limits and ends it, and each step; the first row is what it is."""
    digits = MINOR_DIGITS[rules["base_currency"]]
    rows = [("starts", starts_words(campaign, digits))]
    if campaign["when"] is not None:
        rows.append(("for", tree_words(campaign["when"], digits)))
    rows += [
        ("not", _joined(_restraints(campaign))),
        ("ends", _joined(_ends(campaign, digits)) or "with its last step"),
        ("limits", _joined(_limits(campaign))),
        *((f"step {step['name']}", step_words(step, digits)) for step in campaign["steps"]),
    ]
    name = campaign["name"]
    head = _joined(_head(campaign, rules["arming"].get(name, {})))
    return [
        (f"campaign {name}", head),
        *((f"{name}: {what}", said) for what, said in rows if said),
    ]


def starts_words(campaign: Raw, digits: int) -> str:
    """What starts it; `digits` are the decimals of the base currency."""
    return _joined((_trigger(one, digits) for one in campaign["triggers"]), "; or ")


def step_words(step: Raw, digits: int) -> str:
    """When a step is due, and what it does for whom."""
    when = f"after {format_span(step['after_ms'])}"
    if step["minute"] is not None:
        when += f" at {minute_text(step['minute'])}"
    if step["weekdays"] is not None:
        when += f" on {_listed(WEEKDAYS[day] for day in step['weekdays'])}"
    if step["every_ms"] is not None:
        rounds = step["rounds"] or MAX_ROUNDS
        when += f", every {format_span(step['every_ms'])}, at most {rounds} times"
    deeds = [_variant(one, digits) for one in step["variants"]]
    return f"{when}: {'; else '.join(deeds)}; valid for {format_span(step['valid_for_ms'])}"


def _joined(parts: Iterable[str], joint: str = "; ") -> str:
    return joint.join(parts)


def _listed(names: Iterable[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} or {last}" if rest else last


def _head(campaign: Raw, arming: Raw) -> list[str]:
    words = [f"version {campaign['version']}, priority {campaign['priority']}"]
    words[0] += f", by {', '.join(campaign['channels'])}"
    if campaign["tags"]:
        words.append(f"tags {', '.join(campaign['tags'])}")
    if campaign["key"] == CART:
        words.append("one run per cart")
    if campaign["suggestions"]:
        words.append(f"{campaign['suggestions']} suggestions")
    if campaign["tells_return_rates"]:
        words.append("return rates of the cart's items")
    if not arming.get("armed", True):
        words.append("not armed")
    words += [
        said for key, said in (("dry_run", "dry run"), ("paused", "paused")) if arming.get(key)
    ]
    return words


# -- triggers ------------------------------------------------------------------------------------


def _trigger(raw: Raw, digits: int) -> str:
    return _TRIGGERS[raw["kind"]](raw, digits)


def _by_segment(raw: Raw, digits: int) -> str:
    del digits
    words = {"enters": "gains", "leaves": "loses"} if raw["scheme"] in FLAGS else {}
    said = f"{words.get(raw['kind'], raw['kind'])} {raw['segment']} of {raw['scheme']}"
    if raw["from"] is not None:
        said += f" from {_listed(raw['from'])}"
    if raw["direction"] is not None:
        said += f" {'upwards' if raw['direction'] == 'up' else 'downwards'}"
    return said + _by(raw)


def _by_event(raw: Raw, digits: int) -> str:
    both = _by(raw) if len(raw["causes"]) > 1 else ""
    return f"{raw['event']}{both}{_where(raw, digits)}"


def _by_date(raw: Raw, digits: int) -> str:
    del digits
    return f"{_DATES[raw['date']]} at {minute_text(raw['minute'])}"


def _by_schedule(raw: Raw, digits: int) -> str:
    days: dict[str, Callable[[], str]] = {
        "day": lambda: "every day",
        "week": lambda: f"every {WEEKDAYS[raw['weekday']]}",
        "month": lambda: f"day {raw['day']} of every month",
        "quarter": lambda: "the first day of every quarter",
        "year": lambda: f"every {raw['day']} {_MONTHS[raw['month'] - 1]}",
    }
    said = f"{days[raw['every']]()} at {minute_text(raw['minute'])}"
    if raw["seasons"] == STRONGEST:
        said += " in the two strongest quarters"
    elif raw["seasons"] is not None:
        said += f" in Q{', Q'.join(map(str, raw['seasons']))}"
    return said + _where(raw, digits)


_TRIGGERS: Final[Mapping[str, Callable[[Raw, int], str]]] = {
    "enters": _by_segment,
    "leaves": _by_segment,
    "event": _by_event,
    "date": _by_date,
    "schedule": _by_schedule,
}


def _by(raw: Raw) -> str:
    return f" by {_listed(_CAUSES[one] for one in raw['causes'])}"


def _where(raw: Raw, digits: int) -> str:
    return "" if raw["when"] is None else f" where {tree_words(raw['when'], digits)}"


# -- limits and ends -----------------------------------------------------------------------------


def _restraints(campaign: Raw) -> list[str]:
    words = []
    if campaign["quiet_ms"]:
        words.append(f"within {format_span(campaign['quiet_ms'])} of any event of the customer")
    if campaign["re_entry_ms"] is None:
        words.append("twice")
    elif campaign["re_entry_ms"]:
        words.append(f"within {format_span(campaign['re_entry_ms'])} of its last start")
    if campaign["group"] is not None:
        gap = f", nor within {format_span(campaign['group_gap_ms'])} of its start"
        beside = f"beside another of group {campaign['group']}"
        words.append(beside + (gap if campaign["group_gap_ms"] else ""))
    words.append(f"later than {format_span(campaign['max_start_delay_ms'])} after its cause")
    return words


def _ends(campaign: Raw, digits: int) -> list[str]:
    exits = campaign["exits"]
    words = [f"{one['event']}{_where(one, digits)}" for one in exits["events"]]
    words += [f"entering {one['segment']} of {one['scheme']}" for one in exits["segments"]]
    if exits["leaving"]:
        words.append("leaving the segment it started by")
    return words


def _limits(campaign: Raw) -> list[str]:
    beyond = {"defer": "waits beyond caps", "drop": "is dropped beyond caps"}
    words = [beyond[campaign["beyond_cap"]] if campaign["is_capped"] else "knows no caps"]
    if not campaign["keeps_quiet_hours"]:
        words.append("knows no quiet hours")
    words.append(f"{campaign['control_percent']} % control group")
    flood = campaign["flood"]
    most = f"{flood['most']} actions or {flood['share_percent']} % of the customers"
    words.append(f"pauses beyond {most} in {format_span(flood['per_ms'])}")
    if campaign["mutes"] is not None:
        mutes = campaign["mutes"]
        words.append(f"mutes {', '.join(mutes['tags'])} for {format_span(mutes['for_ms'])}")
    return words


def _variant(raw: Raw, digits: int) -> str:
    said = {"skip": "nothing", "stop": "the end"}.get(raw["does"]) or raw["template"]
    if raw["offer"] is not None:
        said += f" with {raw['offer']}"
    return said if raw["when"] is None else f"{said} where {tree_words(raw['when'], digits)}"
