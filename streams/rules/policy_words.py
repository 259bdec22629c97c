"""The journaled policy in words, as tables show it."""

from collections.abc import Mapping
from typing import Any

from streams.rules.spans import format_span
from streams.rules.values import minute_text

Raw = Mapping[str, Any]
Rows = list[tuple[str, str]]


def describe_policy(policy: Raw) -> Rows:
    """What holds for all campaigns."""
    caps = "; ".join(_cap(one) for one in policy["caps"])
    quiet, offers = policy["quiet_hours"], policy["offers"]
    rows = [
        ("time zone", policy["time_zone"]),
        ("quiet hours", "none" if quiet is None else _quiet(quiet)),
        ("caps for each customer", caps or "none"),
        ("holdout", f"{policy['holdout_percent']} % of all customers get nothing"),
        ("strongest quarters", f"{_quarters(policy)} until four complete ones tell"),
    ]
    rows += [
        (f"muted for {one['segment']} of {one['scheme']}", ", ".join(one["tags"]))
        for one in policy["flag_mutes"]
    ]
    rows += [(f"offer {name}", _offer(one)) for name, one in sorted(offers["classes"].items())]
    return [*rows, ("discounts", _discounts(offers))]


def _cap(raw: Raw) -> str:
    said = f"at most {raw['most']} in {format_span(raw['per_ms'])}"
    return said if raw["channel"] is None else f"{said} by {raw['channel']}"


def _quiet(raw: Raw) -> str:
    return f"{minute_text(raw['starts_minute'])} to {minute_text(raw['ends_minute'])}, local time"


def _quarters(policy: Raw) -> str:
    return ", ".join(f"Q{one}" for one in policy["seasons"])


def _offer(raw: Raw) -> str:
    what = "a perk" if raw["is_perk"] else f"{raw['percent']} % off"
    return f"{what}, expires after {format_span(raw['expires_ms'])}"


def _discounts(offers: Raw) -> str:
    floors = [f"{offers['floor_percent']} % margin left"]
    floors += [f"{floor} % for {one}" for one, floor in sorted(offers["floors_percent"].items())]
    words = [", ".join(floors)]
    if offers["never_discounted"]:
        words.append(f"never on {', '.join(offers['never_discounted'])}")
    words.append("also" if offers["without_costs"] else "not")
    words[-1] += " where unit costs are unknown"
    return "; ".join(words)
