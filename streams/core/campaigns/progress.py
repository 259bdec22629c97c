"""How runs of campaigns start, go on and end. Every action held back is said, with its reason."""

from collections.abc import Callable

from streams.core.campaigns.conditions import reachable_channels, refusal_at_firing
from streams.core.campaigns.definition import Campaign, StepDefinition
from streams.core.moment import Moment
from streams.core.outputs import (
    ActionCancelled,
    ActionRequested,
    ActionSuppressed,
    CartContent,
    SegmentChanged,
)
from streams.core.schemes.scheme import names_in
from streams.core.state import NO_MEMBERSHIP, CustomerState, Run
from streams.core.values import stable_id

# The key of runs of which a customer has one at a time. No cart has an empty id.
CUSTOMER_KEY = ""
# Whether offers of this kind are ever answered is a fact about the customer (segments.md, Spending
# Limiter). A hundred are eight years of one a month.
CROSS_SELL = "cross_sell"
MAX_OFFERS = 100


def start_for_entry(state: CustomerState, change: SegmentChanged, moment: Moment) -> None:
    """Start what a change of segment triggers, where its cause permits."""
    if change.current is None or not moment.starts_campaigns:
        return
    before = names_in(change.previous)
    for entered in names_in(change.current):
        if entered in before:
            continue
        for campaign in moment.rules.campaigns_by_entry.get((change.scheme, entered), ()):
            if change.cause.kind in campaign.causes:
                _start(state, campaign, CUSTOMER_KEY, change.effective_at_ms, moment)


def start_for_cart(state: CustomerState, cart_id: str, moment: Moment) -> None:
    """Start what an abandoned cart triggers; its steps count from the cart's latest change."""
    for campaign in moment.rules.cart_campaigns:
        if moment.cause.kind in campaign.causes:
            _start(state, campaign, cart_id, state.carts[cart_id].changed_at_ms, moment)


def end_runs(
    state: CustomerState, ends: Callable[[Run], bool], reason: str, moment: Moment
) -> None:
    """End the runs that `ends` names; an action that may still be on its way is cancelled."""
    if not state.runs:
        return
    for run in [run for run in state.runs if ends(run)]:
        state.runs.remove(run)
        if run.last_action_id is not None and run.open_until_ms > moment.now_ms:
            moment.outputs.append(
                ActionCancelled(
                    event_id=stable_id("action.cancelled", run.last_action_id, reason),
                    action_id=run.last_action_id,
                    customer_id=state.customer_id,
                    campaign=run.campaign,
                    reason=reason,
                    decided_at_ms=moment.now_ms,
                )
            )


def end_runs_of_cart(state: CustomerState, cart_id: str, reason: str, moment: Moment) -> None:
    """End the runs that are about one cart."""
    end_runs(state, lambda run: run.key == cart_id, reason, moment)


def end_left_segments(state: CustomerState, change: SegmentChanged, moment: Moment) -> None:
    """End the runs whose segment the customer has left."""

    def left(run: Run) -> bool:
        campaign = moment.rules.campaigns.get(run.campaign)
        if campaign is None or campaign.enters is None:
            return False
        scheme, segment = campaign.enters
        return scheme == change.scheme and segment not in names_in(change.current)

    end_runs(state, left, "left_segment", moment)


def end_on_order(state: CustomerState, settled_carts: list[str], moment: Moment) -> None:
    """End the runs that an order ends: of the carts it settles, and those that wait for an order."""

    def ended(run: Run) -> bool:
        campaign = moment.rules.campaigns.get(run.campaign)
        if campaign is None:
            return False
        if campaign.on_abandoned_cart:
            return run.key in settled_carts
        return campaign.ends_on_order and run.base_ms <= moment.effective_ms

    end_runs(state, ended, "order_placed", moment)


def fire_due_steps(state: CustomerState, moment: Moment, until_ms: int) -> None:
    """Fire every step due at or before `until_ms`, in order of due, priority, name, key."""
    while state.runs:
        due = [run for run in state.runs if run.next_due_ms <= until_ms]
        if not due:
            return
        _fire_step(state, min(due, key=lambda run: _order_of(run, moment)), moment)


def _order_of(run: Run, moment: Moment) -> tuple[int, int, str, str]:
    campaign = moment.rules.campaigns.get(run.campaign)
    return run.next_due_ms, campaign.priority if campaign else 0, run.campaign, run.key


def _start(
    state: CustomerState, campaign: Campaign, key: str, base_ms: int, moment: Moment
) -> None:
    first = campaign.steps[0]
    refusal = _refusal_at_start(state, campaign, key, moment)
    run = Run(
        campaign.name,
        key,
        campaign.version,
        base_ms,
        0,
        max(base_ms + first.after_ms, moment.effective_ms),
        moment.cause,
    )
    if refusal is not None:
        _suppress(state, run, first, refusal[0], refusal[1], moment)
        return
    state.runs.append(run)
    state.starts[_start_key(campaign, key)] = moment.effective_ms
    if campaign.group is not None:
        state.starts[f"group:{campaign.group}"] = moment.effective_ms


