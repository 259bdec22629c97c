"""The SQL that turns staged text rows into lines, and lines into orders and returns.

Money is DECIMAL from the text on, never a float. A product is DECIMAL(19,6) x DECIMAL(19,6): two
DECIMAL(18,6) would give a DECIMAL(18,12), which ends at one million.
"""

# ruff: noqa: S608 - names and values come from the mapping, quoted by conditions.py

import re

from schemas.currencies import MINOR_DIGITS
from streams.files.columns import NUMBER_ROLES, conditions, used_columns
from streams.files.conditions import identifier, literal
from streams.files.currencies import COMMON_DIGITS
from streams.files.mapping import CartsMapping, Mapping, Numbers, OrdersMapping, Time

_CLOCK = r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_NAIVE = rf"{_DATE}({_CLOCK})?"
_ZONED = rf"{_DATE}{_CLOCK} ?(Z|UTC|[+-][0-9]{{2}}(:?[0-9]{{2}})?)"
# Years 1 to 9999, what RFC 3339 can say.
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999

UNREADABLE = "unreadable "
AFTER_UNTIL = "after the given instant"


def macros(mapping: Mapping) -> list[str]:
    """Define `number(text)` and `instant(text)`: NULL where the text is neither."""
    return [_number_macro(mapping.numbers), _instant_macro(mapping.time)]


def _number_macro(numbers: Numbers) -> str:
    point, group = re.escape(numbers.decimal), re.escape(numbers.thousands)
    whole = rf"([0-9]+|[0-9]{{1,3}}({group}[0-9]{{3}})+)" if group else "[0-9]+"
    pattern = rf"[+-]?({whole}({point}[0-9]{{0,6}}0*)?|{point}[0-9]{{1,6}}0*)"
    plain = "x"
    if numbers.thousands:
        plain = f"replace({plain}, {literal(numbers.thousands)}, '')"
    if numbers.decimal != ".":
        plain = f"replace({plain}, {literal(numbers.decimal)}, '.')"
    return (
        f"CREATE TEMP MACRO number(x) AS CASE WHEN regexp_full_match(x, {literal(pattern)}) "
        f"THEN TRY_CAST({plain} AS DECIMAL(19,6)) END"
    )


def _instant_macro(time: Time) -> str:
    zone, first = literal(time.zone), time.format[0]
    if first == "iso":
        found = iso_instant(zone)
    elif first in {"epoch_s", "epoch_ms"}:
        factor = 1000 if first == "epoch_s" else 1
        found = f"TRY_CAST(number(x) * {factor} AS BIGINT)"
    else:
        formats = ", ".join(literal(text) for text in time.format)
        parsed = f"try_strptime(x, [{formats}])"
        found = f"epoch_ms({parsed if time.has_offset else f'timezone({zone}, {parsed})'})"
    return (
        f"CREATE TEMP MACRO instant(x) AS CASE WHEN ({found}) BETWEEN {_FIRST_MS} AND {_LAST_MS} "
        f"THEN ({found}) END"
    )


def iso_instant(zone: str) -> str:
    """Read ISO 8601 with the year first: with an offset as it says, without one in `zone`."""
    return (
        f"CASE WHEN regexp_full_match(x, {literal(_ZONED)}) "
        "THEN epoch_ms(TRY_CAST(x AS TIMESTAMPTZ)) "
        f"WHEN regexp_full_match(x, {literal(_NAIVE)}) "
        f"THEN epoch_ms(timezone({zone}, TRY_CAST(x AS TIMESTAMP))) END"
    )


def lines(mapping: Mapping) -> str:
    """Make table `lines` from table `staged`: typed values, what the line is, why it is left out.

    `at_ms` is UTC milliseconds; `amount`, `quantity` and `unit_price` are exact decimals in units
    of the line's currency.
    """
    aliases = {used.alias for used in used_columns(mapping)}
    texts = [
        _text(role, aliases)
        for role in ("sku", "name", "category", "currency", "channel", "cart", "returned_order")
    ]
    numbers = [
        f"{_number(role) if role in aliases else default} AS {role}_number"
        for role, default in zip(NUMBER_ROLES, _DEFAULTS, strict=True)
    ]
    tests = [f"{c.sql(identifier(a))} AS {identifier(a + '?')}" for a, c in conditions(mapping)]
    raw = [f"{role} AS {role}_text" for role in NUMBER_ROLES if role in aliases]
    told = ["line_no", "time AS time_text", "instant(time) AS at_ms", "customer", "number"]
    read = ", ".join([*told, *texts, *numbers, *tests, *raw])
    return f"""
        CREATE TABLE lines AS
        WITH read AS (SELECT {read} FROM staged),
        told AS (SELECT *, {_amount(aliases)} AS amount, {_action(mapping)} AS action FROM read)
        SELECT line_no, at_ms, coalesce(customer, '') AS customer, number, action, amount,
               sku, name, category, {_currency(mapping)} AS currency, channel, cart,
               {_returned_order(mapping)} AS returned_order,
               quantity_number AS quantity, unit_price_number AS unit_price,
               discount_number AS discount, CASE {_reasons(mapping, aliases)} END AS reason
        FROM told"""


