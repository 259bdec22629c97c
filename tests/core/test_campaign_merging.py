"""Campaigns of two customers who are one person: each goes on once, and the merge itself sends nothing."""

from streams.core.inputs import CustomerMerged
from streams.core.outputs import Forwarded
from streams.core.rules import Rules
from tests.core.campaign_docs import campaign, enters, on_event, step
from tests.core.story import DAY, HOUR, T0, Story, rules


def campaign_rules() -> Rules:
    nurture = campaign(
        "nurture",
        [enters("Potential Loyalists", "event")],
        [step(), step("again", 10 * DAY), step("last", 20 * DAY)],
        exits={"events": [], "segments": [], "leaving": False},
        group="mail",
    )
    other = {**nurture, "name": "other", "triggers": [on_event("order.cancelled")]}
    return rules(
        campaigns=[nurture, other],
        policy={"caps": [{"per_ms": 7 * DAY, "most": 2, "channel": None}]},
    )


def merged_stories(target: Story, source: Story, at_ms: int) -> None:
    """Let the source go over into the target, as two partitions would."""
    source.take(CustomerMerged, at_ms, into_customer_id=target.state.customer_id)
    [forwarded] = source.said(Forwarded)
    forwarded.event.received_at_ms = at_ms
    target.replay(forwarded.event)


def test_a_run_goes_on_at_the_target_and_nothing_fires_at_the_merge() -> None:
    known = campaign_rules()
    target, source = Story(known, "T"), Story(known, "S")
    source.order(T0)
    source.order(T0 + DAY)
    merged_stories(target, source, T0 + 5 * DAY)
    assert not target.requested
    target.pass_time(T0 + 30 * DAY)
    source.pass_time(T0 + 30 * DAY)
    assert [name for _, name, _ in source.requested] == ["mail"]
    assert [name for _, name, _ in target.requested] == ["again", "last"]


def test_one_run_per_campaign_and_group_is_left() -> None:
    known = campaign_rules()
    target, source = Story(known, "T"), Story(known, "S")
    target.order(T0)
    source.order(T0)
    merged_stories(target, source, T0 + DAY)
    assert [run.campaign for run in target.state.runs] == ["nurture"]
    target.pass_time(T0 + 30 * DAY)
    assert len(target.requested) == 3


def test_what_both_were_sent_uses_up_the_caps_of_one() -> None:
    known = campaign_rules()
    target, source = Story(known, "T"), Story(known, "S")
    target.order(T0)
    source.order(T0)
    merged_stories(target, source, T0 + DAY)
    assert len(target.state.sent) == 2
    target.order(T0 + 2 * DAY, order_id="x")
    target.cancel(T0 + 2 * DAY, "x")
    assert not target.requested[1:]


def test_carts_pending_entries_and_open_accounts_go_over() -> None:
    known = campaign_rules()
    target, source = Story(known, "T"), Story(known, "S")
    source.order(T0, backfill=True)
    source.cart(T0 + HOUR)
    merged_stories(target, source, T0 + HOUR)
    assert (list(target.state.pending), list(target.state.carts)) == (["nurture"], ["K-1"])
    assert not (source.state.carts or source.state.pending or source.state.runs)
