"""The facts behind all schemes: what a customer's history amounts to at one instant.

They are computed from the kept history, not carried along: the loop is short (a customer keeps a
handful of orders), and so the same events in any order give the same facts by construction.
"""

from typing import NamedTuple

from streams.core.state import CustomerState
from streams.core.values import DAY_MS

VALUE_WINDOW_MS = 365 * DAY_MS
_NEVER = 1 << 62


class Facts(NamedTuple):
    """Money in minor units of the base currency, times in milliseconds.

    `order_count`, `monetary_minor`, `gross_minor` and `returned_minor` cover the window;
    `monetary_minor` is the net of counting orders (`net_minor`) less returns without a known order,
    and may be negative. `next_expiry_ms` is when the next of them leaves the window.
    `value_order_count`, `value_monetary_minor` and `value_expiry_ms` are the same for the shorter
    window of scheme `value`. `first_order_at_ms` is of the counting orders still known one by one.
    """

    last_order_at_ms: int | None
    order_count: int
    monetary_minor: int
    net_minor: int
    gross_minor: int
    returned_minor: int
    lifetime_order_count: int
    lifetime_monetary_minor: int
    next_expiry_ms: int | None
    first_order_at_ms: int | None = None
    value_order_count: int = 0
    value_monetary_minor: int = 0
    value_expiry_ms: int | None = None
    zero_value_orders_count: bool = True

    @property
    def average_order_value_minor(self) -> int | None:
        """Net of counting orders by their number, half-even; None without one."""
        if not self.order_count:
            return None
        whole, rest = divmod(self.net_minor, self.order_count)
        twice = 2 * rest
        return whole + (twice > self.order_count or (twice == self.order_count and whole % 2))

    @property
    def return_rate(self) -> float | None:
        """Returned by gross in the window, four decimals; None at gross 0."""
        return round(self.returned_minor / self.gross_minor, 4) if self.gross_minor else None


def facts_at(
    state: CustomerState,
    now_ms: int,
    window_ms: int,
    *,
    value_window_ms: int = VALUE_WINDOW_MS,
    count_zero_value_orders: bool = True,
) -> Facts:
    """Facts at `now_ms`; a span of d holds while now < occurred_at + d (segments.md, Facts)."""
    since = now_ms - window_ms  # inside the window: occurred_at > since
    value_since = now_ms - value_window_ms
    last = -1
    first = oldest = value_oldest = _NEVER
    count = net = gross = returned = lifetime_count = lifetime_net = value_count = value_net = 0
    for order in state.orders.values():
        total = order.total_minor
        if order.cancelled or (not total and not count_zero_value_orders):
            continue
        at = order.occurred_at_ms
        counts, order_net = True, total
        if order.returned_minor or order.returned_own_minor:
            counts, order_net = order.counts, order.net_minor
        if at > since:
            gross += total
            returned += total - order_net
        if not counts:
            continue
        lifetime_count += 1
        lifetime_net += order_net
        last = max(last, at)
        first = min(first, at)
        if at > since:
            count += 1
            net += order_net
            oldest = min(oldest, at)
        if at > value_since:
            value_count += 1
            value_net += order_net
            value_oldest = min(value_oldest, at)
    if state.folded is not None:
        lifetime_count += state.folded.order_count
        lifetime_net += state.folded.net_minor
        for at, order_net, counts in state.folded.remnants.values():
            if not counts or (not order_net and not count_zero_value_orders):
                continue
            lifetime_count += 1
            lifetime_net += order_net
            last = max(last, at)
            first = min(first, at)
            if at > since:
                count += 1
                net += order_net
                gross += order_net
                oldest = min(oldest, at)
            if at > value_since:
                value_count += 1
                value_net += order_net
                value_oldest = min(value_oldest, at)
    monetary = net
    for back in state.returns.values():
        if back.order_id is not None and back.order_id in state.orders:
            continue
        lifetime_net -= back.amount_minor
        at = back.occurred_at_ms
        if at > since:
            monetary -= back.amount_minor
            returned += back.amount_minor
            oldest = min(oldest, at)
        if at > value_since:
            value_net -= back.amount_minor
            value_oldest = min(value_oldest, at)
    return Facts(
        last if last >= 0 else None,
        count,
        monetary,
        net,
        gross,
        returned,
        lifetime_count,
        lifetime_net,
        oldest + window_ms if oldest < _NEVER else None,
        first if first < _NEVER else None,
        value_count,
        value_net,
        value_oldest + value_window_ms if value_oldest < _NEVER else None,
        count_zero_value_orders,
    )
