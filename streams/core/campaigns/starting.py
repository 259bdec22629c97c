"""How runs begin: by segments, events, carts, dates and calendars. A refusal is said, with its reason."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streams.core.campaigns import timing
from streams.core.campaigns.carts import is_settled
from streams.core.campaigns.definition import ABANDONED_CART, CART, Campaign
from streams.core.campaigns.runs import (
    CUSTOMER_KEY,
    due_ms,
    group_key,
    may_start,
    start_key,
    suppress,
)
from streams.core.campaigns.triggers import CLOCK, DOWN, EVENT, STARTING_CAUSES, UP, Entry
from streams.core.inputs import CustomerEvent, OrderPlaced
from streams.core.moment import Moment
from streams.core.outputs import SegmentChanged
from streams.core.schemes.scheme import names_in
from streams.core.state import CustomerState, Run
from streams.core.tree import Tree
from streams.core.values import Cause

Segment = tuple[str, str]


class Called(NamedTuple):
    """A campaign that something calls for, before anybody asked whether it may start."""

    campaign: Campaign
    key: str
    base_ms: int
    entered: Segment | None


def start_called(
    state: CustomerState,
    changes: Iterable[SegmentChanged],
    event: CustomerEvent | None,
    moment: Moment,
    at_ms: int,
) -> None:
    """Start what this moment calls for, by priority and name, whatever it is that calls.

    Segments entered and left, pending entries at an own order, the event itself, calendars and dates.
    A campaign called for twice at one moment starts, or is refused, once. Carts come behind.
    """
    pending = sorted(state.pending)
    called = _by_changes(state, changes, moment)
    if event is not None:
        called += _by_pending(state, pending, event, moment)
        called += _by_event(state, event, moment)
    if moment.rules.book.timed:
        called += _by_time(state, moment, at_ms)
    answered: set[tuple[str, str]] = set()
    for one in sorted(called, key=lambda one: (one.campaign.priority, one.campaign.name)):
        if (one.campaign.name, one.key) not in answered:
            answered.add((one.campaign.name, one.key))
            start(state, one.campaign, one.key, one.base_ms, one.entered, moment)


def _by_changes(
    state: CustomerState, changes: Iterable[SegmentChanged], moment: Moment
) -> list[Called]:
    """By segments entered and left; what their cause does not permit is pending."""
    book, called = moment.rules.book, list[Called]()
    for change in changes:
        before, after = names_in(change.previous), names_in(change.current)
        for name in after:
            if name not in before:
                for campaign, entry in book.by_entry.get((change.scheme, name), ()):
                    if _comes_from(entry, before, change.scheme, moment):
                        called += _entered(state, campaign, entry, change, moment)
        for name in before:
            if name not in after:
                for campaign, _ in book.by_entry.get((change.scheme, name), ()):
                    state.pending.pop(campaign.name, None)
                for campaign, entry in book.by_leaving.get((change.scheme, name), ()):
                    if _goes_to(entry, after, change.scheme, moment):
                        called += _entered(state, campaign, entry, change, moment)
    return called


def _by_pending(
    state: CustomerState, names: Iterable[str], event: CustomerEvent, moment: Moment
) -> list[Called]:
    """By the customer's own order, what an earlier cause was not allowed to start."""
    called: list[Called] = []
    if not isinstance(event, OrderPlaced) or not moment.starts_campaigns:
        return called
    for name in names:
        if name not in state.pending:
            continue
        del state.pending[name]
        campaign = moment.rules.book.current.get(name)
        entered = _membership_of(state, campaign) if campaign is not None else None
        if (
            campaign is not None
            and entered is not None
            and may_start(campaign, moment)
            and _is_for(campaign.when, moment)
        ):
            called.append(Called(campaign, CUSTOMER_KEY, moment.effective_ms, entered))
    return called


