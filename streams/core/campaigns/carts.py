"""Carts: what was left, since when, and whether it still matters."""

from streams.core.history import is_newer
from streams.core.inputs import CartAbandoned, CartUpdated, OrderPlaced
from streams.core.rules import Rules
from streams.core.state import Cart, CustomerState
from streams.core.values import DAY_MS

# A reminder shows a handful of lines; the shop's page shows the rest.
MAX_CART_ITEMS = 50
# Longer than any reminder runs; by then an old change is too late to start anything.
CART_KEPT_MS = 30 * DAY_MS
# A shop has one cart per customer and device. The oldest beyond this is dropped.
MAX_CARTS = 10


def record_cart(state: CustomerState, event: CartUpdated) -> bool:
    """Take in a cart's change; False where an equal or newer change is known.

    `cart.abandoned` for a cart whose latest change is known is not a change of it. An emptied cart
    is kept for a while, so that an older change that comes late does not bring it back.
    """
    known = state.carts.get(event.cart_id)
    if known is not None and not is_newer(
        event.occurred_at_ms, event.event_id, known.changed_at_ms, known.event_id
    ):
        return False
    if isinstance(event, CartAbandoned) and known is not None:
        return True
    emptied = not event.items and not isinstance(event, CartAbandoned)
    state.carts[event.cart_id] = Cart(
        event.occurred_at_ms,
        event.event_id,
        event.value_minor,
        event.foreign,
        tuple(event.items[:MAX_CART_ITEMS]),
        event.checkout_url,
        emptied,
    )
    if len(state.carts) > MAX_CARTS:
        oldest = min(state.carts, key=lambda key: (state.carts[key].changed_at_ms, key))
        del state.carts[oldest]
    return event.cart_id in state.carts


def carts_ended_by(state: CustomerState, order: OrderPlaced) -> list[str]:
    """Carts that an order settles: its own, or without a `cart_id` every one not newer than it."""
    if order.cart_id is not None:
        return [order.cart_id] if order.cart_id in state.carts else []
    return [
        cart_id
        for cart_id, cart in state.carts.items()
        if cart.changed_at_ms <= order.occurred_at_ms
    ]


def abandonment_due_ms(cart: Cart, rules: Rules) -> int | None:
    """When this change of the cart counts as left by itself; None where it already does."""
    return None if cart.abandoned else cart.changed_at_ms + rules.cart_abandoned_after_ms


def is_settled(state: CustomerState, cart: Cart) -> bool:
    """A cart older than the customer's newest order starts nothing."""
    return bool(state.orders) and cart.changed_at_ms <= state.newest_order_at_ms


def drop_old_carts(state: CustomerState, now_ms: int) -> None:
    """Forget carts that can start and remind of nothing any more."""
    running = {run.key for run in state.runs}
    for cart_id, cart in list(state.carts.items()):
        old = cart.abandoned and cart.changed_at_ms + CART_KEPT_MS <= now_ms
        if old and cart_id not in running:
            del state.carts[cart_id]
