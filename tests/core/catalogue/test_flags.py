"""`deal_membership` and `self_service`: another way of talking to who buys or calls in another way."""

from collections.abc import Callable

import pytest

from tests.core.catalogue import people
from tests.core.catalogue.life import BERTA, HeldBack, Life, Mail, at, base

DEALS = "deal_membership"
HELP = "self_service"
MEMBERSHIP = Mail("day 42, 10:00", DEALS, "club_benefit")
LINKS = Mail("day 53, 10:00", HELP)


# -- the Promotion Maximizer -----------------------------------------------------------------------


def test_a_membership_that_earns_the_discounts_two_days_after_the_flag() -> None:
    life = people.maximizer(Life()).until(100)
    assert life.mail(DEALS) == [MEMBERSHIP]
    [action] = life.actions(DEALS)
    assert action.suggestions == (), "who waits for offers is not to be sold more"
    assert action.voucher is not None
    assert life.rules.policy.offers.vouchers[action.voucher.name].percent == 0, "no discount"


def test_who_buys_at_full_price_gets_none() -> None:
    life = people.loyal(Life()).until(200)
    assert (life.mail(DEALS), life.held_back(DEALS)) == ([], [])


def test_buying_at_full_price_before_it_ends_it() -> None:
    life = people.maximizer(Life()).buys([41], 30_000)
    assert life.member_of("behaviour") is None
    assert not life.is_in(DEALS)
    assert (life.until(100).mail(DEALS), life.held_back(DEALS)) == ([], [])


def test_another_order_with_a_coupon_does_not_end_it() -> None:
    """A fourth order, for which the thanks to a Loyal Customer go first."""
    life = people.maximizer(Life()).buys([41], coupons=["X"])
    assert life.until(100).mail(DEALS) == [MEMBERSHIP._replace(when="day 43, 08:00")]


def test_not_again_within_a_year() -> None:
    """The flag goes with an order at full price and comes back with large ones on coupons."""
    for day, reasons in ((100, ["re_entry"]), (406, [])):
        life = people.maximizer(Life()).until(60).buys([61], 12_000)
        assert life.member_of("behaviour") is None
        life.forget().until(day - 20).buys([day - 10, day - 5], 1, coupons=["X"])
        life.buys([day], 90_000, coupons=["X"])
        assert "Promotion Maximizer" in (life.member_of("behaviour") or "")
        life.until(day + 4)
        assert [one.reason for one in life.held_back(DEALS)] == reasons
        assert len(life.mail(DEALS)) == (not reasons)


def test_a_maximizer_within_the_first_three_weeks_is_left_alone() -> None:
    life = Life().buys([0, 1, 2], 3_000, coupons=["X"]).until(100)
    assert life.mail(DEALS) == []
    assert life.held_back(DEALS) == [HeldBack("day 4, 10:00", "membership", "muted")]


def test_a_flag_that_the_clock_brings_waits_for_the_next_own_order() -> None:
    """An order at full price leaves the year that counts: nobody did anything."""
    life = Life().buys([0], 9_000).buys([30, 60, 90], 3_000, coupons=["X"]).until(360).forget()
    assert life.member_of("behaviour") is None
    life.until(366)
    assert life.member_of("behaviour") == "Promotion Maximizer"
    assert life.until(380).mail(DEALS) == []
    life.buys([381], 3_000, coupons=["X"]).until(390)
    assert life.mail(DEALS) == [Mail("day 383, 10:00", DEALS, "club_benefit")]


# -- the Service Demander --------------------------------------------------------------------------


def test_where_to_help_oneself_the_day_after_the_call_that_was_too_much() -> None:
    life = people.demander(Life()).until(100)
    assert life.mail(HELP) == [LINKS]
    [action] = life.actions(HELP)
    assert (action.voucher, action.suggestions) == (None, ())


def test_who_calls_as_much_and_buys_more_gets_none() -> None:
    life = people.loyal(Life())
    for day in (100, 101, 102):
        life.contact(at(day))
    assert (life.until(200).mail(HELP), life.held_back(HELP)) == ([], [])


def test_an_order_that_pays_for_the_calls_ends_it() -> None:
    life = people.demander(Life())
    life.order(at(52, "18:00"), 20_000)
    assert life.member_of("behaviour") is None
    assert not life.is_in(HELP)
    assert (life.until(100).mail(HELP), life.held_back(HELP)) == ([], [])


def test_another_call_or_a_small_order_does_not() -> None:
    life = people.demander(Life())
    life.contact(at(52, "15:00"))
    life.order(at(52, "18:00"), 100)
    assert life.until(54).mail(HELP) == [LINKS]


def test_not_again_within_half_a_year() -> None:
    for day, reasons in ((200, ["re_entry"]), (240, [])):
        life = people.demander(Life()).until(60).buys([60], 30_000).until(day - 1).forget()
        assert life.member_of("behaviour") is None
        life.contact(at(day), 9_000)
        assert "Service Demander" in (life.member_of("behaviour") or "")
        life.until(day + 2)
        assert [one.reason for one in life.held_back(HELP)] == reasons
        assert len(life.mail(HELP)) == (not reasons)


def by_history(life: Life) -> None:
    for day in (50, 51, 52):
        life.contact(at(day), backfill=True)


def by_merging(life: Life) -> None:
    old = Life(customer_id=BERTA)
    for day in (50, 51, 52):
        old.contact(at(day), contact_id=f"other{day}", backfill=True)
    old.merges_into(life, at(52))


@pytest.mark.parametrize("becomes", [by_history, by_merging])
def test_a_flag_by_history_or_merging_waits_for_the_next_own_order(
    becomes: Callable[[Life], None],
) -> None:
    life = Life().buys([0], 2_000).buys([20], 6_000)
    becomes(life)
    assert life.member_of("behaviour") == "Service Demander"
    assert life.until(60).mail(HELP) == []
    life.buys([61], 100).until(70)
    assert life.mail(HELP) == [Mail("day 62, 10:00", HELP)]


def test_flags_are_not_limits_that_move() -> None:
    """A snapshot moves A, B, C and VIP; nobody becomes a Service Demander by it."""
    life = people.loyal(Life()).until(97).forget()
    life.base_moves(base(number=8, value_limits_minor=[1, 0]))
    assert (life.until(110).mail(DEALS, HELP), life.held_back(DEALS, HELP)) == ([], [])
