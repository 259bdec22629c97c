"""How events change a customer's kept history. Order of arrival and repetition change nothing.

Kept whole are all orders of the window plus a margin, at most `MAX_WHOLE_ORDERS`, and always the
`MIN_WHOLE_ORDERS` latest. Older ones shrink to remnants, which still count and can still be
returned or cancelled; what is older than every remnant is a lifetime sum.
"""

from hashlib import blake2b

from streams.core.inputs import OrderCancelled, OrderPlaced, ReturnRegistered, ServiceContacted
from streams.core.products import bound_lines, fold_lines, pack_lines, units_of
from streams.core.rules import Rules
from streams.core.state import Contact, CustomerState, Folded, Order, Remnant, Return

# Twelve gaps between orders need thirteen orders.
MIN_WHOLE_ORDERS = 13
# A state is read and written whole; 500 orders are about 50 KiB. More shrink to remnants of 30 bytes.
MAX_WHOLE_ORDERS = 500
# 20,000 remnants are about 600 KiB, under the 1 MiB of a record in rfm.state. In a window of two
# years that is 27 orders a day: a reseller, for whom the lifetime sum is exact and the window is not.
MAX_REMNANTS = 20_000
# Returns without a known order, and cancellations: 50 bytes each, so 250 KiB at most of either. Who
# sends more than six a day for two years has the oldest in the lifetime sum (cancellations: dropped).
MAX_RETURNS = 5_000
MAX_CANCELLATIONS = 5_000
# What came back is 25 bytes a line: 64 KiB are 2,600 lines. Of who brings back more the latest
# returns keep their lines; return rates rest on all customers.
MAX_RETURN_LINES_BYTES = 64 * 1024
# A contact is 40 bytes. Who asks more than once a day for a year and a half is a Service Demander by
# the latest 500 alone.
MAX_CONTACTS = 500


def order_hash(order_id: str) -> int:
    """64-bit hash by which a folded order is found again."""
    return int.from_bytes(blake2b(order_id.encode(), digest_size=8).digest(), "big", signed=True)


def is_newer(at_ms: int, event_id: str, than_at_ms: int, than_event_id: str) -> bool:
    """The greatest (occurred_at, event_id) wins."""
    return (at_ms, event_id) > (than_at_ms, than_event_id)


def record_order(state: CustomerState, event: OrderPlaced) -> bool:
    """Add or replace one order; False where an equal or newer version of it is known."""
    order_id = event.order_id
    known = state.orders.get(order_id)
    if known is not None and not is_newer(
        event.occurred_at_ms, event.event_id, known.occurred_at_ms, known.event_id
    ):
        return False
    if known is None and state.folded is not None and order_hash(order_id) in state.folded.remnants:
        state.beyond_history_count += 1
        return False
    cancelled = order_id in state.cancellations or (known is not None and known.cancelled)
    state.orders[order_id] = Order(
        event.occurred_at_ms,
        event.event_id,
        event.total_minor,
        cancelled,
        0,
        event.foreign,
        0,
        event.discount_minor,
        bool(event.coupons),
        units_of(event.items),
        pack_lines(event.items),
    )
    if state.returns:
        _sum_returns(state, order_id)
    return True


def record_cancellation(state: CustomerState, event: OrderCancelled) -> bool:
    """Cancel an order, known or still to come; False where that is known already."""
    order = state.orders.get(event.order_id)
    if order is None and _lower_remnant(state, event.order_id, None):
        return True
    known = state.cancellations.get(event.order_id)
    if known is not None and known >= event.occurred_at_ms:
        return False
    # Kept for a known order too: an erasure asks when it was cancelled.
    state.cancellations[event.order_id] = event.occurred_at_ms
    if order is not None:
        if order.cancelled:
            return False
        state.orders[event.order_id] = order._replace(cancelled=True)
    return True


