"""One order, return or cart change, as the bytes of its contract event.

Ids are made from the mapping's source name and what the event is about, so publishing a file twice
gives the same events.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from schemas.registry import INBOUND_TYPES
from streams.core.values import stable_id
from streams.files.currencies import quantize

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_encode = msgspec.json.Encoder().encode


class Event(NamedTuple):
    """One record for a public topic.

    `topic` is the logical name (no namespace), `key` the customer id where one is known, `value`
    the UTF-8 JSON, `occurred_at_ms` milliseconds since 1970 (UTC).
    """

    topic: str
    key: str | None
    value: bytes
    occurred_at_ms: int


class Head(NamedTuple):
    """An order or a return, as `HEADS` selects it."""

    head_no: int
    action: str
    number: str
    customer: str
    at_ms: int
    amount: Decimal
    discount: Decimal
    currency: str
    channel: str | None
    cart: str | None
    returned_order: str | None


class Line(NamedTuple):
    """One line of the head with its number, as `HEAD_LINES` selects it."""

    head_no: int
    sku: str | None
    name: str | None
    category: str | None
    quantity: float
    unit_price: str | None
    discount: Decimal


class CartLine(NamedTuple):
    """One row about a cart, as `CART_LINES` selects it."""

    number: str
    customer: str
    at_ms: int
    action: str
    currency: str
    sku: str
    name: str | None
    category: str | None
    quantity: Decimal
    unit_price: Decimal
    is_last: bool


def encode_instant(at_ms: int) -> str:
    """RFC 3339 in UTC; milliseconds only where there are some."""
    timespec = "milliseconds" if at_ms % 1000 else "seconds"
    return (_EPOCH + at_ms * _MILLISECOND).isoformat(timespec=timespec)[:-6] + "Z"


def encode_price(text: str) -> str:
    """Shorten a decimal string with a fixed number of decimals: "2.550000" is "2.55"."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def encode_quantity(quantity: float) -> int | float:
    """Write whole quantities as whole numbers."""
    return int(quantity) if quantity == int(quantity) else quantity


def encode_head(source: str, head: Head, lines: Iterable[Line]) -> tuple[str, Event]:
    """Encode an order or a return with its lines; returns its type and the event."""
    if head.action == "order":
        event_type, fields = "order.placed", _order(head, lines)
    else:
        event_type, fields = "return.registered", _return(head, lines)
    body = _common(source, event_type, head.customer, head.at_ms, head.number) | fields
    return event_type, _event(event_type, head.customer, body, head.at_ms)


def _order(head: Head, lines: Iterable[Line]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "order_id": head.number,
        "currency": head.currency,
        "total": f"{quantize(head.amount, head.currency):f}",
    }
    if head.discount:
        fields["discount_total"] = f"{quantize(head.discount, head.currency):f}"
    fields["items"] = [_order_item(line, head) for line in lines if line.sku is not None]
    if head.channel is not None:
        fields["channel"] = head.channel
    if head.cart is not None:
        fields["cart_id"] = head.cart
    return fields


def _return(head: Head, lines: Iterable[Line]) -> dict[str, Any]:
    fields: dict[str, Any] = {"return_id": head.number}
    if head.returned_order is not None:
        fields["order_id"] = head.returned_order
    fields["currency"] = head.currency
    fields["amount"] = f"{quantize(abs(head.amount), head.currency):f}"
    fields["items"] = [
        {"sku": line.sku, "quantity": encode_quantity(line.quantity)}
        for line in lines
        if line.sku is not None and line.quantity
    ]
    return fields


@dataclass(slots=True)
class CartFold:
    """Carts that still have rows to come, with their items so far."""

    source: str
    open_carts: dict[tuple[str, str], dict[str, CartLine]] = field(default_factory=dict)

    def apply(self, line: CartLine) -> Event | None:
        """Take one row in; a row that added or removed is a `cart.updated`, a purchase none."""
        key = (line.number, line.customer)
        items = self.open_carts.setdefault(key, {})
        _change(items, line)
        if line.is_last:
            del self.open_carts[key]
        return None if line.action == "order" else self._encode(line, list(items.values()))

    def _encode(self, line: CartLine, items: list[CartLine]) -> Event:
        value = sum((item.quantity * item.unit_price for item in items), Decimal(0))
        encoded = [_cart_item(item) for item in items]
        # The items are part of the id: two changes within one instant are two events.
        content = _encode(encoded).decode()
        body = _common(self.source, "cart.updated", line.customer, line.at_ms,
                       line.number, str(line.at_ms), content)  # fmt: skip
        body["cart_id"] = line.number
        body["currency"] = line.currency
        body["value"] = f"{quantize(value, line.currency):f}"
        body["items"] = encoded
        return _event("cart.updated", line.customer, body, line.at_ms)


def _change(items: dict[str, CartLine], line: CartLine) -> None:
    """Add up what was added; the latest row's price and name count. A bought item leaves."""
    before = items.get(line.sku)
    had = before.quantity if before is not None else Decimal(0)
    if line.action == "add":
        items[line.sku] = line._replace(quantity=had + line.quantity)
    elif line.action == "remove" and before is not None and had > line.quantity:
        items[line.sku] = before._replace(quantity=had - line.quantity)
    else:
        items.pop(line.sku, None)


def _order_item(line: Line, head: Head) -> dict[str, Any]:
    item: dict[str, Any] = {"sku": line.sku, "quantity": encode_quantity(line.quantity)}
    if line.unit_price is not None:
        item["unit_price"] = encode_price(line.unit_price)
    if head.discount and (discount := quantize(line.discount, head.currency)):
        item["discount"] = f"{discount:f}"
    return _describe(item, line)


def _cart_item(line: CartLine) -> dict[str, Any]:
    item: dict[str, Any] = {
        "sku": line.sku,
        "quantity": encode_quantity(float(line.quantity)),
        "unit_price": encode_price(f"{line.unit_price:f}"),
    }
    return _describe(item, line)


def _describe(item: dict[str, Any], line: Line | CartLine) -> dict[str, Any]:
    if line.category is not None:
        item["category"] = line.category
    if line.name is not None:
        item["name"] = line.name
    return item


def _common(
    source: str, event_type: str, customer: str, at_ms: int, *subject: str
) -> dict[str, Any]:
    return {
        "event_id": stable_id("file", source, event_type, customer, *subject),
        "type": event_type,
        "schema_version": 1,
        "customer_id": customer,
        "occurred_at": encode_instant(at_ms),
    }


def _event(event_type: str, customer: str, body: dict[str, Any], at_ms: int) -> Event:
    return Event(INBOUND_TYPES[event_type], customer or None, _encode(body), at_ms)
