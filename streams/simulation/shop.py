"""A web shop and its customers as one stream of events, the same for the same seed.

    for event in simulate(seed=7, customers=1_000, start_ms=..., end_ms=...):
        publish(event.topic, event.value)

One heap holds what happens next to every customer; an entry leaves at its instant, may give one
event and may put later entries back. Nothing is read from outside: no clock, no shared random
source. What a customer does is drawn from their behaviour (`behaviours.py`).
"""

import heapq
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from streams.errors import UsageError
from streams.simulation.behaviours import DAY_MS, HOUR_MS, MINUTE_MS, Shopper, pick_behaviour
from streams.simulation.catalogue import FIRST_NAMES, INTERESTS, PRODUCTS, REGIONS
from streams.simulation.faults import NO_FAULTS, Faults, with_faults
from streams.simulation.messages import (
    Line,
    ShopEvent,
    draw_id,
    encode_cart_line,
    encode_event,
    encode_money,
    encode_order_line,
    encode_returned_line,
)

# Who is there: this share of the customers signs up in the shop's first thirtieth (at most ten
# days), the others evenly until the last fifth begins, so that new buyers appear all along.
_OPENING_SHARE: Final = 0.6
_OPENING_PART: Final = 1 / 30
_OPENING_MOST_MS: Final = 10 * DAY_MS
_JOINING_PART: Final = 0.8

_CONSENT_GRANTED: Final = 0.88
_CONSENT_REFUSED: Final = 0.05
_CONSENT_WITHDRAWN: Final = 0.004
_PROFILE_CHANGED: Final = 0.02

# Carts: how many are left behind comes from the behaviour, how they are left from here.
_CART_ID_ON_ORDER: Final = 0.6
_ABANDONED_SAID: Final = 0.5
_EMPTIED: Final = 0.1
_COME_BACK_LATER: Final = 0.12

_CANCELLED: Final = 0.03
_RETURN_IN_FULL: Final = 0.35
_RETURN_NAMES_ORDER: Final = 0.25
# The till books a return against an order that the order system stamps hours later.
_RETURN_BEFORE_ORDER: Final = 0.04
_COMPLAINT: Final = 0.25

_Step = Callable[[int, Shopper, Any], ShopEvent | None]


class Cart:
    """A cart that is being filled; `updates_left` counts the changes before its end."""

    __slots__ = ("cart_id", "lines", "updates_left")

    def __init__(self, cart_id: str, lines: list[Line], updates_left: int) -> None:
        self.cart_id = cart_id
        self.lines = lines
        self.updates_left = updates_left


