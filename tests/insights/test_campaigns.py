"""Campaigns as they stand, dry runs and previews: what they foretell is what the engine then does."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from streams.codec.text import format_instant
from streams.core.campaigns.control import is_control
from streams.core.campaigns.guard import Guard
from streams.core.inputs import (
    CartUpdated,
    ConsentChanged,
    CustomerErased,
    CustomerEvent,
    CustomerUpdated,
    Item,
    ReturnRegistered,
    ServiceContacted,
)
from streams.core.outputs import ActionRequested
from streams.core.rules import compile_rules
from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS
from streams.errors import UsageError
from streams.insights.campaigns import RunTally, Standing, standing_of
from streams.insights.campaigns_check import (
    CHANGED,
    NEW,
    REFUSED,
    REMOVED,
    Difference,
    differences,
    shared_changes,
)
from streams.insights.campaigns_dry_run import DryRun, let_through, scheduled_limit
from streams.insights.campaigns_limits import limit_rows
from streams.insights.campaigns_preview import Preview, preview, rules_alone
from streams.insights.campaigns_trial import armed_rules
from streams.insights.customers import customer_row
from streams.rules.arming import arm, carry_over, pause, resume
from tests.insights.campaigns import (
    NO_EXITS,
    NOW_MS,
    Shop,
    campaign,
    event,
    every_quarter,
    on_event,
    order,
    policy,
    rules_text,
    step,
    unarmed,
)


def dry_run(shop: Shop, name: str = "again", now_ms: int = NOW_MS, examples: int = 9) -> DryRun:
    """Try a campaign out on everybody."""
    found = DryRun(name, examples)
    rules = armed_rules(shop.text, shop.version, name, None, now_ms)
    for state in shop.states():
        found.add(0, state, rules, now_ms)
    return found


def foretell(
    shop: Shop, customer_id: str, name: str = "again", now_ms: int = NOW_MS
) -> tuple[Preview, list[tuple[str, str]]]:
    """Preview a campaign for one customer: all of it, and what happens at which step."""
    rules = armed_rules(shop.text, shop.version, name, None, now_ms)
    alone = rules_alone(shop.text, shop.version + 2, name, None, now_ms)
    found = preview(shop.state(customer_id), rules, alone, name, now_ms)
    return found, [(one.step, one.what) for one in found.looks]


def actions(shop: Shop, name: str = "again") -> list[dict[str, Any]]:
    return [one for one in shop.said("marketing.actions") if one.get("campaign") == name]


def consent(number: int, customer_id: str, days_ago: float) -> ConsentChanged:
    return ConsentChanged(
        **event(number, customer_id, NOW_MS - round(days_ago * DAY_MS)),
        channel="email",
        granted=True,
    )


def cart(number: int, customer_id: str, ago_ms: int, cart_id: str = "K") -> CartUpdated:
    return CartUpdated(
        **event(number, customer_id, NOW_MS - ago_ms),
        cart_id=cart_id,
        value_minor=900,
        items=[Item("S", 1.0)],
    )


# -- dry run -------------------------------------------------------------------------------------

# Customers of every kind, by what a campaign for At Risk would do with them now.
KINDS = ("allowed", "capped", "denied", "muted", "night", "regular")
CONTROL, NIGHT_CONTROL = [f"c{n}" for n in range(1_000) if is_control("again", f"c{n}", 10)][:2]
NAMES = {
    kind: next(f"{kind}{n}" for n in range(1_000) if not is_control("again", f"{kind}{n}", 10))
    for kind in KINDS
}


def mixed_shop(**changes: Any) -> Shop:
    """A shop of them, where `again` is not armed yet and other campaigns have reached some already."""
    text = rules_text(
        campaign(control_percent=10, tags=["advertising"], **changes),
        campaign(
            "carts",
            key="cart",
            triggers=[on_event("cart.abandoned", causes=["clock", "event"])],
            exits=NO_EXITS,
            steps=[step("remind", HOUR_MS)],
        ),
        campaign(
            "complaint",
            triggers=[on_event("service.contacted")],
            exits=NO_EXITS,
            mutes={"tags": ["advertising"], "for_ms": 30 * DAY_MS},
            steps=[step("sorry", 5 * DAY_MS)],
        ),
        consent_unknown={},
        arming=unarmed("again"),
        policy=policy(
            caps=[{"per_ms": 16 * HOUR_MS, "most": 1, "channel": None}],
            quiet_hours={"starts_minute": 21 * 60, "ends_minute": 8 * 60},
        ),
    )
    return Shop(text).live_to(NOW_MS, mixed_events())


def mixed_events() -> list[CustomerEvent]:
    """Orders of a hundred days ago, so that all are At Risk but the regular one."""
    sleepy = [NAMES[kind] for kind in KINDS if kind != "regular"]
    sleepy += [CONTROL, NIGHT_CONTROL]
    events: list[CustomerEvent] = [order(n, one, 100) for n, one in enumerate(sleepy, start=1)]
    events += [consent(50 + n, one, 99) for n, one in enumerate(sleepy) if one != NAMES["denied"]]
    contact = event(70, NAMES["muted"], NOW_MS - DAY_MS)
    # It is two in the morning there.
    events += [
        CustomerUpdated(
            **event(71 + n, one, NOW_MS - 98 * DAY_MS),
            attributes={"time_zone": "America/Los_Angeles"},
        )
        for n, one in enumerate((NAMES["night"], NIGHT_CONTROL))
    ]
    return [
        *events,
        order(60, NAMES["regular"], 5),
        # The reminder of this cart went out half an hour ago, which a cap remembers.
        cart(61, NAMES["capped"], 90 * MINUTE_MS),
        ServiceContacted(**contact, contact_id="s", channel="phone"),
    ]


def test_a_dry_run_counts_every_outcome_with_its_reason() -> None:
    shop = mixed_shop()
    run = dry_run(shop)
    assert (run.customers, run.prospects) == (8, 7)
    assert run.rows() == [
        ("allowed", "", 1),
        ("control", "", 1),
        ("held", "quiet_hours", 2),
        ("held", "capped", 1),
        ("refused", "muted", 1),
        ("refused", "no_consent", 1),
    ]
    assert run.examples["refused", "muted"] == [NAMES["muted"]]
    # Controls are not sent to; who is held is, a little later.
    assert run.reached == {0: 3}
    assert not actions(shop)


def test_a_dry_run_foretells_what_arming_present_members_does() -> None:
    shop = mixed_shop()
    foretold = dry_run(shop).counts
    shop.apply(arm(shop.text, "again", "both", shop.version + 1, None), NOW_MS)
    done: Counter[tuple[str, str]] = Counter()
    for one in actions(shop):
        if one["type"] == "action.suppressed":
            done["refused", one["reason"]] += 1
        else:
            done["control" if one["control_group"] else "allowed", ""] += 1
    for state in shop.states():
        done.update(
            ("held", run.waiting) for run in state.runs if run.campaign == "again" and run.is_live
        )
    assert done == foretold


def test_a_dry_run_tells_whom_an_earlier_start_keeps_out() -> None:
    shop = Shop(rules_text(campaign(steps=[step(), step("later", 9 * DAY_MS)]), policy=policy()))
    shop.live_to(NOW_MS, [order(1, "done", 120), order(2, "busy", 95), order(3, "asleep", 93)])
    assert dry_run(shop).rows() == [("refused", "already_running", 2), ("refused", "re_entry", 1)]


@pytest.mark.parametrize("paused", [True, False])
def test_neither_a_pause_nor_the_guard_changes_a_dry_run(paused: bool) -> None:
    text = rules_text(campaign(), policy=policy(), arming=unarmed("again"))
    shop = Shop(pause(text, "again") if paused else text).live_to(NOW_MS, [order(1, "a", 100)])
    assert dry_run(shop).rows() == [("allowed", "", 1)]


def test_a_dry_run_of_events_and_calendars_counts_who_meets_the_conditions() -> None:
    """Given conditions on a calendar, on a cart and on a birthday, each counts its own customers."""
    seldom = {"field": "order_count", "lt": 2}
    shop = Shop(
        rules_text(
            campaign("quarterly", triggers=[every_quarter(when=seldom)], exits=NO_EXITS),
            campaign(
                "carts",
                key="cart",
                triggers=[on_event("cart.abandoned", causes=["clock"])],
                exits=NO_EXITS,
                max_start_delay_ms=4 * HOUR_MS,
                steps=[step("remind", HOUR_MS)],
            ),
            campaign(
                "birthdays",
                triggers=[{"kind": "date", "date": "birthday", "minute": 540}],
                exits=NO_EXITS,
            ),
            policy=policy(),
            arming=unarmed("quarterly", "carts", "birthdays"),
        )
    )
    born = event(9, "once", NOW_MS - DAY_MS)
    shop.live_to(
        NOW_MS,
        [
            order(1, "once", 3), order(2, "twice", 3), order(3, "twice", 2),
            cart(4, "once", HOUR_MS // 2), cart(5, "twice", 20 * HOUR_MS),
            # A cart that comes behind the order that settled it.
            order(6, "bought", 0.1), replace(
                cart(7, "bought", 3 * HOUR_MS), received_at_ms=NOW_MS - HOUR_MS
            ),
            CustomerUpdated(**born, attributes={"birth_date": "1990-05-01"}),
        ],
    )  # fmt: skip
    assert dry_run(shop, "quarterly").examples == {("allowed", ""): ["bought", "once"]}
    assert dry_run(shop, "carts").examples == {
        ("allowed", ""): ["once"],
        ("refused", "late_start"): ["twice"],
    }
    assert dry_run(shop, "birthdays").examples == {("allowed", ""): ["once"]}


def test_a_dry_run_sees_who_has_come_into_the_segment_by_now() -> None:
    """Given a partition that no tick has reached for a month, then segments are decided for now."""
    shop = Shop(rules_text(campaign(), policy=policy(), arming=unarmed("again")))
    shop.live_to(NOW_MS, [order(1, "a", 70)])
    assert dry_run(shop).rows() == []
    assert dry_run(shop, now_ms=NOW_MS + 30 * DAY_MS).rows() == [("allowed", "", 1)]


def test_the_first_examples_in_order_are_shown() -> None:
    shop = Shop(rules_text(campaign(), policy=policy(), arming=unarmed("again")))
    shop.live_to(NOW_MS, [order(n, f"c{n}", 100) for n in range(1, 8)])
    assert dry_run(shop, examples=3).examples == {("allowed", ""): ["c1", "c2", "c3"]}


# -- the guard -----------------------------------------------------------------------------------


def test_a_scheduled_guard_lets_the_counted_ones_and_a_fifth_more_through() -> None:
    """Whatever partition they are in: each takes an equal share of the limit."""
    reached = {0: 90, 1: 110, 2: 100}
    most = scheduled_limit(reached, 3)
    assert most == 3 * 132
    text = rules_text(campaign(triggers=[every_quarter()], exits=NO_EXITS))
    armed = compile_rules(arm(text, "again", "future", 2, most), 2).book.current["again"]
    guard = Guard(partitions=3, customers=1_000)
    assert [let_through(armed, guard, count, NOW_MS) for count in (110, 132, 140)] == [
        110, 132, 132,
    ]  # fmt: skip
    # What is asked does not count.
    assert let_through(armed, guard, 132, NOW_MS) == 132
    assert scheduled_limit({}, 3) is None


def flooded() -> Shop:
    """A shop of four At Risk, whose guard lets two actions an hour through."""
    few = campaign(flood={"most": 2, "per_ms": HOUR_MS, "share_percent": 100})
    shop = Shop(rules_text(few, policy=policy()))
    return shop.live_to(NOW_MS, [order(n, f"c{n}", 90) for n in range(1, 5)])


def test_the_guards_pause_is_told_until_a_person_resumes() -> None:
    shop = flooded()
    assert len(actions(shop)) == 2
    assert standing(shop) == Standing("future", False, False, (0,))
    assert standing(shop).words == "armed, paused by the guard (partition 0)"
    assert tally(shop).of("again")[0].words == "2 by version 1 (2 paused)"

    shop.apply(resume(shop.text, "again"), NOW_MS)
    assert standing(shop) == Standing("future", False, False, ())
    assert len(actions(shop)) == 4


@pytest.mark.parametrize(
    ("arming", "words"),
    [
        ({}, "armed"),
        ({"armed": False}, "not armed"),
        ({"dry_run": True}, "armed, dry run"),
        ({"paused": True, "armed": False}, "not armed, paused by a person"),
        ({"future": False, "present_since": 7}, "armed for present members only"),
        ({"present_since": 7}, "armed, present members included"),
    ],
)
def test_what_persons_decided_is_said(arming: dict[str, Any], words: str) -> None:
    book = compile_rules(rules_text(campaign(), arming={"again": arming}), 1).book
    assert standing_of(book.current["again"], []).words == words


def test_a_persons_pause_is_not_taken_for_the_guards() -> None:
    shop = Shop(pause(rules_text(campaign(), policy=policy()), "again"))
    assert standing(shop) == Standing("future", False, True, ())


def standing(shop: Shop) -> Standing:
    campaign = compile_rules(shop.text, shop.version).book.current["again"]
    return standing_of(campaign, shop.partitions)


def tally(shop: Shop) -> RunTally:
    found = RunTally()
    for state in shop.states():
        found.add(state)
    return found


def test_runs_are_counted_by_the_version_they_began_with() -> None:
    first = campaign(steps=[step("later", 9 * DAY_MS)])
    shop = Shop(rules_text(first, policy=policy())).live_to(NOW_MS, [order(1, "a", 95)])
    second = {**first, "version": 2}
    shop.apply(carry_over(rules_text(second, policy=policy()), shop.text), NOW_MS)
    shop.live_to(NOW_MS + 3 * DAY_MS, [order(2, "b", 88)])
    found = tally(shop)
    assert found.campaigns == {"again"}
    assert [(one.version, one.runs, one.held) for one in found.of("again")] == [
        (2, 1, {}),
        (1, 1, {}),
    ]
    assert found.of("nothing") == []


# -- preview -------------------------------------------------------------------------------------


def test_a_preview_foretells_each_action_of_the_real_run() -> None:
    """Given three steps by the customer's clock, a preview has their instants, templates, vouchers."""
    steps = [
        step(),
        step("weekly", DAY_MS, minute=9 * 60, weekdays=[3], variants=[
            {"when": None, "does": "act", "template": "second", "offer": "gift"}]),
        step("quiet", 5 * DAY_MS, variants=[
            {"when": None, "does": "skip", "template": "", "offer": None}]),
        step("last", 8 * DAY_MS),
    ]  # fmt: skip
    text = rules_text(campaign(steps=steps), policy=policy(), arming=unarmed("again"))
    shop = Shop(text).live_to(NOW_MS, [order(1, "a", 100)])
    found, told = foretell(shop, "a")
    assert (found.why_not, found.under_way) == ("", False)
    assert told == [
        ("offer", "requested"),
        ("weekly", "requested"),
        ("quiet", "skipped"),
        ("last", "requested"),
    ]
    foretold = [one.said for one in found.looks if isinstance(one.said, ActionRequested)]
    assert foretold[1].voucher is not None
    # Nobody lived through it.
    assert not shop.state("a").runs

    shop.apply(arm(shop.text, "again", "both", shop.version + 1, None), NOW_MS)
    shop.live_to(NOW_MS + 30 * DAY_MS)
    done = [(one["step"], one["template"], one["due_at"]) for one in actions(shop)]
    assert done == [(one.step, one.template, format_instant(one.due_at_ms)) for one in foretold]


