"""The kinds of field that contracts are made of, and how each describes itself.

The checks run inside pydantic's core as far as they can: intake reads tens of thousands of records
a second. Each kind fails with an error type of its own, which becomes the dead letter's reason.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from schemas.countries import COUNTRIES
from schemas.money import Amount

NO_UNIT: Final = "none"
MAX_IDENTIFIER_CHARACTERS: Final = 200
MAX_QUANTITY: Final = 1_000_000_000.0
"""Beyond a thousand million pieces in one line it is a mistake in the shop."""

# Twelve digits before the point keep a price in millionths within 64 bits.
_WHOLE_BOUND: Final = 1_000_000_000_000
_NO_CONTROLS: Final = r"^[^\u0000-\u001f\u007f-\u009f]+$"
_INSTANT: Final = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_INSTANT_RE: Final = re.compile(_INSTANT[1:-1], re.ASCII)
_DATE: Final = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def described(description: str, example: object, unit: str = NO_UNIT) -> Any:
    """Describe a field: what it means, one valid value, and its unit ("none" where it has none)."""
    return Field(description=description, examples=[example], json_schema_extra={"x-unit": unit})


def parse_instant_ms(text: str) -> int:
    """Milliseconds since 1970 (UTC) of a checked RFC 3339 text, cut to whole milliseconds.

    A leap second counts as the first instant after it. Works for any year from 1 to 9999 and any
    offset: nothing is ever converted to a date in UTC, which the first and last days do not have.

    Raises:
        ValueError: no such day, or not RFC 3339.

    """
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except ValueError:
        upper = text.upper()
        if upper[17:19] != "60":
            return (datetime.fromisoformat(upper) - _EPOCH) // _MILLISECOND
        offset = upper[19:].lstrip(".0123456789")
        before = datetime.fromisoformat(f"{upper[:17]}59{offset}")
        return (before - _EPOCH) // _MILLISECOND + 1000


def read_instant_ms(text: str) -> int:
    """Check an RFC 3339 text that no contract has checked, and give its milliseconds since 1970.

    Raises:
        ValueError: not RFC 3339 with an offset or Z, or no such day.

    """
    if _INSTANT_RE.fullmatch(text) is None:
        msg = f"{text[:64]!r} is not RFC 3339 with an offset or Z"
        raise ValueError(msg)
    return parse_instant_ms(text)


@dataclass(frozen=True)
class Text:
    """Text of bounded length with an optional pattern (a regular expression of RE2 and ECMA both).

    `error` is the type of the validation error, `message` what to tell the producer.
    """

    error: str
    message: str
    max_length: int
    pattern: str | None = None
    check: str | None = None

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Build pydantic's check of the text."""
        text: CoreSchema = core_schema.str_schema(
            strict=True, min_length=1, max_length=self.max_length, pattern=self.pattern
        )
        if self.check is not None:
            text = core_schema.no_info_after_validator_function(_CHECKS[self.check], text)
        return core_schema.custom_error_schema(
            text, custom_error_type=self.error, custom_error_message=self.message
        )

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the text as JSON Schema."""
        schema: JsonSchemaValue = {"type": "string", "minLength": 1, "maxLength": self.max_length}
        if self.pattern is not None:
            schema["pattern"] = self.pattern
        if self.check in _FORMATS:
            schema["format"] = _FORMATS[self.check]
        return schema


@dataclass(frozen=True)
class Money:
    """An amount; its decimals are checked where the currency is known (`schemas.amounts`)."""

    signed: bool = False

    @property
    def _pattern(self) -> str:
        return r"^-?[0-9]{1,12}(\.[0-9]+)?$" if self.signed else r"^[0-9]{1,12}(\.[0-9]+)?$"

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Build pydantic's check of the amount."""
        least = -_WHOLE_BOUND if self.signed else -1
        return core_schema.union_schema(
            [
                core_schema.str_schema(strict=True, pattern=self._pattern, max_length=32),
                core_schema.int_schema(strict=True, gt=least, lt=_WHOLE_BOUND),
                core_schema.float_schema(
                    strict=True,
                    ge=None if self.signed else 0.0,
                    gt=-1.0 * _WHOLE_BOUND if self.signed else None,
                    lt=1.0 * _WHOLE_BOUND,
                    allow_inf_nan=False,
                ),
            ],
            mode="left_to_right",
            custom_error_type="money",
            custom_error_message=(
                'Send an amount such as "19.99" or 19.99: digits with a decimal point, at most 12 '
                "before it and 15 in a JSON number; no separators, blanks, plus signs or exponents"
            ),
        )

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the amount as JSON Schema."""
        number: dict[str, Any] = {"type": "number", "exclusiveMaximum": _WHOLE_BOUND}
        if self.signed:
            number["exclusiveMinimum"] = -_WHOLE_BOUND
        else:
            number["minimum"] = 0
        text = {"type": "string", "pattern": self._pattern, "maxLength": 32}
        return {"anyOf": [text, number]}


def _check_instant(text: str) -> str:
    parse_instant_ms(text)
    return text


def _check_date(text: str) -> str:
    date.fromisoformat(text)
    return text


def _check_country(text: str) -> str:
    if text not in COUNTRIES:
        raise PydanticCustomError("field", "no such country")
    return text


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _check_time_zone(text: str) -> str:
    if text not in _time_zones():
        raise PydanticCustomError("field", "no such time zone")
    return text


_CHECKS: Final = {
    "instant": _check_instant,
    "date": _check_date,
    "country": _check_country,
    "time_zone": _check_time_zone,
}
_FORMATS: Final[dict[str | None, str]] = {"instant": "date-time", "date": "date"}

_IDENTIFIER: Final = Text(
    "identifier",
    "Send a string of 1 to 200 characters without control characters",
    MAX_IDENTIFIER_CHARACTERS,
    _NO_CONTROLS,
)
Identifier = Annotated[str, _IDENTIFIER]
Label = Annotated[str, Text("field", "Send a string of 1 to 200 characters", 200)]
FreeText = Annotated[str, Text("field", "Send a string of 1 to 2,000 characters", 2000)]
Url = Annotated[str, Text("field", "Send a URL of at most 4,096 characters", 4096)]
Instant = Annotated[
    str,
    Text(
        "instant",
        "Send an RFC 3339 string with an offset or Z, such as 2026-03-01T09:30:00Z",
        64,
        _INSTANT,
        "instant",
    ),
]
DateText = Annotated[str, Text("field", "Send a date such as 1984-05-23", 10, _DATE, "date")]
CurrencyCode = Annotated[
    str, Text("currency", "Send an ISO 4217 code in capitals, such as EUR", 3, "^[A-Z]{3}$")
]
CountryCode = Annotated[
    str,
    Text(
        "field", "Send an ISO 3166-1 code of two capitals, such as DE", 2, "^[A-Z]{2}$", "country"
    ),
]
TimeZone = Annotated[
    str,
    Text("field", "Send an IANA time zone, such as Europe/Berlin", 64, None, "time_zone"),
]
EmailAddress = Annotated[str, Text("field", "Send one e-mail address", 320, r"^[^@\s]+@[^@\s]+$")]
MoneyAmount = Annotated[Amount, Money()]
SignedAmount = Annotated[Amount, Money(signed=True)]
Quantity = Annotated[float, Field(gt=0, le=MAX_QUANTITY, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
