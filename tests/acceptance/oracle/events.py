"""Contract events from JSON Lines into typed DuckDB tables, strictly.

Table `event` holds one row for each distinct order.placed, order.cancelled, return.registered and
service.contacted up to an instant. Everything is whole numbers: milliseconds, minor units of one
currency, thousandths of a piece and of a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

DEFAULT_GUESTS = ("", "0", "guest", "null")
"""Customer ids which the contract refuses as guests unless the shop says otherwise."""

# ISO 4217: currencies whose minor unit is not a hundredth.
_NO_DECIMALS = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_FOUR_DECIMALS = frozenset({"CLF", "UYW"})

# Everything is read as text, so that no money ever passes through a binary fraction.
_RAW = """
CREATE TEMP TABLE raw_event AS
SELECT type, customer_id, event_id, occurred_at, order_id, return_id, currency,
       contact_id, coalesce(complaint, false) AS complaint, minutes,
       CASE type WHEN 'order.placed' THEN total WHEN 'return.registered' THEN amount
                 WHEN 'service.contacted' THEN cost END AS money,
       coalesce(discount_total, '0') AS discount, coalesce(len(coupons), 0) > 0 AS has_coupon,
       coalesce(list_sum(list_transform(items, lambda item: CAST(item.quantity AS DECIMAL(18,3)))),
           0) AS units
FROM read_json($files, format = 'newline_delimited', columns = {
    type: 'VARCHAR', customer_id: 'VARCHAR', event_id: 'VARCHAR', occurred_at: 'VARCHAR',
    order_id: 'VARCHAR', return_id: 'VARCHAR', contact_id: 'VARCHAR', currency: 'VARCHAR',
    total: 'VARCHAR', amount: 'VARCHAR', cost: 'VARCHAR', discount_total: 'VARCHAR',
    coupons: 'VARCHAR[]', items: 'STRUCT(quantity VARCHAR)[]', complaint: 'BOOLEAN',
    minutes: 'DECIMAL(18,3)'})
WHERE type IN ('order.placed', 'order.cancelled', 'return.registered', 'service.contacted')
  AND customer_id IS NOT NULL
  AND NOT list_contains($guests, customer_id)
"""

_FAULTS = r"""
SELECT fault, count(*), min(coalesce(type, '') || ' ' || coalesce(event_id, '(no event_id)'))
FROM (
    SELECT type, event_id, CASE
        WHEN coalesce(event_id, '') = '' THEN 'event_id is missing'
        WHEN NOT coalesce(regexp_full_match(occurred_at,
            '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]+)?'
            || '([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])'), false)
            OR TRY_CAST(upper(regexp_replace(occurred_at, '[.][0-9]+', '')) AS TIMESTAMPTZ) IS NULL
            THEN 'occurred_at is not an RFC 3339 time with an offset'
        WHEN starts_with(type, 'order.') AND order_id IS NULL THEN 'order_id is missing'
        WHEN type = 'order.cancelled' THEN NULL
        WHEN type = 'service.contacted' AND contact_id IS NULL THEN 'contact_id is missing'
        WHEN type = 'service.contacted' AND money IS NULL THEN NULL
        WHEN type = 'return.registered' AND return_id IS NULL THEN 'return_id is missing'
        WHEN currency IS DISTINCT FROM $currency
            THEN 'currency is not the base currency; this oracle knows no rates'
        WHEN NOT is_money(money, $digits) OR NOT is_money(discount, $digits)
            THEN 'money is not a plain decimal with the digits of the currency'
        WHEN type = 'return.registered' AND NOT regexp_matches(money, '[1-9]')
            THEN 'amount of a return is not above zero'
        END AS fault
    FROM raw_event)
WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault
"""

# More than three digits of a second are cut: whole milliseconds, never into the future. A cast to
# plain TIMESTAMP would drop the offset without a word; TIMESTAMPTZ applies it.
_TYPED = r"""
CREATE TEMP TABLE event AS
SELECT DISTINCT type, customer_id, event_id, order_id, return_id, contact_id, complaint,
    CAST(minutes * 1000 AS BIGINT) AS minutes_milli, has_coupon,
    CAST(units * 1000 AS BIGINT) AS units_milli, in_minor(discount, $digits) AS discount,
    epoch_ms(CAST(upper(regexp_replace(occurred_at, '([.][0-9]{3})[0-9]+', '\1'))
        AS TIMESTAMPTZ)) AS at_ms,
    in_minor(money, $digits) AS minor
FROM raw_event
"""

_MACROS = (
    """CREATE TEMP MACRO is_money(x, digits) AS
        coalesce(regexp_full_match(x, '[0-9]{1,12}([.][0-9]+)?'), false)
        AND length(split_part(x, '.', 2)) <= digits""",
    """CREATE TEMP MACRO in_minor(x, digits) AS
        CAST(split_part(x, '.', 1) || rpad(split_part(x, '.', 2), digits, '0') AS HUGEINT)""",
)

_CONFLICTS = """
SELECT type, customer_id, event_id FROM event
GROUP BY type, customer_id, event_id HAVING count(*) > 1 ORDER BY ALL LIMIT 1
"""


def currency_digits(currency: str) -> int:
    """Decimals of an ISO 4217 currency."""
    if currency in _NO_DECIMALS:
        return 0
    if currency in _FOUR_DECIMALS:
        return 4
    return 3 if currency in _THREE_DECIMALS else 2


def load_events(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    *,
    at_ms: int,
    base_currency: str,
    guests: Sequence[str],
) -> None:
    """Fill the temporary table `event` with the distinct events up to and including `at_ms`.

    Raises ValueError for what intake would put into the dead letters (guests apart, which are
    left out) and where one event id names two different events: on such a file an oracle has no
    answer, and guessing one would hide the mistake of whoever wrote it.
    """
    currency, digits = base_currency, currency_digits(base_currency)
    for macro in _MACROS:
        connection.execute(macro)
    connection.execute(_RAW, {"files": [str(file) for file in files], "guests": list(guests)})
    faults = connection.execute(_FAULTS, {"currency": currency, "digits": digits}).fetchall()
    if faults:
        said = "; ".join(
            f"{fault} ({count} events, e.g. {which})" for fault, count, which in faults
        )
        message = f"mend the events first: {said}"
        raise ValueError(message)
    connection.execute(_TYPED, {"digits": digits})
    conflict = connection.execute(_CONFLICTS).fetchone()
    if conflict:
        kind, customer, event_id = conflict
        message = (
            f"two different events {kind} of customer {customer!r} share event_id {event_id!r}"
        )
        raise ValueError(message)
    connection.execute("DELETE FROM event WHERE at_ms > $at_ms", {"at_ms": at_ms})
