"""Limits of the whole customer base at one instant, exact, in DuckDB SQL.

Cut points are inverse CDFs without interpolation, found by counting rows with whole numbers: the
value at p % of n is the ceil(n * p / 100)-th smallest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import duckdb

from .events import DEFAULT_GUESTS
from .history import load_history

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DAY_MS = 86_400_000
WINDOW_DAYS = 730
VALUE_WINDOW_DAYS = 365
VALUE_SHARES_PERCENT = (80, 95)


class Thresholds(TypedDict):
    """One snapshot in its plain form: what the JSON of the product's snapshot holds too.

    Times and ages in milliseconds, money in minor units, `units_milli` in thousandths of a piece.
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


# Each customer with an order ever: what the limits are made of. The lifetime sum of a customer goes
# down by the returns whose order is not known; the sums of a window by those within it.
FIGURES = """
CREATE TEMP TABLE figure AS
WITH
ordered AS (
    SELECT customer_id, min(at_ms) AS first_ms, max(at_ms) AS last_ms,
           count(*) AS lifetime_orders, sum(net) AS lifetime_net,
           count(*) FILTER ($now - at_ms < $window_ms) AS orders,
           coalesce(sum(net) FILTER ($now - at_ms < $window_ms), 0) AS net,
           count(*) FILTER ($now - at_ms < $value_ms) AS value_orders,
           coalesce(sum(net) FILTER ($now - at_ms < $value_ms), 0) AS value_net,
           sum(units_milli) // count(*) AS units_milli
    FROM counting GROUP BY customer_id),
gone AS (
    SELECT customer_id, sum(amount) AS lifetime,
           coalesce(sum(amount) FILTER ($now - at_ms < $window_ms), 0) AS within,
           coalesce(sum(amount) FILTER ($now - at_ms < $value_ms), 0) AS value
    FROM loose GROUP BY customer_id)
SELECT customer_id, first_ms, last_ms, $now - last_ms AS age_ms,
       coalesce(orders, 0) AS orders,
       coalesce(net, 0) AS net,
       coalesce(net, 0) - coalesce(within, 0) AS monetary,
       coalesce(lifetime_orders, 0) AS lifetime_orders,
       coalesce(lifetime_net, 0) - coalesce(lifetime, 0) AS lifetime_monetary,
       coalesce(value_orders, 0) AS value_orders,
       coalesce(value_net, 0) - coalesce(value, 0) AS value_monetary,
       units_milli
FROM customer LEFT JOIN ordered USING (customer_id) LEFT JOIN gone USING (customer_id)
"""

_COUNTS = """
SELECT count(*) FILTER (orders > 0), count(*) FILTER (lifetime_orders > 0),
       count(*) FILTER (lifetime_orders > 1),
       coalesce(sum(lifetime_orders) FILTER (lifetime_orders > 1), 0),
       coalesce($now - min(first_ms), 0)
FROM figure
"""

_METRICS = """
CREATE TEMP TABLE metric AS
SELECT metric, figure AS value, row_number() OVER (PARTITION BY metric ORDER BY figure) AS place,
       count(*) OVER (PARTITION BY metric) AS total
FROM (
    SELECT 'recency_ms' AS metric, age_ms AS figure FROM figure WHERE orders > 0
    UNION ALL SELECT 'frequency', orders FROM figure WHERE orders > 0
    UNION ALL SELECT 'monetary_minor', monetary FROM figure WHERE orders > 0
    UNION ALL SELECT 'lifetime_orders', lifetime_orders FROM figure WHERE lifetime_orders > 0
    UNION ALL SELECT 'lifetime_net_minor', lifetime_monetary FROM figure WHERE lifetime_orders > 0
    UNION ALL SELECT 'value_minor', value_monetary FROM figure WHERE value_orders > 0
    UNION ALL SELECT 'units_milli', units_milli FROM figure WHERE lifetime_orders >= 3)
"""

_CUTS = """
SELECT metric, list(value ORDER BY part)
FROM metric JOIN (SELECT unnest(range(1, $parts)) AS part)
    ON place = (total * part + $parts - 1) // $parts
GROUP BY metric ORDER BY metric
"""

# A customer's class looks at the sum of strictly larger values only, so equal ones share it. The
# least value of a class is its limit; where a class is empty, that of the class above.
_VALUE_LIMITS = """
WITH
net AS (
    SELECT value_monetary AS value, sum(value_monetary) AS together
    FROM figure WHERE value_orders > 0 AND value_monetary > 0 GROUP BY value_monetary),
larger AS (
    SELECT value, sum(together) OVER () AS total,
           coalesce(sum(together) OVER (
               ORDER BY value DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS above
    FROM net)
SELECT min(value) FILTER (above * 100 < total * $a), min(value) FILTER (above * 100 < total * $b)
FROM larger
"""


def make_figures(connection: duckdb.DuckDBPyConnection, at_ms: int, window_days: int) -> None:
    """Fill table `figure` from the tables of `load_history`."""
    connection.execute(
        FIGURES,
        {
            "now": at_ms,
            "window_ms": window_days * DAY_MS,
            "value_ms": VALUE_WINDOW_DAYS * DAY_MS,
        },
    )


def exact_thresholds(
    events: Path | Sequence[Path],
    at_ms: int,
    *,
    base_currency: str,
    window_days: int = WINDOW_DAYS,
    guests: Sequence[str] = DEFAULT_GUESTS,
    number: int = 1,
) -> Thresholds:
    """Return the limits of all customers of `events` (JSON Lines) at `at_ms` (ms since 1970 UTC).

    Raises ValueError for events that break their contract.
    """
    with duckdb.connect(":memory:") as connection:
        load_history(connection, events, at_ms, base_currency=base_currency, guests=guests)
        make_figures(connection, at_ms, window_days)
        return _taken(connection, at_ms, number)


def _taken(connection: duckdb.DuckDBPyConnection, at_ms: int, number: int) -> Thresholds:
    counts = connection.execute(_COUNTS, {"now": at_ms}).fetchall()[0]
    connection.execute(_METRICS)
    low, high = VALUE_SHARES_PERCENT
    limits = connection.execute(_VALUE_LIMITS, {"a": low, "b": high}).fetchall()[0]
    customers, buyers, repeat_buyers, repeat_orders, history_ms = (int(one) for one in counts)
    return Thresholds(
        number=number,
        as_of_ms=at_ms,
        customers=customers,
        buyers=buyers,
        repeat_buyers=repeat_buyers,
        repeat_orders=repeat_orders,
        history_ms=history_ms,
        percentiles=_cuts(connection, 100),
        thirds=_cuts(connection, 3),
        value_limits_minor=[int(limit) for limit in limits if limit is not None],
    )


def _cuts(connection: duckdb.DuckDBPyConnection, parts: int) -> dict[str, list[int]]:
    found = connection.execute(_CUTS, {"parts": parts}).fetchall()
    return {metric: [int(value) for value in values] for metric, values in found}


def is_enough(
    thresholds: Mapping[str, Any] | None, minimum_customers: int, minimum_history_days: int
) -> bool:
    """Whether the base is large and old enough for limits of its own."""
    return (
        thresholds is not None
        and thresholds["customers"] >= minimum_customers
        and thresholds["history_ms"] >= minimum_history_days * DAY_MS
    )
