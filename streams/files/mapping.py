"""What a mapping file may say about one kind of source: order lines or cart events.

docs/files.md describes every field; `load_mapping` reads one from YAML. The models refuse unknown
fields: a misspelt field that is ignored would change sums silently.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    field_validator,
    model_validator,
)

from schemas.currencies import MINOR_DIGITS
from streams.files.conditions import ColumnName, Condition
from streams.yaml_file import YamlFile

# What to write where a required field is missing.
_REMEDIES = {
    "currency": "write currency: EUR, or currency: {column: <name>} where a column names it",
    "source": "write source: <a name for this shop's file>, which makes the event ids stable",
    "time": "write time: {column: <name>, zone: <IANA zone>}",
    "zone": "write the zone of times without an offset, for example zone: Europe/London",
    "customer": "write customer: {column: <name>, missing: skip}",
    "missing": "write missing: skip to leave rows without customer out, or missing: send",
    "order": "write order: {id: <column>}",
    "id": "name the column, or for order ids write id: {computed: row}",
    "line": "write line: {sku: <column>, quantity: <column>, unit_price: <column>}",
    "cart": "write cart: {id: <column>, added: {column: <name>, op: eq, value: <text>}}",
}
SPECIAL_TIME_FORMATS = frozenset({"iso", "epoch_s", "epoch_ms"})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Csv(_Part):
    """How the text files are written. Quotes are `"`, doubled inside a quoted value."""

    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"


class Numbers(_Part):
    """How the files write numbers. Grouping is checked: `12.5` is never read as 125."""

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = ""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same sign; make them differ")
        return self


class Time(_Part):
    """Where the time of a line stands. `zone` (IANA) applies to times without an offset."""

    column: ColumnName
    zone: str
    format: list[str] = Field(default=["iso"], min_length=1)
    order_takes: Literal["first", "last"] = "last"

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"{zone!r} is no IANA time zone; write one like Europe/London or UTC"
            ) from error
        return zone

    @field_validator("format", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("format")
    @classmethod
    def _unambiguous(cls, formats: list[str]) -> list[str]:
        if len(formats) > 1 and SPECIAL_TIME_FORMATS.intersection(formats):
            raise ValueError("iso, epoch_s and epoch_ms stand alone; list only strptime formats")
        if len({_has_offset(text) for text in formats}) > 1:
            raise ValueError("some formats have an offset (%z) and some have none; use one kind")
        for text in formats:
            if text not in SPECIAL_TIME_FORMATS:
                _check_format(text)
        return formats

    @property
    def has_offset(self) -> bool:
        """Whether the strptime formats carry the offset themselves."""
        return _has_offset(self.format[0])


class Customer(_Part):
    """Whose row it is. Without a customer, `skip` leaves it out and counts it.

    `send` publishes it with an empty customer id, so that intake refuses it as a guest, visibly.
    """

    column: ColumnName
    missing: Literal["skip", "send"]


class Currency(_Part):
    """One currency for the whole source, or a column that names it."""

    code: str | None = None
    column: ColumnName | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_code(cls, value: object) -> object:
        return {"code": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.code is None) == (self.column is None):
            raise ValueError("name one of the two: code: EUR or column: <name>")
        if self.code is not None and self.code not in MINOR_DIGITS:
            raise ValueError(f"{self.code} is no ISO 4217 currency; write a code like EUR")
        return self


class OrderId(_Part):
    """A column; or, where the source has no order number, one order per row.

    `row` is the row's number in the one file (from 1), `file_and_row` puts the file's name before
    it, which stays unique over several files.
    """

    column: ColumnName | None = None
    computed: Literal["row", "file_and_row"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_column(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.column is None) == (self.computed is None):
            raise ValueError("name one of the two: column: <name> or computed: row")
        return self


class Order(_Part):
    """The order a line belongs to: lines of one order id and customer are one order."""

    id: OrderId
    channel: ColumnName | None = None
    cart_id: ColumnName | None = None


class Line(_Part):
    """Columns of a line. Its amount is `total`, else quantity x unit_price - discount."""

    sku: ColumnName | None = None
    name: ColumnName | None = None
    category: ColumnName | None = None
    quantity: ColumnName | None = None
    unit_price: ColumnName | None = None
    discount: ColumnName | None = None
    total: ColumnName | None = None

    @model_validator(mode="after")
    def _has_an_amount(self) -> Self:
        if self.total is None and self.unit_price is None:
            raise ValueError("says no amount; add unit_price (with quantity) or total")
        if self.sku is not None and self.unit_price is None:
            raise ValueError("an item needs its price; add unit_price, or remove sku")
        return self


class Returns(_Part):
    """Which lines are returns: by the order number's prefix, by a negative amount, or both.

    A negative line returns something of its own order number; a prefixed number is a return of an
    unknown order unless `order_id` names the column with the number of the order.
    """

    prefix: Annotated[str, StringConstraints(min_length=1)] | None = None
    negative_lines: bool = False
    order_id: ColumnName | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.prefix is None and not self.negative_lines:
            raise ValueError("say how returns are told: prefix: <text> or negative_lines: true")
        return self


class Cart(_Part):
    """Cart events: what each row does. One bought cart (or session) is one order of that id."""

    id: ColumnName
    added: Condition
    removed: Condition | None = None
    bought: Condition | None = None


class _Source(_Part):
    source: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    csv: Csv = Csv()
    numbers: Numbers = Numbers()
    currency: Currency
    time: Time
    customer: Customer
    line: Line
    leave_out: list[Condition] = []
    unreadable: Literal["stop", "leave_out"] = "stop"

    _origin: str = PrivateAttr(default="mapping")

    @property
    def origin(self) -> str:
        """Return the name of the file this mapping came from, for messages."""
        return self._origin

    def named(self, origin: str) -> Self:
        """Remember the file this mapping came from."""
        self._origin = origin
        return self


class OrdersMapping(_Source):
    """Order lines, several to an order, or one row per order."""

    kind: Literal["orders"]
    order: Order
    returns: Returns | None = None


class CartsMapping(_Source):
    """A shop's log of carts and purchases."""

    kind: Literal["carts"]
    cart: Cart

    @model_validator(mode="after")
    def _lines_are_priced_items(self) -> Self:
        if self.line.sku is None or self.line.unit_price is None or self.line.total is not None:
            raise ValueError(
                "line: carts are folded item by item; name sku and unit_price, and no total"
            )
        return self


