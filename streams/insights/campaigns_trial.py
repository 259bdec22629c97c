"""What a campaign would do for one customer right now, on a copy of the state.

Nothing of the engine is made a second time: `starting.start` begins the run or refuses it, and
`limits.judge` looks at its first step as if it were due at this instant.
"""

from typing import Final, NamedTuple

from streams.core.campaigns import starting, timing
from streams.core.campaigns.carts import abandonment_due_ms, is_settled
from streams.core.campaigns.control import is_control, is_held_out
from streams.core.campaigns.definition import ABANDONED_CART, CART, Campaign
from streams.core.campaigns.limits import (
    Allowed,
    Held,
    Refused,
    Skipped,
    Stopped,
    is_member,
    judge,
)
from streams.core.campaigns.runs import CUSTOMER_KEY
from streams.core.campaigns.triggers import Event
from streams.core.classification import classify
from streams.core.moment import Moment
from streams.core.outputs import ActionSuppressed
from streams.core.population.snapshot import Snapshot
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState
from streams.core.values import Cause
from streams.rules.arming import arm, resume

ALLOWED: Final = "allowed"
CONTROL: Final = "control"
HELD: Final = "held"
REFUSED: Final = "refused"
SKIPPED: Final = "skipped"
STOPPED: Final = "stopped"
# In the order in which they are told.
OUTCOMES: Final = (ALLOWED, CONTROL, HELD, SKIPPED, STOPPED, REFUSED)

_CART_CHANGED: Final = "cart.updated"


def armed_rules(
    text: str, version: int, name: str, snapshot: Snapshot | None, now_ms: int
) -> Rules:
    """Rules as they would be if the campaign were armed for everybody and nothing paused it.

    Raises `UsageError` for a campaign that the rules do not have.
    """
    following = resume(arm(text, name, "both", version + 1, None), name)
    return compile_rules(following, version + 1, now_ms).under(snapshot)


def moment_at(state: CustomerState, rules: Rules, now_ms: int) -> Moment:
    """The customer looked at now, segments decided; changes the state it is given."""
    moment = Moment(rules, now_ms, now_ms, Cause("rules"))
    classify(state, moment, now_ms)
    return moment


class Prospect(NamedTuple):
    """Somebody for whom a trigger holds: what `starting.start` wants to know of the run.

    `left_cart` is the cart that counts as left by it.
    """

    key: str
    base_ms: int
    effective_ms: int
    entered: tuple[str, str] | None = None
    left_cart: str | None = None


def prospect_now(state: CustomerState, campaign: Campaign, moment: Moment) -> Prospect | None:
    """Who is in the segment of a trigger, or could make its event happen as things are.

    Carts: the newest that an order has not settled.
    """
    now_ms = moment.now_ms
    for entry in campaign.entries:
        if is_member(state, entry.scheme, entry.segment):
            entered = None if entry.leaves else (entry.scheme, entry.segment)
            return Prospect(CUSTOMER_KEY, now_ms, now_ms, entered)
    for trigger in campaign.events:
        if trigger.when is None or trigger.when.test(moment.view):
            found = _by_event(state, campaign, trigger, moment)
            if found is not None:
                return found
    return None


def prospect(state: CustomerState, campaign: Campaign, moment: Moment) -> Prospect | None:
    """The same, and who has the date of a trigger or meets the conditions of its calendar."""
    found = prospect_now(state, campaign, moment)
    if found is not None:
        return found
    at_once = Prospect(CUSTOMER_KEY, moment.now_ms, moment.now_ms)
    for timetable in campaign.timetables:
        if timetable.when is None or timetable.when.test(moment.view):
            return at_once
    has_date = timing.next_date_ms_of(campaign, state, moment, moment.now_ms) is not None
    return at_once if has_date else None


def _by_event(
    state: CustomerState, campaign: Campaign, trigger: Event, moment: Moment
) -> Prospect | None:
    now_ms = moment.now_ms
    if trigger.event not in (_CART_CHANGED, ABANDONED_CART):
        return Prospect(CUSTOMER_KEY, now_ms, now_ms)
    cart_id = _newest_cart(state, is_left=trigger.event == ABANDONED_CART)
    if cart_id is None:
        return None
    key = cart_id if campaign.key == CART else CUSTOMER_KEY
    if trigger.event == _CART_CHANGED:
        return Prospect(key, now_ms, now_ms)
    cart = state.carts[cart_id]
    left_ms = abandonment_due_ms(cart._replace(abandoned=False), moment.rules)
    effective_ms = min(left_ms or now_ms, now_ms)
    return Prospect(key, cart.changed_at_ms, effective_ms, left_cart=cart_id)


def _newest_cart(state: CustomerState, *, is_left: bool) -> str | None:
    open_carts = [
        (cart.changed_at_ms, cart_id)
        for cart_id, cart in state.carts.items()
        if (cart.items or cart.value_minor)
        and not is_settled(state, cart)
        and (is_left or not cart.abandoned)
    ]
    return max(open_carts)[1] if open_carts else None


class Trial(NamedTuple):
    """What would become of it: one of OUTCOMES, with the reason where it is not to go ahead."""

    outcome: str
    reason: str = ""
    detail: str = ""
    is_control: bool = False


def try_out(state: CustomerState, campaign: Campaign, moment: Moment) -> Trial | None:
    """Let the campaign reach the customer now; None for whom no trigger holds.

    Changes the state it is given. `moment.rules` are those of `armed_rules`.
    """
    found = prospect(state, campaign, moment)
    if found is None:
        return None
    said = len(moment.outputs)
    starts = moment.because(moment.cause, found.effective_ms)
    starting.start(state, campaign, found.key, found.base_ms, found.entered, starts)
    for output in moment.outputs[said:]:
        if isinstance(output, ActionSuppressed):
            return Trial(REFUSED, output.reason, output.detail)
    run = state.runs[-1]._replace(due_ms=moment.now_ms, next_due_ms=moment.now_ms)
    is_controlled = is_held_out(
        state.customer_id, moment.rules.policy.holdout_percent
    ) or is_control(campaign.name, state.customer_id, campaign.control_percent)
    match judge(state, campaign, run, moment):
        case Allowed():
            return Trial(CONTROL if is_controlled else ALLOWED, is_control=is_controlled)
        case Held() as held:
            return Trial(HELD, held.reason, is_control=is_controlled)
        case Refused() as refused:
            return Trial(REFUSED, refused.reason, refused.detail)
        case Skipped():
            return Trial(SKIPPED)
        case Stopped():
            return Trial(STOPPED)
