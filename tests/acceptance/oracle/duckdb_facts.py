"""Facts, fixed scores and segments of map `five` at one instant, in DuckDB SQL.

A recomputation from all events: no running state, no order of arrival, no timers. Only integers:
milliseconds and minor units. Default limits of the specification, not settings.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import duckdb

from .events import DEFAULT_GUESTS, currency_digits
from .history import load_history

# No event is later than now, so "now < occurred_at + d days" is: fewer than d whole days have gone
# by since. `//` is integer division.
_QUERY = """
WITH
order_facts AS (
    SELECT customer_id, max(at_ms) AS last_ms,
           count(*) FILTER (in_window) AS orders, sum(net) FILTER (in_window) AS net,
           count(*) AS lifetime_orders, sum(net) AS lifetime_net
    FROM (SELECT *, ($now - at_ms) // $day < $window AS in_window FROM counting)
    GROUP BY customer_id),
loose_facts AS (
    SELECT customer_id, sum(amount) FILTER (($now - at_ms) // $day < $window) AS amount,
           sum(amount) AS lifetime_amount
    FROM loose GROUP BY customer_id),
facts AS (
    SELECT customer_id, o.last_ms, ($now - o.last_ms) // $day AS age_days,
           coalesce(o.orders, 0) AS orders,
           coalesce(o.net, 0) - coalesce(l.amount, 0) AS monetary,
           coalesce(o.lifetime_orders, 0) AS lifetime_orders,
           coalesce(o.lifetime_net, 0) - coalesce(l.lifetime_amount, 0) AS lifetime_monetary
    FROM customer
    LEFT JOIN order_facts o USING (customer_id)
    LEFT JOIN loose_facts l USING (customer_id)),
scores AS (
    SELECT *,
        CASE WHEN last_ms IS NULL THEN NULL
             WHEN age_days < 30 THEN 5
             WHEN age_days < 90 THEN 4
             WHEN age_days < 180 THEN 3
             WHEN age_days < 365 THEN 2
             ELSE 1 END AS r,
        CASE WHEN last_ms IS NULL THEN NULL
             WHEN orders >= 10 THEN 5 WHEN orders >= 6 THEN 4
             WHEN orders >= 4 THEN 3 WHEN orders >= 2 THEN 2
             ELSE 1 END AS f,
        CASE WHEN last_ms IS NULL THEN NULL
             WHEN monetary >= 1000 * $unit THEN 5 WHEN monetary >= 500 * $unit THEN 4
             WHEN monetary >= 250 * $unit THEN 3 WHEN monetary >= 100 * $unit THEN 2
             ELSE 1 END AS m
    FROM facts)
SELECT customer_id, last_ms, orders, monetary, r, f, m,
    CASE WHEN r IS NULL THEN NULL
         WHEN r >= 4 AND f >= 4 AND m >= 4 THEN 'Champions'
         WHEN r >= 3 AND f >= 3 THEN 'Loyal Customers'
         WHEN r >= 4 THEN 'Potential Loyalists'
         WHEN r = 3 OR (r = 2 AND (f >= 2 OR m >= 3)) OR (r = 1 AND f >= 3 AND m >= 3)
             THEN 'At Risk'
         ELSE 'Lost Customers' END AS segment,
    lifetime_orders, lifetime_monetary,
    strftime(make_timestamp(last_ms * 1000), '%Y-%m-%dT%H:%M:%S.%gZ') AS last_order_at
FROM scores ORDER BY customer_id
"""

_DAY_MS = 86_400_000
_WINDOW_DAYS = 730


class CustomerRow(NamedTuple):
    """One line of customers.csv; text as it stands in the file, None where there is no value.

    `last_order_at`: RFC 3339 UTC with milliseconds. `monetary`, `lifetime_monetary`: decimal text
    with the currency's digits. `r`, `f`, `m`: 1 to 5.
    """

    customer_id: str
    last_order_at: str | None
    order_count: int
    monetary: str
    currency: str
    r: int | None
    f: int | None
    m: int | None
    rfm_segment: str | None
    lifetime_order_count: int
    lifetime_monetary: str


COLUMNS = CustomerRow._fields


def customers_at(
    events: Path | list[Path],
    at_ms: int,
    *,
    base_currency: str,
    guests: tuple[str, ...] = DEFAULT_GUESTS,
) -> list[CustomerRow]:
    """Return every customer with an order, cancellation or return up to `at_ms`, sorted by id.

    `events`: JSON Lines of contract events, gzip by its ending; other types are passed over.
    `at_ms`: milliseconds since 1970 UTC; an event exactly then is in. `guests`: ids left out.
    Raises ValueError for events that break their contract (see load_events), duckdb.Error for
    lines that are no JSON.
    """
    unit = 10 ** currency_digits(base_currency)
    with duckdb.connect(":memory:") as connection:
        load_history(connection, events, at_ms, base_currency=base_currency, guests=guests)
        found = connection.execute(
            _QUERY, {"now": at_ms, "day": _DAY_MS, "window": _WINDOW_DAYS, "unit": unit}
        ).fetchall()
    rows = []
    for customer, _, orders, monetary, r, f, m, segment, lifetime, lifetime_net, last in found:
        rows.append(
            CustomerRow(
                customer,
                last,
                orders,
                _decimal_text(monetary, base_currency),
                base_currency,
                r,
                f,
                m,
                segment,
                lifetime,
                _decimal_text(lifetime_net, base_currency),
            )
        )
    return rows


def write_customers_csv(
    events: Path | list[Path],
    at_ms: int,
    out: Path,
    *,
    base_currency: str,
    guests: tuple[str, ...] = DEFAULT_GUESTS,
) -> int:
    """Write `customers_at` to `out` as CSV (UTF-8, comma, LF, header) and return the row count."""
    rows = customers_at(events, at_ms, base_currency=base_currency, guests=guests)
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return len(rows)


def _decimal_text(minor: int, currency: str) -> str:
    digits = currency_digits(currency)
    sign = "-" if minor < 0 else ""
    whole, rest = divmod(abs(minor), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}" if digits else f"{sign}{whole}"