def record_return(state: CustomerState, event: ReturnRegistered) -> bool:
    """Add or replace one return; False where an equal or newer version of it is known."""
    known = state.returns.get(event.return_id)
    if known is not None and not is_newer(
        event.occurred_at_ms, event.event_id, known.occurred_at_ms, known.event_id
    ):
        return False
    order_id = event.order_id
    if (
        order_id is not None
        and order_id not in state.orders
        and _lower_remnant(state, order_id, event.amount_minor)
    ):
        return True
    state.returns[event.return_id] = Return(
        event.occurred_at_ms,
        event.event_id,
        event.order_id,
        event.amount_minor,
        event.foreign,
        pack_lines(event.items),
    )
    for changed_id in {order_id, known.order_id if known else None}:
        if changed_id is not None and changed_id in state.orders:
            _sum_returns(state, changed_id)
    return True


def record_contact(state: CustomerState, event: ServiceContacted) -> bool:
    """Add or replace one contact; False where an equal or newer version of it is known."""
    known = state.contacts.get(event.contact_id)
    if known is not None and not is_newer(
        event.occurred_at_ms, event.event_id, known.occurred_at_ms, known.event_id
    ):
        return False
    state.contacts[event.contact_id] = Contact(
        event.occurred_at_ms, event.event_id, event.complaint, event.minutes, event.cost_minor
    )
    return True


def fold(state: CustomerState, now_ms: int, rules: Rules) -> None:
    """Shrink what is older than the kept history at `now_ms`. Changes no fact inside the window."""
    since = now_ms - rules.window_ms - rules.history_margin_ms
    if len(state.orders) > MIN_WHOLE_ORDERS:
        _fold_orders(state, since, rules)
        # With fewer orders their lines stay within bounds of themselves.
        bound_lines(state, count_zero_value_orders=rules.count_zero_value_orders)
    if state.returns:
        _fold_returns(state, since)
        _bound_return_lines(state)
    if state.cancellations:
        _forget_cancellations(state.cancellations, since)
    if state.contacts:
        _forget_contacts(state.contacts, since)
    if state.offers and state.offers[0] <= since:
        state.offers = [at_ms for at_ms in state.offers if at_ms > since]


def forget_until(state: CustomerState, erased_at_ms: int) -> None:
    """Erase orders, returns and cancellations that occurred up to `erased_at_ms`.

    What stays is as if the erased had never come: an order version that is younger than the erasure
    is not lowered by a return, nor cancelled, from before it.
    """
    state.folded = None
    state.products = None
    state.offers = []
    state.beyond_history_count = 0
    for contact_id in [
        key for key, one in state.contacts.items() if one.occurred_at_ms <= erased_at_ms
    ]:
        del state.contacts[contact_id]
    for return_id in [k for k, one in state.returns.items() if one.occurred_at_ms <= erased_at_ms]:
        del state.returns[return_id]
    for order_id in [key for key, at in state.cancellations.items() if at <= erased_at_ms]:
        del state.cancellations[order_id]
    for order_id, order in list(state.orders.items()):
        if order.occurred_at_ms <= erased_at_ms:
            del state.orders[order_id]
            continue
        state.orders[order_id] = order._replace(cancelled=order_id in state.cancellations)
        _sum_returns(state, order_id)


def _sum_returns(state: CustomerState, order_id: str) -> None:
    order = state.orders[order_id]
    base_minor = own_minor = 0
    for back in state.returns.values():
        if back.order_id != order_id:
            continue
        base_minor += back.amount_minor
        if order.foreign is None or own_minor < 0:
            continue
        if back.foreign is not None and back.foreign.currency == order.foreign.currency:
            own_minor += back.foreign.amount_minor
        else:
            own_minor = -1
    state.orders[order_id] = order._replace(returned_minor=base_minor, returned_own_minor=own_minor)


def _lower_remnant(state: CustomerState, order_id: str, amount_minor: int | None) -> bool:
    """Return (or, with no amount, cancel) a folded order; False where it is not a folded one."""
    if state.folded is None:
        return False
    key = order_hash(order_id)
    remnant = state.folded.remnants.get(key)
    if remnant is None:
        return False
    state.beyond_history_count += 1
    left = max(0, remnant.net_minor - amount_minor) if amount_minor is not None else 0
    state.folded.remnants[key] = Remnant(remnant.occurred_at_ms, left, remnant.counts and left > 0)
    return True


