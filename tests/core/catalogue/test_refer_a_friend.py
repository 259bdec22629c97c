"""`refer_a_friend`: asks those to refer friends who are sure of the shop, never a new buyer."""

from collections.abc import Callable

import pytest

from tests.core.catalogue import people
from tests.core.catalogue.life import HeldBack, Life, Mail, at, base, shop
from tests.core.catalogue.test_loyal_thank_you import loyal_at_once

NAME = "refer_a_friend"
ASK = Mail("day 48, 10:00", NAME)
NOBODY_IS_A = base(value_limits_minor=[9_000_000, 8_000_000])


def heavy(life: Life) -> Life:
    """An A customer with a third order on day 45."""
    return life.buys([0], 15_000).buys([20], 9_000).buys([45], 12_000)


# -- who is asked ----------------------------------------------------------------------------------


def test_an_a_customer_with_three_orders_three_days_after_the_third() -> None:
    life = heavy(Life()).until(100)
    assert (life.member_of("value"), life.mail(NAME)) == ("A", [ASK])
    [action] = life.actions(NAME)
    assert (action.voucher, action.suggestions) == (None, ())


def test_a_loyal_customer_of_whatever_value() -> None:
    life = people.loyal(Life(shop(of=NOBODY_IS_A))).until(100)
    assert (life.member_of("rfm"), life.member_of("value")) == ("Loyal Customers", "C")
    assert len(life.mail(NAME)) == 1


def test_a_champion() -> None:
    """By history told afterwards, so that nobody was asked on the way there."""
    life = Life(shop(of=NOBODY_IS_A))
    for number in range(6):
        life.order(at(number), 9_000 + 500 * number, order_id=f"old{number}", backfill=True)
    assert life.member_of("rfm") == "Champions"
    life.forget().buys([30], 5_000)
    assert life.until(40).mail(NAME) == [Mail("day 33, 10:00", NAME)]


# -- who is not ------------------------------------------------------------------------------------


@pytest.mark.parametrize("total_minor", [5_000, 300_000])
def test_a_new_buyer_never_however_large_the_order(total_minor: int) -> None:
    life = Life().buys([0], total_minor).until(60)
    assert life.member_of("lifecycle") == "New Buyer"
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_a_new_buyer_never_even_where_one_order_makes_loyal() -> None:
    life = Life(shop(loyal_at_once())).buys([0], 300_000).until(60)
    assert life.member_of("rfm") == "Loyal Customers"
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_an_a_customer_with_two_orders_not_yet() -> None:
    life = Life().buys([0, 20], 30_000).until(60)
    assert life.member_of("value") == "A"
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_a_c_customer_with_three_orders_not() -> None:
    life = Life().buys([0, 20, 45], 1_000).until(60)
    assert life.member_of("value") == "C"
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_who_is_no_a_customer_any_more_after_three_days_not() -> None:
    life = heavy(Life())
    life.base_moves(base(number=8, value_limits_minor=[90_000, 40_000]))
    assert life.until(60).mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 48, 10:00", "ask", "condition")]


# -- what ends it ----------------------------------------------------------------------------------


def cancels(life: Life) -> None:
    life.cancel(at(46), "o0")


def sends_back(life: Life) -> None:
    life.give_back(at(46), 100, "o2")


def calls(life: Life) -> None:
    life.contact(at(46))


@pytest.mark.parametrize("happens", [cancels, sends_back, calls])
def test_who_regrets_or_has_a_question_is_not_asked_now(happens: Callable[[Life], None]) -> None:
    life = heavy(Life())
    assert life.is_in(NAME)
    happens(life)
    assert not life.is_in(NAME)
    assert (life.until(60).mail(NAME), life.held_back(NAME)) == ([], [])


def test_who_orders_again_is_all_the_surer() -> None:
    life = heavy(Life()).buys([46], 7_000).until(60)
    assert life.mail(NAME) == [ASK]
    assert life.held_back(NAME) == [HeldBack("day 46, 10:00", "ask", "already_running")]


# -- what keeps it from starting -------------------------------------------------------------------


def test_not_again_within_half_a_year() -> None:
    for day, reasons in ((224, ["re_entry"]), (226, [])):
        life = heavy(Life()).until(60).forget().buys([day], 9_500).until(day + 5)
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == (not reasons)


def test_an_order_told_late_or_back_filled_starts_nothing() -> None:
    late = Life().buys([0], 15_000).buys([20], 9_000)
    late.order(at(45), 12_000, received_ms=at(45, "14:01"))
    assert [one.reason for one in late.held_back(NAME)] == ["late_event"]
    filled = Life().buys([0], 15_000).buys([20], 9_000)
    filled.order(at(45), 12_000, backfill=True)
    for life in (late, filled):
        assert life.member_of("value") == "A"
        assert life.until(60).mail(NAME) == []