def _by_event(state: CustomerState, event: CustomerEvent, moment: Moment) -> list[Called]:
    """By the event itself. An abandoned cart is none yet: see `start_by_cart`."""
    called: list[Called] = []
    event_type = moment.cause.event_type
    if event_type is None or event_type == ABANDONED_CART:
        return called
    for campaign, trigger in moment.rules.book.by_event.get(event_type, ()):
        if moment.cause.kind not in trigger.causes or not may_start(campaign, moment):
            continue
        key = getattr(event, "cart_id", CUSTOMER_KEY) if campaign.key == CART else CUSTOMER_KEY
        if campaign.key == CART and not _is_open(state, key):
            continue
        if _is_for(trigger.when, moment) and _is_for(campaign.when, moment):
            called.append(Called(campaign, key, moment.effective_ms, None))
    return called


def start_by_cart(state: CustomerState, cart_id: str, moment: Moment) -> None:
    """Start what an abandoned cart triggers; its steps count from the cart's latest change."""
    base_ms = state.carts[cart_id].changed_at_ms
    for campaign, trigger in moment.rules.book.by_event.get(ABANDONED_CART, ()):
        if moment.cause.kind not in trigger.causes or not may_start(campaign, moment):
            continue
        if _is_for(trigger.when, moment) and _is_for(campaign.when, moment):
            key = cart_id if campaign.key == CART else CUSTOMER_KEY
            start(state, campaign, key, base_ms, None, moment)


def _is_open(state: CustomerState, cart_id: str) -> bool:
    """Whether the cart has something in it that no order has settled."""
    cart = state.carts.get(cart_id)
    return cart is not None and not cart.abandoned and not is_settled(state, cart)


def _by_time(state: CustomerState, moment: Moment, at_ms: int) -> list[Called]:
    """By a calendar or a date of the customer that is at this very instant.

    By the clock alone: an event of the same instant comes after it, and would start it twice.
    """
    if moment.cause.kind != CLOCK:
        return []
    return [
        Called(campaign, CUSTOMER_KEY, at_ms, None)
        for campaign in moment.rules.book.timed
        if may_start(campaign, moment)
        and timing.is_due(campaign, state, moment, at_ms)
        and _is_for(campaign.when, moment)
    ]


def start_present(state: CustomerState, known_version: int, moment: Moment) -> None:
    """Start campaigns that were armed for present members by rules newer than `known_version`.

    A person asked for it, and was told whom it reaches: so the cause `rules` may start these.
    """
    for campaign in moment.rules.book.present:
        if not known_version < campaign.present_since <= moment.rules.version:
            continue
        entered = _membership_of(state, campaign)
        if entered is not None and campaign.is_armed and _is_for(campaign.when, moment):
            by_rules = moment.because(Cause("rules", f"armed:{campaign.present_since}"))
            start(state, campaign, CUSTOMER_KEY, moment.effective_ms, entered, by_rules)


def start_missed(state: CustomerState, moment: Moment) -> None:
    """Start what a calendar called for after these rules came and before they reached this customer."""
    rules = moment.rules
    for campaign in rules.book.timed:
        if not (campaign.is_armed and campaign.takes_future):
            continue
        due_ms = timing.first_timetable_ms(campaign, rules.policy, rules.applied_ms)
        if due_ms is None or due_ms >= moment.effective_ms:
            continue
        by_clock = moment.because(Cause(CLOCK), due_ms)
        if timing.is_due(campaign, state, by_clock, due_ms) and _is_for(campaign.when, moment):
            start(state, campaign, CUSTOMER_KEY, due_ms, None, by_clock)


def _is_for(when: Tree | None, moment: Moment) -> bool:
    """Whether it is for this customer at all.

    Whom it is not for was never to be sent anything: nothing is held back, so nothing is said.
    """
    return when is None or when.test(moment.view)


def _comes_from(entry: Entry, before: Sequence[str], scheme: str, moment: Moment) -> bool:
    if entry.origins is not None and entry.origins.isdisjoint(before):
        return False
    return entry.direction is None or entry.direction == _direction(
        before, [entry.segment], scheme, moment
    )


def _goes_to(entry: Entry, after: Sequence[str], scheme: str, moment: Moment) -> bool:
    if entry.direction is None:
        return True
    return entry.direction == _direction([entry.segment], after, scheme, moment)


