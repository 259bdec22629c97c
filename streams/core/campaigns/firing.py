"""How the steps of runs are carried out, held, or held back for good."""

from streams.core.campaigns import attribution
from streams.core.campaigns.control import is_control, is_held_out
from streams.core.campaigns.definition import CART, Campaign, StepDefinition
from streams.core.campaigns.limits import (
    CHANNELS_WITHOUT_CONSENT,
    PAUSED,
    Allowed,
    Held,
    Refused,
    Stopped,
    judge,
)
from streams.core.campaigns.runs import due_ms, step_id, suppress
from streams.core.campaigns.suggestions import return_rates, suggest
from streams.core.moment import Moment
from streams.core.outputs import ActionRequested, CartContent, VoucherOffered
from streams.core.schemes.scheme import names_in
from streams.core.state import NO_MEMBERSHIP, ON_ITS_WAY, CustomerState, Run, Sent
from streams.core.values import HOUR_MS

# Whether offers of this kind are ever answered is a fact about the customer (segments.md, Spending
# Limiter). A hundred are eight years of one a month.
CROSS_SELL = "cross_sell"
MAX_OFFERS = 100
# No clock is set by more; and a step is repeated at least a day apart.
_CLOCK_CHANGE_MS = 3 * HOUR_MS


def fire_due_steps(state: CustomerState, moment: Moment, until_ms: int) -> None:
    """Look at every step due at or before `until_ms`, in order of instant, priority, name, key."""
    while state.runs:
        due = [run for run in state.runs if run.next_due_ms <= until_ms]
        if not due:
            return
        _fire(state, min(due, key=lambda run: _order_of(run, moment)), moment)


def release_resumed(state: CustomerState, moment: Moment, at_ms: int) -> None:
    """Look again now at the steps of campaigns that were paused and go on."""
    for index, run in enumerate(state.runs):
        campaign = moment.rules.book.find(run.campaign, run.version)
        if run.waiting == PAUSED and campaign is not None and not moment.guard.holds(campaign):
            state.runs[index] = run._replace(next_due_ms=min(run.next_due_ms, at_ms))


def _order_of(run: Run, moment: Moment) -> tuple[int, int, str, str]:
    campaign = moment.rules.book.find(run.campaign, run.version)
    return run.next_due_ms, campaign.priority if campaign else 0, run.campaign, run.key


def _fire(state: CustomerState, run: Run, moment: Moment) -> None:
    if not run.is_live:
        state.runs.remove(run)
        return
    campaign = moment.rules.book.find(run.campaign, run.version)
    if campaign is None or run.next_step >= len(campaign.steps):
        state.runs.remove(run)
        name = f"step {run.next_step + 1}"
        suppress(state, run, name, "campaign_changed", "the rules have no such step", moment)
        return
    step = campaign.steps[run.next_step]
    verdict = judge(state, campaign, run, moment)
    match verdict:
        case Held():
            _hold(state, run, verdict)
            return
        case Stopped():
            state.runs.remove(run)
            return
        case Refused():
            state.runs.remove(run)
            suppress(state, run, step.name, verdict.reason, verdict.detail, moment)
        case Allowed():
            is_controlled = is_held_out(
                state.customer_id, moment.rules.policy.holdout_percent
            ) or is_control(campaign.name, state.customer_id, campaign.control_percent)
            if not is_controlled and not moment.guard.admit(campaign, moment.now_ms):
                _hold(state, run, Held(run.due_ms + step.valid_for_ms, PAUSED))
                return
            state.runs.remove(run)
            run = _carry_out(state, campaign, run, step, verdict, moment, is_control=is_controlled)
        case _:
            state.runs.remove(run)
    _go_on(state, campaign, run, step, moment)


def _hold(state: CustomerState, run: Run, held: Held) -> None:
    state.runs.remove(run)
    state.runs.append(run._replace(next_due_ms=held.until_ms, waiting=held.reason))


