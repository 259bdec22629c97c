"""The whole product in one function: `apply(state, input) -> outputs`, with time as an input.

`apply` takes one event of a customer at the partition's time, `fire` lets the clock reach a due
instant of that customer, `sweep` decides a customer anew because limits or rules have moved. All
change the state they are given and return what to say. Nothing here reads a clock, a random source
or the outside world, so the same journal gives the same decisions.

The order at one instant for one customer: timers before the event; facts, then segments, then ends
and starts of campaigns, then their steps by due instant, priority, name and key.
"""

from typing import NamedTuple

from streams.core import merging, profile
from streams.core.campaigns import attribution, carts, ending, firing, starting, timing
from streams.core.campaigns.definition import ABANDONED_CART
from streams.core.campaigns.guard import Guard
from streams.core.classification import classify, is_gone
from streams.core.history import (
    fold,
    forget_until,
    record_cancellation,
    record_contact,
    record_order,
    record_return,
)
from streams.core.inputs import (
    AttributeValue,
    CartAbandoned,
    CartUpdated,
    ConsentChanged,
    CustomerErased,
    CustomerEvent,
    CustomerMerged,
    CustomerUpdated,
    DeliveryReported,
    OrderCancelled,
    OrderPlaced,
    ReturnRegistered,
    ServiceContacted,
)
from streams.core.moment import Moment
from streams.core.outputs import ActionSuppressed, NotTaken, Output, SegmentChanged
from streams.core.rules import Rules
from streams.core.state import CustomerState, Run
from streams.core.values import Cause, stable_id

# What became of an event, for counting.
APPLIED = "applied"
DUPLICATE = "duplicate"
SUPERSEDED = "superseded"
ERASED = "before_erasure"
FORWARDED = "forwarded"

_OWN_CAUSES: dict[type[CustomerEvent], str] = {
    CustomerErased: "erasure",
    CustomerMerged: "merge",
    merging.MergedIn: "merge",
}

# Identities are 18 bytes: 180 KiB at most. An event repeated beyond it is still recognised by what
# it is about (order, return, cart); this bound only keeps a robot's state under a record's size.
MAX_SEEN = 10_000


class Step(NamedTuple):
    """Outputs in order, what became of the event, and whether it came too late to start anything."""

    outputs: list[Output]
    note: str
    late: bool = False


def apply(
    state: CustomerState,
    event: CustomerEvent,
    rules: Rules,
    now_ms: int,
    event_type: str,
    guard: Guard | None = None,
) -> Step:
    """Take in one event at partition time `now_ms`. All timers due by then have fired before.

    `guard` is the partition's and counts on; without one nothing is ever too much.
    """
    if state.merged_into is not None:
        # Whether it is a duplicate is for the target to say: here it may be going round in a circle.
        return Step([merging.forward(state, event, now_ms)], FORWARDED)
    seen = state.seen
    if event.identity in seen:
        return Step([], DUPLICATE)
    _remember(seen, event.identity, now_ms, rules)
    if state.erased_at_ms is not None and event.occurred_at_ms <= state.erased_at_ms:
        return Step([], ERASED)
    late = now_ms - event.occurred_at_ms > rules.max_event_age_ms
    moment = Moment(
        rules,
        now_ms,
        event.occurred_at_ms,
        Cause("backfill" if event.backfill else "event", event.event_id, event_type),
        not event.backfill,
        guard=guard or Guard(),
    )
    _adopt(state, moment, now_ms)
    if not _record(state, event, moment, late):
        return Step(moment.outputs, SUPERSEDED, late)
    kind = _OWN_CAUSES.get(type(event))
    if kind is not None:
        moment.cause = Cause(kind, event.event_id, event_type)
        moment.starts_campaigns = False
    _settle(state, moment, now_ms, event)
    return Step(moment.outputs, APPLIED, late)


def fire(
    state: CustomerState, due_ms: int, rules: Rules, now_ms: int, guard: Guard | None = None
) -> Step:
    """Let the clock reach `due_ms` (at most `now_ms`, the partition's time) for this customer."""
    moment = Moment(rules, now_ms, due_ms, Cause("clock"), guard=guard or Guard())
    # Just before, so that what the clock changes now is not taken for a change of rules or limits.
    _adopt(state, moment, due_ms - 1)
    _settle(state, moment, due_ms)
    return Step(moment.outputs, APPLIED)


def sweep(state: CustomerState, rules: Rules, now_ms: int, guard: Guard | None = None) -> Step:
    """Decide a customer anew because rules or limits have moved; all due timers have fired before.

    The note is `SUPERSEDED` where the customer stands under them already.
    """
    moment = Moment(rules, now_ms, now_ms, Cause("population"), guard=guard or Guard())
    adopted = _adopt(state, moment, now_ms)
    return Step(moment.outputs, APPLIED if adopted else SUPERSEDED)


