"""Two real shops' files as contract events, for the oracle's own tests.

Deliberately the shortest reading of each file, made with DuckDB alone. Sums are exact decimals,
rounded half-even to the currency's digits once, on the total. Times without zone are UTC unless
the caller knows better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

# Lines of one invoice become one event. A cancelled invoice ("C...") never says which order it
# takes back: a return without order_id. Lines without a price or a customer are no sale.
_UCI = """
COPY (
    WITH line AS (
        SELECT invoice, customer_id, invoice_date AS sold_at, quantity * unit_price AS amount,
               starts_with(invoice, 'C') AS is_return, quantity, unit_price
        FROM read_csv($file, header = true, types = {
            'invoice': 'VARCHAR', 'customer_id': 'VARCHAR', 'invoice_date': 'TIMESTAMP',
            'quantity': 'BIGINT', 'unit_price': 'DECIMAL(18,5)'})
        WHERE customer_id IS NOT NULL
        {once}),
    invoice AS (
        SELECT invoice, customer_id, is_return, max(sold_at) AS sold_at,
               CAST(round_even(abs(sum(amount)), 2) AS DECIMAL(18,2)) AS amount,
               list({'quantity': quantity}) AS items
        FROM line WHERE is_return OR (quantity > 0 AND unit_price > 0)
        GROUP BY invoice, customer_id, is_return)
    SELECT CASE WHEN is_return THEN 'return.registered' ELSE 'order.placed' END AS type,
           invoice AS event_id, customer_id,
           strftime(timezone('UTC', timezone($zone, sold_at)), '%Y-%m-%dT%H:%M:%SZ') AS occurred_at,
           'GBP' AS currency,
           CASE WHEN is_return THEN NULL ELSE invoice END AS order_id,
           CASE WHEN is_return THEN NULL ELSE CAST(amount AS VARCHAR) END AS total,
           CASE WHEN is_return THEN NULL ELSE items END AS items,
           CASE WHEN is_return THEN invoice END AS return_id,
           CASE WHEN is_return THEN CAST(amount AS VARCHAR) END AS amount
    FROM invoice ORDER BY sold_at, invoice
) TO '{target}' (FORMAT json)
"""

# One row is one order; the file has no order number, so the row number stands for it.
_CDNOW = """
COPY (
    SELECT 'order.placed' AS type, CAST(number AS VARCHAR) AS event_id, customer_id,
           strftime(date, '%Y-%m-%dT00:00:00Z') AS occurred_at, 'USD' AS currency,
           CAST(number AS VARCHAR) AS order_id, CAST(amount AS VARCHAR) AS total
    FROM (SELECT *, row_number() OVER () AS number
          FROM read_csv($file, header = true, types = {
              'customer_id': 'VARCHAR', 'date': 'DATE', 'amount': 'DECIMAL(18,2)'}))
    ORDER BY number
) TO '{target}' (FORMAT json)
"""


# One row is one order, as others already grouped them.
_ORDERS = """
COPY (
    SELECT 'order.placed' AS type, order_id AS event_id, customer_id,
           strftime(ts, '%Y-%m-%dT%H:%M:%SZ') AS occurred_at, $currency AS currency, order_id,
           CAST(CAST(round_even(amount, 2) AS DECIMAL(18,2)) AS VARCHAR) AS total
    FROM read_csv($file, header = true, types = {
        'order_id': 'VARCHAR', 'customer_id': 'VARCHAR', 'ts': 'TIMESTAMP',
        'amount': 'DECIMAL(18,5)'})
) TO '{target}' (FORMAT json)
"""

# A repeated line is only told from a second unit sold by every column being the same.
_ONCE = """QUALIFY row_number() OVER (
            PARTITION BY invoice, stock_code, description, quantity, invoice_date, unit_price,
                customer_id, country) = 1"""


def uci_events(
    file: Path, target: Path, *, distinct_lines: bool = False, zone: str = "UTC"
) -> None:
    """Write the orders and returns of the UCI Online Retail lines in `file` as JSON Lines.

    `distinct_lines`: drop exact duplicate lines first, as one of the published references does.
    `zone`: where the shop's clock stands, an IANA name.
    """
    statement = _UCI.replace("{once}", _ONCE if distinct_lines else "")
    _copy(statement, target, file=str(file), zone=zone)


def cdnow_events(file: Path, target: Path) -> None:
    """Write the orders of the CDNOW transactions in `file` as JSON Lines."""
    _copy(_CDNOW, target, file=str(file))


def order_events(file: Path, target: Path, *, currency: str) -> None:
    """Write a table of orders (order_id, customer_id, ts, amount) as JSON Lines."""
    _copy(_ORDERS, target, file=str(file), currency=currency)


def _copy(statement: str, target: Path, **parameters: str) -> None:
    with duckdb.connect(":memory:") as connection:
        # COPY takes no parameter for its target.
        quoted = str(target).replace("'", "''")
        connection.execute(statement.replace("{target}", quoted), parameters)
