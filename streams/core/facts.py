"""The facts behind all schemes: what a customer's history amounts to at one instant.

They are computed from the kept history, not carried along: the loop is short (a customer keeps a
handful of orders), and so the same events in any order give the same facts by construction.
"""

from operator import add
from typing import NamedTuple

from streams.core.state import CustomerState, Folded
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


class _Sums(NamedTuple):
    """Figures of one kind of history; instants are `-1` or `_NEVER` where there is none."""

    last: int = -1
    first: int = _NEVER
    oldest: int = _NEVER
    value_oldest: int = _NEVER
    orders: int = 0
    net: int = 0
    gross: int = 0
    returned: int = 0
    lifetime_count: int = 0
    lifetime_net: int = 0
    value_count: int = 0
    value_net: int = 0

    def plus(self, other: "_Sums") -> "_Sums":
        """Both together."""
        last, first, oldest, value_oldest, *sums = self
        other_last, other_first, other_oldest, other_value_oldest, *others = other
        return _Sums(
            max(last, other_last),
            min(first, other_first),
            min(oldest, other_oldest),
            min(value_oldest, other_value_oldest),
            *map(add, sums, others),
        )


def facts_at(
    state: CustomerState,
    now_ms: int,
    window_ms: int,
    *,
    value_window_ms: int = VALUE_WINDOW_MS,
    count_zero_value_orders: bool = True,
) -> Facts:
    """Facts at `now_ms`; a span of d holds while now < occurred_at + d (segments.md, Facts)."""
    # Inside a window: occurred_at > since.
    since, value_since = now_ms - window_ms, now_ms - value_window_ms
    sums = _sum_orders(state, since, value_since, count_zero_value_orders)
    if state.folded is not None:
        sums = sums.plus(_sum_folded(state.folded, since, value_since, count_zero_value_orders))
    net = sums.net
    if state.returns:
        sums = sums.plus(_sum_waiting_returns(state, since, value_since))
    oldest, value_oldest = sums.oldest, sums.value_oldest
    return Facts(
        sums.last if sums.last >= 0 else None,
        sums.orders,
        sums.net,
        net,
        sums.gross,
        sums.returned,
        sums.lifetime_count,
        sums.lifetime_net,
        oldest + window_ms if oldest < _NEVER else None,
        sums.first if sums.first < _NEVER else None,
        sums.value_count,
        sums.value_net,
        value_oldest + value_window_ms if value_oldest < _NEVER else None,
        count_zero_value_orders,
    )


def _sum_orders(
    state: CustomerState, since: int, value_since: int, count_zero_value_orders: bool
) -> _Sums:
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
            oldest = min(oldest, at)
        if not counts:
            continue
        lifetime_count += 1
        lifetime_net += order_net
        last = max(last, at)
        first = min(first, at)
        if at > since:
            count += 1
            net += order_net
        if at > value_since:
            value_count += 1
            value_net += order_net
            value_oldest = min(value_oldest, at)
    return _Sums(
        last,
        first,
        oldest,
        value_oldest,
        count,
        net,
        gross,
        returned,
        lifetime_count,
        lifetime_net,
        value_count,
        value_net,
    )


def _sum_folded(
    folded: Folded, since: int, value_since: int, count_zero_value_orders: bool
) -> _Sums:
    counting = [
        (at, net)
        for at, net, counts in folded.remnants.values()
        if counts and (net or count_zero_value_orders)
    ]
    inside = [one for one in counting if one[0] > since]
    valued = [one for one in counting if one[0] > value_since]
    net = sum(net for _, net in inside)
    return _Sums(
        max((at for at, _ in counting), default=-1),
        min((at for at, _ in counting), default=_NEVER),
        min((at for at, _ in inside), default=_NEVER),
        min((at for at, _ in valued), default=_NEVER),
        len(inside),
        net,
        net,
        0,
        folded.order_count + len(counting),
        folded.net_minor + sum(net for _, net in counting),
        len(valued),
        sum(net for _, net in valued),
    )


def _sum_waiting_returns(state: CustomerState, since: int, value_since: int) -> _Sums:
    """Returns whose order is not known lower the sums at their own instant."""
    waiting = [one for one in state.returns.values() if one.order_id not in state.orders]
    inside = [one for one in waiting if one.occurred_at_ms > since]
    valued = [one for one in waiting if one.occurred_at_ms > value_since]
    returned = sum(one.amount_minor for one in inside)
    return _Sums(
        oldest=min((one.occurred_at_ms for one in inside), default=_NEVER),
        value_oldest=min((one.occurred_at_ms for one in valued), default=_NEVER),
        net=-returned,
        returned=returned,
        lifetime_net=-sum(one.amount_minor for one in waiting),
        value_net=-sum(one.amount_minor for one in valued),
    )
