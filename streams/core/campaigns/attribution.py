"""What a campaign brought: orders from a run's first action to a week after its last.

Told twice: when that time is over, and when returns have had 30 more days (campaigns.md, Outcome).
Controls are told like everybody else, and the difference is the effect.
"""

from typing import Final

from streams.core.campaigns.definition import Campaign
from streams.core.history import order_hash
from streams.core.inputs import DeliveryReported
from streams.core.moment import Moment
from streams.core.outputs import ActionRequested, CampaignOutcome
from streams.core.rules import RFM
from streams.core.state import NO_MEMBERSHIP, Attribution, CustomerState, Run
from streams.core.values import DAY_MS, stable_id

WINDOW_MS: Final = 7 * DAY_MS
RETURNS_MS: Final = 30 * DAY_MS
# Caps let three actions a week through, and each run is told after five weeks and a bit.
MAX_ATTRIBUTIONS: Final = 20
# Reports of older actions of one run find nothing; its figures are there all the same.
MAX_ACTIONS: Final = 60
PRELIMINARY, FINAL = "preliminary", "final"


def count_action(
    state: CustomerState, campaign: Campaign, run: Run, action: ActionRequested, moment: Moment
) -> None:
    """Open the account of a run with its first action, or carry it on."""
    until_ms = moment.now_ms + WINDOW_MS
    hashed = order_hash(action.action_id)
    for index, known in enumerate(state.attributions):
        if _is_of(known, run):
            state.attributions[index] = known._replace(
                until_ms=until_ms,
                next_ms=until_ms,
                told=False,
                sent=known.sent + 1,
                actions=(*known.actions[1 - MAX_ACTIONS :], hashed),
            )
            return
    if len(state.attributions) >= MAX_ATTRIBUTIONS:
        _tell(state, state.attributions.pop(0), FINAL, moment)
    state.attributions.append(
        Attribution(
            campaign=campaign.name,
            version=run.version,
            key=run.key,
            base_ms=run.base_ms,
            segment=state.memberships.get(RFM, NO_MEMBERSHIP).segment,
            is_control=action.is_control,
            from_ms=moment.now_ms,
            until_ms=until_ms,
            next_ms=until_ms,
            actions=(hashed,),
            sent=1,
        )
    )


def count_report(state: CustomerState, event: DeliveryReported) -> None:
    """Note that somebody opened, clicked, or had enough."""
    hashed = order_hash(event.action_id)
    for index, known in enumerate(state.attributions):
        if hashed in known.actions:
            state.attributions[index] = known._replace(
                opened=known.opened or event.outcome in {"opened", "clicked"},
                clicked=known.clicked or event.outcome == "clicked",
                unsubscribed=known.unsubscribed or event.outcome in {"unsubscribed", "complained"},
            )


def tell_due(state: CustomerState, moment: Moment, at_ms: int) -> None:
    """Tell what is due: the preliminary figures, then the final ones."""
    for known in [one for one in state.attributions if one.next_ms <= at_ms]:
        place = state.attributions.index(known)
        still = next((run for run in state.runs if _is_of(known, run) and run.is_live), None)
        if still is not None and not known.told:
            # The run goes on: its figures are told when it is over.
            state.attributions[place] = known._replace(next_ms=max(still.next_due_ms, at_ms) + 1)
        elif not known.told:
            _tell(state, known, PRELIMINARY, moment)
            state.attributions[place] = known._replace(
                told=True, next_ms=max(known.until_ms + RETURNS_MS, at_ms + 1)
            )
        else:
            del state.attributions[place]
            _tell(state, known, FINAL, moment)


def _is_of(known: Attribution, run: Run) -> bool:
    return (known.campaign, known.key, known.base_ms) == (run.campaign, run.key, run.base_ms)


def _tell(state: CustomerState, known: Attribution, stage: str, moment: Moment) -> None:
    orders = [
        order
        for order in state.orders.values()
        if order.counts and known.from_ms < order.occurred_at_ms < known.until_ms
    ]
    # A return whose order nobody knows takes from what the customer brought in that time.
    refunds = sum(
        back.amount_minor
        for back in state.returns.values()
        if (back.order_id is None or back.order_id not in state.orders)
        and known.from_ms < back.occurred_at_ms < known.until_ms + RETURNS_MS
    )
    moment.outputs.append(
        CampaignOutcome(
            event_id=stable_id(
                "campaign.outcome",
                state.customer_id,
                known.campaign,
                known.key,
                str(known.base_ms),
                str(known.until_ms),
                stage,
            ),
            customer_id=state.customer_id,
            campaign=known.campaign,
            version=known.version,
            segment=known.segment,
            is_control=known.is_control,
            stage=stage,
            actions=known.sent,
            from_ms=known.from_ms,
            until_ms=known.until_ms,
            orders=len(orders),
            net_minor=sum(order.net_minor for order in orders) - refunds,
            opened=known.opened,
            clicked=known.clicked,
            unsubscribed=known.unsubscribed,
            decided_at_ms=moment.now_ms,
        )
    )
