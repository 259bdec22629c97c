"""Events in short form, and a history for each rule with its answer counted by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2011, 12, 9, 12, 50, tzinfo=UTC)
NOW_MS = 1_323_435_000_000
DAY_MS = 86_400_000

Event = dict[str, Any]


def _event(kind: str, event_id: str, days: float, ms: int, **fields: object) -> Event:
    at = NOW - timedelta(days=days) + timedelta(milliseconds=ms)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    return {
        "type": kind, "customer_id": "c", "event_id": event_id, "occurred_at": stamp, **fields,
    }  # fmt: skip


def order(name: str, days: float, total: object, *, ms: int = 0, **more: object) -> Event:
    """Place order `name`, `days` before now (plus `ms`)."""
    return _event("order.placed", more.pop("event_id", f"e-{name}"), days, ms,  # type: ignore[arg-type]
                  **{"order_id": name, "currency": "EUR", "total": total, **more})  # fmt: skip


def cancel(name: str, days: float, **more: object) -> Event:
    """Cancel order `name`."""
    return _event("order.cancelled", f"x-{name}", days, 0, **{"order_id": name, **more})


def back(name: str, days: float, amount: object, *, ms: int = 0, **more: object) -> Event:
    """Register return `name`; of an order where `order_id` is given."""
    return _event("return.registered", more.pop("event_id", f"r-{name}"), days, ms,  # type: ignore[arg-type]
                  **{"return_id": name, "currency": "EUR", "amount": amount, **more})  # fmt: skip


def write_events(path: Path, events: list[Event]) -> Path:
    """Write JSON Lines and give the path back."""
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


LOST, RISK, POTENTIAL = "Lost Customers", "At Risk", "Potential Loyalists"
LOYAL, CHAMPION = "Loyal Customers", "Champions"


def many(count: int, total: str, days: float = 1) -> list[Event]:
    """Return `count` orders of `total` each."""
    return [order(f"o{number}", days, total) for number in range(count)]


# name, events, (order_count, monetary, r f m, segment, lifetime_order_count, lifetime_monetary)
CASES: list[tuple[str, list[Event], tuple[object, ...]]] = [
    ("one small order", [order("1", 1, "9.99")], (1, "9.99", "511", POTENTIAL, 1, "9.99")),
    ("an order at this very instant", [order("1", 0, "5.00")],
     (1, "5.00", "511", POTENTIAL, 1, "5.00")),
    ("an event after the instant is out", [order("1", 1, "5.00"), order("2", 0, "7.00", ms=1)],
     (1, "5.00", "511", POTENTIAL, 1, "5.00")),
    ("R: a millisecond short of 30 days", [order("1", 30, "5.00", ms=1)],
     (1, "5.00", "511", POTENTIAL, 1, "5.00")),
    ("R: exactly 30 days", [order("1", 30, "5.00")], (1, "5.00", "411", POTENTIAL, 1, "5.00")),
    ("R: a millisecond short of 90 days", [order("1", 90, "5.00", ms=1)],
     (1, "5.00", "411", POTENTIAL, 1, "5.00")),
    ("R: exactly 90 days", [order("1", 90, "5.00")], (1, "5.00", "311", RISK, 1, "5.00")),
    ("R: a millisecond short of 180 days", [order("1", 180, "5.00", ms=1)],
     (1, "5.00", "311", RISK, 1, "5.00")),
    ("R: exactly 180 days", [order("1", 180, "5.00")], (1, "5.00", "211", LOST, 1, "5.00")),
    ("R: a millisecond short of 365 days", [order("1", 365, "250.00", ms=1)],
     (1, "250.00", "213", RISK, 1, "250.00")),
    ("R: exactly 365 days", [order("1", 365, "250.00")],
     (1, "250.00", "113", LOST, 1, "250.00")),
    ("window: its last millisecond", [order("1", 730, "250.00", ms=1)],
     (1, "250.00", "113", LOST, 1, "250.00")),
    ("window: over at exactly 730 days, F and M of nothing",
     [order("1", 730, "250.00")], (0, "0.00", "111", LOST, 1, "250.00")),
    ("window: only the orders inside it",
     [order("1", 730, "800.00"), order("2", 729, "30.00"), order("3", 5, "80.00")],
     (2, "110.00", "522", POTENTIAL, 3, "910.00")),
    ("F: 3 orders", many(3, "1.00"), (3, "3.00", "521", POTENTIAL, 3, "3.00")),
    ("F: 4 orders", many(4, "1.00"), (4, "4.00", "531", LOYAL, 4, "4.00")),
    ("F: 5 orders", many(5, "1.00"), (5, "5.00", "531", LOYAL, 5, "5.00")),
    ("F: 6 orders, M: 500 exactly", [*many(5, "99.99"), order("x", 40, "0.05")],
     (6, "500.00", "544", CHAMPION, 6, "500.00")),
    ("F: 9 orders", many(9, "1.00"), (9, "9.00", "541", LOYAL, 9, "9.00")),
    ("F: 10 orders", many(10, "1.00"), (10, "10.00", "551", LOYAL, 10, "10.00")),
    ("M: a cent below 100", [order("1", 1, "99.99")], (1, "99.99", "511", POTENTIAL, 1, "99.99")),
    ("M: 100", [order("1", 1, 100)], (1, "100.00", "512", POTENTIAL, 1, "100.00")),
    ("M: a cent below 250", [order("1", 200, "249.99")], (1, "249.99", "212", LOST, 1, "249.99")),
    ("M: a cent below 500", [order("1", 1, 499.99)], (1, "499.99", "513", POTENTIAL, 1, "499.99")),
    ("M: a cent below 1000", [order("1", 1, "999.99")],
     (1, "999.99", "514", POTENTIAL, 1, "999.99")),
    ("M: 1000", [order("1", 1, "1000.0")], (1, "1000.00", "515", POTENTIAL, 1, "1000.00")),
    ("R1 needs F3 and M3 to be at risk", many(4, "62.50", 400),
     (4, "250.00", "133", RISK, 4, "250.00")),
    ("R1 with F2 is lost", many(3, "400.00", 400), (3, "1200.00", "125", LOST, 3, "1200.00")),
    ("R2 with F2 is at risk", many(2, "1.00", 300), (2, "2.00", "221", RISK, 2, "2.00")),
    ("an order of nothing counts", [order("1", 1, "0.00")],
     (1, "0.00", "511", POTENTIAL, 1, "0.00")),
    ("large sums stay exact", many(3, "999999999999.99"),
     (3, "2999999999999.97", "525", POTENTIAL, 3, "2999999999999.97")),
    ("cancelled after", [order("1", 5, "50.00"), cancel("1", 4)],
     (0, "0.00", None, None, 0, "0.00")),
    ("cancelled before it came", [cancel("1", 6), order("1", 5, "50.00")],
     (0, "0.00", None, None, 0, "0.00")),
    ("a cancellation alone", [cancel("1", 6)], (0, "0.00", None, None, 0, "0.00")),
    ("cancelling rolls R back",
     [order("1", 100, "50.00"), order("2", 5, "60.00"), cancel("2", 4)],
     (1, "50.00", "311", RISK, 1, "50.00")),
    ("cancelled stays cancelled when placed again",
     [order("1", 5, "50.00"), cancel("1", 4), order("1", 3, "50.00", event_id="later")],
     (0, "0.00", None, None, 0, "0.00")),
    ("returns of a cancelled order take nothing",
     [order("1", 5, "50.00"), cancel("1", 4), back("a", 3, "20.00", order_id="1")],
     (0, "0.00", None, None, 0, "0.00")),
    ("a guest's cancellation is no event at all",
     [order("1", 5, "50.00"), cancel("1", 4, customer_id="guest")],
     (1, "50.00", "511", POTENTIAL, 1, "50.00")),
    ("partly returned", [order("1", 5, "150.00"), back("a", 4, "60.00", order_id="1")],
     (1, "90.00", "511", POTENTIAL, 1, "90.00")),
    ("fully returned in parts",
     [order("1", 5, "50.00"), back("a", 4, "20.00", order_id="1"),
      back("b", 3, "30.00", order_id="1")], (0, "0.00", None, None, 0, "0.00")),
    ("a cent short of fully returned",
     [order("1", 5, "50.00"), back("a", 4, "49.99", order_id="1")],
     (1, "0.01", "511", POTENTIAL, 1, "0.01")),
    ("the excess over an order is not carried",
     [order("1", 5, "50.00"), order("2", 40, "30.00"), back("a", 4, "75.00", order_id="1")],
     (1, "30.00", "411", POTENTIAL, 1, "30.00")),
    ("a return makes an order of nothing fully returned",
     [order("1", 5, "0.00"), back("a", 4, "1.00", order_id="1")],
     (0, "0.00", None, None, 0, "0.00")),
    ("a return before its order", [back("a", 9, "20.00", order_id="1"), order("1", 5, "50.00")],
     (1, "30.00", "511", POTENTIAL, 1, "30.00")),
    ("a return lowers its order where that stands, outside the window",
     [order("1", 730, "100.00"), order("2", 5, "50.00"), back("a", 4, "60.00", order_id="1")],
     (1, "50.00", "511", POTENTIAL, 2, "90.00")),
    ("an old return of a young order is not outside the window",
     [back("a", 800, "20.00", order_id="1"), order("1", 700, "50.00")],
     (1, "30.00", "111", LOST, 1, "30.00")),
    ("a return without order lowers M only",
     [order("1", 5, "150.00"), back("a", 4, "60.00")],
     (1, "90.00", "511", POTENTIAL, 1, "90.00")),
    ("a return of an unknown order lowers M only",
     [order("1", 40, "50.00"), back("a", 4, "60.00", order_id="9")],
     (1, "-10.00", "411", POTENTIAL, 1, "-10.00")),
    ("a loose return leaves the window at its own instant",
     [order("1", 5, "50.00"), back("a", 730, "8.00"), back("b", 730, "3.00", ms=1)],
     (1, "47.00", "511", POTENTIAL, 1, "39.00")),
    ("returns only", [back("a", 4, "60.50")], (0, "-60.50", None, None, 0, "-60.50")),
    ("returns only, out of the window", [back("a", 731, "0.05")],
     (0, "0.00", None, None, 0, "-0.05")),
    ("no counting order in the window, a loose return in it",
     [order("1", 731, "500.00"), back("a", 3, "20.00")],
     (0, "-20.00", "111", LOST, 1, "480.00")),
    ("the same event twice", [order("1", 5, "50.00"), order("1", 5, "50.0")],
     (1, "50.00", "511", POTENTIAL, 1, "50.00")),
    ("one event_id, two types", [order("1", 5, "50.00", event_id="e"),
                                 back("a", 4, "10.00", event_id="e")],
     (1, "40.00", "511", POTENTIAL, 1, "40.00")),
    ("one order placed twice: the later instant wins",
     [order("1", 5, "50.00", event_id="z"), order("1", 40, "70.00", event_id="a")],
     (1, "50.00", "511", POTENTIAL, 1, "50.00")),
    ("at one instant the greater event_id wins, by code point",
     [order("1", 5, "50.00", event_id="B"), order("1", 5, "70.00", event_id="a")],
     (1, "70.00", "511", POTENTIAL, 1, "70.00")),
    ("event ids compare as text", [order("1", 5, "50.00", event_id="9"),
                                   order("1", 5, "70.00", event_id="10")],
     (1, "50.00", "511", POTENTIAL, 1, "50.00")),
    ("a version after the instant does not win yet",
     [order("1", 5, "50.00", event_id="a"), order("1", -1, "70.00", event_id="b")],
     (1, "50.00", "511", POTENTIAL, 1, "50.00")),
    ("one return registered twice: the later one wins, also its order",
     [order("1", 5, "50.00"), order("2", 5, "80.00"),
      back("a", 4, "10.00", event_id="m", order_id="1"),
      back("a", 3, "80.00", event_id="b", order_id="2")],
     (1, "50.00", "511", POTENTIAL, 1, "50.00")),
    ("the same return delivered twice", [order("1", 5, "50.00"), *[back("a", 4, "10.00")] * 2],
     (1, "40.00", "511", POTENTIAL, 1, "40.00")),
    ("two returns of one amount are two", [order("1", 5, "50.00"), back("a", 4, "10.00"),
                                           back("b", 4, "10.00")],
     (1, "30.00", "511", POTENTIAL, 1, "30.00")),
    ("other types are passed over",
     [order("1", 5, "50.00"), _event("cart.updated", "k", 1, 0, items=[], value="9.00")],
     (1, "50.00", "511", POTENTIAL, 1, "50.00")),
]  # fmt: skip