class Shop:
    """The running shop. Iterating gives its events in order of `occurred_at`, once.

    Memory: per customer one next visit and what earlier visits left behind, each within 30 days;
    two entries on average, some tens for the busiest.
    """

    def __init__(
        self, seed: int, customers: int, start_ms: int, end_ms: int, currency: str = "EUR"
    ) -> None:
        """Open a shop of `customers` from `start_ms` up to before `end_ms` (ms since 1970, UTC).

        `currency` must be one with two decimals. Raises UsageError for an empty shop or span.
        """
        if customers < 1 or end_ms <= start_ms or start_ms < 0:
            raise UsageError(
                "a simulated shop needs at least one customer and an end after its start"
            )
        self._rng = Random(seed)
        self._end_ms = end_ms
        self._currency = currency
        self._entries = 0
        # Signing up makes the customer, so the shopper of such an entry is not there yet.
        self._heap: list[tuple[int, int, _Step, Any, Any]] = []
        for at_ms in self._sign_ups(customers, start_ms):
            self._later(at_ms, self._sign_up, None)

    @property
    def pending(self) -> int:
        """Entries that wait for their instant."""
        return len(self._heap)

    def __iter__(self) -> Iterator[ShopEvent]:
        heap = self._heap
        while heap:
            at_ms, _, step, shopper, detail = heapq.heappop(heap)
            event = step(at_ms, shopper, detail)
            if event is not None:
                yield event

    def _sign_ups(self, customers: int, start_ms: int) -> Iterator[int]:
        rng, span_ms = self._rng, self._end_ms - start_ms
        opening_ms = min(_OPENING_MOST_MS, int(span_ms * _OPENING_PART))
        for _ in range(customers):
            within_ms = opening_ms if rng.random() < _OPENING_SHARE else span_ms * _JOINING_PART
            yield start_ms + int(rng.random() * within_ms)

    def _later(self, at_ms: int, step: _Step, shopper: Shopper | None, detail: Any = None) -> None:
        """Put an entry back, unless it lies beyond the end. Equal instants keep their order."""
        if at_ms < self._end_ms:
            self._entries += 1
            heapq.heappush(self._heap, (at_ms, self._entries, step, shopper, detail))

    def _event(
        self, event_type: str, shopper: Shopper, at_ms: int, fields: dict[str, Any]
    ) -> ShopEvent:
        return encode_event(self._rng, event_type, shopper.customer_id, at_ms, fields)

    # The customer

    def _sign_up(self, at_ms: int, _nobody: Shopper, _: None) -> ShopEvent:
        rng = self._rng
        shopper = Shopper(draw_id(rng), pick_behaviour(rng), rng)
        chance = rng.random()
        if chance < _CONSENT_GRANTED + _CONSENT_REFUSED:
            granted = chance < _CONSENT_GRANTED
            self._later(at_ms + self._delay(1, 40_000), self._consent, shopper, granted)
        self._later(at_ms + self._delay(MINUTE_MS, 30 * MINUTE_MS), self._visit, shopper)
        region = rng.choice(REGIONS)
        birth_date = f"{rng.randint(1945, 2007)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        attributes: dict[str, Any] = {
            "email": f"{shopper.customer_id[:8]}@customers.example",
            "first_name": rng.choice(FIRST_NAMES),
            "language": region.language,
            "country": region.country,
            "time_zone": region.time_zone,
            "postal_code": f"{rng.randrange(10**region.postal_digits):0{region.postal_digits}d}",
            "birth_date": birth_date,
            "interests": rng.sample(INTERESTS, 2),
        }
        return self._event("customer.updated", shopper, at_ms, {"attributes": attributes})

    def _consent(self, at_ms: int, shopper: Shopper, granted: bool) -> ShopEvent:
        fields = {"channel": "email", "granted": granted, "source": "account"}
        return self._event("consent.changed", shopper, at_ms, fields)

    def _move_house(self, at_ms: int, shopper: Shopper, _: None) -> ShopEvent:
        attributes = {"postal_code": f"{self._rng.randrange(10**5):05d}", "household": None}
        return self._event("customer.updated", shopper, at_ms, {"attributes": attributes})

    # Visits and carts

    def _visit(self, at_ms: int, shopper: Shopper, _: None) -> ShopEvent | None:
        rng, behaviour = self._rng, shopper.behaviour
        next_ms = shopper.plan_visit(at_ms, rng)
        if next_ms is not None:
            self._later(next_ms, self._visit, shopper)
            # Side errands only while there is a next visit: who falls silent is silent.
            self._run_errands(at_ms, shopper)
        if rng.random() < behaviour.carts:
            cart = Cart(draw_id(rng), self._pick_lines(shopper), int(rng.random() * 3))
            return self._cart_updated(at_ms, shopper, cart)
        if rng.random() < behaviour.buys:
            return self._order(at_ms, shopper, None)
        return None

    def _run_errands(self, at_ms: int, shopper: Shopper) -> None:
        chance = self._rng.random()
        if chance < _CONSENT_WITHDRAWN:
            self._later(at_ms + self._delay(MINUTE_MS, HOUR_MS), self._consent, shopper, False)
        elif chance < _CONSENT_WITHDRAWN + _PROFILE_CHANGED:
            self._later(at_ms + self._delay(MINUTE_MS, HOUR_MS), self._move_house, shopper)

    def _cart_updated(self, at_ms: int, shopper: Shopper, cart: Cart) -> ShopEvent:
        """Tell the cart as it is now and plan its next change or its end."""
        rng = self._rng
        event = self._cart_event("cart.updated", at_ms, shopper, cart)
        if cart.updates_left:
            cart.updates_left -= 1
            self._later(
                at_ms + self._delay(MINUTE_MS, 9 * MINUTE_MS), self._fill_cart, shopper, cart
            )
        elif rng.random() < shopper.behaviour.buys:
            self._later(
                at_ms + self._delay(MINUTE_MS, 15 * MINUTE_MS), self._check_out, shopper, cart
            )
        else:
            self._leave_cart(at_ms, shopper, cart)
        return event

    def _fill_cart(self, at_ms: int, shopper: Shopper, cart: Cart) -> ShopEvent:
        cart.lines = [*cart.lines, *self._pick_lines(shopper)[:1]]
        return self._cart_updated(at_ms, shopper, cart)

    def _leave_cart(self, at_ms: int, shopper: Shopper, cart: Cart) -> None:
        """Plan how it is left: the shop says so or falls silent, or the customer empties it."""
        rng = self._rng
        chance = rng.random()
        if chance < _EMPTIED:
            self._later(at_ms + self._delay(MINUTE_MS, HOUR_MS), self._empty_cart, shopper, cart)
            return
        if chance < _EMPTIED + _ABANDONED_SAID:
            left_ms = at_ms + self._delay(HOUR_MS, HOUR_MS)
            self._later(left_ms, self._abandon_cart, shopper, cart)
        if rng.random() < _COME_BACK_LATER:
            back_ms = at_ms + self._delay(2 * HOUR_MS, 70 * HOUR_MS)
            self._later(back_ms, self._check_out, shopper, cart)

    def _abandon_cart(self, at_ms: int, shopper: Shopper, cart: Cart) -> ShopEvent:
        return self._cart_event("cart.abandoned", at_ms, shopper, cart)

    def _empty_cart(self, at_ms: int, shopper: Shopper, cart: Cart) -> ShopEvent:
        cart.lines = []
        return self._cart_event("cart.updated", at_ms, shopper, cart)

    def _check_out(self, at_ms: int, shopper: Shopper, cart: Cart) -> ShopEvent | None:
        return self._order(at_ms, shopper, cart)

    def _cart_event(self, event_type: str, at_ms: int, shopper: Shopper, cart: Cart) -> ShopEvent:
        fields = {
            "cart_id": cart.cart_id,
            "currency": self._currency,
            "value": encode_money(sum(line.gross_minor for line in cart.lines)),
            "items": [encode_cart_line(line) for line in cart.lines],
            "checkout_url": f"https://shop.example/cart/{cart.cart_id}",
        }
        return self._event(event_type, shopper, at_ms, fields)

    # Orders and what follows them

    def _order(self, at_ms: int, shopper: Shopper, cart: Cart | None) -> ShopEvent:
        """Place an order now, or now its return and the order itself some hours later."""
        rng, behaviour = self._rng, shopper.behaviour
        lines = cart.lines if cart else self._pick_lines(shopper)
        lines, coupons, off_minor = self._promote(behaviour.promoted, lines)
        total_minor = sum(line.gross_minor for line in lines) - off_minor
        order_id = draw_id(rng)
        fields: dict[str, Any] = {
            "order_id": order_id,
            "currency": self._currency,
            "total": encode_money(total_minor),
            "discount_total": encode_money(off_minor),
            "coupons": coupons,
            "items": [encode_order_line(line) for line in lines],
            "channel": "app" if rng.random() < 0.3 else "web",  # noqa: PLR2004
        }
        if cart and rng.random() < _CART_ID_ON_ORDER:
            fields["cart_id"] = cart.cart_id
        if rng.random() < behaviour.contacts:
            contact_ms = at_ms + self._delay(HOUR_MS, 10 * DAY_MS)
            self._later(contact_ms, self._contact, shopper, order_id)
        chance = rng.random()
        if chance < _CANCELLED:
            self._later(
                at_ms + self._delay(MINUTE_MS, 20 * HOUR_MS), self._cancel, shopper, order_id
            )
        elif chance < _CANCELLED + behaviour.returns and total_minor > 0:
            returned = self._plan_return(order_id, lines, off_minor)
            if rng.random() < _RETURN_BEFORE_ORDER:
                stamped_ms = at_ms + self._delay(MINUTE_MS, 12 * HOUR_MS)
                self._later(stamped_ms, self._stamp_order, shopper, fields)
                return self._return(at_ms, shopper, {"order_id": order_id, **returned})
            if rng.random() < _RETURN_NAMES_ORDER:
                returned["order_id"] = order_id
            self._later(
                at_ms + self._delay(2 * DAY_MS, 25 * DAY_MS), self._return, shopper, returned
            )
        return self._event("order.placed", shopper, at_ms, fields)

    def _promote(self, promoted: float, lines: list[Line]) -> tuple[list[Line], list[str], int]:
        """Take a coupon off the order or a sale off its first line, or nothing."""
        rng = self._rng
        if rng.random() >= promoted:
            return lines, [], 0
        percent = rng.choice((10, 15, 20, 25))
        if rng.random() < 0.5:  # noqa: PLR2004 - as many coupons as sales
            return (
                lines,
                [f"SAVE{percent}"],
                sum(line.gross_minor for line in lines) * percent // 100,
            )
        off_minor = lines[0].gross_minor * percent // 100
        return [lines[0]._replace(discount_minor=off_minor), *lines[1:]], [], off_minor

    def _plan_return(self, order_id: str, lines: list[Line], off_minor: int) -> dict[str, Any]:
        """Plan what comes back: everything for what was paid, or the first line for its share."""
        rng = self._rng
        gross_minor = sum(line.gross_minor for line in lines)
        if len(lines) == 1 or rng.random() < _RETURN_IN_FULL:
            back, amount_minor = lines, gross_minor - off_minor
        else:
            back = lines[:1]
            paid_minor = gross_minor - off_minor
            amount_minor = max(1, lines[0].gross_minor * paid_minor // gross_minor)
        return {
            "return_id": f"r-{order_id}",
            "currency": self._currency,
            "amount": encode_money(amount_minor),
            "items": [encode_returned_line(line) for line in back],
            "reason": rng.choice(("does not fit", "not as described", "changed my mind")),
        }

    def _stamp_order(self, at_ms: int, shopper: Shopper, fields: dict[str, Any]) -> ShopEvent:
        return self._event("order.placed", shopper, at_ms, fields)

    def _return(self, at_ms: int, shopper: Shopper, fields: dict[str, Any]) -> ShopEvent:
        return self._event("return.registered", shopper, at_ms, fields)

    def _cancel(self, at_ms: int, shopper: Shopper, order_id: str) -> ShopEvent:
        fields = {"order_id": order_id, "reason": "cancelled by customer"}
        return self._event("order.cancelled", shopper, at_ms, fields)

    def _contact(self, at_ms: int, shopper: Shopper, order_id: str) -> ShopEvent:
        rng = self._rng
        fields: dict[str, Any] = {
            "contact_id": draw_id(rng),
            "channel": rng.choice(("phone", "chat", "email")),
            "order_id": order_id,
            "complaint": rng.random() < _COMPLAINT,
        }
        if rng.random() < 0.5:  # noqa: PLR2004 - half of the desks know the minutes, half the cost
            fields["minutes"] = rng.randint(2, 25)
        else:
            fields["cost"] = encode_money(rng.randint(150, 1500))
            fields["currency"] = self._currency
        return self._event("service.contacted", shopper, at_ms, fields)

    # Draws

    def _pick_lines(self, shopper: Shopper) -> list[Line]:
        """One to three lines from the customer's stretch of the shelf."""
        random, first, count = self._rng.random, shopper.first_product, shopper.products
        return [
            Line(PRODUCTS[first + int(random() * count)], 1 if random() < 0.8 else 2)  # noqa: PLR2004
            for _ in range(1 + int(random() * random() * 3))
        ]

    def _delay(self, least_ms: int, spread_ms: int) -> int:
        return least_ms + int(self._rng.random() * spread_ms)


def simulate(
    seed: int,
    customers: int,
    start_ms: int,
    end_ms: int,
    *,
    currency: str = "EUR",
    faults: Faults = NO_FAULTS,
) -> Iterator[ShopEvent]:
    """Events of a shop, in order of `occurred_at` from `start_ms` up to before `end_ms`.

    Times are milliseconds since 1970 (UTC). The same arguments give the same events, byte for
    byte. `faults` adds duplicates, disorder and bad records on top: the good events stay the same
    as without. `currency` must have two decimals. Raises UsageError for an empty shop or span.
    """
    shop = Shop(seed, customers, start_ms, end_ms, currency)
    return iter(shop) if faults == NO_FAULTS else with_faults(shop, seed, faults)
