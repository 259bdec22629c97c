"""How runs end before their last step. An action that may still be on its way is called off."""

from collections.abc import Callable, Iterable

from streams.core.campaigns.definition import CART, Campaign
from streams.core.moment import Moment
from streams.core.outputs import ActionCancelled, SegmentChanged
from streams.core.schemes.scheme import names_in
from streams.core.state import CustomerState, Run
from streams.core.values import stable_id

ORDER = "order.placed"


def end_runs(
    state: CustomerState, ends: Callable[[Run], bool], reason: str, moment: Moment
) -> None:
    """End the runs that `ends` names."""
    if not state.runs:
        return
    for run in [run for run in state.runs if ends(run)]:
        state.runs.remove(run)
        cancel_open(state, run, reason, moment)


def cancel_open(state: CustomerState, run: Run, reason: str, moment: Moment) -> None:
    """Call off the run's latest action where it may not have been carried out yet."""
    if run.last_action_id is None or run.open_until_ms <= moment.now_ms:
        return
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


def end_by_cart(state: CustomerState, cart_ids: Iterable[str], reason: str, moment: Moment) -> None:
    """End the runs that are about certain carts."""
    ended = frozenset(cart_ids)
    end_runs(state, lambda run: run.key in ended, reason, moment)


def end_by_changes(state: CustomerState, changes: Iterable[SegmentChanged], moment: Moment) -> None:
    """End the runs whose segment the customer has left, or that end in one now entered."""
    if not state.runs:
        return
    for change in changes:
        before, after = names_in(change.previous), names_in(change.current)
        entered = {(change.scheme, name) for name in after if name not in before}
        left = {(change.scheme, name) for name in before if name not in after}

        def leaves(run: Run, left: set[tuple[str, str]] = left) -> bool:
            campaign = _campaign_of(run, moment)
            return campaign is not None and campaign.exits.leaving and run.entered in left

        def ends(run: Run, entered: set[tuple[str, str]] = entered) -> bool:
            campaign = _campaign_of(run, moment)
            return campaign is not None and not campaign.exits.segments.isdisjoint(entered)

        end_runs(state, leaves, "left_segment", moment)
        end_runs(state, ends, "entered_segment", moment)


def end_by_event(state: CustomerState, event_type: str, moment: Moment) -> None:
    """End the runs that an event of this type ends, if it is not older than they are."""

    def ends(run: Run) -> bool:
        campaign = _campaign_of(run, moment)
        if campaign is None or run.base_ms > moment.effective_ms:
            return False
        if campaign.key == CART and event_type == ORDER:
            # An order ends the runs of the carts that it settles, and those have been ended.
            return False
        trees = campaign.exits.events.get(event_type, ())
        return any(tree is None or tree.test(moment.view) for tree in trees)

    end_runs(state, ends, event_type.replace(".", "_"), moment)


def _campaign_of(run: Run, moment: Moment) -> Campaign | None:
    return moment.rules.book.find(run.campaign, run.version)
