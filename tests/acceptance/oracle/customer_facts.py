"""One customer's facts, added up anew from the plain list of what happened.

Only what a file of orders and unreferenced returns can tell. Money in minor units, time in ms.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_MS = 86_400_000
WINDOW_MS = 730 * DAY_MS
YEAR_MS = 365 * DAY_MS


class Order(NamedTuple):
    """An order.placed."""

    at_ms: int
    total: int


class Return(NamedTuple):
    """A return.registered that names no order."""

    at_ms: int
    amount: int


class Facts(NamedTuple):
    """What is known at `now_ms`. All orders count: nothing here cancels or returns one by its id."""

    now_ms: int
    orders: tuple[Order, ...]
    returns: tuple[Return, ...]

    def figure(self, name: str) -> Fraction | None:
        """A fact by its name in rule files: money in minor units, spans in ms; None where unknown.

        Raises ValueError for one that this oracle does not know.
        """
        find = _FIGURES.get(name)
        if find is None:
            message = f"teach the oracle the fact {name!r}"
            raise ValueError(message)
        found = find(self)
        return None if found is None else Fraction(found)

    @property
    def orders_in_window(self) -> list[Order]:
        """A span holds while now < instant + span."""
        return [one for one in self.orders if self.now_ms < one.at_ms + WINDOW_MS]

    @property
    def returned_in_window(self) -> int:
        """Sum of the returns in the window."""
        return sum(one.amount for one in self.returns if self.now_ms < one.at_ms + WINDOW_MS)


def _gross(orders: list[Order] | tuple[Order, ...]) -> int:
    return sum(one.total for one in orders)


def _average(facts: Facts) -> Fraction | None:
    orders = facts.orders_in_window
    return Fraction(_gross(orders), len(orders)) if orders else None


def _return_rate(facts: Facts) -> Fraction | None:
    gross = _gross(facts.orders_in_window)
    return Fraction(facts.returned_in_window, gross) if gross else None


def _days_since_order(facts: Facts) -> int | None:
    last = max((one.at_ms for one in facts.orders), default=None)
    return None if last is None else (facts.now_ms - last) // DAY_MS


_FIGURES: dict[str, Callable[[Facts], Fraction | int | None]] = {
    "order_count": lambda facts: len(facts.orders_in_window),
    "monetary": lambda facts: _gross(facts.orders_in_window) - facts.returned_in_window,
    "average_order_value": _average,
    "return_rate": _return_rate,
    "lifetime_order_count": lambda facts: len(facts.orders),
    "lifetime_monetary": lambda facts: (
        _gross(facts.orders) - sum(one.amount for one in facts.returns)
    ),
    "days_since_order": _days_since_order,
    "first_order_at": lambda facts: min((one.at_ms for one in facts.orders), default=None),
    "last_order_at": lambda facts: max((one.at_ms for one in facts.orders), default=None),
}
MONEY = frozenset({"monetary", "average_order_value", "lifetime_monetary"})
"""Facts that rule files give in the base currency."""
