"""What one customer contributes to the census."""

from typing import NamedTuple


class Counted(NamedTuple):
    """The figures of one customer as they are counted now; the state keeps them to take them back.

    `orders` and `monetary_minor` are those of the RFM window, `value_orders` and `value_minor` of
    the value window. `units_milli` is units per order in thousandths, None below three orders.
    Only customers with a counting order ever are counted, so both instants exist.
    """

    first_order_ms: int
    last_order_ms: int
    orders: int
    monetary_minor: int
    lifetime_orders: int
    lifetime_net_minor: int
    value_orders: int
    value_minor: int
    units_milli: int | None