def _direction(
    before: Sequence[str], after: Sequence[str], scheme: str, moment: Moment
) -> str | None:
    """Up or down in a scheme from best to worst; who comes from nowhere goes up, to nowhere down."""
    ranked = moment.rules.scheme(scheme).segments
    if not before or not after:
        return UP if after else DOWN
    place, was = ranked.index(after[0]), ranked.index(before[0])
    return UP if place < was else DOWN if place > was else None


def _entered(
    state: CustomerState, campaign: Campaign, entry: Entry, change: SegmentChanged, moment: Moment
) -> list[Called]:
    kind = change.cause.kind
    if kind in entry.causes and may_start(campaign, moment):
        entered = None if entry.leaves else (entry.scheme, entry.segment)
        if _is_for(campaign.when, moment):
            return [Called(campaign, CUSTOMER_KEY, change.effective_at_ms, entered)]
    elif (
        EVENT in entry.causes
        and not entry.leaves
        and campaign.is_armed
        and (kind not in entry.causes or kind not in STARTING_CAUSES)
    ):
        state.pending[campaign.name] = change.effective_at_ms
    return []


def _membership_of(state: CustomerState, campaign: Campaign) -> Segment | None:
    """The first of the segments by which the campaign starts in which the customer is."""
    for entry in campaign.entries:
        known = state.memberships.get(entry.scheme)
        if not entry.leaves and known is not None and entry.segment in names_in(known.segment):
            return entry.scheme, entry.segment
    return None


def start(
    state: CustomerState,
    campaign: Campaign,
    key: str,
    base_ms: int,
    entered: Segment | None,
    moment: Moment,
) -> None:
    """Begin a run whose steps count from `base_ms`, or say why not.

    Whether its trigger holds and it may start is asked before. Dry runs begin it on a copy.
    """
    first = campaign.steps[0]
    run = Run(campaign.name, key, campaign.version, base_ms, 0, base_ms, base_ms, moment.cause)
    refusal = _refusal(state, campaign, key, moment)
    if refusal is not None:
        suppress(state, run, first.name, refusal[0], refusal[1], moment)
        return
    due = max(due_ms(state, first, base_ms + first.after_ms, moment), moment.effective_ms)
    state.runs.append(run._replace(entered=entered, due_ms=due, next_due_ms=due))
    state.starts[start_key(campaign)] = moment.effective_ms
    if campaign.group is not None:
        state.starts[group_key(campaign.group)] = moment.effective_ms
    for tag in campaign.mutes:
        until_ms = moment.effective_ms + campaign.mutes_for_ms
        state.mutes[tag] = max(until_ms, state.mutes.get(tag, 0))


def _refusal(
    state: CustomerState, campaign: Campaign, key: str, moment: Moment
) -> tuple[str, str] | None:
    late_ms = moment.now_ms - moment.effective_ms
    if late_ms > campaign.max_start_delay_ms:
        return "late_start", f"{late_ms} ms after it was due"
    if moment.cause.kind == EVENT and late_ms > moment.rules.max_event_age_ms:
        return "late_event", f"the event came {late_ms} ms late"
    if any(run.campaign == campaign.name and run.key == key and run.is_live for run in state.runs):
        return "already_running", key
    if campaign.quiet_ms and state.last_event_at_ms + campaign.quiet_ms > moment.effective_ms:
        return "recent_event", f"the customer was active within {campaign.quiet_ms} ms"
    last = state.starts.get(start_key(campaign))
    if (
        campaign.key != CART
        and last is not None
        and (campaign.re_entry_ms is None or last + campaign.re_entry_ms > moment.effective_ms)
    ):
        return "re_entry", f"started before at {last}"
    if campaign.group is not None:
        return _refusal_by_group(state, campaign, campaign.group, moment)
    return None


def _refusal_by_group(
    state: CustomerState, campaign: Campaign, group: str, moment: Moment
) -> tuple[str, str] | None:
    for run in state.runs:
        if not run.is_live:
            continue
        other = moment.rules.book.find(run.campaign, run.version)
        if other is not None and other.group == group:
            return "group_running", run.campaign
    last = state.starts.get(group_key(group))
    if last is not None and last + campaign.group_gap_ms > moment.effective_ms:
        return "group_gap", f"group {group} started at {last}"
    return None
