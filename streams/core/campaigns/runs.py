"""What beginning, carrying out and ending a run have in common: keys, ids, and what is said."""

from streams.core.campaigns.definition import CART, Campaign, StepDefinition
from streams.core.campaigns.limits import zone_of
from streams.core.campaigns.triggers import STARTING_CAUSES
from streams.core.local_time.calendar import first_local_ms
from streams.core.moment import Moment
from streams.core.outputs import ActionSuppressed
from streams.core.state import CustomerState, Run
from streams.core.values import stable_id

# The key of runs of which a customer has one at a time. No cart has an empty id.
CUSTOMER_KEY = ""


def due_ms(state: CustomerState, step: StepDefinition, from_ms: int, moment: Moment) -> int:
    """When a step is due that may be carried out from `from_ms` on, by the customer's clock."""
    if step.minute is None:
        return from_ms
    zone = zone_of(state, moment.rules.policy)
    return first_local_ms(zone, from_ms, step.minute, step.weekdays)


def start_key(campaign: Campaign) -> str:
    """Under which name the latest start is remembered."""
    # Carts come and go and each is a cause of its own, so only campaigns per customer remember.
    return f"{campaign.name}:cart" if campaign.key == CART else campaign.name


def group_key(group: str) -> str:
    """Under which name the latest start of a group is remembered."""
    return f"group:{group}"


def may_start(campaign: Campaign, moment: Moment) -> bool:
    """Whether anything at all may start it at this moment."""
    if not (campaign.is_armed and campaign.takes_future and moment.starts_campaigns):
        return False
    return moment.cause.kind in STARTING_CAUSES


def suppress(
    state: CustomerState, run: Run, step_name: str, reason: str, detail: str, moment: Moment
) -> None:
    """Say that an action was held back for good."""
    moment.outputs.append(
        ActionSuppressed(
            event_id=step_id("action.suppressed", state, run, step_name),
            customer_id=state.customer_id,
            campaign=run.campaign,
            step=step_name,
            reason=reason,
            detail=detail,
            decided_at_ms=moment.now_ms,
        )
    )


def step_id(kind: str, state: CustomerState, run: Run, step_name: str) -> str:
    """The stable name of what a step of a run says."""
    cause = run.cause
    parts = [
        kind,
        state.customer_id,
        run.campaign,
        step_name,
        run.key,
        cause.kind,
        cause.event_id or "",
        str(run.base_ms),
    ]
    if run.round:
        parts.append(str(run.round))
    return stable_id(*parts)
