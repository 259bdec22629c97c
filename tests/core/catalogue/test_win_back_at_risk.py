"""`win_back_at_risk`: a personal word to whom silence alone has put at risk."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from streams.core.outputs import ActionCancelled
from tests.core.catalogue import people
from tests.core.catalogue.life import (
    BERTA,
    Life,
    Mail,
    armed,
    at,
    base,
    best_of,
    item,
    shop,
)

NAME = "win_back_at_risk"


def hasty(*days: int) -> str:
    """Rules of a shop in which R falls after so many days."""
    rules = json.loads(armed())
    rules["schemes"][0]["scores"]["r"]["limits"] = [day * 86_400_000 for day in days]
    return json.dumps(rules)


def calls(life: Life, day: float) -> None:
    life.contact(at(day))


def looks(life: Life, day: float) -> None:
    life.cart(at(day), items=[], value_minor=0)


def sends_back(life: Life, day: float) -> None:
    life.give_back(at(day), 1, "o0")


# -- what it says ----------------------------------------------------------------------------------


def test_after_ninety_days_of_silence_free_delivery_and_four_suggestions() -> None:
    life = people.buyer(Life()).until(120)
    assert life.mail(NAME) == [Mail("day 90, 10:00", NAME, "free_delivery")]
    [action] = life.actions(NAME)
    assert action.suggestions == best_of("At Risk", 4), "what others buy who come back from there"
    assert action.segment_context["rfm"] == "At Risk"


def test_nothing_is_suggested_that_the_customer_has() -> None:
    life = Life().buys([0], items=[item("AT-1"), item("AT-3")]).until(120)
    [action] = life.actions(NAME)
    assert action.suggestions == ("AT-2", "AT-4", "AT-5", "AT-6")


def test_before_the_shop_has_counted_its_sales_nothing_is_suggested() -> None:
    life = people.buyer(Life(shop(of=base(sales=None)))).until(120)
    assert [one.suggestions for one in life.actions(NAME)] == [()]


@pytest.mark.parametrize(
    ("person", "silent_from", "offer"),
    [
        (people.buyer, 0, "free_delivery"),
        (people.small_pair, 1, "free_delivery"),
        # An A customer, a Frequent Buyer and a VIP are worth a gift.
        (people.frequent, 95, "gift"),
        (people.vip, 60, "gift"),
        # No special offer to who waits for one, or sends back what came with it.
        (people.maximizer, 40, None),
        (people.reverser, 66, None),
    ],
)
def test_a_special_offer_for_those_who_bought_most(
    person: Callable[[Life], Life], silent_from: int, offer: str | None
) -> None:
    life = person(Life()).forget().until(silent_from + 270)
    [mail] = life.mail(NAME)
    assert (mail.template, mail.offer) == (NAME, offer)


def test_an_a_customer_who_is_no_frequent_buyer_gets_the_gift_too() -> None:
    """Orders eighty days apart: at risk after ninety, and not yet slipping by their own rhythm."""
    life = Life().buys([0, 80, 160], 15_000).until(255)
    assert life.member_of("value") == "A"
    assert life.member_of("lifecycle") == "Active"
    assert life.member_of("loyalty") == "Loyal Customer"
    assert life.mail(NAME) == [Mail("day 250, 10:00", NAME, "gift")]


# -- what starts it, and what does not -------------------------------------------------------------


def test_falling_by_a_cancellation_starts_nothing() -> None:
    life = people.loyal(Life()).until(200)
    assert life.member_of("rfm") == "Loyal Customers"
    life.cancel(at(200), "o1")
    assert life.member_of("rfm") == "At Risk"
    life.until(270)
    assert life.mail(NAME) == []


def test_falling_by_new_rules_starts_nothing_then_and_not_later() -> None:
    life = people.buyer(Life()).until(50)
    life.rules_change(hasty(10, 40, 400, 500))
    assert life.member_of("rfm") == "At Risk"
    life.until(300)
    assert life.mail(NAME) == []


def test_falling_by_back_filled_history_starts_nothing() -> None:
    life = Life()
    life.order(at(0), received_ms=at(100), backfill=True)
    assert life.member_of("rfm") == "At Risk"
    life.until(170)
    assert life.mail(NAME) == []


def test_falling_by_merging_two_accounts_starts_nothing() -> None:
    old, new = people.buyer(Life(customer_id=BERTA)).until(120), Life()
    old.merges_into(new, at(120))
    assert new.member_of("rfm") == "At Risk"
    new.until(170)
    assert new.mail(NAME) == []


@pytest.mark.parametrize("happens", [calls, looks, sends_back])
def test_not_within_thirty_days_of_anything_the_customer_does(
    happens: Callable[[Life, float], Any],
) -> None:
    for ago, reasons in ((29, ["recent_event"]), (30, [])):
        life = people.buyer(Life()).until(80 - ago)
        happens(life, 90 - ago)
        life.until(120)
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == (not reasons)


def test_not_again_within_sixty_days() -> None:
    """In a shop where people buy every few weeks."""
    for again, reasons in ((36, ["re_entry"]), (62, [])):
        life = people.buyer(Life(shop(hasty(10, 34, 400, 500)))).until(35)
        assert len(life.mail(NAME)) == 1
        life.buys([again]).until(again + 35)
        # Orders 36 days apart: their own rhythm, so a personal word for nobody but A and VIP.
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == 2 - len(reasons)


def test_not_within_sixty_days_of_another_reactivation() -> None:
    """The heavy buyer was written to in person when slipping, on day 72 at 04:00."""
    life = people.heavy_buyer(Life()).until(140)
    assert len(life.mail("win_back_personal")) == 1
    # At Risk on day 131 at 10:00, 59 days and some hours later.
    assert life.mail(NAME) == []
    assert [one.reason for one in life.held_back(NAME)] == ["group_gap"]


def test_a_start_more_than_a_week_late_is_not_made() -> None:
    for day, reason in ((97, "expired"), (98, "late_start")):
        life = people.buyer(Life()).until(80).jump(day)
        assert [one.reason for one in life.held_back(NAME)] == [reason]
        assert life.mail(NAME) == []


# -- what ends it ----------------------------------------------------------------------------------


def held_by_night() -> Life:
    """At risk at 23:30, held until 08:00."""
    life = Life().buys([0], clock="23:30").until(90, "23:45")
    assert life.is_in(NAME)
    return life


def test_an_order_by_night_ends_it() -> None:
    life = held_by_night()
    life.order(at(91, "07:00"))
    assert not life.is_in(NAME)
    life.until(120)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_leaving_the_segment_by_night_ends_it() -> None:
    life = held_by_night()
    life.cancel(at(91, "07:00"), "o0")
    assert not life.is_in(NAME)
    assert life.until(120).mail(NAME) == []


def test_a_look_at_the_shop_by_night_keeps_it_silent() -> None:
    life = held_by_night()
    looks(life, 90.9)
    life.until(120)
    assert life.mail(NAME) == []
    assert [one.reason for one in life.held_back(NAME)] == ["recent_event"]


def test_an_order_after_it_calls_off_what_was_not_sent_yet() -> None:
    life = people.buyer(Life()).until(90)
    [action] = life.actions(NAME)
    life.order(at(90, "10:01"))
    assert life.called_off(NAME) == ["order_placed"]
    assert life.said(ActionCancelled)[-1].action_id == action.action_id
