"""One customer's life, told in events: what the runtime does around the core, without the runtime.

Times are milliseconds; `DAY` and `HOUR` make them readable. A story starts at `T0`.
"""

import json
from functools import cache
from typing import Any, TypeVar

from streams.core import machine
from streams.core.campaigns.guard import Guard
from streams.core.facts import Facts, facts_at
from streams.core.inputs import (
    CartAbandoned,
    CartUpdated,
    ConsentChanged,
    CustomerErased,
    CustomerEvent,
    CustomerMerged,
    CustomerUpdated,
    DeliveryReported,
    Item,
    OrderCancelled,
    OrderPlaced,
    ReturnRegistered,
)
from streams.core.merging import MergedIn
from streams.core.outputs import (
    ActionCancelled,
    ActionRequested,
    ActionSuppressed,
    Output,
    SegmentChanged,
)
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState, Membership
from streams.core.values import DAY_MS as DAY
from streams.core.values import HOUR_MS as HOUR
from streams.core.values import MINUTE_MS as MINUTE
from streams.rules.files import rules_text
from streams.settings import Settings
from tests.core.campaign_docs import BOUNDLESS, NO_LIMITS

__all__ = ["DAY", "HOUR", "MINUTE", "T0", "Story", "rules", "rules_document"]

CAMPAIGNS = ("cart_reminder", "win_back_at_risk", "win_back_lost")
T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_LIMITS = {"r": "recency_limits_ms", "f": "frequency_limits", "m": "monetary_limits_minor"}
TYPES: dict[type[CustomerEvent], str] = {
    OrderPlaced: "order.placed",
    OrderCancelled: "order.cancelled",
    ReturnRegistered: "return.registered",
    CartUpdated: "cart.updated",
    CartAbandoned: "cart.abandoned",
    CustomerUpdated: "customer.updated",
    ConsentChanged: "consent.changed",
    CustomerErased: "customer.erased",
    DeliveryReported: "delivery.reported",
    CustomerMerged: "customer.merged",
    MergedIn: "customer.merged",
}
Kind = TypeVar("Kind", bound=Output)


@cache
def _shipped() -> str:
    return rules_text(Settings.model_construct(schemes="rfm"))


def rules_document(**changes: Any) -> str:
    """The shipped rules with scheme `rfm` alone as journaled text, with entries replaced.

    Of the shipped campaigns carts and win-backs, without control groups and limits over all but those
    in `policy`.
    `recency_limits_ms`, `frequency_limits` and `monetary_limits_minor` are those of the scheme, every
    other entry is at the top.
    """
    document = json.loads(_shipped())
    document["policy"] |= NO_LIMITS | changes.pop("policy", {})
    document["campaigns"] = [
        {**one, "control_percent": 0, "flood": BOUNDLESS}
        for one in document["campaigns"]
        if one["name"] in CAMPAIGNS
    ]
    for score, name in _LIMITS.items():
        if name in changes:
            document["schemes"][0]["scores"][score]["limits"] = changes.pop(name)
    return json.dumps({**document, **changes})


def rules(version: int = 1, **changes: Any) -> Rules:
    """The shipped rules, compiled, with top-level entries replaced. Everybody may be written to."""
    changes.setdefault("consent_unknown", {"email": "allow"})
    return compile_rules(rules_document(**changes), version)


