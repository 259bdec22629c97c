"""What is left of the events of each customer: one row an order, return and contact.

Temporary tables over table `event`. `now` is the last instant that is in; money is in minor units.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .events import DEFAULT_GUESTS, load_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

# One order per order_id, one return per return_id, one contact per contact_id: the greatest
# (occurred_at, event_id). Text compares by code point.
_TABLES = (
    """
    CREATE TEMP TABLE returned AS
    SELECT customer_id, order_id, at_ms, minor AS amount FROM event
    WHERE type = 'return.registered'
    QUALIFY row_number() OVER (
        PARTITION BY customer_id, return_id ORDER BY at_ms DESC, event_id DESC) = 1
    """,
    # Where returned < total the net is above zero; where not, the order does not count at all. So
    # the excess of a return over its order can reach no sum.
    """
    CREATE TEMP TABLE placed AS
    WITH
    latest AS (
        SELECT * FROM event WHERE type = 'order.placed'
        QUALIFY row_number() OVER (
            PARTITION BY customer_id, order_id ORDER BY at_ms DESC, event_id DESC) = 1),
    cancelled AS (
        SELECT DISTINCT customer_id, order_id, true AS is_cancelled FROM event
        WHERE type = 'order.cancelled'),
    returned_of_order AS (
        SELECT customer_id, order_id, sum(amount) AS amount FROM returned
        WHERE order_id IS NOT NULL GROUP BY customer_id, order_id)
    SELECT p.customer_id, p.order_id, p.event_id, p.at_ms, p.minor AS total, p.discount,
           p.has_coupon, p.units_milli, coalesce(c.is_cancelled, false) AS is_cancelled,
           NOT coalesce(c.is_cancelled, false)
               AND NOT (coalesce(r.amount, 0) > 0 AND r.amount >= p.minor) AS counts,
           p.minor - coalesce(r.amount, 0) AS net
    FROM latest p
    LEFT JOIN returned_of_order r USING (customer_id, order_id)
    LEFT JOIN cancelled c USING (customer_id, order_id)
    """,
    "CREATE TEMP TABLE counting AS SELECT * FROM placed WHERE counts",
    # No order_id, or one that no order.placed of this customer has (yet).
    """
    CREATE TEMP TABLE loose AS
    SELECT customer_id, at_ms, amount FROM returned
    ANTI JOIN placed ON placed.customer_id = returned.customer_id
        AND placed.order_id = returned.order_id
    """,
    """
    CREATE TEMP TABLE contact AS
    SELECT customer_id, at_ms, complaint, minutes_milli, minor AS cost FROM event
    WHERE type = 'service.contacted'
    QUALIFY row_number() OVER (
        PARTITION BY customer_id, contact_id ORDER BY at_ms DESC, event_id DESC) = 1
    """,
    # A contact with the shop's service alone is no history of a buyer.
    """
    CREATE TEMP TABLE customer AS
    SELECT DISTINCT customer_id FROM event WHERE type <> 'service.contacted'
    """,
)


def load_history(
    connection: duckdb.DuckDBPyConnection,
    events: Path | Sequence[Path],
    at_ms: int,
    *,
    base_currency: str,
    guests: Sequence[str] = DEFAULT_GUESTS,
) -> None:
    """Fill `placed`, `counting`, `returned`, `loose`, `contact` and `customer` from JSON Lines.

    Only events up to and including `at_ms` (milliseconds since 1970 UTC) are in. Raises as
    `load_events` does.
    """
    files = [events] if isinstance(events, Path) else list(events)
    load_events(connection, files, at_ms=at_ms, base_currency=base_currency, guests=guests)
    for statement in _TABLES:
        connection.execute(statement)