def test_a_preview_of_a_run_under_way_is_the_rest_of_it() -> None:
    steps = [step(), step("second", 3 * DAY_MS)]
    shop = Shop(rules_text(campaign(steps=steps), policy=policy()))
    shop.live_to(NOW_MS, [order(1, "a", 92)])
    found, told = foretell(shop, "a")
    assert (found.under_way, found.version, told) == (True, 1, [("second", "requested")])
    assert found.looks[0].at_ms == NOW_MS + DAY_MS


def test_a_preview_tells_what_holds_a_step_and_what_ends_the_run() -> None:
    """Given quiet hours now and a fall to Lost before the second step, then it goes no further."""
    night = policy(quiet_hours={"starts_minute": 9 * 60, "ends_minute": 12 * 60})
    steps = [step(), step("second", 40 * DAY_MS)]
    shop = Shop(rules_text(campaign(steps=steps), policy=night, arming=unarmed("again")))
    # R falls to 2 after 180 days, and who ordered once is then lost.
    shop.live_to(NOW_MS, [order(1, "a", 150)])
    found, told = foretell(shop, "a")
    assert told == [("offer", "held"), ("offer", "requested"), ("", "ends")]
    held, sent, end = found.looks
    assert (held.reason, held.until_ms, sent.at_ms) == (
        "quiet_hours",
        NOW_MS + 2 * HOUR_MS,
        NOW_MS + 2 * HOUR_MS,
    )
    assert [(one.previous, one.current) for one in end.changes] == [("At Risk", "Lost Customers")]