class Story:
    """Feeds events to the core in the given order of arrival; due timers fire before each."""

    def __init__(self, known: Rules | None = None, customer_id: str = "C-1") -> None:
        self.rules = known or rules()
        self.state = CustomerState(customer_id)
        self.now_ms = 0
        self.guard = Guard(customers=1_000_000)
        self.outputs: list[Output] = []
        self.notes: list[str] = []
        self.fired: list[int] = []
        self._events = 0

    def take(
        self,
        kind: type[CustomerEvent],
        at_ms: int,
        *,
        received_ms: int | None = None,
        event_id: str | None = None,
        **fields: Any,
    ) -> CustomerEvent:
        """Let one event arrive, by default at the instant at which it occurred."""
        self._events += 1
        event_id = event_id or f"e{self._events}"
        event = kind(
            event_id=event_id,
            customer_id=self.state.customer_id,
            occurred_at_ms=at_ms,
            received_at_ms=at_ms if received_ms is None else received_ms,
            identity=hash((TYPES[kind], event_id)),
            source="shop",
            **fields,
        )
        self.replay(event)
        return event

    def replay(self, event: CustomerEvent) -> None:
        """Let exactly this event arrive (once more)."""
        self.pass_time(max(self.now_ms, event.received_at_ms))
        step = machine.apply(
            self.state, event, self.rules, self.now_ms, TYPES[type(event)], self.guard
        )
        self.outputs += step.outputs
        self.notes.append(step.note)

    def pass_time(self, until_ms: int, *, jump: bool = False) -> "Story":
        """Fire every timer due by `until_ms`; with `jump` the partition's time got there at once."""
        while (due_ms := self.state.next_due_ms) is not None and due_ms <= until_ms:
            now_ms = until_ms if jump else due_ms
            step = machine.fire(self.state, due_ms, self.rules, now_ms, self.guard)
            self.fired.append(due_ms)
            self.outputs += step.outputs
            assert self.state.next_due_ms is None or self.state.next_due_ms > due_ms
        self.now_ms = max(self.now_ms, until_ms)
        return self

    # -- events by their short names ---------------------------------------------------------------

    def order(self, at_ms: int, total_minor: int = 5_000, **fields: Any) -> CustomerEvent:
        fields.setdefault("order_id", f"o{self._events + 1}")
        return self.take(OrderPlaced, at_ms, total_minor=total_minor, **fields)

    def cancel(self, at_ms: int, order_id: str, **fields: Any) -> CustomerEvent:
        return self.take(OrderCancelled, at_ms, order_id=order_id, **fields)

    def give_back(
        self, at_ms: int, amount_minor: int, order_id: str | None = None, **fields: Any
    ) -> CustomerEvent:
        fields.setdefault("return_id", f"r{self._events + 1}")
        return self.take(
            ReturnRegistered, at_ms, amount_minor=amount_minor, order_id=order_id, **fields
        )

    def cart(self, at_ms: int, cart_id: str = "K-1", **fields: Any) -> CustomerEvent:
        fields.setdefault("items", [Item("S-1", 1.0)])
        fields.setdefault("value_minor", 2_000)
        return self.take(CartUpdated, at_ms, cart_id=cart_id, **fields)

    def abandon(self, at_ms: int, cart_id: str = "K-1", **fields: Any) -> CustomerEvent:
        fields.setdefault("items", [Item("S-1", 1.0)])
        fields.setdefault("value_minor", 2_000)
        return self.take(CartAbandoned, at_ms, cart_id=cart_id, **fields)

    def consent(self, at_ms: int, *, granted: bool, **fields: Any) -> CustomerEvent:
        fields.setdefault("channel", "email")
        return self.take(ConsentChanged, at_ms, granted=granted, **fields)

    def erase(self, at_ms: int, **fields: Any) -> CustomerEvent:
        return self.take(CustomerErased, at_ms, **fields)

    # -- what came of it ---------------------------------------------------------------------------

    def facts(self, at_ms: int | None = None) -> Facts:
        return facts_at(
            self.state,
            self.now_ms if at_ms is None else at_ms,
            self.rules.window_ms,
            count_zero_value_orders=self.rules.count_zero_value_orders,
        )

    @property
    def segment(self) -> str | None:
        return self.member.segment

    @property
    def member(self) -> Membership:
        return self.state.memberships["rfm"]

    def said(self, kind: type[Kind]) -> list[Kind]:
        return [one for one in self.outputs if isinstance(one, kind)]

    @property
    def changes(self) -> list[SegmentChanged]:
        return self.said(SegmentChanged)

    @property
    def requested(self) -> list[tuple[str, str, int]]:
        """(campaign, step, decided) of every action asked for."""
        return [(one.campaign, one.step, one.decided_at_ms) for one in self.said(ActionRequested)]

    @property
    def suppressed(self) -> list[tuple[str, str, str]]:
        """(campaign, step, reason) of every action held back."""
        return [(one.campaign, one.step, one.reason) for one in self.said(ActionSuppressed)]

    @property
    def said_anything_to_do(self) -> bool:
        """Whether any action was asked for or held back."""
        return bool(self.requested or self.suppressed)

    @property
    def cancelled(self) -> list[str]:
        """Reasons for which actions were called off."""
        return [one.reason for one in self.said(ActionCancelled)]
