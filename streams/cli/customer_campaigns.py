"""What campaigns have to do with one customer right now, for `inspect`."""

from typing import Any

from streams.codec.text import format_instant
from streams.core.campaigns import timing
from streams.core.campaigns.policy import Cap
from streams.core.facts import Facts
from streams.core.moment import Moment
from streams.core.rules import Rules
from streams.core.schemes.scheme import View
from streams.core.state import Attribution, CustomerState, Run
from streams.core.values import Cause
from streams.insights.campaigns_limits import cap_words
from streams.insights.customer_reader import CustomerNow


def describe_campaigns(now: CustomerNow) -> dict[str, Any]:
    """Runs and what they wait for, what is pending, muted, sent and still counted."""
    state, rules = now.state, now.rules
    if state is None:
        return {}
    return {
        "runs": [_run(run, now) for run in state.runs],
        "pending": [
            {"campaign": name, "since": format_instant(at_ms), "waits_for": "the next order"}
            for name, at_ms in sorted(state.pending.items())
        ],
        "muted": {
            tag: format_instant(until_ms)
            for tag, until_ms in sorted(state.mutes.items())
            if until_ms > now.time_ms
        },
        "caps": [_cap(cap, state, now.time_ms) for cap in rules.policy.caps],
        "sent": [
            {"at": format_instant(one.at_ms), "channels": list(one.channels)} for one in state.sent
        ],
        "outcomes_open": [_attribution(one) for one in state.attributions],
        "last_starts": {name: format_instant(at_ms) for name, at_ms in state.starts.items()},
    }


def campaign_dues(
    state: CustomerState, rules: Rules, facts: Facts, now_ms: int
) -> list[tuple[int, str]]:
    """What the clock will do for campaigns, each with its instant."""
    due = [(run.next_due_ms, _run_words(run, rules)) for run in state.runs]
    due += [
        (one.next_ms, f"the outcome of campaign {one.campaign} is told")
        for one in state.attributions
    ]
    moment = Moment(rules, now_ms, now_ms, Cause("clock"))
    moment.show(View(state, facts, now_ms))
    timed_ms = timing.next_ms(state, moment, now_ms) if rules.book.timed else None
    if timed_ms is not None:
        due.append((timed_ms, "a calendar or date may start a campaign"))
    return due


def _run_words(run: Run, rules: Rules) -> str:
    if not run.is_live:
        return f"campaign {run.campaign}: until then its last action can be called off"
    held = f", held by {run.waiting}" if run.waiting else ""
    return f"campaign {run.campaign}, step {_step_name(run, rules)}{held}"


def _run(run: Run, now: CustomerNow) -> dict[str, Any]:
    campaign = now.rules.book.find(run.campaign, run.version)
    is_paused = campaign is not None and now.guard.holds(campaign)
    return {
        "campaign": run.campaign,
        "version": run.version,
        "key": run.key,
        "since": format_instant(run.base_ms),
        "entered": run.entered[1] if run.entered is not None else None,
        "next_step": _step_name(run, now.rules),
        "round": run.round + 1 if run.round else None,
        "due_at": format_instant(run.due_ms),
        "next_due_at": format_instant(run.next_due_ms),
        "held_by": run.waiting or None,
        "campaign_paused": is_paused or None,
        "cause": {"kind": run.cause.kind, "event_id": run.cause.event_id},
        "last_action_id": run.last_action_id,
    }


def _step_name(run: Run, rules: Rules) -> str:
    campaign = rules.book.find(run.campaign, run.version)
    steps = campaign.steps if campaign is not None else ()
    if run.next_step < len(steps):
        return steps[run.next_step].name
    return f"{run.next_step + 1}, which the rules no longer have"


def _cap(cap: Cap, state: CustomerState, now_ms: int) -> dict[str, Any]:
    counted = [
        one.at_ms
        for one in state.sent
        if one.at_ms + cap.per_ms > now_ms and (cap.channel is None or cap.channel in one.channels)
    ]
    full = len(counted) >= cap.most
    return {
        "cap": cap_words(cap),
        "used": len(counted),
        "full_until": format_instant(counted[-cap.most] + cap.per_ms) if full else None,
    }


def _attribution(one: Attribution) -> dict[str, Any]:
    return {
        "campaign": one.campaign,
        "version": one.version,
        "control_group": one.is_control,
        "actions": one.sent,
        "first_action_at": format_instant(one.from_ms),
        "orders_count_until": format_instant(one.until_ms),
        "told": "preliminary figures" if one.told else "nothing yet",
        "told_next_at": format_instant(one.next_ms),
        "opened": one.opened or None,
        "clicked": one.clicked or None,
        "unsubscribed": one.unsubscribed or None,
    }
