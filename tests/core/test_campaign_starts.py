"""What starts a campaign and what must not: segments, events, dates, calendars, and pending entries."""

from typing import Any

import pytest

from streams.core import machine
from streams.core.inputs import CustomerUpdated, OrderPlaced
from streams.core.outputs import ActionRequested
from streams.core.rules import compile_rules
from streams.rules.arming import arm, disarm
from tests.core.campaign_docs import campaign, enters, on_event, schedule, step
from tests.core.story import DAY, HOUR, MINUTE, T0, Story, rules, rules_document

LOYAL = "Potential Loyalists"


def story_of(*campaigns: dict[str, Any], **changes: Any) -> Story:
    return Story(rules(campaigns=list(campaigns), **changes))


def mails(story: Story) -> list[tuple[str, int]]:
    return [(name, at_ms) for name, _, at_ms in story.requested]


# -- segments ------------------------------------------------------------------------------------


def test_entering_by_a_permitted_cause_starts_at_once() -> None:
    story = story_of(campaign("hello", [enters(LOYAL, "event")], [step()]))
    story.order(T0)
    assert mails(story) == [("hello", T0)]
    assert story.said(ActionRequested)[0].cause.kind == "event"


def test_an_entry_is_taken_from_certain_segments_only() -> None:
    back = campaign("back", [{**enters(LOYAL), "from": ["At Risk"]}], [step()])
    story = story_of(back)
    story.order(T0)
    story.order(T0 + 100 * DAY)
    assert mails(story) == [("back", T0 + 100 * DAY)], "not for who came from nowhere"


@pytest.mark.parametrize(("direction", "starts"), [("up", [T0 + 100 * DAY]), ("down", [])])
def test_an_entry_has_a_direction(direction: str, starts: list[int]) -> None:
    story = story_of(
        campaign("moved", [{**enters(LOYAL, direction=direction), "from": ["At Risk"]}], [step()])
    )
    story.order(T0)
    story.order(T0 + 100 * DAY)
    assert [at_ms for _, at_ms in mails(story)] == starts


def test_falling_is_down() -> None:
    story = story_of(campaign("fell", [enters("At Risk", direction="down")], [step()]))
    story.order(T0)
    story.pass_time(T0 + 91 * DAY)
    assert mails(story) == [("fell", T0 + 90 * DAY)]


def test_leaving_a_segment_starts_too() -> None:
    left = {**enters(LOYAL, "clock"), "kind": "leaves"}
    story = story_of(campaign("left", [left], [step()]))
    story.order(T0)
    story.pass_time(T0 + 91 * DAY)
    assert mails(story) == [("left", T0 + 90 * DAY)]


def test_what_a_cause_did_not_permit_is_pending_until_the_next_own_order() -> None:
    """Given an entry by back-fill, when the customer orders live and is still a member."""
    story = story_of(campaign("hello", [enters(LOYAL, "event")], [step()]))
    story.order(T0, backfill=True)
    assert (mails(story), list(story.state.pending)) == ([], ["hello"])
    story.order(T0 + DAY)
    assert mails(story) == [("hello", T0 + DAY)]
    story.order(T0 + 2 * DAY)
    assert len(mails(story)) == 1, "once"


def test_a_pending_entry_ends_with_the_membership() -> None:
    story = story_of(campaign("hello", [enters(LOYAL, "event")], [step()]))
    story.order(T0, backfill=True)
    story.pass_time(T0 + 100 * DAY)
    assert not story.state.pending


def test_only_an_order_redeems_a_pending_entry() -> None:
    story = story_of(campaign("hello", [enters(LOYAL, "event")], [step()]))
    story.order(T0, backfill=True)
    story.cart(T0 + HOUR)
    story.order(T0 + 2 * HOUR, backfill=True)
    assert (mails(story), list(story.state.pending)) == ([], ["hello"])


