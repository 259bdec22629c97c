"""`win_back_personal`: personal contact with a club benefit for heavy buyers who fall silent."""

from collections.abc import Callable

import pytest

from tests.core.catalogue import people
from tests.core.catalogue.life import (
    BERTA,
    HOUR,
    HeldBack,
    Life,
    Mail,
    at,
    base,
    document,
    shop,
)

NAME = "win_back_personal"
# Slipping on day 72 at 04:00, and somebody writes when somebody reads.
CONTACT = Mail("day 72, 10:00", NAME, "club_benefit")
RICHER = base(number=8, value_limits_minor=[90_000, 40_000])


def test_an_a_customer_who_slips_is_contacted_at_ten() -> None:
    life = people.heavy_buyer(Life()).until(72, "09:00")
    assert life.member_of("lifecycle") == "Slipping"
    assert life.mail(NAME) == []
    assert life.until(80).mail(NAME) == [CONTACT]


def test_ten_is_what_the_customers_clock_says() -> None:
    life = Life()
    life.lives_in(at(0, "00:00"), "Europe/Berlin")
    people.heavy_buyer(life).until(80)
    assert life.mail(NAME) == [CONTACT._replace(when="day 72, 09:00")]


def test_a_vip_who_is_no_a_customer_is_contacted_too() -> None:
    life = people.vip(Life(shop(document(), of=RICHER))).until(100)
    assert (life.member_of("loyalty"), life.member_of("value")) == ("VIP", "B")
    assert life.mail(NAME) == [Mail("day 90, 10:00", NAME, "club_benefit")]


def test_a_sleeping_heavy_buyer_is_contacted_and_never_hears_the_sleepers_text() -> None:
    """One order of 450.00: slipping on day 90, a Sleeper on day 182."""
    life = Life().buys([0], 45_000).until(300)
    assert life.mail(NAME) == [
        Mail("day 90, 10:00", NAME, "club_benefit"),
        Mail("day 182, 10:00", NAME, "club_benefit"),
    ]
    assert life.mail("sleeper_wake_up") == []


def test_asleep_without_having_slipped_before() -> None:
    """Orders half a year apart: not slipping by that rhythm, but a Sleeper after 26 weeks."""
    life = Life().buys([0, 170, 340], 15_000).forget().until(540)
    assert life.mail(NAME) == [Mail("day 522, 10:00", NAME, "club_benefit")]
    assert life.mail("sleeper_wake_up") == []


@pytest.mark.parametrize("person", [people.small_pair, people.loyal])
def test_b_and_c_customers_are_not_contacted(person: Callable[[Life], Life]) -> None:
    life = person(Life()).until(360)
    assert life.member_of("value") != "A"
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == []


@pytest.mark.parametrize("coupons", [["X"], []])
def test_no_benefit_for_who_waits_for_offers_or_sends_back(coupons: list[str]) -> None:
    life = Life().buys([0, 20, 41], 20_000, coupons=coupons)
    if not coupons:
        for number in range(3):
            life.give_back(at(41.5), 6_500, f"o{number}")
    life.until(80)
    flag = "Promotion Maximizer" if coupons else "Revenue Reverser"
    assert (life.member_of("value"), life.member_of("behaviour")) == ("A", flag)
    [mail] = life.mail(NAME)
    assert (mail.template, mail.offer) == (NAME, None)


# -- what starts it, and what does not -------------------------------------------------------------


def test_slipping_by_a_cancellation_starts_nothing() -> None:
    life = people.heavy_buyer(Life()).buys([60], 12_000).until(75)
    life.cancel(at(75), "o3")
    assert life.member_of("lifecycle") == "Slipping"
    assert life.until(120).mail(NAME) == []


def test_back_filled_merged_or_ruled_into_slipping_starts_nothing() -> None:
    filled = Life()
    for day in (0, 20, 41):
        filled.order(at(day), 12_000, received_ms=at(80), backfill=True)
    old, merged = people.heavy_buyer(Life(customer_id=BERTA)).until(80), Life()
    old.merges_into(merged, at(80))
    for life in (filled, merged):
        assert life.member_of("lifecycle") == "Slipping"
        assert life.until(120).mail(NAME) == []


