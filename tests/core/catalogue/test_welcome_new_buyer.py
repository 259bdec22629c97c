"""`welcome_new_buyer`: shows a new buyer around and keeps advertising away for three weeks."""

from tests.core.catalogue import people
from tests.core.catalogue.life import ANNA, BERTA, HeldBack, Life, Mail, at

NAME = "welcome_new_buyer"
WELCOME = Mail("day 1, 10:00", NAME)


def test_a_day_after_the_first_order() -> None:
    life = people.buyer(Life()).until(80)
    assert life.mail(NAME) == [WELCOME]
    [action] = life.actions(NAME)
    assert (action.voucher, action.suggestions) == (None, ())


def test_who_only_looks_is_not_welcomed() -> None:
    life = Life()
    life.cart(at(0))
    life.contact(at(1))
    assert life.until(80).mail(NAME) == []


def test_an_order_told_more_than_four_hours_late_starts_nothing_and_that_is_said() -> None:
    life = Life()
    life.order(at(0), received_ms=at(0, "14:01"))
    assert life.until(80).mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 0, 14:01", "welcome", "late_event")]


def test_nobody_is_welcomed_twice() -> None:
    """The first order is called off and the next one is a first order again, a month later."""
    life = people.buyer(Life()).until(5)
    life.cancel(at(5), "o0")
    assert life.member_of("lifecycle") == "Prospect"
    life.buys([40]).until(80)
    assert life.member_of("lifecycle") == "New Buyer"
    assert life.mail(NAME) == [WELCOME]
    assert life.held_back(NAME) == [HeldBack("day 40, 10:00", "welcome", "re_entry")]


def test_a_new_buyer_by_a_cancellation_is_welcomed_no_second_time_either() -> None:
    life = people.buyer(Life()).buys([5])
    life.cancel(at(6), "o1")
    assert life.member_of("lifecycle") == "New Buyer"
    assert life.until(80).mail(NAME) == [WELCOME]


def test_a_new_buyer_by_history_or_merging_is_not_welcomed() -> None:
    filled = Life()
    filled.order(at(0), received_ms=at(10), backfill=True)
    old, merged = Life(customer_id=BERTA), Life(customer_id=ANNA)
    old.order(at(0), received_ms=at(10), backfill=True)
    old.merges_into(merged, at(10))
    for life in (filled, merged):
        assert life.member_of("lifecycle") == "New Buyer"
        assert life.until(80).mail(NAME) == []
    # Nor at the next own order: by then it is a second one.
    filled.buys([81]).until(90)
    assert filled.mail(NAME) == []


# -- what it silences ------------------------------------------------------------------------------


def test_no_advertising_for_three_weeks() -> None:
    """Also after the welcome itself is over; the newsletter of day 15 is left out, that of 29 comes."""
    life = people.buyer(Life()).until(30)
    assert life.held_back("grow_c_to_b")[0] == HeldBack("day 4, 10:00", "cross_sell", "muted")
    nurture = "potential_loyalist_nurture"
    assert life.held_back(nurture) == [HeldBack("day 15, 09:00", "newsletter", "muted")]
    assert [one.when for one in life.mail(nurture)] == ["day 29, 09:00"]


def test_three_weeks_to_the_minute() -> None:
    """The third order with a coupon brings the deal membership two days later: on day 21."""
    for clock, said in (("09:59", []), ("10:00", ["deal_membership"])):
        life = Life().buys([0, 10], coupons=["X"]).buys([19], clock=clock, coupons=["X"])
        assert life.member_of("behaviour") == "Promotion Maximizer"
        life.until(21, "12:00")
        assert [one.template for one in life.mail("deal_membership")] == said


def test_the_silence_is_about_advertising_only() -> None:
    life = people.buyer(Life()).until(20)
    assert [one.template for one in life.mail()] == [NAME, "second_order"]


# -- what ends it ----------------------------------------------------------------------------------


def test_who_orders_again_at_once_needs_no_welcome() -> None:
    life = people.buyer(Life())
    life.order(at(0, "20:00"))
    assert not life.is_in(NAME)
    assert (life.until(80).mail(NAME), life.held_back(NAME)) == ([], [])


def test_who_calls_the_order_off_is_not_welcomed() -> None:
    life = people.buyer(Life())
    life.cancel(at(0, "20:00"), "o0")
    assert not life.is_in(NAME)
    assert (life.until(80).mail(NAME), life.held_back(NAME)) == ([], [])


def test_a_call_or_a_return_of_a_part_does_not_end_it() -> None:
    life = people.buyer(Life())
    life.contact(at(0, "12:00"))
    life.give_back(at(0, "13:00"), 100, "o0")
    assert life.until(80).mail(NAME) == [WELCOME]
