"""When an action may go out: caps, quiet hours, margins, control groups, pauses, steps and variants."""

import json
from typing import Any

import pytest

from streams.core import machine
from streams.core.campaigns.control import is_control, is_held_out
from streams.core.campaigns.guard import Guard
from streams.core.inputs import CustomerUpdated, Item
from streams.core.outputs import ActionRequested
from streams.core.rules import compile_rules
from streams.rules.arming import carry_over, pause, resume
from tests.core.campaign_docs import campaign, enters, on_event, step, variant
from tests.core.story import DAY, HOUR, MINUTE, T0, Story, rules, rules_document

NIGHT = {"quiet_hours": {"starts_minute": 21 * 60, "ends_minute": 8 * 60}}
ONE_PER_16_H = {"caps": [{"per_ms": 16 * HOUR, "most": 1, "channel": None}]}


def thanks(**fields: Any) -> dict[str, Any]:
    return campaign("thanks", [on_event("order.placed")], fields.pop("steps", [step()]), **fields)


def story_of(*campaigns: dict[str, Any], policy: dict[str, Any] | None = None) -> Story:
    return Story(rules(campaigns=list(campaigns), policy=policy or {}))


def times(story: Story) -> list[int]:
    return [at_ms for _, _, at_ms in story.requested]


# -- caps ----------------------------------------------------------------------------------------


def test_beyond_a_cap_an_action_waits_until_it_is_free_again() -> None:
    story = story_of(thanks(), policy=ONE_PER_16_H)
    story.order(T0)
    story.order(T0 + HOUR)
    story.pass_time(T0 + 5 * DAY)
    assert times(story) == [T0, T0 + 16 * HOUR]
    second = story.said(ActionRequested)[1]
    assert (second.due_at_ms, second.decided_at_ms) == (T0 + HOUR, T0 + 16 * HOUR)


def test_what_would_wait_beyond_its_validity_is_dropped_at_once() -> None:
    short = thanks(steps=[step(valid_for_ms=15 * HOUR)])
    story = story_of(short, policy=ONE_PER_16_H)
    story.order(T0)
    story.order(T0 + HOUR - 1)
    assert story.suppressed == [("thanks", "mail", "capped")]


def test_a_campaign_may_drop_instead_of_waiting_or_know_no_cap() -> None:
    for beyond, said in (({"beyond_cap": "drop"}, "capped"), ({"is_capped": False}, None)):
        story = story_of(thanks(**beyond), policy=ONE_PER_16_H)
        story.order(T0)
        story.order(T0 + HOUR)
        assert len(times(story)) == (1 if said else 2)
        assert [reason for _, _, reason in story.suppressed] == ([said] if said else [])


def test_a_cap_of_one_channel_leaves_the_others_open() -> None:
    caps = {"caps": [{"per_ms": DAY, "most": 1, "channel": "email"}]}
    story = story_of(thanks(channels=["email", "webhook"]), policy=caps)
    story.order(T0)
    story.order(T0 + HOUR)
    assert [one.channels for one in story.said(ActionRequested)] == [
        ("email", "webhook"),
        ("webhook",),
    ]


def test_what_waits_is_tested_again_when_it_is_free() -> None:
    story = story_of(thanks(when={"field": "lifetime_order_count", "lt": 3}), policy=ONE_PER_16_H)
    story.order(T0)
    story.order(T0 + HOUR)
    story.order(T0 + 2 * HOUR)
    story.pass_time(T0 + DAY)
    assert len(times(story)) == 1
    assert story.suppressed[-1] == ("thanks", "mail", "condition")


# -- quiet hours ---------------------------------------------------------------------------------


def test_quiet_hours_hold_until_the_customers_morning() -> None:
    story = story_of(thanks(), policy=NIGHT)
    story.take(CustomerUpdated, T0, attributes={"time_zone": "America/New_York"})
    story.order(T0 + 3 * HOUR)  # ten in the evening in New York
    story.pass_time(T0 + DAY)
    assert times(story) == [T0 + 13 * HOUR]