def _go_on(
    state: CustomerState, campaign: Campaign, run: Run, step: StepDefinition, moment: Moment
) -> None:
    """The next round or step, where there is one."""
    if step.every_ms is not None and run.round + 1 < step.rounds:
        # By the day and not by the hour where a local time is asked for: days with a change of the
        # clock have one hour more or less, and the step would slip to the day after, or the week.
        slack_ms = _CLOCK_CHANGE_MS if step.minute is not None else 0
        due = due_ms(state, step, run.due_ms + step.every_ms - slack_ms, moment)
        run = run._replace(round=run.round + 1)
    elif run.next_step + 1 < len(campaign.steps):
        following = campaign.steps[run.next_step + 1]
        due = max(due_ms(state, following, run.base_ms + following.after_ms, moment), run.due_ms)
        run = run._replace(next_step=run.next_step + 1, round=0)
    else:
        if run.open_until_ms > moment.now_ms:
            state.runs.append(run._replace(next_due_ms=run.open_until_ms, waiting=ON_ITS_WAY))
        return
    state.runs.append(run._replace(due_ms=due, next_due_ms=due, waiting=""))


def _carry_out(
    state: CustomerState,
    campaign: Campaign,
    run: Run,
    step: StepDefinition,
    allowed: Allowed,
    moment: Moment,
    *,
    is_control: bool,
) -> Run:
    action = _request(state, campaign, run, step, allowed, moment, is_control=is_control)
    moment.outputs.append(action)
    now_ms = moment.now_ms
    if not CHANNELS_WITHOUT_CONSENT.issuperset(action.channels):
        _remember_sent(state, Sent(now_ms, action.channels), moment)
    if CROSS_SELL in campaign.tags and not is_control:
        state.offers = [*state.offers[1 - MAX_OFFERS :], now_ms]
    attribution.count_action(state, campaign, run, action, moment)
    return run._replace(last_action_id=action.action_id, open_until_ms=action.valid_until_ms)


def _remember_sent(state: CustomerState, sent: Sent, moment: Moment) -> None:
    since_ms = moment.now_ms - moment.rules.policy.longest_cap_ms
    state.sent = [*(one for one in state.sent if one.at_ms > since_ms), sent]


def _request(
    state: CustomerState,
    campaign: Campaign,
    run: Run,
    step: StepDefinition,
    allowed: Allowed,
    moment: Moment,
    *,
    is_control: bool,
) -> ActionRequested:
    action_id = step_id("action.requested", state, run, step.name)
    variant, snapshot = allowed.variant, moment.rules.snapshot
    return ActionRequested(
        action_id=action_id,
        customer_id=state.customer_id,
        campaign=campaign.name,
        version=campaign.version,
        step=step.name,
        channels=allowed.channels,
        template=variant.template,
        voucher=_voucher(variant.offer, action_id, moment),
        cart=_cart(state, campaign, run, moment),
        suggestions=tuple(suggest(state, snapshot, moment.now_ms, campaign.suggestions)),
        segment_context=_segment_context(state, moment),
        cause=run.cause,
        is_control=is_control,
        due_at_ms=run.due_ms,
        decided_at_ms=moment.now_ms,
        valid_until_ms=run.due_ms + step.valid_for_ms,
    )


def _voucher(offer: str | None, action_id: str, moment: Moment) -> VoucherOffered | None:
    if offer is None:
        return None
    known = moment.rules.policy.offers.vouchers[offer]
    return VoucherOffered(name=offer, expires_at_ms=moment.now_ms + known.expires_ms, key=action_id)


def _cart(state: CustomerState, campaign: Campaign, run: Run, moment: Moment) -> CartContent | None:
    cart = state.carts.get(run.key) if campaign.key == CART else None
    if cart is None:
        return None
    rates: dict[str, float] = {}
    if campaign.tells_return_rates:
        rates = return_rates([item.sku for item in cart.items], moment.rules.snapshot)
    return CartContent(
        cart_id=run.key,
        value_minor=cart.value_minor,
        foreign=cart.foreign,
        items=cart.items,
        checkout_url=cart.checkout_url,
        return_rates=rates,
    )


def _segment_context(state: CustomerState, moment: Moment) -> dict[str, str | list[str] | None]:
    context: dict[str, str | list[str] | None] = {}
    for scheme in moment.rules.schemes:
        segment = state.memberships.get(scheme.name, NO_MEMBERSHIP).segment
        context[scheme.name] = names_in(segment) if scheme.is_flags else segment
    return context