def test_who_may_start_by_the_clock_alone_is_never_pending() -> None:
    story = story_of(campaign("miss", [enters("At Risk", "clock")], [step()]))
    story.order(T0 - 100 * DAY, received_ms=T0)
    assert (story.segment, story.state.pending) == ("At Risk", {})


def test_new_rules_start_nothing_and_leave_the_entry_pending() -> None:
    """Given limits under which everybody is better, when they come, and then an order."""
    hello = campaign("hello", [enters("Champions", "event")], [step()])
    story = story_of(hello)
    for number in range(3):
        story.order(T0 + number, 40_000)
    story.rules = rules(2, campaigns=[hello], frequency_limits=[1, 2, 3, 4])
    machine_step = machine.sweep(story.state, story.rules, T0 + DAY)
    story.outputs += machine_step.outputs
    assert story.segment == "Champions"
    assert (mails(story), list(story.state.pending)) == ([], ["hello"])
    story.order(T0 + 2 * DAY)
    assert mails(story) == [("hello", T0 + 2 * DAY)]


# -- events, dates, calendars --------------------------------------------------------------------


def test_an_event_starts_where_its_conditions_hold() -> None:
    second = on_event("order.placed", {"field": "order_count", "ge": 2})
    story = story_of(campaign("second", [second], [step()]))
    story.order(T0)
    assert not story.said_anything_to_do, "nothing was held back: it is for others"
    story.order(T0 + DAY)
    assert mails(story) == [("second", T0 + DAY)]


def test_a_late_event_starts_nothing_and_says_so() -> None:
    story = story_of(campaign("thanks", [on_event("order.placed")], [step()]))
    story.order(T0, received_ms=T0 + 4 * HOUR + 1)
    assert story.suppressed == [("thanks", "mail", "late_event")]


def test_a_birthday_is_a_trigger_by_the_customers_clock() -> None:
    birthday = {"kind": "date", "date": "birthday", "minute": 9 * 60}
    story = story_of(campaign("birthday", [birthday], [step()]))
    story.take(
        CustomerUpdated,
        T0,
        attributes={"birth_date": "1990-03-10", "time_zone": "Asia/Tokyo"},
    )
    story.order(T0)
    story.pass_time(T0 + 365 * DAY)
    march_10 = T0 + (31 + 28 + 9) * DAY
    assert mails(story) == [("birthday", march_10)], "nine in Tokyo is midnight in UTC"


def test_the_anniversary_of_the_first_order_comes_every_year() -> None:
    first = {"kind": "date", "date": "first_order", "minute": 60}
    story = story_of(campaign("years", [first], [step()]))
    story.order(T0)
    story.order(T0 + 200 * DAY)
    story.pass_time(T0 + 731 * DAY)
    assert mails(story) == [
        ("years", T0 + HOUR),
        ("years", T0 + 365 * DAY + HOUR),
        ("years", T0 + 730 * DAY + HOUR),
    ]


def test_a_calendar_starts_for_everybody_it_is_for() -> None:
    monthly = schedule("month", 9 * 60, day=1, when={"field": "order_count", "ge": 1})
    story = story_of(campaign("news", [monthly], [step()]))
    story.order(T0 + 10 * DAY)
    story.pass_time(T0 + 60 * DAY)
    assert mails(story) == [
        ("news", T0 + 31 * DAY + 9 * HOUR),
        ("news", T0 + 59 * DAY + 9 * HOUR),
    ]


def test_an_event_at_the_instant_of_the_calendar_starts_it_no_second_time() -> None:
    story = story_of(campaign("news", [schedule("day", 9 * 60)], [step()]))
    story.order(T0)
    story.order(T0 + 9 * HOUR)
    assert mails(story) == [("news", T0 + 9 * HOUR)]
    assert not story.suppressed


def test_seasons_are_the_settings_until_revenue_tells() -> None:
    story = story_of(
        campaign("season", [schedule("quarter", 9 * 60, seasons="strongest")], [step()])
    )
    story.order(T0)
    story.pass_time(T0 + 365 * DAY)
    july, october = T0 + 181 * DAY, T0 + 273 * DAY
    assert mails(story) == [("season", july + 9 * HOUR), ("season", october + 9 * HOUR)]


