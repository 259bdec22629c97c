"""`cart_reminder`: three reminders of a cart left behind, the last with free delivery."""

from collections.abc import Callable

import pytest

from streams.core.inputs import Item
from tests.core.catalogue import people
from tests.core.catalogue.life import HeldBack, Life, Mail, at, item

NAME = "cart_reminder"
ALL = [
    Mail("day 5, 11:00", "cart_reminder_first"),
    Mail("day 6, 10:00", "cart_reminder_second"),
    Mail("day 8, 10:00", "cart_reminder_last", "free_delivery"),
]
EMPTY: list[Item] = []


def with_cart(life: Life | None = None) -> Life:
    """Somebody fills a cart on day 5 at 10:00, and leaves it."""
    life = life or Life()
    life.cart(at(5), items=[item("TEA"), item("POT")], value_minor=4_000)
    return life


def test_three_reminders_and_the_last_with_free_delivery() -> None:
    life = with_cart().until(40)
    assert life.mail(NAME) == ALL


def test_each_shows_what_is_in_the_cart_and_suggests_nothing_else() -> None:
    life = Life()
    life.cart(at(5), items=[item("TEA"), item("POT")], checkout_url="https://shop.example/c/1")
    life.until(40)
    for action in life.actions(NAME):
        assert action.cart is not None
        assert [one.sku for one in action.cart.items] == ["TEA", "POT"]
        assert action.cart.checkout_url == "https://shop.example/c/1"
        assert action.suggestions == ()


@pytest.mark.parametrize("person", [people.maximizer, people.reverser])
def test_no_free_delivery_for_who_waits_for_offers_or_sends_back(
    person: Callable[[Life], Life],
) -> None:
    life = person(Life())
    life.cart(at(121))
    life.until(130)
    assert life.mail(NAME)[-2:] == [
        Mail("day 122, 10:00", "cart_reminder_second"),
        Mail("day 124, 10:00", "cart_reminder_last"),
    ]


def test_a_spending_limiter_gets_the_budget_offer_instead() -> None:
    life = people.limiter(Life())
    life.cart(at(110), items=[item()])
    life.until(120)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])
    assert len(life.mail("budget_cart_offer")) == 1


def test_who_turns_out_a_spending_limiter_meanwhile_is_reminded_no_more() -> None:
    life = people.loyal(Life())
    life.buys([100], 5_000, cart_id="K-9")
    life.cart(at(110))
    life.until(110, "12:00")
    assert [one.template for one in life.mail(NAME)] == ["cart_reminder_first"]
    # Two of the uneven orders are called off: what is left, and this one, are all of one value.
    for order_id in ("o1", "o2", "o3"):
        life.cancel(at(110, "13:00"), order_id)
    life.buys([110.2], 5_000, cart_id="K-2").buys([110.3], 5_000, cart_id="K-3")
    assert life.member_of("behaviour") == "Spending Limiter"
    life.until(120)
    assert [one.reason for one in life.held_back(NAME)] == ["condition", "condition"]


# -- what ends it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [{"cart_id": "K-1"}, {}])
def test_an_order_of_the_cart_or_of_no_known_cart_ends_it(order: dict[str, str]) -> None:
    life = with_cart().until(5, "12:00")
    life.order(at(5, "12:00"), 4_000, **order)
    life.until(40)
    assert life.mail(NAME) == ALL[:1]
    assert life.called_off(NAME) == ["order_placed"], "the first may not be sent yet"


def test_an_order_of_another_cart_does_not() -> None:
    life = with_cart().until(5, "12:00")
    life.order(at(5, "12:00"), 4_000, cart_id="K-2")
    life.until(8)
    assert [one.template for one in life.mail(NAME)][:2] == [one.template for one in ALL[:2]]


def test_a_change_of_the_cart_starts_the_clock_anew() -> None:
    life = with_cart()
    life.cart(at(5, "10:40"), items=[item("CUP")])
    life.until(40)
    assert [one.when for one in life.mail(NAME)] == [
        "day 5, 11:40",
        "day 6, 10:40",
        "day 8, 10:40",
    ]


def test_a_change_after_a_reminder_takes_that_one_back() -> None:
    life = with_cart()
    life.cart(at(5, "12:00"), items=[item("CUP")])
    assert life.called_off(NAME) == ["cart_changed"]
    life.until(40)
    assert [one.when for one in life.mail(NAME)] == [
        "day 5, 11:00",
        # Too soon for another first one: it could only go out after it is of any use.
        "day 6, 12:00",
        "day 8, 12:00",
    ]
    assert life.held_back(NAME) == [HeldBack("day 5, 13:00", "first", "capped")]


def test_an_emptied_cart_ends_it() -> None:
    life = with_cart()
    life.cart(at(5, "10:30"), items=EMPTY, value_minor=0)
    life.until(40)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


# -- what keeps it from starting -------------------------------------------------------------------


def test_the_shops_own_word_starts_it_at_once_and_counts_from_the_change() -> None:
    life = with_cart()
    life.abandon(at(5, "10:20"))
    assert life.is_in(NAME)
    life.until(40)
    assert life.mail(NAME) == ALL


def test_a_cart_that_the_shop_tells_back_filled_starts_nothing() -> None:
    life = Life()
    life.abandon(at(5), backfill=True)
    life.until(40)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_a_cart_that_was_bought_starts_nothing() -> None:
    life = with_cart()
    life.order(at(5, "10:30"), 4_000, cart_id="K-1")
    life.until(40)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_a_cart_told_more_than_four_hours_late_starts_nothing_and_that_is_said() -> None:
    life = Life()
    life.cart(at(5), received_ms=at(5, "14:01"))
    life.until(40)
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 5, 14:01", "first", "late_event")]


def test_a_start_more_than_four_hours_late_is_not_made() -> None:
    life = with_cart().jump(5, "15:01")
    assert life.held_back(NAME) == [HeldBack("day 5, 15:01", "first", "late_start")]
    assert life.until(40).mail(NAME) == []


def test_a_new_buyer_is_reminded_though_advertising_is_muted() -> None:
    life = people.buyer(Life())
    life.cart(at(5))
    assert life.until(40).mail(NAME) == ALL


# -- among others ----------------------------------------------------------------------------------


def test_it_goes_first_and_others_wait() -> None:
    """Each morning both are there, held by night or for it was too soon: the cart is first."""
    life = Life().buys([0], clock="23:30")
    life.cart(at(1, "23:00"))
    life.until(4, "12:00")
    assert life.mail() == [
        Mail("day 2, 08:00", "cart_reminder_first"),
        Mail("day 3, 08:00", "cart_reminder_second"),
        Mail("day 4, 08:00", "welcome_new_buyer"),
    ]


def test_two_carts_are_never_two_mails_at_once_and_never_four_a_week() -> None:
    life = Life()
    life.cart(at(5), "K-1")
    life.cart(at(5), "K-2")
    life.until(20)
    assert [(one.when, one.template) for one in life.mail(NAME)] == [
        ("day 5, 11:00", "cart_reminder_first"),
        ("day 6, 10:00", "cart_reminder_second"),
        ("day 7, 08:00", "cart_reminder_second"),
    ]
    assert life.held_back(NAME) == [
        HeldBack("day 5, 11:00", "first", "capped"),
        HeldBack("day 8, 10:00", "last", "capped"),
        HeldBack("day 8, 10:00", "last", "capped"),
    ]
