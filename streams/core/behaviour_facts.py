"""Facts about how a customer buys: gaps, discounts, evenness, quantities, service, returns, offers.

Counting orders that are kept whole, unless said otherwise; a window of d holds an order while
now < occurred_at + d. What a decision compares is whole numbers, so that no order of summation
matters; shares that are shown are rounded to four decimals, as `Facts.return_rate` is.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import fsum, sqrt
from operator import attrgetter, sub
from typing import NamedTuple

from streams.core.schemes.scheme import View
from streams.core.state import Contact, Order
from streams.core.values import DAY_MS, HOUR_MS

YEAR_MS = 365 * DAY_MS
# Twelve gaps (segments.md, Slipping): what somebody did years ago says little about when they
# order next, and the history always keeps the 13 latest orders.
GAP_COUNT = 12
# Two gaps at least, or one of them would be the habit.
MINIMUM_ORDERS = 3
RESPONSE_MS = 48 * HOUR_MS
DISCOUNT_PERCENT = 20
# 0.60 a minute, in thousandths of a minor unit.
MINUTE_RATE_MILLI = 60_000
DEFAULT_MINUTES = 8

_NEVER = 1 << 62
_occurred_at_ms = attrgetter("occurred_at_ms")
# A loop over what these give is half as long as one that reads the fields one by one.
_spent = attrgetter("total_minor", "returned_minor", "discount_minor", "has_coupon")
_units = attrgetter("units")


def orders_since(view: View, since_ms: int) -> Sequence[Order]:
    """Counting orders kept whole that occurred after `since_ms`, oldest first."""
    orders = view.orders
    if not orders or orders[0].occurred_at_ms > since_ms:
        return orders
    return orders[bisect_right(orders, since_ms, key=_occurred_at_ms) :]


def order_instants_ms(view: View) -> list[int]:
    """Instants of all counting orders still known one by one, folded ones too, oldest first."""
    instants = list(map(_occurred_at_ms, view.orders))
    folded = view.state.folded
    if folded is not None and folded.remnants:
        zero_too = view.facts.zero_value_orders_count
        instants += [
            remnant.occurred_at_ms
            for remnant in folded.remnants.values()
            if remnant.counts and (remnant.net_minor or zero_too)
        ]
        instants.sort()
    return instants


def doubled_median_gap_ms(view: View) -> int | None:
    """Twice the median of the latest gaps between orders, which is a whole number; see below."""
    orders = view.orders
    if len(orders) < MINIMUM_ORDERS:
        return None
    instants = list(map(_occurred_at_ms, orders[-GAP_COUNT - 1 :]))
    gaps: list[int] = sorted(map(sub, instants[1:], instants))
    middle = len(gaps) // 2
    return 2 * gaps[middle] if len(gaps) % 2 else gaps[middle - 1] + gaps[middle]


def median_gap_ms(view: View) -> int | None:
    """Median of the last twelve gaps between orders, rounded down; None below three orders.

    An even count takes the mean of the middle two.
    """
    doubled = doubled_median_gap_ms(view)
    return None if doubled is None else doubled // 2


class Spending(NamedTuple):
    """Net values of some orders, in minor units: their number, sum and sum of squares.

    The promoted ones among them once more: they have a coupon, or a discount of at least so many
    percent of the undiscounted total.
    """

    orders: int
    sum_minor: int
    squares: int
    promoted_orders: int
    promoted_minor: int


def spending(orders: Iterable[Order], discount_percent: int = DISCOUNT_PERCENT) -> Spending:
    """What these counting orders add up to."""
    number = sum_minor = squares = promoted = promoted_minor = 0
    for total, returned, discount, has_coupon in map(_spent, orders):
        net = total
        if returned:
            net = max(0, total - returned)
        number += 1
        sum_minor += net
        squares += net * net
        # Without the test for a discount, an order of value 0 would be promoted by 0 >= 0.
        if has_coupon or (discount > 0 and discount * 100 >= discount_percent * (total + discount)):
            promoted += 1
            promoted_minor += net
    return Spending(number, sum_minor, squares, promoted, promoted_minor)


def discount_share(
    view: View, window_ms: int = YEAR_MS, discount_percent: int = DISCOUNT_PERCENT
) -> float | None:
    """Share of the net value in the window that lies in promoted orders; None without any value."""
    spent = spending(orders_since(view, view.now_ms - window_ms), discount_percent)
    return round(spent.promoted_minor / spent.sum_minor, 4) if spent.sum_minor else None


def variation(view: View, window_ms: int = YEAR_MS) -> float | None:
    """Population coefficient of variation of net order value in the window.

    None below two orders, since one cannot vary, and without any value.
    """
    spent = spending(orders_since(view, view.now_ms - window_ms))
    if spent.orders < 2 or not spent.sum_minor:  # noqa: PLR2004 - said above
        return None
    spread = spent.orders * spent.squares - spent.sum_minor * spent.sum_minor
    return round(sqrt(spread) / spent.sum_minor, 4)


def units_per_order_milli(view: View, minimum_orders: int = MINIMUM_ORDERS) -> int | None:
    """Units per order in thousandths, rounded down, over all orders kept; None below the minimum.

    The sum is exact before it is rounded to thousandths: no order of summation matters.
    """
    orders = view.orders
    if not orders or len(orders) < minimum_orders:
        return None
    return round(fsum(map(_units, orders)) * 1000) // len(orders)


def cost_milli(contacts: Iterable[Contact], minute_rate_milli: int, default_minutes: float) -> int:
    """What these contacts cost in thousandths of a minor unit: as given, else by the minute."""
    cost = 0
    for contact in contacts:
        if contact.cost_minor is not None:
            cost += 1000 * contact.cost_minor
        else:
            minutes = default_minutes if contact.minutes is None else contact.minutes
            cost += round(minutes * minute_rate_milli)
    return cost


def service_cost_minor(
    view: View,
    window_ms: int = YEAR_MS,
    minute_rate_milli: int = MINUTE_RATE_MILLI,
    default_minutes: float = DEFAULT_MINUTES,
) -> int:
    """What the contacts in the window cost, in minor units, half-even once over the sum."""
    since = view.now_ms - window_ms
    inside = [one for one in view.state.contacts.values() if one.occurred_at_ms > since]
    whole, rest = divmod(cost_milli(inside, minute_rate_milli, default_minutes), 1000)
    return whole + (rest > 500 or (rest == 500 and whole % 2))  # noqa: PLR2004 - half of 1000


class Turnover(NamedTuple):
    """Orders not cancelled in a window, folded ones too, and what came back, in minor units.

    `gross_minor` less `returned_minor` is the net revenue of the window. `oldest_ms` is the
    instant of the oldest order or return in it, far in the future without any.
    """

    orders: int
    gross_minor: int
    returned_minor: int
    oldest_ms: int

    @property
    def net_minor(self) -> int:
        return self.gross_minor - self.returned_minor


def turnover_since(view: View, since_ms: int) -> Turnover:
    """Turnover after `since_ms`, as `facts_at` counts it for the RFM window."""
    state, zero_too = view.state, view.facts.zero_value_orders_count
    gross = returned = 0
    inside: list[int] = []
    for order in state.orders.values():
        at, total = order.occurred_at_ms, order.total_minor
        if at <= since_ms or order.cancelled or not (total or zero_too):
            continue
        gross += total
        if order.returned_minor or order.returned_own_minor:
            returned += total - order.net_minor
        inside.append(at)
    if state.folded is not None:
        for at, net, counts in state.folded.remnants.values():
            if at > since_ms and counts and (net or zero_too):
                gross += net
                inside.append(at)
    orders = len(inside)
    for back in state.returns.values():
        at = back.occurred_at_ms
        if at > since_ms and (back.order_id is None or back.order_id not in state.orders):
            returned += back.amount_minor
            inside.append(at)
    return Turnover(orders, gross, returned, min(inside, default=_NEVER))


class Response(NamedTuple):
    """Offers sent in a window, those that an order answered, and those still open.

    An open offer is unanswered and its time for an answer is not over: it says nothing yet.
    `until_ms` is when any of the numbers can change by the clock alone, 2^62 for never.
    """

    sent: int
    answered: int
    open: int
    until_ms: int


def response(view: View, window_ms: int, response_ms: int) -> Response:
    """Answers to the offers in the window: a counting order within `response_ms` after it."""
    now_ms, orders = view.now_ms, view.orders
    sent = answered = still_open = 0
    until = _NEVER
    for at in view.state.offers:
        if at <= now_ms - window_ms:
            continue
        sent += 1
        until = min(until, at + window_ms)
        # Strictly after the offer: the order that set the action off is no answer to it.
        index = bisect_right(orders, at, key=_occurred_at_ms)
        if index < len(orders) and orders[index].occurred_at_ms < at + response_ms:
            answered += 1
        elif now_ms < at + response_ms:
            still_open += 1
            until = min(until, at + response_ms)
    return Response(sent, answered, still_open, until)


def responds_to_offers(
    view: View, window_ms: int = YEAR_MS, response_ms: int = RESPONSE_MS
) -> float | None:
    """Share of offers in the window that an order followed within `response_ms`.

    Offers are actions tagged `cross_sell`. Open ones are left out, or the share would fall with
    every offer sent; None while there are no others.
    """
    found = response(view, window_ms, response_ms)
    decided = found.sent - found.open
    return round(found.answered / decided, 4) if decided else None
