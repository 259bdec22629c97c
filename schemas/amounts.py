"""Checks of money that need its currency, for use in the contracts' own validators."""

from pydantic_core import PydanticCustomError

from schemas.currencies import MINOR_DIGITS
from schemas.money import PRICE_DIGITS, Amount, TooManyDecimalsError, parse_amount


def currency_digits(currency: str) -> int:
    """Decimals of a currency.

    Raises:
        PydanticCustomError: ISO 4217 has no such currency.

    """
    digits = MINOR_DIGITS.get(currency)
    if digits is None:
        raise PydanticCustomError(
            "currency",
            "{code} is not a currency of ISO 4217: send a code such as EUR",
            {"field": "currency", "code": currency},
        )
    return digits


def check_amount(amount: Amount, digits: int, field: str) -> None:
    """Check that an amount has at most `digits` decimals; `field` is its path, for the producer.

    Raises:
        PydanticCustomError: it has more.

    """
    if isinstance(amount, str):
        point = amount.find(".")
        if point < 0 or len(amount) - point - 1 <= digits:
            return  # The usual case, settled without converting anything.
    try:
        parse_amount(amount, digits)
    except TooManyDecimalsError as error:
        raise PydanticCustomError(
            "money", "{problem}", {"field": field, "problem": str(error)}
        ) from error


def check_price(amount: Amount | None, field: str) -> None:
    """Check a price or cost per piece: six decimals in every currency."""
    if amount is not None:
        check_amount(amount, PRICE_DIGITS, field)