def test_without_a_zone_of_their_own_customers_live_where_the_shop_is() -> None:
    story = story_of(thanks(), policy={**NIGHT, "time_zone": "Europe/Berlin"})
    story.order(T0)
    story.pass_time(T0 + DAY)
    assert times(story) == [T0 + 7 * HOUR]


def test_an_end_while_quiet_holds_means_nothing_is_sent() -> None:
    story = story_of(
        campaign(
            "reminder",
            [on_event("cart.abandoned")],
            [step(after_ms=HOUR)],
            key="cart",
            max_start_delay_ms=4 * HOUR,
        ),
        policy=NIGHT,
    )
    story.cart(T0)
    story.order(T0 + 3 * HOUR, cart_id="K-1")
    story.pass_time(T0 + DAY)
    assert not story.said_anything_to_do


def test_what_ends_in_the_night_is_dropped_and_says_so() -> None:
    story = story_of(thanks(steps=[step(valid_for_ms=8 * HOUR)]), policy=NIGHT)
    story.order(T0)
    assert story.suppressed == [("thanks", "mail", "quiet_hours")]


@pytest.mark.parametrize("free", [{"keeps_quiet_hours": False}, {"channels": ["webhook"]}])
def test_who_disturbs_nobody_keeps_no_quiet_hours(free: dict[str, Any]) -> None:
    story = story_of(thanks(**free), policy=NIGHT)
    story.order(T0)
    assert times(story) == [T0]


# -- offers and mutes ----------------------------------------------------------------------------


def cart_offer(**fields: Any) -> dict[str, Any]:
    return campaign(
        "offer",
        [on_event("cart.abandoned")],
        [step(variants=[variant(offer="discount_10")])],
        key="cart",
        **fields,
    )


def priced(price: int, cost: int | None, category: str | None = None) -> Item:
    return Item(
        "S-1", 1.0, price * 10_000, unit_cost_micro=cost and cost * 10_000, category=category
    )


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (priced(1_000, 810), None),
        (priced(1_000, 811), "S-1 would be left with a margin below 10 %"),
        (priced(1_000, None), "cost or price of S-1 is not known"),
        (priced(1_000, 100, "books"), "books is never discounted"),
        (priced(1_000, 630, "wine"), None),
        (priced(1_000, 631, "wine"), "S-1 would be left with a margin below 30 %"),
    ],
)
def test_no_offer_below_the_margin(item: Item, problem: str | None) -> None:
    offers = json.loads(rules_document())["policy"]["offers"]
    offers |= {"floors_percent": {"wine": 30}, "never_discounted": ["books"]}
    story = story_of(cart_offer(), policy={"offers": offers})
    story.abandon(T0, items=[item])
    assert len(times(story)) == (problem is None)
    assert [reason for _, _, reason in story.suppressed] == (["below_margin"] if problem else [])


def test_a_perk_costs_no_margin() -> None:
    perk = thanks(steps=[step(variants=[variant(offer="free_delivery")])])
    story = story_of(perk)
    story.order(T0)
    assert times(story) == [T0]


def test_a_flag_mutes_tags() -> None:
    muted = {"flag_mutes": [{"scheme": "rfm", "segment": "At Risk", "tags": ["cross_sell"]}]}
    story = story_of(
        campaign("cross", [enters("At Risk")], [step()], tags=["cross_sell"]), policy=muted
    )
    story.order(T0)
    story.pass_time(T0 + 91 * DAY)
    assert story.suppressed == [("cross", "mail", "muted")]


# -- control groups ------------------------------------------------------------------------------


def test_controls_are_a_stable_share_of_each_campaign() -> None:
    ids = [f"C-{number}" for number in range(20_000)]
    mine = {one for one in ids if is_control("a", one, 10)}
    assert 1_850 < len(mine) < 2_150
    others = {one for one in ids if is_control("b", one, 10)}
    assert 140 < len(mine & others) < 260, (
        "groups of two campaigns have nothing to do with each other"
    )
    assert mine < {one for one in ids if is_control("a", one, 20)}
    assert 850 < sum(is_held_out(one, 5) for one in ids) < 1_150
    assert not any(is_control("a", one, 0) for one in ids)


