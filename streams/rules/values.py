"""How rule files write durations, shares, money and scores, as pydantic reads them."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_UNITS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
# Instants must stay within what RFC 3339 can write; no rule about customers looks further.
_LONGEST_MS = 100 * 365 * DAY_MS
_WHOLE = 100


def _duration_ms(value: object) -> int:
    match = re.fullmatch(r"(\d{1,9})\s*([smhdw])", str(value))
    if match is None:
        raise ValueError(f"{value!r} is no duration; write 30s, 15m, 4h, 7d or 26w")
    span_ms = int(match[1]) * _UNITS[match[2]]
    if span_ms > _LONGEST_MS:
        raise ValueError(f"{value!r} is longer than 100 years")
    return span_ms


def _span_ms(value: object) -> int:
    span_ms = _duration_ms(value)
    if not span_ms:
        raise ValueError(f"{value!r} must be longer than nothing")
    return span_ms


def _any_percent(value: object) -> int:
    match = re.fullmatch(r"(\d{1,4})\s*%", str(value))
    if match is None:
        raise ValueError(f"{value!r} is no share; write 80%")
    return int(match[1])


def _percent(value: object) -> int:
    percent = _any_percent(value)
    if not 1 <= percent < _WHOLE:
        raise ValueError(f"{value!r} is not within 1% to 99%")
    return percent


def _factor(value: object) -> int:
    percent = _any_percent(value)
    if percent < _WHOLE:
        raise ValueError(f"{value!r} must be at least 100%")
    return percent


def _money(value: object) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no amount; write 0.60") from None
    if not amount.is_finite() or amount <= 0:
        raise ValueError(f"{value!r} is no amount above 0")
    return amount


def _range(value: object) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9])(?:-([0-9]))?", str(value))
    if match is None:
        raise ValueError(f"{value!r} is no score; write 3 or 2-5")
    return int(match[1]), int(match[2] or match[1])


# In milliseconds; a span is longer than nothing.
Duration = Annotated[int, BeforeValidator(_duration_ms)]
Span = Annotated[int, BeforeValidator(_span_ms)]
# In whole per cents: of a whole, 1 to 99; a factor is 100 or more.
Percent = Annotated[int, BeforeValidator(_percent)]
Factor = Annotated[int, BeforeValidator(_factor)]
# In the base currency, not in its minor units.
Money = Annotated[Decimal, BeforeValidator(_money)]
# The lowest and the highest of some scores.
Range = Annotated[tuple[int, int], BeforeValidator(_range)]
Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class Strict(BaseModel):
    """What all models of rule files are: complete, and not to be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def whole_units(amount: Decimal, units: int) -> int:
    """An amount in units of which one of the base currency has so many; ValueError for fractions."""
    scaled = amount * units
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has too many digits for the base currency")
    return int(scaled)
