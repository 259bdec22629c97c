"""Rounding to a currency's decimals."""

from decimal import ROUND_HALF_EVEN, Decimal

from schemas.currencies import MINOR_DIGITS

# What all but a few currencies have.
COMMON_DIGITS = 2


def quantize(amount: Decimal, currency: str) -> Decimal:
    """Round once, half-even.

    A currency that ISO 4217 does not know gets two decimals: the event goes out as it is, and
    intake refuses it by its currency.
    """
    digits = MINOR_DIGITS.get(currency, COMMON_DIGITS)
    return amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
