"""Journal records made by hand: a few busy customers whose timers become due within seconds."""

import time
from random import Random
from typing import Any, TypeVar

from confluent_kafka import Producer

from streams.adapters.kafka.config import producer_config
from streams.bootstrap import names_of
from streams.codec.journal import encode_input
from streams.codec.normalise import identity
from streams.core import inputs
from streams.settings import Settings

SOURCE = "shop.orders"
# Short, so that no timer is due, and no tick comes between, before all events are in the journal.
SPREAD_MS = 300
CONSENT_GRANTED = 0.75
DUPLICATE = 0.08
KINDS = (
    inputs.OrderPlaced,
    inputs.CartUpdated,
    inputs.ReturnRegistered,
    inputs.OrderCancelled,
    inputs.CustomerErased,
)
WEIGHTS = (35, 45, 12, 6, 1)
# Somebody who leaves one cart and says yes to mail: whatever is drawn for the others, an action fires.
WAITING = "waiting"
Drawn = TypeVar("Drawn", bound=inputs.CustomerEvent)


class _Pen:
    """Writes events down with ids of their own; all were received at one instant."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._count = 0

    def __call__(self, kind: type[Drawn], customer_id: str, at_ms: int, **fields: Any) -> Drawn:
        self._count += 1
        event_id = f"e{self._count}"
        return kind(
            event_id=event_id,
            customer_id=customer_id,
            occurred_at_ms=at_ms,
            received_at_ms=self._now_ms,
            identity=identity(SOURCE, kind.__name__, event_id),
            source=SOURCE,
            **fields,
        )


def draw_events(seed: int, count: int, customers: int) -> list[inputs.CustomerEvent]:
    """Events of this very moment, with carts, returns, duplicates and erasures."""
    rng = Random(seed)
    now_ms = time.time_ns() // 1_000_000
    write = _Pen(now_ms)
    everyone = [f"c{number}" for number in range(customers)]
    orders: dict[str, list[str]] = {customer_id: [] for customer_id in everyone}
    drawn: list[inputs.CustomerEvent] = [
        write(
            inputs.ConsentChanged,
            customer_id,
            now_ms - SPREAD_MS,
            channel="email",
            granted=rng.random() < CONSENT_GRANTED,
        )
        for customer_id in everyone
    ]
    drawn += _leave_a_cart(write, now_ms)
    while len(drawn) < count:
        who = rng.choice(everyone)
        if rng.random() < DUPLICATE:
            drawn.append(rng.choice(drawn))
        else:
            drawn.append(_draw(rng, write, who, now_ms - rng.randrange(SPREAD_MS), orders[who]))
    return drawn


def _leave_a_cart(write: _Pen, now_ms: int) -> list[inputs.CustomerEvent]:
    at_ms = now_ms - SPREAD_MS
    items = [inputs.Item("sku-1", 1)]
    return [
        write(inputs.ConsentChanged, WAITING, at_ms, channel="email", granted=True),
        write(inputs.CartUpdated, WAITING, at_ms, cart_id="k", value_minor=5_000, items=items),
    ]


def _draw(
    rng: Random, write: _Pen, who: str, at_ms: int, orders: list[str]
) -> inputs.CustomerEvent:
    kind = rng.choices(KINDS, WEIGHTS)[0] if orders else inputs.OrderPlaced
    if kind is inputs.OrderPlaced:
        orders.append(f"{who}-o{len(orders)}")
        return write(kind, who, at_ms, order_id=orders[-1], total_minor=rng.randrange(500, 60_000))
    if kind is inputs.CartUpdated:
        value_minor = rng.randrange(1_000, 9_000)
        cart_id = f"k{rng.randrange(8)}"
        items = [inputs.Item("sku-1", 1)]
        return write(kind, who, at_ms, cart_id=cart_id, value_minor=value_minor, items=items)
    if kind is inputs.ReturnRegistered:
        order_id, amount_minor = rng.choice(orders), rng.randrange(100, 30_000)
        return_id = f"r-{order_id}-{amount_minor}"
        return write(
            kind, who, at_ms, return_id=return_id, amount_minor=amount_minor, order_id=order_id
        )
    if kind is inputs.OrderCancelled:
        return write(kind, who, at_ms, order_id=rng.choice(orders))
    return write(inputs.CustomerErased, who, at_ms)


def append(settings: Settings, events: list[inputs.CustomerEvent]) -> None:
    """Write to the journal as intake would, keyed by customer."""
    producer = Producer({**producer_config(settings.kafka_config()), "enable.idempotence": True})
    topic = names_of(settings).topic("rfm.journal")
    failed: list[str] = []
    for event in events:
        producer.produce(
            topic,
            encode_input(event),
            event.customer_id.encode(),
            on_delivery=lambda error, _message: failed.append(str(error)) if error else None,
        )
    producer.flush(30)
    assert not failed and not len(producer), failed
