"""What a run of the product says, as the oracle of campaigns reads it: lives, and what was told."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.acceptance.oracle.campaigns import Change, Happening, Told
from tests.acceptance.oracle.customer_facts import Order, Return

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.adapters.memory.log import Published

_MS = timedelta(milliseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
_MINOR = 100
# At one instant the clock comes before limits that moved, and both before what the customer did.
_RANKS = {"clock": 0, "population": 1, "backfill": 2, "event": 2}
Lives = dict[str, list[Happening]]


class Taken(NamedTuple):
    """An event as published, and how it was taken in: when, and whether as history."""

    value: bytes
    received_ms: int
    is_backfill: bool = False


def at_ms(text: str) -> int:
    """An instant of a contract in ms since 1970 UTC."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MS


def lives_of(events: Iterable[Taken], changes: Iterable[Mapping[str, Any]]) -> Lives:
    """Each customer's happenings in order, from what was taken in, in order, and `segment.changed`.

    Raises ValueError for what does not fit together, and for live events that came late: what may
    start by those is another matter.
    """
    by_event: dict[tuple[str, str], list[Change]] = defaultdict(list)
    by_time: dict[tuple[str, int, str], list[Change]] = defaultdict(list)
    for said in changes:
        customer, cause = said["customer_id"], said["cause"]
        change = Change(said["scheme"], _segments(said["previous"]), _segments(said["current"]))
        if cause["event_id"] is not None:
            by_event[customer, cause["event_id"]].append(change)
        else:
            # By the clock when it became true, which is decided later after a standstill.
            by_time[customer, at_ms(said["effective_at"]), cause["kind"]].append(change)
    found: Lives = defaultdict(list)
    for taken in events:
        event = json.loads(taken.value)
        moved = by_event.pop((event["customer_id"], event["event_id"]), [])
        found[event["customer_id"]].append(_happening(event, taken, moved))
    if by_event:
        message = f"segments changed by events that nobody sent: {sorted(by_event)[:5]}"
        raise ValueError(message)
    for (customer, moment_ms, kind), moved in by_time.items():
        found[customer].append(Happening(moment_ms, kind, tuple(moved)))
    for happenings in found.values():
        happenings.sort(key=lambda one: (one.at_ms, _RANKS[one.cause]))
    return found


def told_by(record: Published) -> Told | None:
    """An `action.requested` or `action.suppressed` as the oracle tells it; None for others."""
    said = json.loads(record.value)
    if said["type"] == "action.suppressed":
        return Told(
            said["customer_id"], said["campaign"], said["step"], at_ms(said["decided_at"]),
            said["reason"],
        )  # fmt: skip
    if said["type"] != "action.requested":
        return None
    voucher = said["parameters"].get("voucher")
    return Told(
        said["customer_id"], said["campaign"], said["step"],
        at_ms(dict(record.headers)["ce_time"].decode()), "",
        at_ms(said["due_at"]), at_ms(said["valid_until"]), said["template"],
        voucher and voucher["class"], said["control_group"],
    )  # fmt: skip


def _happening(event: Mapping[str, Any], taken: Taken, moved: list[Change]) -> Happening:
    occurred_ms = at_ms(event["occurred_at"])
    if not taken.is_backfill and taken.received_ms != occurred_ms:
        message = f"{event['event_id']} came late; sort the events"
        raise ValueError(message)
    cause = "backfill" if taken.is_backfill else "event"
    return Happening(
        taken.received_ms, cause, tuple(moved), event["type"], _fact(event, occurred_ms)
    )


def _fact(event: Mapping[str, Any], occurred_ms: int) -> Order | Return:
    if event["type"] == "return.registered" and not event.get("order_id"):
        return Return(occurred_ms, _minor(event["amount"]))
    if event["type"] != "order.placed":
        message = f"teach the oracle {event['type']} as in {event['event_id']}"
        raise ValueError(message)
    return Order(occurred_ms, _minor(event["total"]))


def _segments(said: str | list[str] | None) -> frozenset[str]:
    if said is None:
        return frozenset()
    return frozenset([said] if isinstance(said, str) else said)


def _minor(amount: str) -> int:
    return int(Decimal(amount) * _MINOR)