def _fold_orders(state: CustomerState, since_ms: int, rules: Rules) -> None:
    oldest_ms = min(order.occurred_at_ms for order in state.orders.values())
    if oldest_ms > since_ms and len(state.orders) <= MAX_WHOLE_ORDERS:
        return
    by_age = sorted(state.orders, key=lambda key: (state.orders[key].occurred_at_ms, key))
    too_many = len(by_age) - MAX_WHOLE_ORDERS
    gone = [
        order_id
        for index, order_id in enumerate(by_age[: len(by_age) - MIN_WHOLE_ORDERS])
        if index < too_many or state.orders[order_id].occurred_at_ms <= since_ms
    ]
    if not gone:
        return
    folded = state.folded = state.folded or Folded()
    fold_lines(
        state,
        [state.orders[order_id] for order_id in gone],
        count_zero_value_orders=rules.count_zero_value_orders,
    )
    for order_id in gone:
        order = state.orders.pop(order_id)
        folded.remnants[order_hash(order_id)] = Remnant(
            order.occurred_at_ms, order.net_minor, order.counts
        )
        state.cancellations.pop(order_id, None)
    dropped = set(gone)
    for return_id in [key for key, back in state.returns.items() if back.order_id in dropped]:
        del state.returns[return_id]
    if len(folded.remnants) > MAX_REMNANTS:
        drop_remnants(folded)


def drop_remnants(folded: Folded) -> None:
    """Turn the oldest remnants beyond the bound into lifetime sums."""
    by_age = sorted(folded.remnants, key=lambda key: (folded.remnants[key].occurred_at_ms, key))
    for key in by_age[: len(by_age) - MAX_REMNANTS]:
        remnant = folded.remnants.pop(key)
        if remnant.counts:
            folded.order_count += 1
            folded.net_minor += remnant.net_minor


def _fold_returns(state: CustomerState, since_ms: int) -> None:
    """Old returns without a known order become part of the lifetime sum."""
    waiting = [key for key, one in state.returns.items() if one.order_id not in state.orders]
    gone = [key for key in waiting if state.returns[key].occurred_at_ms <= since_ms]
    if len(waiting) - len(gone) > MAX_RETURNS:
        waiting.sort(key=lambda key: (state.returns[key].occurred_at_ms, key))
        gone = waiting[: len(waiting) - MAX_RETURNS]
    for return_id in gone:
        folded = state.folded = state.folded or Folded()
        folded.net_minor -= state.returns.pop(return_id).amount_minor


def _bound_return_lines(state: CustomerState) -> None:
    """Drop the lines of the oldest returns beyond the bound; the newest always keeps its own."""
    returns = state.returns
    # Four bytes a character at most: only who is near the bound is measured.
    if 4 * sum([len(one.lines) for one in returns.values()]) <= MAX_RETURN_LINES_BYTES:
        return
    left = MAX_RETURN_LINES_BYTES
    by_age = sorted(returns, key=lambda key: (returns[key].occurred_at_ms, key), reverse=True)
    for index, return_id in enumerate(by_age):
        back = returns[return_id]
        left -= len(back.lines.encode())
        if left < 0 and index and back.lines:
            returns[return_id] = back._replace(lines="")


def _forget_cancellations(cancellations: dict[str, int], since_ms: int) -> None:
    for order_id in [key for key, at in cancellations.items() if at <= since_ms]:
        del cancellations[order_id]
    if len(cancellations) > MAX_CANCELLATIONS:
        by_age = sorted(cancellations, key=lambda key: (cancellations[key], key))
        for order_id in by_age[: len(by_age) - MAX_CANCELLATIONS]:
            del cancellations[order_id]


def _forget_contacts(contacts: dict[str, Contact], since_ms: int) -> None:
    for contact_id in [key for key, one in contacts.items() if one.occurred_at_ms <= since_ms]:
        del contacts[contact_id]
    if len(contacts) > MAX_CONTACTS:
        by_age = sorted(contacts, key=lambda key: (contacts[key].occurred_at_ms, key))
        for contact_id in by_age[: len(by_age) - MAX_CONTACTS]:
            del contacts[contact_id]
