"""A short journal in which everything happens: timers, chains, carts, changed rules, a duplicate."""

from streams.core.inputs import (
    CartUpdated,
    Input,
    Item,
    OrderPlaced,
    ReturnRegistered,
    RulesApplied,
    Tick,
)
from tests.core.story import DAY, HOUR, T0, rules_document

ALLOWING = {"consent_unknown": {"email": "allow"}}


def first_rules(received_ms: int = T0) -> RulesApplied:
    """The shipped rules, under which everybody may be written to."""
    return RulesApplied(received_at_ms=received_ms, version=1, rules=rules_document(**ALLOWING))


def order(index: int, customer_id: str, at_ms: int, total_minor: int = 5_000) -> OrderPlaced:
    """An order that arrives at once."""
    return OrderPlaced(
        event_id=f"e{index}",
        customer_id=customer_id,
        occurred_at_ms=at_ms,
        received_at_ms=at_ms,
        identity=index,
        source="shop",
        order_id=f"o{index}",
        total_minor=total_minor,
    )


def eventful() -> list[Input]:
    """Twelve records of three customers over half a year."""
    back = ReturnRegistered(
        event_id="b",
        occurred_at_ms=T0 + 2 * DAY,
        received_at_ms=T0 + 2 * DAY,
        identity=900,
        return_id="r",
        order_id="o2",
        amount_minor=5_000,
        source="shop",
        customer_id="C-2",
    )
    cart = CartUpdated(
        event_id="c",
        occurred_at_ms=T0 + 3 * DAY,
        received_at_ms=T0 + 3 * DAY,
        identity=901,
        cart_id="K",
        value_minor=900,
        items=[Item("S", 1.0)],
        source="shop",
        customer_id="C-2",
    )
    changed = RulesApplied(
        received_at_ms=T0 + 100 * DAY,
        version=2,
        rules=rules_document(**ALLOWING, frequency_limits=[1, 2, 3, 4]),
    )
    return [
        first_rules(),
        order(1, "C-1", T0),
        order(2, "C-2", T0 + DAY),
        back,
        order(3, "C-3", T0 + 2 * DAY, 60_000),
        cart,
        Tick(received_at_ms=T0 + 3 * DAY + 2 * HOUR),
        order(4, "C-2", T0 + 5 * DAY, 30_000),
        Tick(received_at_ms=T0 + 95 * DAY),
        changed,
        order(1, "C-1", T0),
        Tick(received_at_ms=T0 + 190 * DAY, continuous=True),
    ]
