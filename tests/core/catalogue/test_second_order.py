"""`second_order`: product suggestions to who has bought once, two weeks after that."""

from collections.abc import Callable

import pytest

from tests.core.catalogue import people
from tests.core.catalogue.life import BERTA, HeldBack, Life, Mail, at, best_of, item

NAME = "second_order"
SUGGESTIONS = Mail("day 15, 09:00", NAME)


def test_two_weeks_after_the_first_order_at_nine_with_four_suggestions() -> None:
    life = people.buyer(Life(), "08:00").until(80)
    assert life.mail(NAME) == [SUGGESTIONS._replace(when="day 14, 09:00")]
    [action] = life.actions(NAME)
    assert action.suggestions == best_of("Potential Loyalists", 4)


def test_it_is_the_one_offer_in_the_weeks_without_advertising() -> None:
    """Within the three weeks in which a new buyer is left alone."""
    assert people.buyer(Life()).until(20).mail(NAME) == [SUGGESTIONS]


# -- what ends it ----------------------------------------------------------------------------------


def orders(life: Life) -> None:
    life.order(at(10))


def cancels(life: Life) -> None:
    life.cancel(at(10), "o0")


def returns_a_part(life: Life) -> None:
    life.give_back(at(10), 100, "o0")


def returns_all(life: Life) -> None:
    life.give_back(at(10), 5_000, "o0")


@pytest.mark.parametrize("happens", [orders, cancels, returns_a_part, returns_all])
def test_an_order_a_cancellation_or_a_return_ends_it(happens: Callable[[Life], None]) -> None:
    life = people.buyer(Life()).until(9)
    assert life.is_in(NAME)
    happens(life)
    assert not life.is_in(NAME)
    assert (life.until(80).mail(NAME), life.held_back(NAME)) == ([], [])


def test_leaving_the_segment_ends_it() -> None:
    """Merging brings a second order, which is no event of a purchase."""
    old, life = Life(customer_id=BERTA), people.buyer(Life())
    old.order(at(0, "09:00"), order_id="other")
    old.merges_into(life, at(10))
    assert life.member_of("loyalty") == "Loyal Customer"
    assert not life.is_in(NAME)
    assert life.until(80).mail(NAME) == []


def test_a_cart_or_a_call_does_not_end_it() -> None:
    life = people.buyer(Life())
    life.contact(at(5))
    life.cart(at(5), items=[item()])
    assert life.until(80).mail(NAME) == [SUGGESTIONS]


# -- what keeps it from starting -------------------------------------------------------------------


def test_not_again_within_ninety_days() -> None:
    for day, reasons in ((60, ["re_entry"]), (95, [])):
        life = people.buyer(Life()).until(20)
        life.cancel(at(20), "o0")
        life.forget().buys([day]).until(day + 20)
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == (not reasons)


def test_falling_back_to_one_order_is_no_first_order() -> None:
    life = people.buyer(Life()).buys([100])
    life.cancel(at(101), "o1")
    assert life.member_of("loyalty") == "One Time Buyer"
    life.forget().until(140)
    assert life.mail(NAME) == []


def test_an_order_told_more_than_four_hours_late_starts_nothing_and_that_is_said() -> None:
    life = Life()
    life.order(at(0), received_ms=at(0, "14:01"))
    assert life.until(80).mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 0, 14:01", "suggestions", "late_event")]


def test_who_has_one_order_by_back_filled_history_is_not_asked_for_a_second() -> None:
    life = Life()
    life.order(at(0), received_ms=at(10), backfill=True)
    assert life.member_of("loyalty") == "One Time Buyer"
    life.until(100).buys([101]).until(140)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])