_EMPTY = {"quantity": "NULL", "unit_price": "NULL", "discount": "0", "total": "NULL"}
_DEFAULTS = ("CAST(1 AS DECIMAL(19,6))", "CAST(NULL AS DECIMAL(19,6))",
             "CAST(0 AS DECIMAL(19,6))", "CAST(NULL AS DECIMAL(19,6))")  # fmt: skip


def _number(role: str) -> str:
    # An empty discount is none; an empty price or quantity is a missing one.
    return f"CASE WHEN {role} IS NOT NULL THEN number({role}) ELSE {_EMPTY[role]} END"


def _text(role: str, aliases: set[str]) -> str:
    return role if role in aliases else f"CAST(NULL AS VARCHAR) AS {role}"


def _amount(aliases: set[str]) -> str:
    if "total" in aliases:
        return "CAST(total_number AS DECIMAL(38,12))"
    return "quantity_number * unit_price_number - CAST(discount_number AS DECIMAL(38,12))"


def _currency(mapping: Mapping) -> str:
    return "currency" if mapping.currency.code is None else literal(mapping.currency.code)


def _action(mapping: Mapping) -> str:
    if isinstance(mapping, OrdersMapping):
        told = [test for test in (_prefixed(mapping), _negative(mapping)) if test]
        return (
            f"CASE WHEN {' OR '.join(told)} THEN 'return' ELSE 'order' END" if told else "'order'"
        )
    cart = mapping.cart
    branches = [f"WHEN {identifier('cart.added?')} THEN 'add'"]
    if cart.removed is not None:
        branches.append(f"WHEN {identifier('cart.removed?')} THEN 'remove'")
    if cart.bought is not None:
        branches.append(f"WHEN {identifier('cart.bought?')} THEN 'order'")
    return f"CASE {' '.join(branches)} END"


def _prefixed(mapping: OrdersMapping) -> str | None:
    if mapping.returns is None or mapping.returns.prefix is None:
        return None
    return f"coalesce(starts_with(number, {literal(mapping.returns.prefix)}), false)"


def _negative(mapping: OrdersMapping) -> str | None:
    if mapping.returns is None or not mapping.returns.negative_lines:
        return None
    return "coalesce(amount < 0, false)"


def _returned_order(mapping: Mapping) -> str:
    """Say which order a return is of: the named column, else a negative line's own number."""
    if isinstance(mapping, CartsMapping) or mapping.returns is None:
        return "CAST(NULL AS VARCHAR)"
    if mapping.returns.order_id is not None or not mapping.returns.negative_lines:
        return "returned_order"
    prefixed = _prefixed(mapping)
    return f"CASE WHEN {prefixed} THEN NULL ELSE number END" if prefixed else "number"


def _reasons(mapping: Mapping, aliases: set[str]) -> str:
    """List why a row is left out, in the order in which the reasons are told."""
    found: list[tuple[str, str]] = [
        (identifier(f"leave_out.{index}?"), str(condition))
        for index, condition in enumerate(mapping.leave_out)
    ]
    if isinstance(mapping, CartsMapping):
        found.append(("action IS NULL", "neither added, removed nor bought"))
    if mapping.customer.missing == "skip":
        found.append(("customer IS NULL", "no customer"))
    id_field = "order id" if isinstance(mapping, OrdersMapping) else "cart id"
    found += [
        ("number IS NULL", f"no {id_field}"),
        ("time_text IS NULL", "no time"),
        ("at_ms IS NULL", f"{UNREADABLE}time"),
    ]
    for role in NUMBER_ROLES:
        if role not in aliases:
            continue
        if role != "discount":
            found.append((f"{role}_text IS NULL", f"no {role}"))
        found.append((f"{role}_text IS NOT NULL AND {role}_number IS NULL", f"{UNREADABLE}{role}"))
    if mapping.currency.column is not None:
        found.append(("currency IS NULL", "no currency"))
    if isinstance(mapping, CartsMapping):
        found.append(("sku IS NULL", "no sku"))
        found.append(("unit_price_number < 0", "unit_price below 0"))
    found.append(("action <> 'return' AND quantity_number <= 0", "quantity not above 0"))
    return " ".join(f"WHEN {test} THEN {literal(reason)}" for test, reason in found)