def _start_key(campaign: Campaign, key: str) -> str:
    # Carts come and go and each is a cause of its own, so only campaigns per customer remember.
    return campaign.name if key == CUSTOMER_KEY else f"{campaign.name}:cart"


def _refusal_at_start(
    state: CustomerState, campaign: Campaign, key: str, moment: Moment
) -> tuple[str, str] | None:
    late_ms = moment.now_ms - moment.effective_ms
    if late_ms > campaign.max_start_delay_ms:
        return "late_start", f"{late_ms} ms after it was due"
    if moment.cause.kind == "event" and late_ms > moment.rules.max_event_age_ms:
        return "late_event", f"the event came {late_ms} ms late"
    if any(run.campaign == campaign.name and run.key == key for run in state.runs):
        return "already_running", key
    if campaign.quiet_ms and state.last_event_at_ms + campaign.quiet_ms > moment.effective_ms:
        return "recent_event", f"the customer was active within {campaign.quiet_ms} ms"
    last = state.starts.get(_start_key(campaign, key))
    if (
        key == CUSTOMER_KEY
        and last is not None
        and (campaign.re_entry_ms is None or last + campaign.re_entry_ms > moment.effective_ms)
    ):
        return "re_entry", f"started before at {last}"
    if campaign.group is not None:
        return _refusal_by_group(state, campaign, moment)
    return None


def _refusal_by_group(
    state: CustomerState, campaign: Campaign, moment: Moment
) -> tuple[str, str] | None:
    for run in state.runs:
        other = moment.rules.campaigns.get(run.campaign)
        if other is not None and other.group == campaign.group:
            return "group_running", run.campaign
    last = state.starts.get(f"group:{campaign.group}")
    if last is not None and last + campaign.group_gap_ms > moment.effective_ms:
        return "group_gap", f"group {campaign.group} started at {last}"
    return None


def _fire_step(state: CustomerState, run: Run, moment: Moment) -> None:
    campaign = moment.rules.campaigns.get(run.campaign)
    state.runs.remove(run)
    if campaign is None or run.next_step >= len(campaign.steps):
        gone = StepDefinition(
            name=f"step {run.next_step + 1}", after_ms=0, template="", valid_for_ms=0, offer=None
        )
        _suppress(state, run, gone, "campaign_changed", "the rules have no such step", moment)
        return
    step = campaign.steps[run.next_step]
    valid_until_ms = run.next_due_ms + step.valid_for_ms
    refusal = refusal_at_firing(state, campaign, run, valid_until_ms, moment)
    if refusal is None:
        action = _request(state, campaign, run, step, valid_until_ms, moment)
        moment.outputs.append(action)
        if CROSS_SELL in campaign.tags:
            state.offers = [*state.offers[1 - MAX_OFFERS :], moment.now_ms]
        run = run._replace(last_action_id=action.action_id, open_until_ms=valid_until_ms)
    else:
        _suppress(state, run, step, refusal[0], refusal[1], moment)
    following = run.next_step + 1
    if following < len(campaign.steps):
        due_ms = max(run.base_ms + campaign.steps[following].after_ms, run.next_due_ms)
        state.runs.append(run._replace(next_step=following, next_due_ms=due_ms))


def _request(
    state: CustomerState,
    campaign: Campaign,
    run: Run,
    step: StepDefinition,
    valid_until_ms: int,
    moment: Moment,
) -> ActionRequested:
    cart = state.carts.get(run.key) if campaign.on_abandoned_cart else None
    return ActionRequested(
        action_id=_step_id("action.requested", state, run, step),
        customer_id=state.customer_id,
        campaign=campaign.name,
        step=step.name,
        channels=reachable_channels(state, campaign, moment.rules),
        template=step.template,
        offer=step.offer,
        cart=cart
        and CartContent(
            cart_id=run.key,
            value_minor=cart.value_minor,
            foreign=cart.foreign,
            items=cart.items,
            checkout_url=cart.checkout_url,
        ),
        segment_context=_segment_context(state, moment),
        cause=run.cause,
        due_at_ms=run.next_due_ms,
        decided_at_ms=moment.now_ms,
        valid_until_ms=valid_until_ms,
    )


def _segment_context(state: CustomerState, moment: Moment) -> dict[str, str | list[str] | None]:
    context: dict[str, str | list[str] | None] = {}
    for scheme in moment.rules.schemes:
        segment = state.memberships.get(scheme.name, NO_MEMBERSHIP).segment
        context[scheme.name] = names_in(segment) if scheme.is_flags else segment
    return context


def _suppress(
    state: CustomerState, run: Run, step: StepDefinition, reason: str, detail: str, moment: Moment
) -> None:
    moment.outputs.append(
        ActionSuppressed(
            event_id=_step_id("action.suppressed", state, run, step),
            customer_id=state.customer_id,
            campaign=run.campaign,
            step=step.name,
            reason=reason,
            detail=detail,
            decided_at_ms=moment.now_ms,
        )
    )


def _step_id(kind: str, state: CustomerState, run: Run, step: StepDefinition) -> str:
    cause = run.cause
    return stable_id(
        kind,
        state.customer_id,
        run.campaign,
        step.name,
        run.key,
        cause.kind,
        cause.event_id or "",
        str(run.base_ms),
    )
