"""`potential_loyalist_nurture`: a newsletter every two weeks, with suggestions and points."""

import json

from tests.core.catalogue import people
from tests.core.catalogue.life import HeldBack, Life, Mail, armed, at, base, best_of, shop

NAME = "potential_loyalist_nurture"


def days(life: Life) -> list[str]:
    """When the newsletter came."""
    return [one.when for one in life.mail(NAME)]


def test_every_two_weeks_at_nine_with_points_and_six_suggestions() -> None:
    life = people.back_after_risk(Life()).forget().until(189)
    assert life.mail(NAME) == [
        Mail(f"day {day}, 09:00", NAME, "points") for day in (115, 129, 143, 157, 171, 185)
    ]
    assert {one.suggestions for one in life.actions(NAME)} == {best_of("Potential Loyalists", 6)}


def test_each_newsletter_has_points_of_its_own() -> None:
    life = people.back_after_risk(Life()).forget().until(189)
    keys = [one.voucher.key for one in life.actions(NAME) if one.voucher is not None]
    assert len(set(keys)) == len(keys) == 6


def test_for_a_new_buyer_the_first_is_left_out_and_the_others_come() -> None:
    life = people.buyer(Life()).until(80)
    assert life.held_back(NAME) == [HeldBack("day 15, 09:00", "newsletter", "muted")]
    assert days(life)[:2] == ["day 29, 09:00", "day 43, 09:00"]


def test_it_goes_on_through_orders() -> None:
    life = people.back_after_risk(Life()).forget().buys([120], 1_000).until(160)
    assert life.member_of("rfm") == "Potential Loyalists"
    assert days(life) == ["day 115, 09:00", "day 129, 09:00", "day 143, 09:00", "day 157, 09:00"]


def test_it_ends_upwards() -> None:
    """With the fourth order a Loyal Customer."""
    life = people.back_after_risk(Life()).forget().buys([120, 125], 1_000)
    assert life.member_of("rfm") == "Loyal Customers"
    assert not life.is_in(NAME)
    assert days(life.until(200)) == ["day 115, 09:00"]


def test_it_ends_by_silence_and_the_last_is_called_off() -> None:
    life = people.back_after_risk(Life()).forget().until(300)
    assert life.member_of("rfm") == "At Risk"
    assert days(life)[-1] == "day 185, 09:00"
    assert life.called_off(NAME) == ["left_segment"], "valid until day 192, At Risk on day 190"


def test_it_ends_with_a_cancellation() -> None:
    life = people.buyer(Life()).until(30)
    life.cancel(at(30), "o0")
    assert not life.is_in(NAME)
    assert days(life.until(80)) == ["day 29, 09:00"]


def test_silent_again_and_back_again_it_begins_anew() -> None:
    life = people.back_after_risk(Life()).until(191).buys([200], 1_000).forget().until(230)
    assert days(life) == ["day 215, 09:00", "day 229, 09:00"]


def test_becoming_one_by_history_new_rules_or_moving_limits_waits_for_the_next_order() -> None:
    """Back-filled history started nothing; with the next own order the newsletter begins."""
    life = Life()
    life.order(at(0), 4_000, received_ms=at(50), backfill=True)
    assert life.member_of("rfm") == "Potential Loyalists"
    assert days(life.until(80)) == []
    life.buys([85], 1_000).forget().until(101)
    assert days(life) == ["day 100, 09:00"]


def test_who_has_left_meanwhile_is_not_waited_for() -> None:
    life = Life()
    life.order(at(0), 4_000, received_ms=at(50), backfill=True)
    life.until(95)
    assert life.member_of("rfm") == "At Risk"
    life.buys([96], 1_000).forget().until(112)
    # Entered anew, by an order: that is a start of its own.
    assert days(life) == ["day 111, 09:00"]


def test_an_order_told_more_than_four_hours_late_starts_nothing_and_that_is_said() -> None:
    life = people.buyer(Life()).until(95).forget()
    life.order(at(95), received_ms=at(95, "14:01"))
    assert days(life.until(140)) == []
    assert life.held_back(NAME) == [HeldBack("day 95, 14:01", "newsletter", "late_event")]


def test_a_spending_limiter_gets_none_while_that_lasts() -> None:
    """Four orders of one value in a shop where that is not yet loyal."""
    rules = json.loads(armed())
    rules["schemes"][0]["scores"]["f"]["limits"] = [2, 10, 20, 30]
    life = Life(shop(json.dumps(rules))).buys([0, 32, 64, 95], 2_000).forget().until(130)
    assert life.member_of("behaviour") == "Spending Limiter"
    assert days(life) == []
    assert {one.reason for one in life.held_back(NAME)} == {"muted"}


def test_before_the_first_snapshot_it_comes_without_suggestions() -> None:
    life = people.back_after_risk(Life(shop(of=base(sales=None)))).forget().until(116)
    assert [one.suggestions for one in life.actions(NAME)] == [()]


def test_when_everything_stood_still_for_a_month_one_comes_and_not_three() -> None:
    life = people.back_after_risk(Life()).forget().until(116).jump(160)
    assert days(life) == ["day 115, 09:00", "day 160, 10:00"]
    assert [one.reason for one in life.held_back(NAME)] == ["expired", "expired"]
    assert days(life.until(172)) == ["day 115, 09:00", "day 160, 10:00", "day 171, 09:00"]