def test_a_control_passes_every_limit_and_is_not_sent_to() -> None:
    control = next(f"C-{n}" for n in range(1_000) if is_control("thanks", f"C-{n}", 10))
    known = rules(campaigns=[thanks(control_percent=10, tags=["cross_sell"])], policy=ONE_PER_16_H)
    story = Story(known, control)
    story.order(T0)
    story.order(T0 + HOUR)
    story.pass_time(T0 + DAY)
    assert [one.is_control for one in story.said(ActionRequested)] == [True, True]
    assert times(story) == [T0, T0 + 16 * HOUR], "controls use up caps"
    assert not story.state.offers, "nobody could answer an offer that was not made"


def test_the_holdout_gets_nothing_of_any_campaign() -> None:
    held = next(f"C-{n}" for n in range(1_000) if is_held_out(f"C-{n}", 5))
    story = Story(rules(campaigns=[thanks()], policy={"holdout_percent": 5}), held)
    story.order(T0)
    assert [one.is_control for one in story.said(ActionRequested)] == [True]


# -- the guard, pauses ---------------------------------------------------------------------------


def text_of(*campaigns: dict[str, Any]) -> str:
    return rules_document(campaigns=list(campaigns), consent_unknown={"email": "allow"})


def test_the_guard_pauses_a_campaign_that_reaches_too_many() -> None:
    flood = {"most": 3, "per_ms": HOUR, "share_percent": 100}
    known = compile_rules(text_of(thanks(flood=flood)), 1)
    guard = Guard(customers=10_000)
    stories = [Story(known, f"C-{number}") for number in range(6)]
    for story in stories:
        story.guard = guard
        story.order(T0)
    assert [len(times(story)) for story in stories] == [1, 1, 1, 0, 0, 0]
    assert [run.waiting for run in stories[5].state.runs] == ["paused"]
    assert guard.tripped == [("thanks", 0)]
    stories[5].pass_time(T0 + 3 * DAY)
    assert stories[5].suppressed == [("thanks", "mail", "paused")], "held until it was too late"


def test_a_share_of_the_customers_is_a_limit_too() -> None:
    guard = Guard(partitions=2, customers=1_000)
    known = compile_rules(
        text_of(thanks(flood={"most": 10_000, "per_ms": HOUR, "share_percent": 10})), 1
    )
    one = known.book.current["thanks"]
    assert sum(guard.admit(one, T0) for _ in range(500)) == 100
    assert not guard.admit(one, T0)


def test_the_span_of_the_guard_rolls() -> None:
    guard = Guard(customers=10_000)
    known = compile_rules(
        text_of(thanks(flood={"most": 12, "per_ms": HOUR, "share_percent": 100})), 1
    )
    one = known.book.current["thanks"]
    assert all(guard.admit(one, T0 + number * 6 * MINUTE) for number in range(200))
    assert not guard.paused


def test_a_person_pauses_and_resumes() -> None:
    """What is held goes out when it goes on, as far as it is still valid."""
    text = pause(text_of(thanks()), "thanks")
    story = Story(compile_rules(text, 1))
    story.order(T0)
    assert not story.said_anything_to_do
    story.rules = compile_rules(resume(text, "thanks"), 2)
    story.outputs += machine.sweep(story.state, story.rules, T0 + HOUR).outputs
    assert times(story) == [T0 + HOUR]


# -- steps ---------------------------------------------------------------------------------------


def test_the_first_variant_that_fits_decides() -> None:
    rich = {"field": "monetary_minor", "ge": 10_000}
    variants = [
        variant(when=rich, template="rich", offer="free_delivery"),
        variant(when={"field": "order_count", "ge": 2}, does="skip", template=""),
        variant(template="other"),
    ]
    story = story_of(thanks(steps=[step(variants=variants)]))
    story.order(T0, 5_000)
    story.order(T0 + DAY, 1_000)
    story.order(T0 + 2 * DAY, 9_000)
    assert [one.template for one in story.said(ActionRequested)] == ["other", "rich"]
    assert not story.suppressed, "a step that is skipped was never to be carried out"