def test_a_calendar_that_passed_before_the_sweep_is_caught_up_with() -> None:
    """Given rules that came at six and a customer whom the sweep reaches at ten."""
    story = story_of()
    story.order(T0)
    news = campaign("news", [schedule("day", 9 * 60)], [step()])
    six, ten = T0 + DAY + 6 * HOUR, T0 + DAY + 10 * HOUR
    text = rules_document(campaigns=[news], consent_unknown={"email": "allow"})
    story.rules = compile_rules(text, 2, six)
    story.outputs += machine.sweep(story.state, story.rules, ten).outputs
    assert mails(story) == [("news", ten)]
    assert story.said(ActionRequested)[0].due_at_ms == T0 + DAY + 9 * HOUR


# -- arming --------------------------------------------------------------------------------------


def hello_text() -> str:
    return rules_document(
        campaigns=[campaign("hello", [enters(LOYAL)], [step()])],
        consent_unknown={"email": "allow"},
    )


def test_a_campaign_that_is_not_armed_starts_nothing() -> None:
    story = Story(compile_rules(disarm(hello_text(), "hello"), 1))
    story.order(T0)
    assert not story.said_anything_to_do
    assert not story.state.pending


@pytest.mark.parametrize(
    ("members", "present", "coming"),
    [("present", 1, 0), ("future", 0, 1), ("both", 1, 1)],
)
def test_arming_chooses_present_members_coming_ones_or_both(
    members: Any, present: int, coming: int
) -> None:
    before = disarm(hello_text(), "hello")
    known, newcomer = Story(compile_rules(before, 1)), Story(compile_rules(before, 1), "C-2")
    known.order(T0)
    rules_now = compile_rules(arm(before, "hello", members, 2, None), 2)
    known.rules = newcomer.rules = rules_now
    known.outputs += machine.sweep(known.state, rules_now, T0 + DAY).outputs
    newcomer.order(T0 + DAY)
    assert (len(mails(known)), len(mails(newcomer))) == (present, coming)
    known.outputs += machine.sweep(known.state, rules_now, T0 + 2 * DAY).outputs
    assert len(mails(known)) == present, "a second sweep starts it no second time"


def test_a_mute_by_a_run_lasts_as_long_as_it_says() -> None:
    quiet = campaign(
        "welcome",
        [enters(LOYAL, "event")],
        [step()],
        priority=1,
        mutes={"tags": ["advertising"], "for_ms": 21 * DAY},
    )
    advert = campaign("advert", [on_event("order.placed")], [step()], tags=["advertising"])
    story = story_of(quiet, advert)
    story.order(T0)
    story.order(T0 + 21 * DAY - 1)
    story.order(T0 + 21 * DAY)
    assert story.suppressed == [("advert", "mail", "muted")] * 2
    assert mails(story) == [("welcome", T0), ("advert", T0 + 21 * DAY)]


def test_priority_decides_who_is_heard_at_one_instant() -> None:
    caps = {"caps": [{"per_ms": 16 * HOUR, "most": 1, "channel": None}]}
    later = campaign(
        "a_later", [on_event("order.placed")], [step()], priority=60, beyond_cap="drop"
    )
    first = campaign("b_first", [on_event("order.placed")], [step()], priority=10)
    story = story_of(later, first, policy=caps)
    story.order(T0 + MINUTE)
    assert mails(story) == [("b_first", T0 + MINUTE)]
    assert story.suppressed == [("a_later", "mail", "capped")]


def test_orders_are_taken_as_the_kind_they_are() -> None:
    story = story_of(campaign("thanks", [on_event("order.cancelled")], [step()]))
    story.take(OrderPlaced, T0, order_id="o", total_minor=1_000)
    assert not story.said_anything_to_do
    story.cancel(T0 + HOUR, "o")
    assert mails(story) == [("thanks", T0 + HOUR)]