def _adopt(state: CustomerState, moment: Moment, at_ms: int) -> bool:
    """Decide the customer under changed rules or limits first, so that what follows has its own cause.

    False where there is nothing new.
    """
    version, number = moment.rules.version, moment.rules.limits_number
    by_rules = state.rules_version != version
    if not by_rules and state.limits_number == number:
        return False
    known_version = state.rules_version
    state.rules_version, state.limits_number = version, number
    if known_version:
        adopting = moment.because(Cause("rules" if by_rules else "population"), at_ms)
        adopting.starts_campaigns = True
        if by_rules:
            firing.release_resumed(state, adopting, at_ms)
        _settle(state, adopting, at_ms, adopted_from=known_version if by_rules else None)
    return True


def _remember(seen: dict[int, int], identity: int, now_ms: int, rules: Rules) -> None:
    """Keep identities for the time in which producers retry; the oldest stand first."""
    expired_ms = now_ms - rules.duplicates_ms
    while seen:
        oldest = next(iter(seen))
        if seen[oldest] > expired_ms and len(seen) < MAX_SEEN:
            break
        del seen[oldest]
    seen[identity] = now_ms


def _record(state: CustomerState, event: CustomerEvent, moment: Moment, late: bool) -> bool:
    """Take the event into the state; False where a newer version of it is already there."""
    match event:
        case OrderPlaced():
            recorded = record_order(state, event)
            if recorded and state.carts:
                settled = carts.carts_ended_by(state, event)
                ending.end_by_cart(state, settled, "order_placed", moment)
                for cart_id in settled:
                    del state.carts[cart_id]
        case OrderCancelled():
            recorded = record_cancellation(state, event)
        case ReturnRegistered():
            recorded = record_return(state, event)
        case CartUpdated():
            recorded = _record_cart(state, event, moment, late)
        case ServiceContacted():
            recorded = record_contact(state, event)
        case CustomerErased():
            return _erase(state, event, moment)
        case CustomerMerged():
            for run in state.runs:
                ending.cancel_open(state, run, "customer_merged", moment)
            moment.outputs.append(merging.hand_over(state, event, moment.now_ms))
            return True
        case merging.MergedIn():
            _take_in(state, event, moment)
            return True
        case DeliveryReported():
            attribution.count_report(state, event)
            return profile.record(state, event)
        case ConsentChanged():
            return profile.record(state, event)
        case CustomerUpdated():
            return _record_attributes(state, event, moment)
        case _:
            raise TypeError(f"no rule for {type(event).__name__}")
    state.last_event_at_ms = max(state.last_event_at_ms, event.occurred_at_ms)
    return recorded


def _record_attributes(state: CustomerState, event: CustomerUpdated, moment: Moment) -> bool:
    recorded, left_out = profile.record_attributes(state, event)
    _tell_left_out(state, event, {one: event.attributes[one] for one in left_out}, moment)
    return recorded


def _take_in(state: CustomerState, event: merging.MergedIn, moment: Moment) -> None:
    left_out = merging.take_in(state, event, lambda run: _group_of(run, moment))
    _tell_left_out(state, event, {name: one.value for name, one in left_out.items()}, moment)


def _tell_left_out(
    state: CustomerState,
    event: CustomerEvent,
    left_out: dict[str, AttributeValue],
    moment: Moment,
) -> None:
    """Say for which attributes there was no room, as an event of which nothing else is left."""
    if not left_out:
        return
    rest = CustomerUpdated(
        event_id=event.event_id,
        customer_id=state.customer_id,
        occurred_at_ms=event.occurred_at_ms,
        received_at_ms=event.received_at_ms,
        identity=event.identity,
        source=event.source,
        backfill=event.backfill,
        attributes=left_out,
    )
    moment.outputs.append(
        NotTaken(
            event=rest,
            customer_id=state.customer_id,
            reason="too_many_attributes",
            message=(
                f"the customer has {profile.MAX_ATTRIBUTES} attributes, removed ones included, and "
                f"there is no room for {len(left_out)} more"
            ),
            field=f"attributes.{next(iter(left_out))}",
        )
    )


def _record_cart(state: CustomerState, event: CartUpdated, moment: Moment, late: bool) -> bool:
    if not carts.record_cart(state, event):
        return False
    cart_id = event.cart_id
    cart = state.carts[cart_id]
    if cart.event_id == event.event_id:
        ending.end_by_cart(state, [cart_id], "cart_changed", moment)
    if late and not cart.abandoned:
        state.carts[cart_id] = cart._replace(abandoned=True)
        _say_too_old(state, cart_id, moment)
    return True


def _say_too_old(state: CustomerState, cart_id: str, moment: Moment) -> None:
    if not moment.starts_campaigns:
        return
    for campaign, _ in moment.rules.book.by_event.get(ABANDONED_CART, ()):
        moment.outputs.append(
            ActionSuppressed(
                # The same old event may come again long after it is forgotten: then it is held back
                # once more, at another instant.
                event_id=stable_id(
                    "late_event",
                    state.customer_id,
                    campaign.name,
                    moment.cause.event_id or "",
                    str(moment.now_ms),
                ),
                customer_id=state.customer_id,
                campaign=campaign.name,
                step=campaign.steps[0].name,
                reason="late_event",
                detail=f"cart {cart_id} changed {moment.now_ms - moment.effective_ms} ms ago",
                decided_at_ms=moment.now_ms,
            )
        )


