"""Customers for these tests: states made by hand or by the machine, under the shipped rules."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from streams.core import machine
from streams.core.facts import Facts
from streams.core.inputs import CustomerEvent, OrderPlaced
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState, Order
from streams.core.values import DAY_MS
from streams.insights.customers import facts_under
from streams.rules.files import rules_text
from streams.settings import load_settings

NOW_MS = 1_700_000_000_000
RULES_VERSION = 1


@cache
def rules(schemes: str = "rfm,loyalty,value,lifecycle") -> Rules:
    """The shipped rules of some schemes, before any snapshot."""
    return compile_rules(rules_text(load_settings(schemes=schemes)), RULES_VERSION)


def shopper(name: str, orders: Sequence[tuple[float, int]], units: float = 1.0) -> CustomerState:
    """Someone with orders, each so many days before NOW and worth so many minor units."""
    state = CustomerState(name)
    for number, (days_ago, total_minor) in enumerate(orders):
        at_ms = NOW_MS - round(days_ago * DAY_MS)
        state.orders[f"{name}-{number}"] = Order(
            at_ms, f"e-{name}-{number}", total_minor, units=units
        )
    return state


def facts(state: CustomerState) -> Facts:
    """Facts at NOW."""
    return facts_under(state, rules(), NOW_MS)


def order_placed(number: int, at_ms: int, total_minor: int, customer: str = "c") -> OrderPlaced:
    """An order as the journal has it."""
    shared: dict[str, Any] = {
        "event_id": f"e{number}",
        "customer_id": customer,
        "occurred_at_ms": at_ms,
        "received_at_ms": at_ms,
        "identity": number,
        "source": "shop.orders",
    }
    return OrderPlaced(**shared, order_id=f"o{number}", total_minor=total_minor)


def lived(events: Sequence[CustomerEvent], under: Rules) -> CustomerState:
    """The state after these events, all timers between them fired."""
    state = CustomerState(events[0].customer_id)
    for event in events:
        let_time_pass(state, event.received_at_ms, under)
        machine.apply(state, event, under, event.received_at_ms, "order.placed")
    return state


def let_time_pass(state: CustomerState, until_ms: int, under: Rules) -> None:
    """Fire every timer up to an instant at its due instant."""
    while state.next_due_ms is not None and state.next_due_ms <= until_ms:
        machine.fire(state, state.next_due_ms, under, state.next_due_ms)
