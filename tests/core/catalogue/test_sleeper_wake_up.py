"""`sleeper_wake_up`: "a lot has changed, have a look", which heavy buyers never hear."""

import json

import pytest

from tests.core.catalogue import people
from tests.core.catalogue.life import (
    BERTA,
    DAY,
    HeldBack,
    Life,
    Mail,
    armed,
    at,
    base,
    best_of,
    shop,
)

NAME = "sleeper_wake_up"
LOOK = Mail("day 183, 10:00", NAME)


def quick_to_sleep(days: int) -> str:
    """Rules of a shop in which who has not come for so many days sleeps."""
    rules = json.loads(armed())
    for scheme in rules["schemes"]:
        if scheme["name"] == "lifecycle":
            scheme["sleeper_ms"] = days * DAY
    return json.dumps(rules)


def test_after_twenty_six_weeks_of_silence_with_four_suggestions() -> None:
    life = people.small_pair(Life()).until(260)
    assert life.mail(NAME) == [LOOK]
    [action] = life.actions(NAME)
    assert action.suggestions == best_of("At Risk", 4)
    assert action.voucher is None


def test_a_customer_of_medium_value_hears_it_too() -> None:
    life = Life().buys([0], 10_000).buys([1], 10_000).until(260)
    assert life.member_of("value") == "B"
    assert life.mail(NAME) == [LOOK]


# -- heavy buyers ----------------------------------------------------------------------------------


def test_an_a_customer_never_hears_it() -> None:
    life = Life().buys([0], 20_000).buys([1], 20_000).until(183)
    assert (life.member_of("value"), life.member_of("lifecycle")) == ("A", "Sleeper")
    life.until(400)
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == [], "it is not for them: nothing was held back"


def test_a_vip_never_hears_it() -> None:
    life = people.vip(Life(shop(of=base(value_limits_minor=[90_000, 40_000])))).until(243)
    assert (life.member_of("value"), life.member_of("loyalty")) == ("B", "VIP")
    assert life.member_of("lifecycle") == "Sleeper"
    life.until(420)
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == []


def test_a_champion_never_hears_it_even_where_champions_may_be_silent_for_long() -> None:
    """In a shop whose R falls after a year, a Champion can be asleep by lifecycle."""
    rules = json.loads(armed())
    rules["schemes"][0]["scores"]["r"]["limits"] = [one * DAY for one in (350, 400, 450, 500)]
    of = base(
        value_limits_minor=[900_000, 800_000],
        percentiles={"lifetime_orders": [50] * 99, "lifetime_net_minor": [90_000] * 99},
    )
    life = people.champion(Life(shop(json.dumps(rules), of=of))).until(303)
    assert (life.member_of("rfm"), life.member_of("lifecycle")) == ("Champions", "Sleeper")
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == []


def test_who_becomes_a_heavy_buyer_while_it_is_held_does_not_hear_it() -> None:
    """Asleep at 23:30, held until 08:00; over midnight the limits move and make an A customer."""
    life = people.small_pair(Life(), "23:30").until(184, "00:30")
    assert life.is_in(NAME)
    life.base_moves(base(number=8, value_limits_minor=[5_000, 1_000]))
    assert life.member_of("value") == "A"
    assert life.until(260).mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 184, 08:00", "have_a_look", "condition")]


# -- what starts it, and what does not -------------------------------------------------------------


def test_asleep_by_a_cancellation_starts_nothing() -> None:
    life = people.small_pair(Life()).buys([150]).until(200)
    life.cancel(at(200), "o2")
    assert life.member_of("lifecycle") == "Sleeper"
    assert life.until(260).mail(NAME) == []


def test_asleep_by_new_rules_starts_nothing() -> None:
    life = people.small_pair(Life()).until(100)
    life.rules_change(quick_to_sleep(95))
    assert life.member_of("lifecycle") == "Sleeper"
    assert life.until(260).mail(NAME) == []


def test_asleep_by_back_filled_history_or_a_merger_starts_nothing() -> None:
    filled = Life()
    for day in (0, 1):
        filled.order(at(day), 4_000, received_ms=at(200), backfill=True)
    old, merged = people.small_pair(Life(customer_id=BERTA)).until(200), Life()
    old.merges_into(merged, at(200))
    for life in (filled, merged):
        assert life.member_of("lifecycle") == "Sleeper"
        assert life.until(260).mail(NAME) == []


def test_not_within_thirty_days_of_anything_the_customer_does() -> None:
    for ago, reasons in ((29, ["recent_event"]), (30, [])):
        life = people.small_pair(Life()).until(140)
        life.contact(at(183 - ago))
        life.until(184)
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == (not reasons)


def test_not_while_another_reactivation_runs_or_within_sixty_days_of_it() -> None:
    """Lost on day 180 with one order; "we miss you" and its survey take until day 187."""
    life = people.buyer(Life()).until(260)
    assert len(life.mail("win_back_lost")) == 2
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 182, 10:00", "have_a_look", "group_running")]
    # At Risk on day 91, asleep on day 121.
    closer = Life(shop(quick_to_sleep(120))).buys([0, 1], 4_000).until(140)
    assert [one.reason for one in closer.held_back(NAME)] == ["group_gap"]


@pytest.mark.parametrize(("again", "reasons"), [(110, ["re_entry"]), (240, [])])
def test_not_again_within_half_a_year(again: int, reasons: list[str]) -> None:
    """In a shop where who has not come for 85 days sleeps."""
    life = Life(shop(quick_to_sleep(85))).buys([0, 1], 4_000).until(86)
    assert len(life.mail(NAME)) == 1
    life.buys([again], 1_000).forget().until(again + 86)
    assert [one.reason for one in life.held_back(NAME)] == reasons
    assert len(life.mail(NAME)) == (not reasons)


def test_a_start_more_than_a_week_late_is_not_made() -> None:
    life = people.small_pair(Life()).until(180).jump(191)
    assert [one.reason for one in life.held_back(NAME)] == ["late_start"]


# -- what ends it ----------------------------------------------------------------------------------


def test_an_order_by_night_ends_it() -> None:
    life = people.small_pair(Life(), "23:30").until(183, "23:45")
    assert life.is_in(NAME)
    life.order(at(184, "07:00"))
    assert not life.is_in(NAME)
    assert (life.until(260).mail(NAME), life.held_back(NAME)) == ([], [])


def test_leaving_the_segment_by_night_ends_it() -> None:
    life = people.small_pair(Life(), "23:30").until(183, "23:45")
    life.cancel(at(184, "06:00"), "o0")
    life.cancel(at(184, "07:00"), "o1")
    assert not life.is_in(NAME)
    assert life.until(260).mail(NAME) == []
