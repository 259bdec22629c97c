"""The simulated shop's events as the bytes that a shop sends: JSON by the public contracts.

Written from the contracts' text and not through the project's own models: a model that is wrong
would otherwise agree with itself.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from streams.simulation.catalogue import Product

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode: Final = msgspec.json.Encoder().encode

ORDERS: Final = "shop.orders"
RETURNS: Final = "shop.returns"
CARTS: Final = "shop.carts"
CUSTOMERS: Final = "shop.customers"
SERVICE: Final = "shop.service"

TOPIC_OF_TYPE: Final = {
    "order.placed": ORDERS,
    "order.cancelled": ORDERS,
    "return.registered": RETURNS,
    "cart.updated": CARTS,
    "cart.abandoned": CARTS,
    "customer.updated": CUSTOMERS,
    "consent.changed": CUSTOMERS,
    "service.contacted": SERVICE,
}


class ShopEvent(NamedTuple):
    """One record for a public topic.

    `topic` is the name without namespace, `value` the UTF-8 JSON, `occurred_at_ms` the same instant
    as in the value (milliseconds since 1970, UTC).
    """

    topic: str
    customer_id: str
    value: bytes
    occurred_at_ms: int


class Line(NamedTuple):
    """One line of an order or a cart. `discount_minor` is taken off the whole line."""

    product: Product
    quantity: int
    discount_minor: int = 0

    @property
    def gross_minor(self) -> int:
        """Price of the line before discount, minor units."""
        return self.product.price_minor * self.quantity


def draw_id(rng: Random) -> str:
    """Draw an id that looks like a random UUID and comes from `rng` alone."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def encode_instant(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    text = (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")
    return text[:-6] + "Z"


# The shelf has 200 prices and costs; a bound, since totals pass through here too.
@lru_cache(maxsize=4096)
def encode_money(amount_minor: int) -> str:
    """Encode a decimal string with the two digits of the shop's currency; never below zero here."""
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"


def encode_event(
    rng: Random, event_type: str, customer_id: str, at_ms: int, fields: dict[str, Any]
) -> ShopEvent:
    """Encode an event: the common fields, then the type's own; the type decides the topic."""
    body = {
        "event_id": draw_id(rng),
        "type": event_type,
        "customer_id": customer_id,
        "occurred_at": encode_instant(at_ms),
        **fields,
    }
    return ShopEvent(TOPIC_OF_TYPE[event_type], customer_id, _encode(body), at_ms)


def encode_order_line(line: Line) -> dict[str, Any]:
    """Encode an item of `order.placed`."""
    product = line.product
    item: dict[str, Any] = {
        "sku": product.sku,
        "quantity": line.quantity,
        "unit_price": encode_money(product.price_minor),
        "unit_cost": encode_money(product.cost_minor),
        "category": product.category,
        "name": product.name,
    }
    if line.discount_minor:
        item["discount"] = encode_money(line.discount_minor)
    return item


def encode_cart_line(line: Line) -> dict[str, Any]:
    """Encode an item of `cart.updated` or `cart.abandoned`."""
    product = line.product
    return {
        "sku": product.sku,
        "quantity": line.quantity,
        "unit_price": encode_money(product.price_minor),
        "category": product.category,
        "name": product.name,
    }


def encode_returned_line(line: Line) -> dict[str, Any]:
    """Encode an item of `return.registered`."""
    return {"sku": line.product.sku, "quantity": line.quantity}