def test_no_variant_for_somebody_is_said() -> None:
    only = [variant(when={"field": "order_count", "ge": 2})]
    story = story_of(thanks(steps=[step(variants=only)]))
    story.order(T0)
    assert story.suppressed == [("thanks", "mail", "no_variant")]


def test_a_variant_can_end_the_run() -> None:
    stop = [variant(when={"field": "order_count", "ge": 1}, does="stop", template=""), variant()]
    story = story_of(
        campaign(
            "two",
            [enters("Potential Loyalists")],
            [step("first"), step("second", DAY, variants=stop), step("third", 2 * DAY)],
        )
    )
    story.order(T0)
    story.pass_time(T0 + 5 * DAY)
    assert [name for _, name, _ in story.requested] == ["first"]
    assert not story.cancelled


def test_a_step_repeats_until_its_rounds_are_over_or_the_run_ends() -> None:
    steps = [step(every_ms=14 * DAY, rounds=4)]
    story = story_of(campaign("news", [enters("Potential Loyalists")], steps))
    story.order(T0)
    story.pass_time(T0 + 80 * DAY)
    assert times(story) == [T0, T0 + 14 * DAY, T0 + 28 * DAY, T0 + 42 * DAY]
    ids = {one.action_id for one in story.said(ActionRequested)}
    assert len(ids) == 4
    again = story_of(campaign("news", [enters("Potential Loyalists")], steps))
    again.order(T0)
    again.cancel(T0 + 20 * DAY, "o1")
    again.pass_time(T0 + 80 * DAY)
    assert times(again) == [T0, T0 + 14 * DAY]


def test_a_step_waits_for_a_local_time_and_a_weekday() -> None:
    """2026-01-01 is a Thursday."""
    monday_nine = step(after_ms=DAY, minute=9 * 60, weekdays=[0])
    story = story_of(campaign("monday", [enters("Potential Loyalists")], [monday_nine]))
    story.take(CustomerUpdated, T0, attributes={"time_zone": "Europe/Berlin"})
    story.order(T0)
    story.pass_time(T0 + 10 * DAY)
    assert times(story) == [T0 + 4 * DAY + 8 * HOUR]


def test_an_exit_by_segment_or_event_ends_a_run_at_once() -> None:
    exits = {
        "events": [{"event": "service.contacted", "when": None}],
        "segments": [{"scheme": "rfm", "segment": "At Risk"}],
        "leaving": False,
    }
    waiting = campaign("w", [on_event("order.placed")], [step(), step("2", 100 * DAY)], exits=exits)
    story = story_of(waiting)
    story.order(T0)
    story.pass_time(T0 + 120 * DAY)
    assert len(times(story)) == 1
    assert not story.state.runs


# -- versions ------------------------------------------------------------------------------------


def test_a_run_keeps_the_version_it_began_with() -> None:
    one = thanks(steps=[step(), step("later", DAY)])
    two = {**thanks(steps=[step(), step("other", 2 * DAY)]), "version": 2}
    before = text_of(one)
    story = Story(compile_rules(before, 1))
    story.order(T0)
    story.rules = compile_rules(carry_over(text_of(two), before), 2)
    story.pass_time(T0 + 3 * DAY)
    assert [name for _, name, _ in story.requested] == ["mail", "later"]
    story.order(T0 + 4 * DAY)
    story.pass_time(T0 + 7 * DAY)
    assert [name for _, name, _ in story.requested][2:] == ["mail", "other"]


def test_a_campaign_that_is_taken_out_ends_its_runs() -> None:
    before = text_of(thanks(steps=[step(), step("later", DAY)]))
    story = Story(compile_rules(before, 1))
    story.order(T0)
    story.rules = compile_rules(carry_over(text_of(), before), 2)
    story.pass_time(T0 + 3 * DAY)
    assert story.suppressed == [("thanks", "step 2", "campaign_changed")]


def test_a_changed_campaign_of_the_same_version_is_refused() -> None:
    with pytest.raises(Exception, match="make it version 2"):
        carry_over(text_of(thanks(priority=3)), text_of(thanks()))
