"""From a valid message of a shop to an input of the machine.

Money becomes whole minor units of the base currency, each total converted once; times become
milliseconds since 1970. Prices per piece and discounts of lines stay in the event's currency:
nothing adds them up across events.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeVar

from schemas import carts, customers, deliveries, orders, returns, service
from schemas.currencies import MINOR_DIGITS
from schemas.fields import parse_instant_ms
from schemas.money import PRICE_DIGITS, Amount, parse_amount
from schemas.registry import CustomerEvent
from streams.codec.rates import Rates
from streams.core import inputs
from streams.core.inputs import Foreign, Item

_Shared = dict[str, Any]
"""The fields that every input of a customer takes over."""


def normalise(
    model: CustomerEvent, *, source: str, received_at_ms: int, backfill: bool, rates: Rates
) -> inputs.CustomerEvent:
    """Turn a message that `read_record` accepted into the machine's input.

    `source` is the CloudEvents source or the topic's logical name, `received_at_ms` journal time.

    Raises:
        Rejected: the currency has no rate on the day of the event.

    """
    shared = {
        "event_id": model.event_id,
        "customer_id": model.customer_id,
        "occurred_at_ms": parse_instant_ms(model.occurred_at),
        "received_at_ms": received_at_ms,
        "identity": identity(source, model.type, model.event_id),
        "source": source,
        "backfill": backfill,
    }
    return _NORMALISERS[type(model)](model, shared, rates)


def identity(source: str, event_type: str, event_id: str) -> int:
    """Signed 64-bit hash by which a customer's event is recognised when it comes again.

    The lengths before the texts keep ("ab", "c") and ("a", "bc") apart.
    """
    text = f"{len(source)}:{source}{len(event_type)}:{event_type}{event_id}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def _total(
    amount: Amount, currency: str, shared: _Shared, rates: Rates, field: str
) -> tuple[int, Foreign | None]:
    """Give the amount in the base currency, and as sent where that is another one."""
    amount_minor = parse_amount(amount, MINOR_DIGITS[currency])
    if currency == rates.base_currency:
        return amount_minor, None
    converted = rates.convert(amount_minor, currency, shared["occurred_at_ms"], field)
    return converted, Foreign(currency, amount_minor)


def _price(price: Amount | None) -> int | None:
    return None if price is None else parse_amount(price, PRICE_DIGITS)


def _order_items(items: Sequence[orders.OrderItem], digits: int) -> list[Item]:
    return [
        Item(
            item.sku,
            item.quantity,
            _price(item.unit_price),
            parse_amount(item.discount, digits) if item.discount else 0,
            _price(item.unit_cost),
            item.category,
            item.name,
        )
        for item in items
    ]


def _order_placed(model: orders.OrderPlaced, shared: _Shared, rates: Rates) -> inputs.OrderPlaced:
    total_minor, foreign = _total(model.total, model.currency, shared, rates, "total")
    discount_minor = 0
    if model.discount_total:
        discount_minor, _ = _total(
            model.discount_total, model.currency, shared, rates, "discount_total"
        )
    return inputs.OrderPlaced(
        **shared,
        order_id=model.order_id,
        total_minor=total_minor,
        discount_minor=discount_minor,
        foreign=foreign,
        coupons=model.coupons,
        items=_order_items(model.items, MINOR_DIGITS[model.currency]),
        channel=model.channel,
        cart_id=model.cart_id,
    )


def _order_cancelled(
    model: orders.OrderCancelled, shared: _Shared, _rates: Rates
) -> inputs.OrderCancelled:
    return inputs.OrderCancelled(**shared, order_id=model.order_id, reason=model.reason)


def _return_registered(
    model: returns.ReturnRegistered, shared: _Shared, rates: Rates
) -> inputs.ReturnRegistered:
    amount_minor, foreign = _total(model.amount, model.currency, shared, rates, "amount")
    return inputs.ReturnRegistered(
        **shared,
        return_id=model.return_id,
        amount_minor=amount_minor,
        order_id=model.order_id,
        foreign=foreign,
        items=[Item(item.sku, item.quantity) for item in model.items],
        reason=model.reason,
    )


_Cart = TypeVar("_Cart", inputs.CartUpdated, inputs.CartAbandoned)


def _cart(
    kind: type[_Cart], model: carts.CartUpdated | carts.CartAbandoned, shared: _Shared, rates: Rates
) -> _Cart:
    value_minor, foreign = _total(model.value, model.currency, shared, rates, "value")
    items = [
        Item(item.sku, item.quantity, _price(item.unit_price), 0, None, item.category, item.name)
        for item in model.items
    ]
    return kind(
        **shared,
        cart_id=model.cart_id,
        value_minor=value_minor,
        foreign=foreign,
        items=items,
        checkout_url=model.checkout_url,
    )


def _cart_updated(model: carts.CartUpdated, shared: _Shared, rates: Rates) -> inputs.CartUpdated:
    return _cart(inputs.CartUpdated, model, shared, rates)


def _cart_abandoned(
    model: carts.CartAbandoned, shared: _Shared, rates: Rates
) -> inputs.CartAbandoned:
    return _cart(inputs.CartAbandoned, model, shared, rates)


def _customer_updated(
    model: customers.CustomerUpdated, shared: _Shared, _rates: Rates
) -> inputs.CustomerUpdated:
    attributes = customers.attribute_values(model.attributes)
    return inputs.CustomerUpdated(**shared, attributes=attributes)


def _consent_changed(
    model: customers.ConsentChanged, shared: _Shared, _rates: Rates
) -> inputs.ConsentChanged:
    return inputs.ConsentChanged(
        **shared,
        channel=model.channel,
        granted=model.granted,
        consent_source=model.source,
    )


def _customer_erased(
    _model: customers.CustomerErased, shared: _Shared, _rates: Rates
) -> inputs.CustomerErased:
    return inputs.CustomerErased(**shared)


def _customer_merged(
    model: customers.CustomerMerged, shared: _Shared, _rates: Rates
) -> inputs.CustomerMerged:
    return inputs.CustomerMerged(**shared, into_customer_id=model.into_customer_id)


def _service_contacted(
    model: service.ServiceContacted, shared: _Shared, rates: Rates
) -> inputs.ServiceContacted:
    cost_minor: int | None = None
    foreign: Foreign | None = None
    if model.cost is not None and model.currency is not None:
        cost_minor, foreign = _total(model.cost, model.currency, shared, rates, "cost")
    return inputs.ServiceContacted(
        **shared,
        contact_id=model.contact_id,
        channel=model.channel,
        minutes=model.minutes,
        cost_minor=cost_minor,
        foreign=foreign,
        topic=model.topic,
        order_id=model.order_id,
        complaint=model.complaint,
    )


def _delivery_reported(
    model: deliveries.DeliveryReported, shared: _Shared, _rates: Rates
) -> inputs.DeliveryReported:
    return inputs.DeliveryReported(
        **shared,
        action_id=model.action_id,
        channel=model.channel,
        outcome=model.outcome,
        detail=model.detail,
    )


_NORMALISERS: Final[dict[type, Callable[[Any, _Shared, Rates], inputs.CustomerEvent]]] = {
    orders.OrderPlaced: _order_placed,
    orders.OrderCancelled: _order_cancelled,
    returns.ReturnRegistered: _return_registered,
    carts.CartUpdated: _cart_updated,
    carts.CartAbandoned: _cart_abandoned,
    customers.CustomerUpdated: _customer_updated,
    customers.ConsentChanged: _consent_changed,
    customers.CustomerErased: _customer_erased,
    customers.CustomerMerged: _customer_merged,
    service.ServiceContacted: _service_contacted,
    deliveries.DeliveryReported: _delivery_reported,
}
