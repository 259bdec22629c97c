"""Campaigns in their journaled form, and shops in memory that decide by them."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from streams.adapters.memory import MemoryStateLog
from streams.core.inputs import Input, OrderPlaced, RulesApplied, Tick
from streams.core.state import CustomerState
from streams.core.values import DAY_MS, HOUR_MS
from streams.insights.live import LivePartition, live_customers, live_partitions
from streams.rules.files import rules_document
from streams.settings import load_settings
from tests.runtime.world import World

# 2026-03-02T10:00:00Z, a Monday outside quiet hours.
NOW_MS = 1_772_445_600_000
NO_EXITS: dict[str, Any] = {"events": [], "segments": [], "leaving": False}


def step(name: str = "offer", after_ms: int = 0, **changes: Any) -> dict[str, Any]:
    """One step that is for everybody and valid for a day."""
    return {
        "name": name,
        "after_ms": after_ms,
        "minute": None,
        "weekdays": None,
        "every_ms": None,
        "rounds": None,
        "valid_for_ms": DAY_MS,
        "variants": [{"when": None, "does": "act", "template": f"t_{name}", "offer": None}],
        **changes,
    }


def enters(segment: str = "At Risk", **changes: Any) -> dict[str, Any]:
    """A segment of scheme rfm entered by the clock."""
    return {
        "kind": "enters",
        "scheme": "rfm",
        "segment": segment,
        "from": None,
        "direction": None,
        "causes": ["clock"],
        **changes,
    }


def on_event(event: str, **changes: Any) -> dict[str, Any]:
    """An event of the customer."""
    return {"kind": "event", "event": event, "when": None, "causes": ["event"], **changes}


def every_quarter(**changes: Any) -> dict[str, Any]:
    """09:00 on the first day of each quarter, for everybody."""
    return {
        "kind": "schedule",
        "every": "quarter",
        "minute": 540,
        "weekday": None,
        "day": None,
        "month": None,
        "seasons": None,
        "when": None,
        **changes,
    }


def campaign(name: str = "again", **changes: Any) -> dict[str, Any]:
    """A campaign for who enters At Risk, by mail, without controls."""
    return {
        "name": name,
        "version": 1,
        "priority": 10,
        "channels": ["email"],
        "tags": [],
        "key": "customer",
        "triggers": [enters()],
        "when": None,
        "quiet_ms": 0,
        "re_entry_ms": 60 * DAY_MS,
        "group": None,
        "group_gap_ms": 0,
        "mutes": None,
        "exits": {"events": [], "segments": [], "leaving": True},
        "max_start_delay_ms": 7 * DAY_MS,
        "is_capped": True,
        "keeps_quiet_hours": True,
        "beyond_cap": "defer",
        "control_percent": 0,
        "flood": {"most": 10_000, "per_ms": HOUR_MS, "share_percent": 100},
        "suggestions": 0,
        "tells_return_rates": False,
        "steps": [step()],
        **changes,
    }


@cache
def _shipped() -> str:
    return json.dumps(rules_document(load_settings(schemes="rfm")))


def rules_text(*campaigns: dict[str, Any], **changes: Any) -> str:
    """The shipped rules of scheme rfm with these campaigns; everybody may be written to."""
    document = json.loads(_shipped())
    document |= {"campaigns": list(campaigns), "retired": [], "arming": {}}
    document |= {"consent_unknown": {"email": "allow"}, **changes}
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def policy(**changes: Any) -> dict[str, Any]:
    """The shipped policy at Greenwich without caps and quiet hours, unless they are given."""
    shipped = json.loads(rules_text())["policy"]
    return {**shipped, "time_zone": "UTC", "caps": [], "quiet_hours": None, **changes}


def unarmed(*names: str) -> dict[str, dict[str, Any]]:
    """Arming under which these campaigns start nothing."""
    return {name: {"armed": False} for name in names}


def event(number: int, customer_id: str, at_ms: int) -> dict[str, Any]:
    """What every event has."""
    return {
        "event_id": f"e{number}",
        "customer_id": customer_id,
        "occurred_at_ms": at_ms,
        "received_at_ms": at_ms,
        "identity": number,
        "source": "shop",
    }


def order(number: int, customer_id: str, days_ago: float, total_minor: int = 5_000) -> OrderPlaced:
    """An order so many days before NOW."""
    at_ms = NOW_MS - round(days_ago * DAY_MS)
    return OrderPlaced(
        **event(number, customer_id, at_ms), order_id=f"o{number}", total_minor=total_minor
    )


def rules(text: str, version: int = 1, at_ms: int = 0) -> RulesApplied:
    """Rules as they stand in the journal."""
    return RulesApplied(received_at_ms=at_ms, version=version, rules=text)


class Shop:
    """One partition in memory, decided to its end after each batch of records."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.version = 1
        self.world = World().journal([rules(text)])
        self._worker = self.world.worker()
        self._worker.run_to_end()

    def live_to(self, at_ms: int, events: Sequence[Input] = ()) -> "Shop":
        """Take events in, then let time come."""
        ordered = sorted(events, key=lambda one: one.received_at_ms)
        self.world.journal([*ordered, Tick(received_at_ms=at_ms, continuous=True)])
        self._worker.run_to_end()
        return self

    def apply(self, text: str, at_ms: int) -> "Shop":
        """Journal other rules, and decide everybody anew."""
        self.text = text
        self.version += 1
        self.world.journal([rules(text, self.version, at_ms)])
        self._worker.run_to_end()
        return self

    @property
    def partitions(self) -> list[LivePartition]:
        return live_partitions(self.world.store, MemoryStateLog(self.world.broker), 1)

    def states(self) -> list[CustomerState]:
        """Every customer, decoded anew."""
        return [
            state for _, state in live_customers(self.world.store, self.partitions, lambda _: None)
        ]

    def state(self, customer_id: str) -> CustomerState:
        """One of them."""
        return next(one for one in self.states() if one.customer_id == customer_id)

    def said(self, topic: str) -> list[dict[str, Any]]:
        """What was published to a topic."""
        return [json.loads(one.value or b"") for one in self.world.broker.outputs.get(topic, [])]