def test_a_preview_says_why_it_does_not_begin() -> None:
    shop = mixed_shop()
    found, told = foretell(shop, NAMES["regular"])
    assert (found.why_not, told) == ("no_trigger", [])
    found, told = foretell(shop, NAMES["muted"])
    # It begins, and its step is refused.
    assert (found.why_not, told) == ("", [("offer", "suppressed")])
    assert found.looks[0].reason == "muted"
    shop = Shop(rules_text(campaign(), policy=policy())).live_to(NOW_MS, [order(1, "a", 100)])
    found, told = foretell(shop, "a")
    assert (found.why_not, told) == ("re_entry", [])


@pytest.mark.parametrize("ago_ms", [HOUR_MS // 4, 2 * HOUR_MS])
def test_a_preview_of_a_cart_leaves_it_once(ago_ms: int) -> None:
    """Given a cart that will be left in a while, or was left already, its steps count from its change."""
    carts = campaign(
        "carts",
        key="cart",
        triggers=[on_event("cart.abandoned", causes=["clock", "event"])],
        exits=NO_EXITS,
        steps=[step("first", HOUR_MS), step("second", DAY_MS)],
    )
    text = rules_text(carts, policy=policy(), arming=unarmed("carts"))
    shop = Shop(text).live_to(NOW_MS, [cart(1, "a", ago_ms)])
    found, told = foretell(shop, "a", "carts")
    assert told == [("first", "requested"), ("second", "requested")]
    changed_ms = NOW_MS - ago_ms
    assert [one.at_ms for one in found.looks] == [
        max(changed_ms + HOUR_MS, NOW_MS),
        changed_ms + DAY_MS,
    ]


def test_a_preview_of_a_calendar_begins_at_its_next_day() -> None:
    text = rules_text(
        campaign(triggers=[every_quarter()], exits=NO_EXITS),
        policy=policy(),
        arming=unarmed("again"),
    )
    shop = Shop(text).live_to(NOW_MS, [order(1, "a", 5)])
    found, told = foretell(shop, "a")
    assert told == [("offer", "requested")]
    assert format_instant(found.looks[0].at_ms) == "2026-04-01T09:00:00.000Z"


def test_a_preview_of_a_control_is_one() -> None:
    found, told = foretell(mixed_shop(), CONTROL)
    assert told == [("offer", "requested")]
    said = found.looks[0].said
    assert isinstance(said, ActionRequested)
    assert said.is_control


def test_other_campaigns_stand_still_in_a_preview_and_keep_their_group() -> None:
    other = campaign("other", priority=1, group="g", steps=[step("later", 3 * DAY_MS)])
    mine = campaign(group="g")
    shop = Shop(rules_text(other, mine, policy=policy(), arming=unarmed("again")))
    shop.live_to(NOW_MS, [order(1, "a", 91)])
    assert [run.campaign for run in shop.state("a").runs] == ["other"]
    assert foretell(shop, "a")[0].why_not == "group_running"
    free = campaign(steps=[step(), step("second", 5 * DAY_MS)])
    shop.apply(rules_text(other, free, policy=policy(), arming=unarmed("again")), NOW_MS)
    assert foretell(shop, "a")[1] == [("offer", "requested"), ("second", "requested")]


# -- check ---------------------------------------------------------------------------------------


def test_differences_tell_new_changed_removed_and_refused_campaigns() -> None:
    kept, gone = campaign("kept"), campaign("gone")
    before = rules_text(kept, gone, campaign("better"), campaign("sloppy"))
    after = rules_text(
        kept,
        campaign("better", version=2, priority=3),
        campaign("sloppy", quiet_ms=DAY_MS),
        campaign("fresh"),
    )
    assert differences(before, after) == [
        Difference("better", CHANGED, 1, 2, ("priority", "version")),
        Difference("fresh", NEW, None, 1),
        Difference("gone", REMOVED, 1, None),
        Difference("sloppy", REFUSED, 1, 1, ("quiet_ms",)),
    ]
    # What is called refused is what journaling refuses, and nothing else is.
    with pytest.raises(UsageError, match="campaign sloppy has changed and is version 1"):
        carry_over(after, before)
    carry_over(rules_text(kept, campaign("better", version=2, priority=3)), before)
    assert [one.change for one in differences(None, after)] == [NEW] * 4


def test_changed_limits_on_all_campaigns_are_named() -> None:
    before = rules_text(policy=policy())
    after = rules_text(policy=policy(holdout_percent=5), consent_unknown={})
    assert shared_changes(before, after) == ["policy.holdout_percent", "consent_unknown.email"]
    assert shared_changes(before, before) == shared_changes(None, after) == []


def test_limits_are_told_as_they_hold_for_one_campaign() -> None:
    text = rules_text(
        campaign(tags=["cross_sell"], channels=["email", "webhook"]),
        policy=policy(
            caps=[
                {"per_ms": DAY_MS, "most": 2, "channel": None},
                {"per_ms": DAY_MS, "most": 1, "channel": "sms"},
            ],
            flag_mutes=[{"scheme": "rfm", "segment": "Champions", "tags": ["cross_sell"]}],
        ),
    )
    rules = compile_rules(arm(text, "again", "future", 2, 123), 2)
    told = dict(limit_rows(rules.book.current["again"], rules.policy))
    assert told["consent where unknown"] == "email allow, webhook needs none"
    assert told["caps"] == "2 per 1d; beyond them held until there is room"
    assert told["muted"] == "for Champions (cross_sell)"
    assert told["quiet hours"] == "none"
    assert told["guard"].startswith("pauses beyond 123 actions in 1h")


# -- erasure -------------------------------------------------------------------------------------


def test_an_erased_customer_is_in_no_export_and_in_no_dry_run() -> None:
    """Given an erasure, then nobody is left to reach; and what comes later does not tell the past."""
    text = rules_text(campaign(), policy=policy(), arming=unarmed("again"))
    shop = Shop(text)
    erased = CustomerErased(**event(2, "a", NOW_MS - DAY_MS))
    shop.live_to(NOW_MS - 1, [order(1, "a", 100), order(3, "b", 100), erased])
    assert [one.customer_id for one in shop.states()] == ["b"]
    assert dry_run(shop).examples == {("allowed", ""): ["b"]}

    back = ReturnRegistered(**event(4, "a", NOW_MS), return_id="r", amount_minor=100)
    shop.live_to(NOW_MS, [back])
    state, rules = shop.state("a"), compile_rules(shop.text, 1)
    assert state.memberships["rfm"].previous == "At Risk"
    row = customer_row(state, rules, NOW_MS)
    assert row is not None
    assert (row.last_order_at, row.lifetime_order_count, row.rfm_segment) == (None, 0, None)
    assert (row.rfm_previous, row.rfm_since, row.memberships) == (None, None, ())
