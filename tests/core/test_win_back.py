"""Campaigns `win_back_at_risk` and `win_back_lost`: started by the clock alone, and by nothing else."""

import json
from typing import Any

import pytest

from streams.core.outputs import ActionRequested
from tests.core.campaign_docs import enters
from tests.core.story import DAY, HOUR, T0, Story, rules, rules_document

AT_RISK = ("win_back_at_risk", "offer")
MISS = ("win_back_lost", "we_miss_you")
SURVEY = ("win_back_lost", "survey")


def campaigns_with(name: str, **changes: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(rules_document())["campaigns"]
    return [{**one, **changes} if one["name"] == name else one for one in found]


def test_a_silent_customer_is_won_back_by_the_clock_alone() -> None:
    story = Story()
    story.order(T0)
    story.pass_time(T0 + 800 * DAY)
    assert story.requested == [
        (*AT_RISK, T0 + 90 * DAY),
        (*MISS, T0 + 180 * DAY),
        (*SURVEY, T0 + 187 * DAY),
    ]
    action = story.said(ActionRequested)[0]
    assert (action.cause.kind, action.due_at_ms) == ("clock", T0 + 90 * DAY)
    assert action.segment_context == {"rfm": "At Risk"}
    assert action.cart is None
    assert action.voucher is not None
    assert action.voucher.name == "free_delivery"


@pytest.mark.parametrize("ago_days", [1, 2, 29])
def test_not_while_the_customer_was_active_lately(ago_days: int) -> None:
    story = Story()
    story.order(T0)
    story.give_back(T0 + (90 - ago_days) * DAY, 1)
    story.pass_time(T0 + 91 * DAY)
    assert (story.requested, story.suppressed) == ([], [(*AT_RISK, "recent_event")])


def test_thirty_quiet_days_are_enough() -> None:
    story = Story()
    story.order(T0)
    story.give_back(T0 + 60 * DAY, 1)
    story.pass_time(T0 + 91 * DAY)
    assert story.requested == [(*AT_RISK, T0 + 90 * DAY)]


def test_entering_at_risk_by_an_event_starts_nothing() -> None:
    story = Story()
    for index in range(4):
        story.order(T0, 10_000, order_id=f"o{index}")
    story.pass_time(T0 + 100 * DAY)
    assert story.segment == "Loyal Customers"
    story.cancel(T0 + 100 * DAY, "o0")
    assert (story.segment, story.changes[-1].cause.kind) == ("At Risk", "event")
    story.pass_time(T0 + 179 * DAY)
    assert not story.said_anything_to_do


def test_a_group_keeps_its_distance() -> None:
    # At Risk at 90 days; the second order is returned, so Lost comes within 60 days of the start.
    story = Story()
    story.order(T0)
    story.order(T0 + 50 * DAY, order_id="o")
    story.pass_time(T0 + 141 * DAY)
    assert story.requested == [(*AT_RISK, T0 + 140 * DAY)]
    story.give_back(T0 + 141 * DAY, 5_000, "o")
    assert story.segment == "At Risk"
    story.pass_time(T0 + 181 * DAY)
    assert story.segment == "Lost Customers"
    assert story.suppressed == [(*MISS, "group_gap")]


def test_re_entry_keeps_its_distance() -> None:
    known = rules(campaigns=campaigns_with("win_back_at_risk", re_entry_ms=180 * DAY))
    story = Story(known)
    for start_day, told in ((0, [AT_RISK]), (100, [AT_RISK]), (280, [AT_RISK, AT_RISK])):
        story.order(T0 + start_day * DAY)
        story.pass_time(T0 + (start_day + 90) * DAY)
        assert [one[:2] for one in story.requested] == told
    assert story.suppressed == [(*AT_RISK, "re_entry")], "100 days after the start at day 90"


def test_never_again_means_never() -> None:
    story = Story(rules(campaigns=campaigns_with("win_back_at_risk", re_entry_ms=None)))
    story.order(T0)
    story.pass_time(T0 + 91 * DAY)
    story.order(T0 + 2_000 * DAY)
    story.pass_time(T0 + 2_091 * DAY)
    assert [one[:2] for one in story.requested].count(AT_RISK) == 1
    assert story.suppressed[-1] == (*AT_RISK, "re_entry")


def test_one_live_run_per_group() -> None:
    grouped = [
        {**one, "group": "reactivation", "group_gap_ms": 0, "quiet_ms": 0}
        for one in json.loads(rules_document())["campaigns"]
    ]
    story = Story(rules(campaigns=grouped))
    story.order(T0)
    story.cart(T0 + 88 * DAY)
    story.pass_time(T0 + 90 * DAY)
    assert story.suppressed == [(*AT_RISK, "group_running")]
    story.pass_time(T0 + 180 * DAY)
    assert story.requested[-1][:2] == MISS


def test_leaving_the_segment_ends_the_run_and_calls_the_action_off() -> None:
    story = Story()
    story.order(T0)
    story.pass_time(T0 + 180 * DAY)
    assert story.requested[-1][:2] == MISS
    story.order(T0 + 181 * DAY)
    assert story.cancelled == ["order_placed"]
    story.pass_time(T0 + 200 * DAY)
    assert SURVEY not in [one[:2] for one in story.requested]
    assert story.suppressed == []


def test_leaving_by_something_else_than_an_order_ends_the_run() -> None:
    story = Story()
    story.order(T0, order_id="o")
    story.pass_time(T0 + 180 * DAY)
    story.cancel(T0 + 181 * DAY, "o")
    assert (story.segment, story.cancelled) == (None, ["left_segment"])
    assert not story.state.runs


def test_a_late_order_that_changes_the_segment_ends_the_run() -> None:
    story = Story()
    story.order(T0)
    story.pass_time(T0 + 180 * DAY)
    story.cart(T0 + 181 * DAY)
    story.order(T0 + 10 * DAY, order_id="o", received_ms=T0 + 182 * DAY, backfill=True)
    story.pass_time(T0 + 190 * DAY)
    assert ("win_back_lost", "survey", "recent_event") not in story.suppressed, "the run has ended"
    assert story.cancelled == ["left_segment"]


def test_an_event_that_leaves_the_segment_alone_holds_the_next_step_back() -> None:
    story = Story()
    story.order(T0)
    story.pass_time(T0 + 180 * DAY)
    story.cart(T0 + 181 * DAY)
    story.pass_time(T0 + 190 * DAY)
    assert (*SURVEY, "recent_event") in story.suppressed


def test_a_late_start_is_suppressed() -> None:
    for late_ms, told in ((7 * DAY - 1, 1), (7 * DAY + 1, 0)):
        story = Story()
        story.order(T0)
        story.pass_time(T0 + 90 * DAY + late_ms, jump=True)
        assert len(story.requested) == told
        if not told:
            assert story.suppressed == [(*AT_RISK, "late_start")]


def test_at_the_end_of_its_validity_an_action_is_expired() -> None:
    story = Story()
    story.order(T0)
    story.pass_time(T0 + 97 * DAY, jump=True)
    assert story.suppressed == [(*AT_RISK, "expired")]


def test_without_consent_it_is_said_and_not_sent() -> None:
    story = Story(rules(consent_unknown={}))
    story.order(T0)
    story.pass_time(T0 + 91 * DAY)
    assert (story.requested, story.suppressed) == ([], [(*AT_RISK, "no_consent")])


def test_a_cart_named_like_a_customer_disturbs_no_win_back() -> None:
    story = Story(rules(campaigns=campaigns_with("win_back_lost", quiet_ms=0)))
    story.order(T0)
    story.pass_time(T0 + 180 * DAY)
    story.cart(T0 + 181 * DAY, "customer")
    assert story.cancelled == []
    story.pass_time(T0 + 188 * DAY)
    assert SURVEY in [one[:2] for one in story.requested]


def test_a_campaign_that_is_gone_from_the_rules_says_so() -> None:
    story = Story()
    story.order(T0)
    story.pass_time(T0 + 180 * DAY)
    story.rules = rules(2, campaigns=[])
    story.pass_time(T0 + 187 * DAY)
    assert story.suppressed == [("win_back_lost", "step 2", "campaign_changed")]
    assert not story.state.runs


def test_an_event_older_than_the_greatest_age_starts_no_campaign_by_event() -> None:
    triggers = [enters("Potential Loyalists", "event")]
    known = rules(campaigns=campaigns_with("win_back_at_risk", triggers=triggers, quiet_ms=0))
    for late_ms, asked in ((4 * HOUR, 1), (4 * HOUR + 1, 0)):
        story = Story(known)
        story.order(T0, received_ms=T0 + late_ms)
        assert len(story.requested) == asked
        if not asked:
            assert story.suppressed == [(*AT_RISK, "late_event")]


def test_priority_decides_at_one_instant() -> None:
    known = rules(
        campaigns=[
            {**one, "quiet_ms": 0, "group": None, "steps": one["steps"][:1]}
            for one in campaigns_with("win_back_at_risk", priority=5)
        ]
    )
    story = Story(known)
    story.order(T0)
    story.cart(T0 + 90 * DAY - HOUR)
    story.pass_time(T0 + 90 * DAY)
    assert [one[0] for one in story.requested] == ["win_back_at_risk", "cart_reminder"]
