"""How rule files write durations, shares, money and scores, as pydantic reads them."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_UNITS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
# Instants must stay within what RFC 3339 can write; no rule about customers looks further.
_LONGEST_MS = 100 * 365 * DAY_MS
_WHOLE = 100
# Above half there would be more to compare with than to send to.
_MOST_HELD_BACK = 50
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def duration_ms(value: object) -> int:
    """A duration as files write it; ValueError says how that is."""
    match = re.fullmatch(r"(\d{1,9})\s*([smhdw])", str(value))
    if match is None:
        raise ValueError(f"{value!r} is no duration; write 30s, 15m, 4h, 7d or 26w")
    span_ms = int(match[1]) * _UNITS[match[2]]
    if span_ms > _LONGEST_MS:
        raise ValueError(f"{value!r} is longer than 100 years")
    return span_ms


def _span_ms(value: object) -> int:
    span_ms = duration_ms(value)
    if not span_ms:
        raise ValueError(f"{value!r} must be longer than nothing")
    return span_ms


def _any_percent(value: object) -> int:
    match = re.fullmatch(r"(\d{1,4})\s*%", str(value))
    if match is None:
        raise ValueError(f"{value!r} is no share; write 80%")
    return int(match[1])


def _percent_within(low: int, high: int) -> Callable[[object], int]:
    def percent(value: object) -> int:
        found = _any_percent(value)
        if not low <= found <= high:
            raise ValueError(f"{value!r} is not within {low}% to {high}%")
        return found

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


def _minute(value: object) -> int:
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", str(value))
    if match is None:
        raise ValueError(f'{value!r} is no time of day; write "09:00"')
    return int(match[1]) * 60 + int(match[2])


def _weekday(value: object) -> int:
    if value not in WEEKDAYS:
        raise ValueError(f"{value!r} is no day of the week; write {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(str(value))


def _name(value: object) -> str:
    text = str(value)
    if re.fullmatch(_NAME, text) is None:
        raise ValueError(f"{value!r} is no name; write small letters, digits and _, at most 60")
    return text


def minute_text(minute: int) -> str:
    """A minute of the day as people write it: 09:00."""
    return f"{minute // 60:02}:{minute % 60:02}"


def _read_by(read: Callable[[object], Any], pattern: str) -> BeforeValidator:
    """A value that files write as a text of this form; editors know the form by it."""
    written = Annotated[str, Field(pattern=f"^{pattern}$")]
    return BeforeValidator(read, json_schema_input_type=written)


_NAME = "[a-z][a-z0-9_]{0,59}"
_DURATION = r"[0-9]{1,9} *[smhdw]"
_PERCENT = r"[0-9]{1,4} *%"
# In milliseconds; a span is longer than nothing.
Duration = Annotated[int, _read_by(duration_ms, _DURATION)]
Span = Annotated[int, _read_by(_span_ms, _DURATION)]
# In whole per cents: of a whole, 1 to 99; a share may be all of it, a margin and those who are held
# back may be none; a factor is 100 or more.
Percent = Annotated[int, _read_by(_percent_within(1, _WHOLE - 1), _PERCENT)]
Share = Annotated[int, _read_by(_percent_within(1, _WHOLE), _PERCENT)]
Margin = Annotated[int, _read_by(_percent_within(0, _WHOLE - 1), _PERCENT)]
HeldBack = Annotated[int, _read_by(_percent_within(0, _MOST_HELD_BACK), _PERCENT)]
Factor = Annotated[int, _read_by(_factor, _PERCENT)]
# In the base currency, not in its minor units.
Money = Annotated[Decimal, BeforeValidator(_money)]
# The lowest and the highest of some scores.
Range = Annotated[tuple[int, int], BeforeValidator(_range)]
Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
# Minutes from midnight, 0 to 1,439; days of the week from 0 for Monday.
TimeOfDay = Annotated[int, _read_by(_minute, "([01]?[0-9]|2[0-3]):[0-5][0-9]")]
Weekday = Annotated[int, _read_by(_weekday, f"({'|'.join(WEEKDAYS)})")]
# What metrics, topics and other files call something by.
Name = Annotated[str, _read_by(_name, _NAME)]


class Strict(BaseModel):
    """What all models of rule files are: complete, and not to be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def whole_units(amount: Decimal, units: int) -> int:
    """An amount in units of which one of the base currency has so many; ValueError for fractions."""
    scaled = amount * units
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has too many digits for the base currency")
    return int(scaled)
