"""Amounts of money as shops send them, turned into whole numbers without a rounding anywhere.

An amount is an ASCII decimal string or a JSON number. A JSON number arrives as the nearest double;
up to 15 digits (a rule of the contract) the shortest text of that double is the number as written,
so 19.99 is 1999 cents exactly.
"""

from decimal import Decimal
from typing import Final

Amount = str | int | float
"""A decimal string, or a JSON number. Bounds and form are checked by `schemas.fields`."""

PRICE_DIGITS: Final = 6
"""Decimals of `unit_price` and `unit_cost`: screws are sold at 0.0125 apiece."""

_POWERS: Final[tuple[int, ...]] = tuple(10**power for power in range(16))

_EXACT_BOUND: Final = 10**15


class TooManyDecimalsError(ValueError):
    """The amount has more decimals than its currency, so one of the two is wrong."""


def parse_amount(amount: Amount, digits: int) -> int:
    """Turn a checked amount into units of 10**-digits: ("19.99", 2) is 1999.

    Trailing zeros count in a string ("19.990" has three decimals), because the shop wrote them, and
    not in a number, because 19.990 and 19.99 are one JSON number.

    Raises:
        TooManyDecimalsError: there are more than `digits` decimals.

    """
    if isinstance(amount, str):
        text = amount
    elif isinstance(amount, int):
        return amount * _POWERS[digits]
    else:
        scale = _POWERS[digits]
        scaled = round(amount * scale)
        # Below 10**15 there is one double per decimal number, so equality proves the digits.
        if -_EXACT_BOUND < scaled < _EXACT_BOUND and scaled / scale == amount:
            return scaled
        text = _plain_text(float(amount))
    whole, _, fraction = text.partition(".")
    spare = digits - len(fraction)
    if spare < 0:
        msg = f"{text} has {len(fraction)} decimals, {digits} are allowed"
        raise TooManyDecimalsError(msg)
    return int(whole + fraction) * _POWERS[spare]


def format_amount(amount_minor: int, digits: int) -> str:
    """Write whole minor units as a decimal string with all of the currency's digits."""
    sign = "-" if amount_minor < 0 else ""
    if digits == 0:
        return f"{amount_minor}"
    whole, fraction = divmod(abs(amount_minor), _POWERS[digits])
    return f"{sign}{whole}.{fraction:0{digits}d}"


def _plain_text(value: float) -> str:
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")
