"""A campaign as data: who, when, what, under which limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ABANDONED_CART = "cart.abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDefinition:
    """One action of a campaign, `after_ms` from the base of the run, valid for `valid_for_ms`."""

    name: str
    after_ms: int
    template: str
    valid_for_ms: int
    offer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One campaign. Durations in milliseconds; a lower `priority` goes first.

    It starts when a cart is abandoned, or when a customer enters `enters` = (scheme, segment) by one
    of `causes`. `quiet_ms`: not while any event of the customer is younger. `re_entry_ms`: the least
    distance between two starts of one key, None for never again. `group_gap_ms`: the same between
    starts of any campaigns of one `group`, of which only one may run at a time. `tags` say what kind
    of offer it makes.
    """

    name: str
    version: int
    priority: int
    channels: tuple[str, ...]
    steps: tuple[StepDefinition, ...]
    on_abandoned_cart: bool
    enters: tuple[str, str] | None
    causes: frozenset[str]
    quiet_ms: int
    re_entry_ms: int | None
    group: str | None
    group_gap_ms: int
    max_start_delay_ms: int
    ends_on_order: bool
    tags: frozenset[str]


def compile_campaign(raw: Mapping[str, Any]) -> Campaign:
    """A campaign from its journaled form; KeyError, TypeError and ValueError say what is wrong."""
    trigger = raw["trigger"]
    enters = trigger.get("enters")
    steps = tuple(
        StepDefinition(
            name=str(step["name"]),
            after_ms=int(step["after_ms"]),
            template=str(step["template"]),
            valid_for_ms=int(step["valid_for_ms"]),
            offer=step["offer"],
        )
        for step in raw["steps"]
    )
    offsets = [step.after_ms for step in steps]
    if not steps or offsets != sorted(offsets):
        raise ValueError(f"campaign {raw['name']}: steps must exist and be in order of time")
    if len({step.name for step in steps}) != len(steps):
        raise ValueError(f"campaign {raw['name']}: two steps have one name")
    return Campaign(
        name=str(raw["name"]),
        version=int(raw["version"]),
        priority=int(raw["priority"]),
        channels=tuple(raw["channels"]),
        steps=steps,
        on_abandoned_cart=trigger.get("event") == ABANDONED_CART,
        enters=(enters["scheme"], enters["segment"]) if enters else None,
        causes=frozenset(trigger["causes"]),
        quiet_ms=int(raw["quiet_ms"]),
        re_entry_ms=raw["re_entry_ms"],
        group=raw["group"],
        group_gap_ms=int(raw["group_gap_ms"]),
        max_start_delay_ms=int(raw["max_start_delay_ms"]),
        ends_on_order=bool(raw["ends_on_order"]),
        tags=frozenset(raw["tags"]),
    )
