"""`return_fit_help`: advice on what fits for a Revenue Reverser, while the cart is being filled."""

from tests.core.catalogue import people
from tests.core.catalogue.life import HeldBack, Life, Mail, at, item

NAME = "return_fit_help"
ADVICE = Mail("day 110, 10:15", NAME)


def with_cart(life: Life | None = None) -> Life:
    """A Revenue Reverser puts a dress and a scarf into the cart on day 110 at 10:00."""
    life = people.reverser(life or Life())
    assert life.member_of("behaviour") == "Revenue Reverser"
    life.until(109).forget()
    life.cart(at(110), items=[item("DRESS"), item("SCARF"), item("NEW")], value_minor=6_000)
    return life


def test_advice_a_quarter_of_an_hour_later_with_how_likely_each_item_comes_back() -> None:
    life = with_cart().until(115)
    assert life.mail(NAME) == [ADVICE]
    [action] = life.actions(NAME)
    assert action.cart is not None
    assert [one.sku for one in action.cart.items] == ["DRESS", "SCARF", "NEW"]
    assert action.cart.return_rates == {"DRESS": 0.65, "SCARF": 0.02}, "of NEW nobody knows yet"
    assert action.suggestions == (), "advice on what is chosen, and no further goods"
    assert action.voucher is None


def test_other_campaigns_do_not_tell_return_rates() -> None:
    life = with_cart().until(115)
    for action in life.actions("cart_reminder"):
        assert action.cart is not None
        assert action.cart.return_rates == {}


def test_nobody_else_gets_advice() -> None:
    life = people.loyal(Life())
    life.cart(at(117))
    life.until(125)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_every_change_of_the_cart_starts_the_quarter_of_an_hour_anew() -> None:
    life = with_cart()
    life.cart(at(110, "10:10"), items=[item("SCARF")])
    life.until(110, "10:24")
    assert life.mail(NAME) == []
    life.until(115)
    assert life.mail(NAME) == [Mail("day 110, 10:25", NAME)]


def test_an_emptied_cart_needs_no_advice() -> None:
    life = with_cart()
    life.cart(at(110, "10:10"), items=[], value_minor=0)
    life.until(115)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_an_order_of_the_cart_or_of_no_known_cart_ends_it() -> None:
    for order in ({"cart_id": "K-1"}, {}):
        life = with_cart()
        life.order(at(110, "10:10"), 2_000, **order)
        assert not life.is_in(NAME)
        life.until(115)
        assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_an_order_of_another_cart_does_not() -> None:
    life = with_cart()
    life.order(at(110, "10:10"), 2_000, cart_id="K-2")
    assert life.until(115).mail(NAME) == [ADVICE]


def test_who_keeps_enough_meanwhile_needs_none() -> None:
    """A large order of another cart, kept so far: what comes back is little of it all."""
    life = with_cart()
    life.order(at(110, "10:10"), 90_000, cart_id="K-2")
    assert life.member_of("behaviour") is None
    life.until(115)
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 110, 10:15", "advice", "condition")]


def test_by_night_and_beyond_the_cap_it_is_left_out() -> None:
    """Advice that comes a day later finds the order placed."""
    life = people.reverser(Life()).forget()
    life.cart(at(110, "23:00"), items=[item("DRESS")])
    life.until(112)
    assert life.held_back(NAME) == [HeldBack("day 110, 23:15", "advice", "quiet_hours")]
    life.forget().cart(at(112, "20:00"), "K-2", items=[item("DRESS")])
    life.until(112, "21:00")
    assert life.held_back(NAME) == [HeldBack("day 112, 20:15", "advice", "capped")]


def test_a_change_told_late_or_back_filled_starts_nothing() -> None:
    for told_late in ({"received_ms": at(112, "14:01")}, {"backfill": True}):
        life = with_cart().until(111).forget()
        life.cart(at(112), "K-2", items=[item("DRESS")], **told_late)
        life.until(112, "20:00")
        assert life.actions(NAME) == []


def test_each_cart_gets_advice_of_its_own() -> None:
    life = with_cart().until(111)
    life.cart(at(112), "K-2", items=[item("DRESS")])
    life.until(113)
    told = [one.cart.cart_id for one in life.actions(NAME) if one.cart is not None]
    assert told == ["K-1", "K-2"]
