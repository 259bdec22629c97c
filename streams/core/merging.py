"""Merging two customers of one person: the source hands its facts over and points to the target.

The two may live in different partitions, so what is handed over is a journal record of the target.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from streams.core.history import MAX_REMNANTS, drop_remnants, is_newer, order_hash
from streams.core.inputs import CustomerEvent, CustomerMerged
from streams.core.outputs import Forwarded, NotTaken
from streams.core.products import merge_products
from streams.core.profile import MAX_ATTRIBUTES
from streams.core.state import (
    Attribute,
    Attribution,
    Cart,
    Consent,
    Contact,
    CustomerState,
    Folded,
    Order,
    Products,
    Remnant,
    Return,
    Run,
    Sent,
)
from streams.core.values import stable_id

# A chain of merges longer than this is a mistake of the shop, and most likely a circle.
MAX_HOPS = 8


@dataclass(slots=True, kw_only=True)
class MergedIn(CustomerEvent):
    """What the source `from_customer_id` hands over to this customer."""

    from_customer_id: str
    orders: dict[str, Order] = field(default_factory=dict)
    returns: dict[str, Return] = field(default_factory=dict)
    cancellations: dict[str, int] = field(default_factory=dict)
    folded_order_count: int = 0
    folded_net_minor: int = 0
    remnants: dict[int, Remnant] = field(default_factory=dict)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    last_event_at_ms: int = 0
    contacts: dict[str, Contact] = field(default_factory=dict)
    offers: list[int] = field(default_factory=list)
    products: Products | None = None
    carts: dict[str, Cart] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    pending: dict[str, int] = field(default_factory=dict)
    mutes: dict[str, int] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    attributions: list[Attribution] = field(default_factory=list)


def hand_over(state: CustomerState, event: CustomerMerged, now_ms: int) -> Forwarded | NotTaken:
    """Empty the source, leave a redirect, and say what goes to the target."""
    folded = state.folded or Folded()
    event_id = stable_id("customer.merged", state.customer_id, event.event_id)
    merged = MergedIn(
        event_id=event_id,
        customer_id=event.into_customer_id,
        occurred_at_ms=event.occurred_at_ms,
        received_at_ms=now_ms,
        identity=order_hash(event_id),
        source=event.source,
        backfill=event.backfill,
        hops=event.hops,
        from_customer_id=state.customer_id,
        orders=state.orders,
        returns=state.returns,
        cancellations=state.cancellations,
        folded_order_count=folded.order_count,
        folded_net_minor=folded.net_minor,
        remnants=folded.remnants,
        attributes=state.attributes,
        consents=state.consents,
        starts=state.starts,
        seen=dict(state.seen),
        last_event_at_ms=state.last_event_at_ms,
        contacts=state.contacts,
        offers=state.offers,
        products=state.products,
        carts=state.carts,
        runs=[
            run._replace(last_action_id=None, open_until_ms=0) for run in state.runs if run.is_live
        ],
        pending=state.pending,
        mutes=state.mutes,
        sent=state.sent,
        attributions=state.attributions,
    )
    state.runs, state.pending, state.mutes, state.sent, state.attributions = [], {}, {}, [], []
    state.contacts, state.offers, state.products, state.held = {}, [], None, {}
    state.orders, state.returns, state.cancellations = {}, {}, {}
    state.attributes, state.consents, state.starts, state.carts = {}, {}, {}, {}
    state.folded = None
    state.merged_into = event.into_customer_id
    return _forwarded(merged, state.customer_id)


def forward(state: CustomerState, event: CustomerEvent, now_ms: int) -> Forwarded | NotTaken:
    """Pass a later event of a merged customer on to where the customer went."""
    target = state.merged_into or state.customer_id
    return _forwarded(replace(event, customer_id=target, received_at_ms=now_ms), state.customer_id)


def take_in(
    state: CustomerState, merged: MergedIn, group_of: Callable[[Run], str | None]
) -> dict[str, Attribute]:
    """Add the facts of another customer; what both know counts once, consent is the stricter.

    `group_of` tells the campaign group of a run, of which only one is live. Gives the attributes for
    which there was no room.
    """
    for order_id, order in merged.orders.items():
        known = state.orders.get(order_id)
        if known is None or is_newer(
            order.occurred_at_ms, order.event_id, known.occurred_at_ms, known.event_id
        ):
            state.orders[order_id] = order
    for return_id, back in merged.returns.items():
        state.returns.setdefault(return_id, back)
    for order_id, at_ms in merged.cancellations.items():
        state.cancellations.setdefault(order_id, at_ms)
    if merged.remnants or merged.folded_order_count or merged.folded_net_minor:
        _add_folded(state, merged)
    for contact_id, contact in merged.contacts.items():
        state.contacts.setdefault(contact_id, contact)
    state.offers = sorted({*state.offers, *merged.offers})
    if merged.products is not None:
        state.products = merge_products(state.products, merged.products)
    left_out = _add_attributes(state, merged)
    for channel, consent in merged.consents.items():
        own = state.consents.get(channel)
        if own is None or (own.granted and not consent.granted):
            state.consents[channel] = consent
    for name, at_ms in merged.starts.items():
        state.starts[name] = max(at_ms, state.starts.get(name, 0))
    _add_progress(state, merged, group_of)
    both = {**merged.seen, **state.seen}
    state.seen = dict(sorted(both.items(), key=lambda one: one[1]))
    state.last_event_at_ms = max(state.last_event_at_ms, merged.last_event_at_ms)
    return left_out


def _add_attributes(state: CustomerState, merged: MergedIn) -> dict[str, Attribute]:
    left_out: dict[str, Attribute] = {}
    for name, attribute in merged.attributes.items():
        if name not in state.attributes and len(state.attributes) >= MAX_ATTRIBUTES:
            left_out[name] = attribute
        else:
            state.attributes.setdefault(name, attribute)
    return left_out


def _add_progress(
    state: CustomerState, merged: MergedIn, group_of: Callable[[Run], str | None]
) -> None:
    """Campaigns go on where either was; what both are in goes on once, as the target is in it."""
    for cart_id, cart in merged.carts.items():
        own = state.carts.get(cart_id)
        if own is None or is_newer(
            cart.changed_at_ms, cart.event_id, own.changed_at_ms, own.event_id
        ):
            state.carts[cart_id] = cart
    live = [run for run in state.runs if run.is_live]
    known = {(run.campaign, run.key) for run in live}
    groups = {group_of(run) for run in live} - {None}
    state.runs += [
        run
        for run in merged.runs
        if (run.campaign, run.key) not in known and group_of(run) not in groups
    ]
    for name, at_ms in merged.pending.items():
        state.pending.setdefault(name, at_ms)
    for tag, until_ms in merged.mutes.items():
        state.mutes[tag] = max(until_ms, state.mutes.get(tag, 0))
    state.sent = sorted([*state.sent, *merged.sent])
    state.attributions += merged.attributions


def _add_folded(state: CustomerState, merged: MergedIn) -> None:
    folded = state.folded = state.folded or Folded()
    folded.order_count += merged.folded_order_count
    folded.net_minor += merged.folded_net_minor
    folded.remnants = {**merged.remnants, **folded.remnants}
    if len(folded.remnants) > MAX_REMNANTS:
        drop_remnants(folded)


def _forwarded(event: CustomerEvent, from_customer_id: str) -> Forwarded | NotTaken:
    if event.hops >= MAX_HOPS or event.customer_id == from_customer_id:
        return NotTaken(
            event=event,
            customer_id=from_customer_id,
            reason="merge_cycle",
            message=(
                f"customer {from_customer_id!r} leads back to itself or over more than {MAX_HOPS} "
                "merges; mend the merges in the shop"
            ),
        )
    event.hops += 1
    return Forwarded(event=event)
