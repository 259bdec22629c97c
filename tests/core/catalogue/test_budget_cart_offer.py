"""`budget_cart_offer`: one offer on the product that a Spending Limiter left, and no other."""

from typing import Any

import pytest

from tests.core.catalogue import people
from tests.core.catalogue.life import HeldBack, Item, Life, Mail, armed, at, campaign, item, shop

NAME = "budget_cart_offer"
OFFER = Mail("day 110, 11:00", "budget_cart_offer", "discount_10")


def with_cart(*items: Item, rules: str | None = None) -> Life:
    """A Spending Limiter leaves a cart on day 110 at 10:00."""
    life = people.limiter(Life(shop(rules)))
    assert life.member_of("behaviour") == "Spending Limiter"
    life.until(109).forget()
    life.cart(at(110), items=list(items or [item("TEA")]))
    return life


def policy(**offers: Any) -> str:
    """Rules with other entries of what may be offered."""
    known = {
        "classes": {
            "free_delivery": {"percent": 0, "is_perk": True, "expires_ms": 1},
            "discount_10": {"percent": 10, "is_perk": False, "expires_ms": 1},
        },
        "floor_percent": 10,
        "floors_percent": {},
        "never_discounted": [],
        "without_costs": False,
    }
    campaigns = [campaign(name) for name in (NAME, "cart_reminder")]
    return armed(policy={"offers": {**known, **offers}}, campaigns=campaigns)


def test_one_offer_on_that_very_product_and_nothing_else() -> None:
    life = with_cart().until(140)
    assert life.mail(NAME) == [OFFER]
    [action] = life.actions(NAME)
    assert action.cart is not None
    assert [one.sku for one in action.cart.items] == ["TEA"]
    assert action.suggestions == (), "no cross-selling"
    assert life.mail("cart_reminder") == [], "it comes instead of the reminders"


def test_nobody_else_gets_it() -> None:
    life = people.loyal(Life())
    life.cart(at(117), items=[item()])
    life.until(140)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])
    assert len(life.mail("cart_reminder")) == 3


def test_who_is_no_spending_limiter_an_hour_later_does_not_get_it() -> None:
    life = with_cart()
    life.abandon(at(110, "10:10"))
    life.cancel(at(110, "10:30"), "o1")
    assert life.member_of("behaviour") is None
    life.until(140)
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 110, 11:00", "offer", "condition")]


def test_it_mutes_cross_selling_for_thirty_days_also_once_the_budget_is_gone() -> None:
    """A large order ends the fixed budget, the next makes a Champion, and the programme is muted."""
    for day, said in ((115, []), (141, ["champion_vip"])):
        life = with_cart().until(111)
        life.buys([112], 40_000).buys([day], 30_000).until(day + 3)
        assert life.member_of("rfm") == "Champions"
        assert life.member_of("behaviour") is None
        assert [one.template for one in life.mail("champion_vip")] == said
        reasons = [one.reason for one in life.held_back("champion_vip")]
        assert reasons == ([] if said else ["muted"])


# -- never an offer that loses money -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "is_made"),
    [
        # 20.00 less 10 % are 18.00, of which 10 % must be left: a cost of 16.20 at most.
        ([item(cost=16.20)], True),
        ([item(cost=16.21)], False),
        ([item(cost=8.0), item("POT", 10.0, 8.5)], False),
        ([item(cost=None)], False),
        ([], False),
    ],
)
def test_the_margin_of_every_piece_must_stand(items: list[Item], is_made: bool) -> None:
    life = with_cart(item())
    life.cart(at(110, "10:05"), items=items, value_minor=2_000)
    life.until(140)
    assert len(life.mail(NAME)) == is_made
    if items and not is_made:
        assert life.held_back(NAME) == [HeldBack("day 110, 11:05", "offer", "below_margin")]


@pytest.mark.parametrize(
    ("offers", "is_made"),
    [
        ({}, True),
        ({"never_discounted": ["books"]}, False),
        ({"never_discounted": ["wine"]}, True),
        ({"floors_percent": {"books": 60}}, False),
        ({"floors_percent": {"books": 55}}, True),
        ({"floor_percent": 60}, False),
    ],
)
def test_the_shop_says_what_is_not_discounted(offers: dict[str, Any], is_made: bool) -> None:
    # 20.00 less 10 % at a cost of 8.00 leaves a margin of 55.6 %.
    life = with_cart(item(category="books"), rules=policy(**offers)).until(140)
    assert len(life.mail(NAME)) == is_made
    assert [one.reason for one in life.held_back(NAME)] == ([] if is_made else ["below_margin"])


def test_a_shop_may_do_without_knowing_costs() -> None:
    life = with_cart(item(cost=None), rules=policy(without_costs=True)).until(140)
    assert len(life.mail(NAME)) == 1


# -- what ends it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [{"cart_id": "K-1"}, {}])
def test_the_order_ends_it(order: dict[str, str]) -> None:
    life = with_cart()
    life.abandon(at(110, "10:10"))
    assert life.is_in(NAME)
    life.order(at(110, "10:30"), 5_000, **order)
    life.until(140)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_a_change_of_the_cart_starts_it_anew_and_emptying_ends_it() -> None:
    life = with_cart()
    life.abandon(at(110, "10:10"))
    life.cart(at(110, "10:30"), items=[item("CUP")])
    assert not life.is_in(NAME)
    life.until(110, "11:29")
    assert life.mail(NAME) == []
    life.until(110, "11:30")
    assert len(life.mail(NAME)) == 1
    life.cart(at(111), items=[], value_minor=0)
    assert not life.is_in(NAME)


# -- what keeps it from starting -------------------------------------------------------------------


def test_a_cart_told_late_or_back_filled_starts_nothing() -> None:
    for told_late in ({"received_ms": at(111, "14:01")}, {"backfill": True}):
        life = with_cart(item()).until(110, "10:30")
        life.cart(at(110, "10:40"), items=[], value_minor=0)
        life.abandon(at(111), "K-2", items=[item()], **told_late)
        life.until(140)
        assert life.mail(NAME) == []


def test_a_start_more_than_four_hours_late_is_not_made() -> None:
    life = with_cart().jump(110, "15:01")
    assert life.held_back(NAME) == [HeldBack("day 110, 15:01", "offer", "late_start")]
