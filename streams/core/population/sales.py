"""From the states of customers to what the shop sold, and from that to what a snapshot says of it."""

from typing import Final

from streams.core.population.products import REPORTED, ProductCensus, Quarter
from streams.core.population.snapshot import QuarterRevenue, Sales, TopList
from streams.core.products import read_lines
from streams.core.rules import RFM
from streams.core.state import CustomerState

# Two years: each season can be compared with the one a year ago.
QUARTERS: Final = 8
# Enough to look at; every further product is in each snapshot and in every partition once more.
RATED: Final = 200
# 48 lists of 20 products with skus of 15 characters are 45 KB of a snapshot that has 10 KB besides.
# Where skus are much longer, lists are shorter; 16 times shorter, skus may have 800 bytes.
MAX_SALES_BYTES: Final = 64 * 1024
_SHORTER: Final = (1, 2, 4, 8, 16)
# Whole numbers beside a sku: a few bytes each in msgpack.
_NUMBERS_BYTES: Final = 32


def count_customer(
    census: ProductCensus, state: CustomerState, as_of_ms: int, *, count_zero_value_orders: bool
) -> None:
    """Count what one customer bought and brought back before `as_of_ms`, in the present segment.

    Orders that are kept whole and count, with what is left of them after their returns. The pieces
    of a fully returned order were sold as well, or a product that always comes back whole would have
    no return rate; it is in no list and brings no revenue. A return without a known order is a
    refund of its own quarter, as in the facts of the customer.
    """
    membership = state.memberships.get(RFM)
    segment = membership.segment if membership is not None else None
    for order in state.orders.values():
        if order.cancelled or order.occurred_at_ms >= as_of_ms:
            continue
        if order.total_minor or count_zero_value_orders:
            census.count_order(
                segment if order.counts else None,
                order.occurred_at_ms,
                read_lines(order.lines),
                order.net_minor,
            )
    for back in state.returns.values():
        if back.occurred_at_ms >= as_of_ms:
            continue
        known = state.orders.get(back.order_id) if back.order_id is not None else None
        if known is None:
            census.count_refund(back.occurred_at_ms, back.amount_minor)
        if known is None or not known.cancelled:
            census.count_return(read_lines(back.lines))


def take_sales(census: ProductCensus, as_of_ms: int) -> Sales:
    """What a snapshot says of a census of all partitions, within `MAX_SALES_BYTES`."""
    for divisor in _SHORTER:
        sales = Sales(
            as_of_ms,
            _top_lists(census, REPORTED // divisor),
            census.best_sellers(RATED // divisor),
            [QuarterRevenue(*one) for one in census.revenue_by_quarter().items()],
        )
        if _size(sales) <= MAX_SALES_BYTES:
            break
    return sales


def _top_lists(census: ProductCensus, n: int) -> list[TopList]:
    quarters: set[Quarter] = set(sorted({quarter for quarter, _ in census.lists})[-QUARTERS:])
    return [
        TopList(quarter, segment, census.top(segment, quarter, n))
        for quarter, segment in sorted(census.lists)
        if quarter in quarters
    ]


def _size(sales: Sales) -> int:
    """About the bytes of it in a snapshot; rather too many."""
    names = [one.segment for one in sales.top]
    names += [product.sku for one in sales.top for product in one.products]
    names += [one.sku for one in sales.sold]
    return sum(len(name.encode()) + _NUMBERS_BYTES for name in names)