def _abandon(state: CustomerState, cart_id: str, moment: Moment) -> None:
    """Take this change of the cart as left, once, and start what that triggers."""
    cart = state.carts[cart_id]
    if cart.abandoned:
        return
    state.carts[cart_id] = cart._replace(abandoned=True)
    if moment.starts_campaigns and not carts.is_settled(state, cart):
        starting.start_by_cart(state, cart_id, moment)


def _group_of(run: Run, moment: Moment) -> str | None:
    campaign = moment.rules.book.find(run.campaign, run.version)
    return campaign.group if campaign is not None else None


def _erase(state: CustomerState, event: CustomerErased, moment: Moment) -> bool:
    """Forget everything that occurred up to the erasure; segments end in the change that follows."""
    erased_at_ms = event.occurred_at_ms
    ending.end_runs(state, lambda run: True, "customer_erased", moment)
    forget_until(state, erased_at_ms)
    state.attributes = {
        key: one for key, one in state.attributes.items() if one.occurred_at_ms > erased_at_ms
    }
    state.consents = {
        key: one for key, one in state.consents.items() if one.occurred_at_ms > erased_at_ms
    }
    state.carts = {
        key: cart for key, cart in state.carts.items() if cart.changed_at_ms > erased_at_ms
    }
    state.starts, state.pending, state.mutes = {}, {}, {}
    state.sent, state.attributions = [], []
    state.erased_at_ms = erased_at_ms
    if state.last_event_at_ms <= erased_at_ms:
        state.last_event_at_ms = 0
    return True


def _settle(
    state: CustomerState,
    moment: Moment,
    at_ms: int,
    event: CustomerEvent | None = None,
    adopted_from: int | None = None,
) -> None:
    """Bring segments, campaigns and the next due instant up to `at_ms`.

    `adopted_from`: the rules by which the customer was decided before, where they are others now.
    """
    # By the instant decided about: an overdue timer still sees the window as it was then.
    fold(state, at_ms, moment.rules)
    next_change_ms, changes = classify(state, moment, at_ms)
    if not is_gone(state):
        _end_runs(state, changes, event, moment)
        _start_runs(state, changes, event, moment, at_ms)
        if adopted_from is not None:
            starting.start_present(state, adopted_from, moment)
            starting.start_missed(state, moment)
        if state.runs and not isinstance(event, merging.MergedIn):
            firing.fire_due_steps(state, moment, at_ms)
        if state.attributions:
            attribution.tell_due(state, moment, at_ms)
    _set_next_due(state, moment, at_ms, next_change_ms)


def _end_runs(
    state: CustomerState,
    changes: list[SegmentChanged],
    event: CustomerEvent | None,
    moment: Moment,
) -> None:
    if state.runs:
        # What happened says more than what followed from it.
        if event is not None and moment.cause.event_type is not None:
            ending.end_by_event(state, moment.cause.event_type, moment)
        ending.end_by_changes(state, changes, moment)


def _start_runs(
    state: CustomerState,
    changes: list[SegmentChanged],
    event: CustomerEvent | None,
    moment: Moment,
    at_ms: int,
) -> None:
    starting.start_called(state, changes, event, moment, at_ms)
    if isinstance(event, CartAbandoned) and event.cart_id in state.carts:
        _abandon(state, event.cart_id, moment)
    if state.carts:
        _abandon_due_carts(state, moment, at_ms)
        carts.drop_old_carts(state, at_ms)


def _abandon_due_carts(state: CustomerState, moment: Moment, at_ms: int) -> None:
    for cart_id in sorted(state.carts):
        cart = state.carts[cart_id]
        due_ms = carts.abandonment_due_ms(cart, moment.rules)
        if due_ms is None or due_ms > at_ms:
            continue
        # The cart's event tells two changes at one instant apart, in the ids of their actions. Due
        # already while a back-filled event is taken in: that is the event's doing.
        cause = Cause("clock", cart.event_id, "cart.updated")
        _abandon(state, cart_id, moment.because(cause, due_ms))


def _set_next_due(
    state: CustomerState, moment: Moment, at_ms: int, next_change_ms: int | None
) -> None:
    due = next_change_ms
    for cart in state.carts.values():
        abandoned_ms = carts.abandonment_due_ms(cart, moment.rules)
        if abandoned_ms is not None and (due is None or abandoned_ms < due):
            due = abandoned_ms
    for run in state.runs:
        if due is None or run.next_due_ms < due:
            due = run.next_due_ms
    for told in state.attributions:
        if due is None or told.next_ms < due:
            due = told.next_ms
    if moment.rules.book.timed and not is_gone(state):
        timed_ms = timing.next_ms(state, moment, at_ms)
        if timed_ms is not None and (due is None or timed_ms < due):
            due = timed_ms
    state.next_due_ms = due
