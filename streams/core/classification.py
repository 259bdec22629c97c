"""Puts a customer into the segment of every scheme, and counts the customer for the census."""

from streams.core.behaviour_facts import units_per_order_milli
from streams.core.facts import Facts, facts_at
from streams.core.moment import Moment
from streams.core.outputs import SegmentChanged
from streams.core.population.counted import Counted
from streams.core.rules import Rules
from streams.core.schemes.scheme import Answer, Scheme, View
from streams.core.state import NO_MEMBERSHIP, CustomerState, Held, Membership
from streams.core.values import Cause, stable_id

_POPULATION = "population"
_UNKNOWN = Answer(None, None)
# Units per order mean something from here on (segments.md, Bulk Buyer).
_UNITS_FROM_ORDERS = 3


def classify(
    state: CustomerState, moment: Moment, at_ms: int
) -> tuple[int | None, list[SegmentChanged]]:
    """Decide every scheme at `at_ms`; the next change by the clock alone, and what changed.

    The changes stand in the moment's outputs already, and the moment can show the customer.
    """
    rules = moment.rules
    facts = facts_at(
        state,
        at_ms,
        rules.window_ms,
        value_window_ms=rules.value_window_ms,
        count_zero_value_orders=rules.count_zero_value_orders,
    )
    view = View(state, facts, at_ms)
    moment.show(view)
    memberships, gone = state.memberships, is_gone(state)
    counted = _count(view, rules) if rules.uses_population else None
    changes: list[SegmentChanged] = []
    next_ms = _next_count_ms(facts, rules) if counted is not None else None
    for scheme in rules.schemes:
        name = scheme.name
        answer = scheme.classify(view) if not gone else _UNKNOWN
        segment, until_ms, _ = answer
        if until_ms is not None and (next_ms is None or until_ms < next_ms):
            next_ms = until_ms
        known = memberships.get(name, NO_MEMBERSHIP)
        if segment == known.segment:
            view.segments[name] = segment
            if state.held:
                state.held.pop(name, None)
        else:
            held = _held(state, scheme, known, segment, moment, at_ms, counted)
            if held is not None and not _has_lasted(held, scheme, rules, at_ms):
                state.held[name] = held
                view.segments[name] = known.segment
                again_ms = _again_ms(held, scheme, rules, at_ms)
                next_ms = again_ms if next_ms is None else min(next_ms, again_ms)
                continue
            view.segments[name] = segment
            by = moment if held is None else _by_population(moment)
            changes.append(_change(state, scheme, known, answer, facts, by))
    moment.outputs += changes
    state.counted = counted
    return next_ms, changes


def _next_count_ms(facts: Facts, rules: Rules) -> int | None:
    """When the customer's counted figures change by the clock alone."""
    expiry_ms, value_ms = facts.next_expiry_ms, facts.value_expiry_ms
    if not rules.counts_value or value_ms is None:
        return expiry_ms
    return value_ms if expiry_ms is None else min(expiry_ms, value_ms)


def _by_population(moment: Moment) -> Moment:
    """The moment, with the cause of a change that was held back until now."""
    return moment.because(Cause(_POPULATION))


def is_gone(state: CustomerState) -> bool:
    """Whether the customer went elsewhere, or was erased and has done nothing since."""
    if state.merged_into is not None:
        return True
    return state.erased_at_ms is not None and not (
        state.orders
        or state.returns
        or state.carts
        or state.contacts
        or state.attributes
        or state.last_event_at_ms
    )


def _change(
    state: CustomerState,
    scheme: Scheme,
    known: Membership,
    answer: Answer,
    facts: Facts,
    moment: Moment,
) -> SegmentChanged:
    name, cause = scheme.name, moment.cause
    # A late event became true when it occurred, but never before the change already said.
    since_ms = max(moment.effective_ms, known.since_ms)
    member = Membership(answer.segment, known.segment, since_ms, known.sequence + 1)
    state.memberships[name] = member
    if state.held:
        state.held.pop(name, None)
    return SegmentChanged(
        event_id=stable_id(
            "segment.changed",
            state.customer_id,
            name,
            str(member.sequence),
            cause.kind,
            cause.event_id or str(moment.effective_ms),
        ),
        customer_id=state.customer_id,
        scheme=name,
        is_flags=scheme.is_flags,
        previous=member.previous,
        current=member.segment,
        scores=answer.scores,
        facts=facts,
        cause=cause,
        effective_at_ms=member.since_ms,
        decided_at_ms=moment.now_ms,
        sequence=member.sequence,
        rules_version=moment.rules.version,
        snapshot_number=moment.rules.snapshot_number if scheme.uses_population else None,
    )


def _held(
    state: CustomerState,
    scheme: Scheme,
    known: Membership,
    segment: str | None,
    moment: Moment,
    at_ms: int,
    counted: Counted | None,
) -> Held | None:
    """The hold under which a change towards worse by moving limits stands (segments.md, Hysteresis).

    None where nothing holds it: what the customer does, or the clock changes of what counts, is
    never held.
    """
    if scheme.hold_ms is None:
        return None
    held = state.held.get(scheme.name)
    if held is not None and held.segment == segment:
        if moment.cause.kind == _POPULATION:
            return held._replace(counted=counted)
        return held if held.counted == counted else None
    if moment.cause.kind != _POPULATION or not _is_worse(scheme, known.segment, segment):
        return None
    return Held(segment, at_ms, moment.rules.snapshot_number, counted)


def _has_lasted(held: Held, scheme: Scheme, rules: Rules, at_ms: int) -> bool:
    """Whether a held change has lasted, and a second snapshot agrees with it."""
    return rules.snapshot_number > held.snapshot and at_ms >= held.since_ms + (scheme.hold_ms or 0)


def _again_ms(held: Held, scheme: Scheme, rules: Rules, at_ms: int) -> int:
    """When to look at a held change again: at the end of the hold, then at each snapshot."""
    end_ms = held.since_ms + (scheme.hold_ms or 0)
    return end_ms if end_ms > at_ms else at_ms + rules.snapshot_every_ms


def _is_worse(scheme: Scheme, known: str | None, segment: str | None) -> bool:
    order = scheme.segments
    if not scheme.is_ranked or known not in order or segment not in order:
        return False
    return order.index(segment) > order.index(known)


def _count(view: View, rules: Rules) -> Counted | None:
    """What the census holds of this customer; None for who never had a counting order."""
    facts = view.facts
    first_ms, last_ms = facts.first_order_at_ms, facts.last_order_at_ms
    if first_ms is None or last_ms is None:
        return None
    units_milli: int | None = None
    if facts.lifetime_order_count >= _UNITS_FROM_ORDERS:
        units_milli = units_per_order_milli(view, _UNITS_FROM_ORDERS)
    return Counted(
        first_ms,
        last_ms,
        facts.order_count,
        facts.monetary_minor,
        facts.lifetime_order_count,
        facts.lifetime_monetary_minor,
        facts.value_order_count if rules.counts_value else 0,
        facts.value_monetary_minor if rules.counts_value else 0,
        units_milli,
    )
