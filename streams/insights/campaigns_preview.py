"""What a customer would get from a campaign, step by step, if nothing but time happened.

A copy of the state lives on through `machine.fire` under rules that hold this campaign alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.core import machine
from streams.core.campaigns import starting
from streams.core.campaigns.definition import Campaign
from streams.core.outputs import (
    ActionCancelled,
    ActionRequested,
    ActionSuppressed,
    Output,
    SegmentChanged,
)
from streams.core.population.snapshot import Snapshot
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState, Run
from streams.core.values import DAY_MS
from streams.insights.campaigns_trial import HELD, SKIPPED, moment_at, prospect_now
from streams.rules.arming import arm, canonical

# Every calendar and every date comes round once.
_HORIZON_MS: Final = 400 * DAY_MS
# Twenty steps or 52 rounds, each held a few times, and what else the clock changes meanwhile.
_MOST_INSTANTS: Final = 1_000

# What a look may be beside HELD and SKIPPED.
REQUESTED: Final = "requested"
SUPPRESSED: Final = "suppressed"
CANCELLED: Final = "cancelled"
ENDS: Final = "ends"
Said = ActionRequested | ActionSuppressed | ActionCancelled


class Look(NamedTuple):
    """What one instant brings: REQUESTED, SUPPRESSED or CANCELLED, as `said`; HELD until `until_ms`.

    SKIPPED by the step's own variants; ENDS with nothing said, by `changes` of segments or by a
    variant that stops it.
    """

    at_ms: int
    step: str
    what: str
    said: Said | None = None
    until_ms: int | None = None
    reason: str = ""
    changes: tuple[SegmentChanged, ...] = ()


@dataclass(slots=True)
class Preview:
    """What would happen. `under_way` where the customer is in the campaign already.

    Without any `looks`, `why_not` says why it does not begin; `detail` is for people.
    """

    version: int
    under_way: bool = False
    why_not: str = ""
    detail: str = ""
    looks: list[Look] = field(default_factory=list)


def rules_alone(
    text: str, version: int, name: str, snapshot: Snapshot | None, now_ms: int
) -> Rules:
    """Rules with this campaign and its older versions only, armed for all that comes."""
    document = json.loads(text)
    document["campaigns"] = [one for one in document["campaigns"] if one["name"] == name]
    document["retired"] = [one for one in document["retired"] if one["name"] == name]
    document["arming"] = {}
    armed = arm(canonical(document), name, "future", version, None)
    return compile_rules(armed, version, now_ms).under(snapshot)


def preview(state: CustomerState, rules: Rules, alone: Rules, name: str, now_ms: int) -> Preview:
    """Let the customer live on from now; changes the state it is given.

    `rules` are all of them with this campaign armed, by which it begins; `alone` this one's, of a
    version that the customer was never decided by.
    """
    campaign = rules.book.current[name]
    run = _own(state, name)
    found = Preview(run.version if run is not None else campaign.version, run is not None)
    if run is None and not _begin(state, rules, campaign, found, now_ms):
        return found
    # Limits on all campaigns hold as ever; what others would do meanwhile is not told here.
    state.runs = [one for one in state.runs if one.campaign == name and one.is_live]
    _live_on(state, alone, name, found, now_ms)
    if not found.looks:
        found.why_not = "no_trigger"
        found.detail = f"no date or calendar of it comes within {_HORIZON_MS // DAY_MS} days"
    return found


def _begin(
    state: CustomerState, rules: Rules, campaign: Campaign, found: Preview, now_ms: int
) -> bool:
    """Begin as if its trigger were now; False where it does not, and then `found` says why."""
    moment = moment_at(state, rules, now_ms)
    prospect = prospect_now(state, campaign, moment)
    if prospect is None:
        if campaign.dates or campaign.timetables:
            return True
        found.why_not, found.detail = "no_trigger", "none of its triggers holds for this customer"
        return False
    said = len(moment.outputs)
    starts = moment.because(moment.cause, prospect.effective_ms)
    starting.start(state, campaign, prospect.key, prospect.base_ms, prospect.entered, starts)
    if prospect.left_cart is not None:
        # It is left once: the clock does not come to it again.
        left = state.carts[prospect.left_cart]
        state.carts[prospect.left_cart] = left._replace(abandoned=True)
    for output in moment.outputs[said:]:
        if isinstance(output, ActionSuppressed):
            found.why_not, found.detail = output.reason, output.detail
            return False
    return True


def _live_on(state: CustomerState, alone: Rules, name: str, found: Preview, now_ms: int) -> None:
    before = _own(state, name)
    step = machine.sweep(state, alone, now_ms)
    at_ms = now_ms
    for _ in range(_MOST_INSTANTS):
        after = _own(state, name)
        found.looks += _looks(before, after, step.outputs, at_ms, alone)
        if after is None and (before is not None or found.looks):
            return
        before, due_ms = after, state.next_due_ms
        if due_ms is None or (after is None and due_ms > now_ms + _HORIZON_MS):
            return
        at_ms = due_ms
        step = machine.fire(state, due_ms, alone, due_ms)


def _looks(
    before: Run | None, after: Run | None, outputs: Sequence[Output], at_ms: int, alone: Rules
) -> list[Look]:
    """What one instant brought to the run."""
    run = before or after
    if run is None:
        return _said(outputs, at_ms)
    campaign = alone.book.find(run.campaign, run.version)
    steps = [step.name for step in campaign.steps] if campaign is not None else []
    looks = _said(outputs, at_ms)
    told = {look.step for look in looks}
    if before is not None:
        # Where the run is over, what is left of it was never looked at.
        end = after.next_step if after is not None else before.next_step
        passed = steps[before.next_step : end]
        looks += [Look(at_ms, one, SKIPPED) for one in passed if one not in told]
    if after is None:
        changes = tuple(one for one in outputs if isinstance(one, SegmentChanged))
        if not any(look.what in (REQUESTED, SUPPRESSED) for look in looks):
            looks.append(Look(at_ms, "", ENDS, changes=changes))
    elif after.waiting and (before is None or after.next_due_ms != before.next_due_ms):
        name = steps[after.next_step]
        looks.append(Look(at_ms, name, HELD, until_ms=after.next_due_ms, reason=after.waiting))
    return looks


def _said(outputs: Sequence[Output], at_ms: int) -> list[Look]:
    found: list[Look] = []
    for output in outputs:
        match output:
            case ActionRequested():
                found.append(Look(at_ms, output.step, REQUESTED, output))
            case ActionSuppressed():
                found.append(Look(at_ms, output.step, SUPPRESSED, output, reason=output.reason))
            case ActionCancelled():
                found.append(Look(at_ms, "", CANCELLED, output, reason=output.reason))
            case _:
                continue
    return found


def _own(state: CustomerState, name: str) -> Run | None:
    """The campaign's run that is looked at next."""
    own = [run for run in state.runs if run.campaign == name and run.is_live]
    return min(own, key=lambda run: (run.next_due_ms, run.key)) if own else None
