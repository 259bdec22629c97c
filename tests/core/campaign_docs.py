"""Campaigns as journaled, made by hand: what a story does not speak of has a value that plays no part."""

from typing import Any

from streams.core.values import DAY_MS, HOUR_MS

NO_LIMITS: dict[str, Any] = {
    "time_zone": "UTC",
    "quiet_hours": None,
    "caps": [],
    "holdout_percent": 0,
    "seasons": [3, 4],
    "flag_mutes": [],
}
BOUNDLESS = {"most": 1_000_000, "per_ms": HOUR_MS, "share_percent": 100}


def campaign(
    name: str, triggers: list[dict[str, Any]], steps: list[dict[str, Any]], **fields: Any
) -> dict[str, Any]:
    """A campaign without limits: each cause starts it anew, and only its own segment's end ends it."""
    return {
        "name": name,
        "version": 1,
        "priority": 50,
        "channels": ["email"],
        "tags": [],
        "key": "customer",
        "triggers": triggers,
        "when": None,
        "quiet_ms": 0,
        "re_entry_ms": 0,
        "group": None,
        "group_gap_ms": 0,
        "mutes": None,
        "exits": {"events": [], "segments": [], "leaving": True},
        "max_start_delay_ms": 7 * DAY_MS,
        "is_capped": True,
        "keeps_quiet_hours": True,
        "beyond_cap": "defer",
        "control_percent": 0,
        "flood": BOUNDLESS,
        "suggestions": 0,
        "tells_return_rates": False,
        "steps": steps,
        **fields,
    }


def step(name: str = "mail", after_ms: int = 0, **fields: Any) -> dict[str, Any]:
    """A step that acts at once, valid for two days."""
    return {
        "name": name,
        "after_ms": after_ms,
        "minute": None,
        "weekdays": None,
        "every_ms": None,
        "rounds": None,
        "valid_for_ms": 2 * DAY_MS,
        "variants": [variant()],
        **fields,
    }


def variant(**fields: Any) -> dict[str, Any]:
    """What a step does for everybody."""
    return {"when": None, "does": "act", "template": "mail", "offer": None, **fields}


def enters(segment: str, *causes: str, scheme: str = "rfm", **fields: Any) -> dict[str, Any]:
    """A segment entered by one of the causes, by default by any that may start something."""
    return {
        "kind": "enters",
        "scheme": scheme,
        "segment": segment,
        "from": None,
        "direction": None,
        "causes": list(causes or ("event", "clock")),
        **fields,
    }


def on_event(event: str, when: dict[str, Any] | None = None) -> dict[str, Any]:
    """An event, with conditions."""
    return {"kind": "event", "event": event, "when": when, "causes": ["event", "clock"]}


def schedule(every: str, minute: int, **fields: Any) -> dict[str, Any]:
    """A calendar in the shop's zone."""
    return {
        "kind": "schedule",
        "every": every,
        "minute": minute,
        "weekday": None,
        "day": None,
        "month": None,
        "seasons": None,
        "when": None,
        **fields,
    }