def heads(mapping: Mapping, until_ms: int | None) -> str:
    """Make table `heads` from `lines`: one row an order or a return, numbered in time order.

    A return whose sum rounds (half-even) to nothing has no event, since a return's amount is above
    0; half a unit itself rounds to the even 0.
    """
    takes = "max" if mapping.time.order_takes == "last" else "min"
    cart = "number" if isinstance(mapping, CartsMapping) else "arg_min(cart, line_no)"
    after = "false" if until_ms is None else f"at_ms > {until_ms}"
    return f"""
        CREATE TABLE heads AS
        WITH grouped AS (
            SELECT action, number, customer, {takes}(at_ms) AS at_ms, min(line_no) AS first_line,
                   count(*) AS line_count, sum(amount) AS amount, sum(discount) AS discount,
                   min(currency) AS currency, count(DISTINCT currency) AS currency_count,
                   arg_min(channel, line_no) AS channel, {cart} AS cart,
                   arg_min(returned_order, line_no) AS returned_order
            FROM lines WHERE reason IS NULL AND action IN ('order', 'return')
            GROUP BY action, number, customer)
        SELECT *, CASE
                WHEN {after} THEN {literal(AFTER_UNTIL)}
                WHEN currency_count > 1 THEN 'order in several currencies'
                WHEN action = 'order' AND amount < 0 THEN 'order with a sum below 0'
                WHEN action = 'return' AND abs(amount) <= {_half_unit()} THEN 'return of nothing'
            END AS reason,
            row_number() OVER (ORDER BY at_ms, first_line, action) AS head_no
        FROM grouped"""


def _half_unit() -> str:
    cases = " ".join(
        f"WHEN {literal(code)} THEN {_half(decimals)}"
        for code, decimals in MINOR_DIGITS.items()
        if decimals != COMMON_DIGITS
    )
    return f"CASE currency {cases} ELSE {_half(COMMON_DIGITS)} END"


def _half(decimals: int) -> str:
    return f"0.{'0' * decimals}5"


# Rows without an event, by reason, in the order of the file.
LEFT_OUT = """
    SELECT reason, CAST(sum(row_count) AS BIGINT) FROM (
        SELECT reason, 1 AS row_count, line_no FROM lines
        UNION ALL SELECT reason, line_count, first_line FROM heads)
    WHERE reason IS NOT NULL GROUP BY reason ORDER BY min(line_no)"""

# Orders and returns in time order, and beside them their lines, in the order of the file.
HEADS = """
    SELECT head_no, action, number, customer, at_ms, amount, discount, currency, channel, cart,
           returned_order
    FROM heads WHERE reason IS NULL ORDER BY head_no"""
HEAD_LINES = """
    SELECT head_no, sku, name, category, CAST(abs(quantity) AS DOUBLE) AS quantity,
           CAST(unit_price AS VARCHAR) AS unit_price, lines.discount AS discount
    FROM lines JOIN heads USING (action, number, customer)
    WHERE heads.reason IS NULL AND lines.reason IS NULL
    ORDER BY head_no, line_no"""


def cart_lines(until_ms: int | None) -> str:
    """Select what happens in carts, in time order; `is_last` lets the reader forget the cart."""
    return f"""
        SELECT number, customer, at_ms, action, currency, sku, name, category, quantity,
               unit_price, row_number() OVER (
                   PARTITION BY number, customer ORDER BY at_ms DESC, line_no DESC) = 1 AS is_last
        FROM lines WHERE reason IS NULL AND {_not_after(until_ms)}
        ORDER BY at_ms, line_no"""


def cart_counts(until_ms: int | None) -> str:
    """Count the rows that become a `cart.updated`, and those that are too late for it."""
    return f"""
        SELECT count(*) FILTER (WHERE {_not_after(until_ms)}),
               count(*) FILTER (WHERE NOT {_not_after(until_ms)})
        FROM lines WHERE reason IS NULL AND action <> 'order'"""


def _not_after(until_ms: int | None) -> str:
    return "true" if until_ms is None else f"(at_ms <= {until_ms})"
