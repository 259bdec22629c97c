"""`grow_c_to_b`: what goes with an order, for a C customer who could become a B customer."""

from collections.abc import Callable

import pytest

from tests.core.catalogue import people
from tests.core.catalogue.life import HeldBack, Life, Mail, at, base, best_of, shop

NAME = "grow_c_to_b"
CROSS_SELL = Mail("day 34, 10:00", NAME)


def test_four_days_after_an_order_with_four_suggestions() -> None:
    life = people.second_time_buyer(Life()).until(60)
    assert life.mail(NAME) == [CROSS_SELL]
    [action] = life.actions(NAME)
    assert action.suggestions == best_of("Potential Loyalists", 4)


def test_whether_it_was_answered_is_remembered_of_the_customer() -> None:
    life = people.second_time_buyer(Life()).until(60)
    assert at(34) in life.state.offers


@pytest.mark.parametrize(("total_minor", "value"), [(5_000, "B"), (30_000, "A")])
def test_not_for_who_is_more_than_a_c_customer_by_that_very_order(
    total_minor: int, value: str
) -> None:
    life = people.buyer(Life()).until(20).forget().buys([30], total_minor)
    assert life.member_of("value") == value
    assert (life.until(60).mail(NAME), life.held_back(NAME)) == ([], [])


def test_nobody_is_a_c_customer_before_the_shop_has_counted() -> None:
    life = people.second_time_buyer(Life(shop(of=base(customers=10)))).until(60)
    assert life.member_of("value") is None
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_who_grows_within_the_four_days_needs_it_no_more() -> None:
    life = people.second_time_buyer(Life()).forget().buys([32], 5_000)
    assert life.member_of("value") == "B"
    assert life.until(60).mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 34, 10:00", "cross_sell", "condition")]


def test_another_small_order_does_not_end_it() -> None:
    life = people.second_time_buyer(Life()).buys([32], 500)
    assert life.until(60).mail(NAME) == [CROSS_SELL]


def cancels(life: Life) -> None:
    life.cancel(at(32), "o1")


def sends_back(life: Life) -> None:
    life.give_back(at(32), 100, "o1")


@pytest.mark.parametrize("happens", [cancels, sends_back])
def test_regret_ends_it(happens: Callable[[Life], None]) -> None:
    life = people.second_time_buyer(Life()).forget()
    happens(life)
    assert not life.is_in(NAME)
    assert (life.until(60).mail(NAME), life.held_back(NAME)) == ([], [])


def test_not_again_within_thirty_days() -> None:
    for day, reasons in ((59, ["re_entry"]), (60, [])):
        life = people.second_time_buyer(Life()).until(40).forget().buys([day], 500).until(day + 5)
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == (not reasons)


def test_orders_before_it_has_spoken_are_one_cause() -> None:
    life = people.second_time_buyer(Life()).forget().buys([31], 300).until(60)
    assert life.held_back(NAME) == [HeldBack("day 31, 10:00", "cross_sell", "already_running")]
    assert life.mail(NAME) == [CROSS_SELL]


def test_a_new_buyer_is_left_alone() -> None:
    life = people.buyer(Life()).until(20)
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 4, 10:00", "cross_sell", "muted")]


def test_a_spending_limiter_is_left_alone() -> None:
    life = Life().buys([0, 32, 64, 95], 2_000).until(95, "12:00")
    assert (life.member_of("value"), life.member_of("behaviour")) == ("C", "Spending Limiter")
    life.forget().until(120)
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 99, 10:00", "cross_sell", "muted")]


def test_an_order_told_late_or_back_filled_or_moving_limits_start_nothing() -> None:
    late = people.buyer(Life()).until(40).forget()
    late.order(at(40), 4_000, received_ms=at(40, "14:01"))
    assert [one.reason for one in late.held_back(NAME)] == ["late_event"]
    filled = people.buyer(Life()).until(40).forget()
    filled.order(at(40), 4_000, backfill=True)
    moved = Life().buys([0], 20_000).until(40).forget()
    moved.base_moves(base(number=8, value_limits_minor=[90_000, 40_000]))
    assert moved.member_of("value") == "C"
    for life in (late, filled, moved):
        assert life.until(60).mail(NAME) == []
