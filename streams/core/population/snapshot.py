"""What one numbered snapshot says about the whole customer base."""

from typing import NamedTuple

from streams.core.population.products import Quarter, Sold, TopProduct


class TopList(NamedTuple):
    """The products in most orders of one segment (scheme `rfm`) in one quarter, the best first."""

    quarter: Quarter
    segment: str
    products: list[TopProduct]


class QuarterRevenue(NamedTuple):
    """Net of the orders of a quarter less refunds in it, minor units of the base currency."""

    quarter: Quarter
    net_minor: int


class Sales(NamedTuple):
    """What the shop sold, from orders and returns that are kept whole and occurred before `as_of_ms`.

    `top` are lists of at most 20 products, by quarter and segment, of the latest eight quarters in
    which anything was sold; `sold` the 200 products with most pieces sold; `revenue` is by quarter.
    `as_of_ms` is the earliest boundary up to which any partition counted.
    """

    as_of_ms: int
    top: list[TopList]
    sold: list[Sold]
    revenue: list[QuarterRevenue]


class Snapshot(NamedTuple):
    """Limits and figures of the whole base at `as_of_ms`; every partition decides by the same.

    `customers` have an order in the RFM window, `buyers` a counting order ever, `repeat_buyers` at
    least two of them, `repeat_orders` in all. `history_ms` is the age of the oldest order.

    `percentiles` maps a metric to its values at 1, 2, ... 99 % (99 integers) and `thirds` to those at
    one and two thirds: inverse CDF without interpolation, over the customers of the metric:

    - `recency_ms` (age of the latest order), `frequency`, `monetary_minor`: order in the RFM window
    - `lifetime_orders`, `lifetime_net_minor`: a counting order ever
    - `value_minor` (net in the value window): order in the value window
    - `units_milli` (units per order, thousandths): at least three counting orders

    `value_limits_minor` are the least values of classes A and B: A is net >= the first and > 0.
    A metric without customers is missing. `sales` were counted after an earlier boundary; None until
    every partition has counted once. No limit follows from them.
    """

    number: int
    as_of_ms: int
    customers: int
    buyers: int
    repeat_buyers: int
    repeat_orders: int
    history_ms: int
    percentiles: dict[str, list[int]]
    thirds: dict[str, list[int]]
    value_limits_minor: list[int]
    sales: Sales | None = None

    def is_enough(self, minimum_customers: int, minimum_history_ms: int) -> bool:
        """Whether limits may be taken from it; else the fixed ones apply."""
        return self.customers >= minimum_customers and self.history_ms >= minimum_history_ms

    def quantile(self, metric: str, percent: int) -> int | None:
        """The cut point at `percent` % (1 to 99); None where nobody has that metric."""
        values = self.percentiles.get(metric)
        return values[percent - 1] if values else None