Mapping = OrdersMapping | CartsMapping
_KINDS: dict[str, type[OrdersMapping] | type[CartsMapping]] = {
    "orders": OrdersMapping,
    "carts": CartsMapping,
}


def load_mapping(path: Path) -> Mapping:
    """Load a mapping from a YAML file.

    Raises UsageError naming the file, the line, the field and what to do about it.
    """
    text = YamlFile.load(path)
    data: dict[str, Any] = text.data
    kind = data.get("kind")
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise text.error(("kind",), "must say what the rows are; write kind: orders or kind: carts")
    return text.validate(model, _REMEDIES).named(path.name)


def _has_offset(text: str) -> bool:
    return "%z" in text


def _check_format(text: str) -> None:
    parts = set(re.findall(r"%-?([A-Za-z])", text))
    if not parts:
        raise ValueError(f"{text!r} is no format; write iso or one like %d/%m/%Y %H:%M")
    has_date = parts & set("cxs") or (
        parts & set("Yy") and (parts & set("j") or (parts & set("mbB") and parts & set("d")))
    )
    if not has_date or parts & set("cx"):
        raise ValueError(f"{text!r} is ambiguous: it needs year, month and day, like %d/%m/%Y")
    if "I" in parts and "p" not in parts:
        raise ValueError(f"{text!r} is ambiguous: %I is morning or evening; use %H or add %p")
    if "Z" in parts:
        raise ValueError(f"{text!r} is ambiguous: %Z is a zone's short name; use %z or time.zone")
