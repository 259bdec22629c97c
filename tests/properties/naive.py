"""The facts once more, from the whole set of events, the slow and obvious way (segments.md, Facts)."""

from collections.abc import Sequence

from streams.core.facts import VALUE_WINDOW_MS, Facts
from streams.core.inputs import (
    CustomerErased,
    CustomerEvent,
    OrderCancelled,
    OrderPlaced,
    ReturnRegistered,
)


def _greatest(events: Sequence[CustomerEvent], key: str) -> dict[str, CustomerEvent]:
    found: dict[str, CustomerEvent] = {}
    for one in sorted(events, key=lambda one: (one.occurred_at_ms, one.event_id)):
        found[getattr(one, key)] = one
    return found


def _left_of(order: OrderPlaced, backs: Sequence[ReturnRegistered]) -> int | None:
    """Net of an order after its returns; None where it is fully returned."""
    returned = sum(back.amount_minor for back in backs)
    own = [back.foreign for back in backs]
    if order.foreign is not None and all(
        one is not None and one.currency == order.foreign.currency for one in own
    ):
        given_back, paid = sum(one.amount_minor for one in own if one), order.foreign.amount_minor
    else:
        given_back, paid = returned, order.total_minor
    if given_back > 0 and given_back >= paid:
        return None
    return max(0, order.total_minor - returned)


def naive_facts(events: Sequence[CustomerEvent], now_ms: int, window_ms: int) -> Facts:
    """Facts at `now_ms` of events all of which are within the kept history."""
    erased = max((e.occurred_at_ms for e in events if isinstance(e, CustomerErased)), default=-1)
    live = [one for one in events if one.occurred_at_ms > erased]
    orders = _greatest([one for one in live if isinstance(one, OrderPlaced)], "order_id")
    returns = _greatest([one for one in live if isinstance(one, ReturnRegistered)], "return_id")
    cancelled = {one.order_id for one in live if isinstance(one, OrderCancelled)}
    last: int | None = None
    count = net = gross = returned = life_count = life_net = 0
    inside: list[int] = []
    first: int | None = None
    valued: list[tuple[int, int]] = []
    backs = [one for one in returns.values() if isinstance(one, ReturnRegistered)]
    for order_id, order in orders.items():
        assert isinstance(order, OrderPlaced)
        if order_id in cancelled:
            continue
        at_ms = order.occurred_at_ms
        left = _left_of(order, [back for back in backs if back.order_id == order_id])
        in_window = now_ms < at_ms + window_ms
        if in_window:
            gross += order.total_minor
            returned += order.total_minor - (left or 0)
            inside.append(at_ms)
        if left is None:
            continue
        last = at_ms if last is None else max(last, at_ms)
        first = at_ms if first is None else min(first, at_ms)
        if now_ms < at_ms + VALUE_WINDOW_MS:
            valued.append((at_ms, left))
        life_count, life_net = life_count + 1, life_net + left
        if in_window:
            count, net = count + 1, net + left
    monetary = net
    valued_backs: list[tuple[int, int]] = []
    for back in backs:
        if back.order_id in orders:
            continue
        life_net -= back.amount_minor
        if now_ms < back.occurred_at_ms + VALUE_WINDOW_MS:
            valued_backs.append((back.occurred_at_ms, -back.amount_minor))
        if now_ms < back.occurred_at_ms + window_ms:
            monetary -= back.amount_minor
            returned += back.amount_minor
            inside.append(back.occurred_at_ms)
    return Facts(
        last_order_at_ms=last,
        order_count=count,
        monetary_minor=monetary,
        net_minor=net,
        gross_minor=gross,
        returned_minor=returned,
        lifetime_order_count=life_count,
        lifetime_monetary_minor=life_net,
        next_expiry_ms=min(inside) + window_ms if inside else None,
        first_order_at_ms=first,
        value_order_count=len(valued),
        value_monetary_minor=sum(net for _, net in valued + valued_backs),
        value_expiry_ms=min((at for at, _ in valued + valued_backs), default=-1) + VALUE_WINDOW_MS
        if valued or valued_backs
        else None,
    )