def test_becoming_an_a_customer_by_moving_limits_while_slipping_starts_nothing() -> None:
    life = people.heavy_buyer(Life(shop(of=RICHER))).until(75)
    assert life.held_back(NAME) == [], "not for them, so nothing was held back"
    life.base_moves(base(number=9))
    assert life.member_of("value") == "A"
    assert life.until(100).mail(NAME) == []


def test_who_is_no_a_customer_any_more_at_ten_is_not_contacted() -> None:
    life = people.heavy_buyer(Life()).until(72, "06:00")
    life.base_moves(RICHER)
    assert life.until(80).mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 72, 10:00", "contact", "condition")]


def test_thirty_days_of_silence_are_the_least() -> None:
    """Weekly orders: slipping after exactly thirty days, with nothing in between."""
    life = Life().buys([0, 7, 14], 12_000).until(44, "09:59")
    assert life.member_of("lifecycle") == "Active"
    assert life.until(50).mail(NAME) == [Mail("day 44, 10:00", NAME, "club_benefit")]


def test_not_within_thirty_days_of_anything_the_customer_does() -> None:
    life = people.heavy_buyer(Life()).until(43)
    life.contact(at(43))
    life.until(80)
    assert life.mail(NAME) == []
    assert [one.reason for one in life.held_back(NAME)] == ["recent_event"]


def test_not_again_within_ninety_days_though_asleep_by_then() -> None:
    """Slipping on day 72; one order more, and slipping again within ninety days of that."""
    life = people.heavy_buyer(Life()).buys([75], 12_000).until(140)
    assert len(life.mail(NAME)) == 1
    assert [one.reason for one in life.held_back(NAME)] == ["re_entry"]


def test_not_within_sixty_days_of_another_reactivation() -> None:
    """At Risk on day 90; then two orders, and slipping 55 days after that start."""
    life = people.buyer(Life()).until(90)
    assert len(life.mail("win_back_at_risk")) == 1
    life.buys([95, 102, 109], 20_000).until(145)
    assert life.member_of("lifecycle") == "Slipping"
    assert life.mail(NAME) == []
    assert [one.reason for one in life.held_back(NAME)][-1] == "group_gap"


def test_of_two_that_could_start_at_one_instant_the_personal_word_does() -> None:
    """An A customer with one order: Slipping and At Risk after ninety days, to the millisecond."""
    life = Life().buys([0], 45_000).until(120)
    assert [one.template for one in life.mail(NAME, "win_back_at_risk")] == [NAME]
    assert [one.reason for one in life.held_back("win_back_at_risk")] == ["group_running"]


def test_a_start_more_than_a_week_late_is_not_made() -> None:
    life = people.heavy_buyer(Life()).until(70).jump(79, "04:01")
    assert [one.reason for one in life.held_back(NAME)] == ["late_start"]


# -- what ends it ----------------------------------------------------------------------------------


def test_an_order_before_ten_ends_it() -> None:
    life = people.heavy_buyer(Life()).until(72, "09:00")
    assert life.is_in(NAME)
    life.order(at(72, "09:00"), 5_000)
    assert not life.is_in(NAME)
    assert (life.until(80).mail(NAME), life.held_back(NAME)) == ([], [])


def test_leaving_the_segment_before_ten_ends_it() -> None:
    """With one order less there is no rhythm, and nobody slips before ninety days."""
    life = people.heavy_buyer(Life()).until(72, "09:00")
    life.cancel(at(72, "09:00"), "o0")
    assert life.member_of("lifecycle") == "Active"
    assert not life.is_in(NAME)
    assert life.until(72, "12:00").mail(NAME) == []


def test_a_call_before_ten_keeps_it_silent() -> None:
    life = people.heavy_buyer(Life()).until(72, "09:00")
    life.contact(at(72, "08:59") + HOUR // 2)
    assert life.until(80).mail(NAME) == []
    assert [one.reason for one in life.held_back(NAME)] == ["recent_event"]
