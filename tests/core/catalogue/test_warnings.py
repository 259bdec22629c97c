"""What the sources warn of: messages that some customers must never get."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from streams.core.outputs import ActionRequested
from tests.core.catalogue import people
from tests.core.catalogue.life import (
    DAY,
    HOUR,
    Item,
    Life,
    Mail,
    at,
    base,
    item,
    shop,
)

WIN_BACKS = ("win_back_at_risk", "win_back_lost", "win_back_personal", "sleeper_wake_up")
REFERRALS = ("refer_a_friend", "loyal_review_and_referral")
FLAGGED = {"Promotion Maximizer", "Revenue Reverser"}


# -- seventy customers who do as they please -----------------------------------------------------------

# Enough that each campaign speaks to several, and every invariant below has something to hold for.
CROWD = 70


class Watched(Life):
    """Remembers with each action what the customer had allowed when it was decided."""

    def __init__(self, number: int) -> None:
        super().__init__(customer_id=f"W-{number}")
        self.allowed: list[tuple[int, bool]] = [(at(0, "00:00"), True)]


def item_of(random: Random) -> Item:
    price = random.choice([5.0, 20.0, 80.0])
    return item(
        random.choice(["TEA", "DRESS", "AT-1", "CHAMPIONS-1"]),
        price,
        random.choice([None, price * 0.4, price * 0.8, price * 0.9]),
    )


def something(life: Watched, random: Random, day: float, habit: str) -> None:
    """One thing that a customer of that habit may do."""
    clock = random.choice(["03:10", "10:00", "16:45", "22:30"])
    amount = 5_000 if habit == "even" else random.choice([900, 4_000, 12_000, 40_000])
    coupons = ["X"] if habit == "coupons" or random.random() < 0.1 else []
    kind = random.choices(
        ["order", "cart", "return", "call", "consent", "cancel"], [10, 5, 2, 1, 0.6, 0.4]
    )[0]
    if habit == "returns" and random.random() < 0.4:
        kind = "return"
    if habit == "calls" and random.random() < 0.3:
        kind = "call"
    orders = list(life.state.orders)
    match kind:
        case "order":
            life.order(at(day, clock), amount, coupons=coupons, items=[item_of(random)])
        case "cart":
            life.cart(at(day, clock), f"K-{day}", items=[item_of(random)])
        case "return" if orders:
            chosen = random.choice(orders)
            life.give_back(at(day, clock), life.state.orders[chosen].total_minor * 3 // 4, chosen)
        case "cancel" if orders:
            life.cancel(at(day, clock), random.choice(orders))
        case "call":
            life.contact(at(day, clock), 2_000, complaint=random.random() < 0.5)
        case "consent":
            granted = random.random() < 0.7
            life.consent(at(day, clock), granted=granted)
            life.allowed.append((at(day, clock), granted))


@cache
def crowd() -> tuple[Watched, ...]:
    """Two years of each; the limits of the base move twice."""
    lives = []
    for seed in range(CROWD):
        random, life = Random(seed), Watched(seed)
        life.lives_in(at(0, "00:00"), random.choice(["UTC", "Europe/Berlin", "America/New_York"]))
        habit = random.choice(["even", "coupons", "returns", "returns", "calls", "any", "any"])
        pace = random.choice([3, 12, 30, 60, 150])
        day = random.randrange(60)
        moves = [(200, 8, [60_000, 20_000]), (500, 9, [10_000, 2_000])]
        while day < 730:
            if moves and day >= moves[0][0]:
                moved, number, limits = moves.pop(0)
                life.until(moved).base_moves(base(number=number, value_limits_minor=limits))
            something(life, random, day, habit)
            day += 1 + int(random.expovariate(1 / pace))
            if random.random() < 0.05:
                day += random.choice([100, 200, 400])
        life.until(760)
        lives.append(life)
    return tuple(lives)


def everything() -> Iterator[tuple[Watched, ActionRequested]]:
    """Every action of the crowd, controls too: they pass the same limits."""
    for life in crowd():
        for action in life.actions():
            yield life, action


def is_in(action: ActionRequested, scheme: str, *segments: str) -> bool:
    """Whether the customer was in one of the segments when the action was decided."""
    found = action.segment_context.get(scheme)
    named = found if isinstance(found, list) else [found]
    return not set(segments).isdisjoint(named)


def test_the_crowd_is_worth_watching() -> None:
    said: dict[str, int] = {}
    for _, action in everything():
        said[action.campaign] = said.get(action.campaign, 0) + 1
    assert len(said) == 19, "each campaign spoke to somebody"
    assert min(said.values()) >= 3


# -- "a lot has changed, have a look": a heavy buyer must never hear that (S2) -------------------------


def test_in_the_crowd_no_heavy_buyer_hears_the_sleepers_text() -> None:
    for _, action in everything():
        if action.template == "sleeper_wake_up":
            assert not is_in(action, "value", "A")
            assert not is_in(action, "loyalty", "VIP")
            assert not is_in(action, "rfm", "Champions")


@pytest.mark.parametrize(
    "person", [people.heavy_buyer, people.frequent, people.vip, people.champion]
)
def test_a_heavy_buyer_who_falls_silent_hears_many_things_and_not_that(
    person: Callable[[Life], Life],
) -> None:
    life = person(Life()).forget().until(800)
    assert life.mail(*WIN_BACKS)
    assert life.mail("sleeper_wake_up") == []


# -- a new buyer must not be asked to refer (S2) -------------------------------------------------------


def test_in_the_crowd_no_new_buyer_is_asked_to_refer() -> None:
    for _, action in everything():
        if action.template in REFERRALS:
            assert not is_in(action, "lifecycle", "New Buyer")
        if action.template == "refer_a_friend":
            assert is_in(action, "value", "A") or is_in(
                action, "rfm", "Champions", "Loyal Customers"
            )


def test_the_first_thing_a_new_buyer_hears_is_no_advertising_for_three_weeks() -> None:
    advertising = {name for name, one in shop().book.current.items() if "advertising" in one.tags}
    for life, action in everything():
        started_ms = life.state.starts.get("welcome_new_buyer")
        if started_ms is not None and action.campaign in advertising:
            assert not started_ms <= action.decided_at_ms < started_ms + 21 * DAY


# -- a fixed budget: no cross-selling during or right after the purchase (S3) --------------------------


def test_in_the_crowd_a_spending_limiter_gets_no_cross_selling() -> None:
    rules = shop()
    for _, action in everything():
        if is_in(action, "behaviour", "Spending Limiter"):
            assert "cross_sell" not in rules.book.current[action.campaign].tags
            assert action.campaign != "cart_reminder"
        elif action.campaign == "budget_cart_offer":
            raise AssertionError("only a Spending Limiter gets the budget offer")


def test_a_spending_limiter_gets_the_one_offer_on_the_product_in_the_cart() -> None:
    life = people.limiter(Life()).until(109).forget()
    life.cart(at(110), items=[item("TEA")])
    life.until(140)
    about_products = [one for one in life.actions() if one.cart is not None or one.suggestions]
    [offer] = about_products
    assert offer.template == "budget_cart_offer"
    assert offer.cart is not None
    assert [one.sku for one in offer.cart.items] == ["TEA"]


def test_a_spending_limiter_who_orders_hears_of_no_other_product_afterwards() -> None:
    life = people.limiter(Life()).until(150).forget().buys([150]).until(200)
    assert life.member_of("behaviour") == "Spending Limiter"
    assert [one.template for one in life.actions() if one.suggestions] == []


def test_a_spending_limiter_with_coupons_hears_of_no_other_product_after_the_purchase() -> None:
    life = Life().buys([0], 4_900).buys([32, 64], 5_000, coupons=["X"])
    life.forget().buys([95], 5_100, coupons=["X"]).until(100)
    assert life.member_of("behaviour") == "Promotion Maximizer|Spending Limiter"
    then = [one for one in life.actions() if is_in(one, "behaviour", "Spending Limiter")]
    assert then
    assert [one.template for one in then if one.suggestions] == []


def test_a_spending_limiter_who_sends_back_hears_of_no_other_product_during_the_purchase() -> None:
    life = people.limiter(Life())
    for number in range(3):
        life.give_back(at(96 + number), 1_900, f"o{number + 1}")
    life.give_back(at(99), 1_900, "o0")
    assert life.member_of("behaviour") == "Revenue Reverser|Spending Limiter"
    life.until(109).forget()
    life.cart(at(110), items=[item("DRESS")])
    life.until(110, "12:00")
    assert [one.template for one in life.actions() if one.suggestions] == []


# -- no discount to win back who waits for discounts or sends back (S3) --------------------------------


def test_in_the_crowd_nobody_with_these_flags_is_won_back_with_an_offer() -> None:
    for _, action in everything():
        if is_in(action, "behaviour", *FLAGGED) and (
            action.campaign in WIN_BACKS or action.template == "cart_reminder_last"
        ):
            assert action.voucher is None


def test_a_promotion_maximizer_at_risk_gets_the_word_without_the_offer() -> None:
    life = people.maximizer(Life()).forget().until(300)
    assert life.mail("win_back_at_risk")[0] == Mail("day 130, 10:00", "win_back_at_risk")


def test_a_promotion_maximizer_who_is_lost_gets_no_discount() -> None:
    """Lost after a year, at the instant at which the flag goes, which looks back a year: a perk at most."""
    life = people.maximizer(Life()).forget().until(500)
    assert life.member_of("rfm") == "Lost Customers"
    offers = {one.offer for one in life.mail("win_back_lost") if one.offer is not None}
    vouchers = life.rules.policy.offers.vouchers
    assert all(vouchers[one].is_perk and not vouchers[one].percent for one in offers)


# -- a loyalty bonus goes to top customers only (S2) ---------------------------------------------------


def test_in_the_crowd_the_bonus_goes_to_vips_only() -> None:
    for _, action in everything():
        if action.campaign == "loyalty_bonus":
            assert is_in(action, "loyalty", "VIP")


# -- never an offer that loses money (S3) --------------------------------------------------------------


def test_in_the_crowd_no_offer_loses_money() -> None:
    """A perk costs no margin; ten percent off leaves at least ten of what is paid, on every piece."""
    offered = set()
    for life, action in everything():
        if action.voucher is None:
            continue
        voucher = life.rules.policy.offers.vouchers[action.voucher.name]
        offered.add(voucher.name)
        if voucher.percent:
            assert action.cart is not None
            for one in action.cart.items:
                assert one.unit_price_micro is not None
                assert one.unit_cost_micro is not None
                paid = one.unit_price_micro * (100 - voucher.percent) / 100
                assert paid - one.unit_cost_micro >= 0.1 * paid
        else:
            assert voucher.is_perk
    assert "discount_10" in offered


def test_in_the_crowd_some_offers_were_held_back_for_that() -> None:
    reasons = [one.reason for life in crowd() for one in life.held_back("budget_cart_offer")]
    assert "below_margin" in reasons


# -- and what holds for all of them together -----------------------------------------------------------


def test_in_the_crowd_nobody_is_written_to_twice_in_sixteen_hours_or_four_times_a_week() -> None:
    for life in crowd():
        sent = [one.decided_at_ms for one in life.actions()]
        assert all(later - one >= 16 * HOUR for one, later in pairwise(sent))
        assert all(later - one >= 7 * DAY for one, later in zip(sent, sent[3:], strict=False))


def test_in_the_crowd_nobody_is_disturbed_between_nine_in_the_evening_and_eight() -> None:
    for life, action in everything():
        zone = ZoneInfo(str(life.state.attributes["time_zone"].value))
        local = datetime.fromtimestamp(action.decided_at_ms / 1000, UTC).astimezone(zone)
        assert 8 <= local.hour < 21


def test_in_the_crowd_nobody_is_written_to_without_consent() -> None:
    for life, action in everything():
        known = [granted for at_ms, granted in life.allowed if at_ms <= action.decided_at_ms]
        assert known[-1]


def test_in_the_crowd_reactivations_keep_sixty_days_apart() -> None:
    for life in crowd():
        began = [
            one.decided_at_ms
            for one in life.actions(*WIN_BACKS)
            if one.template != "win_back_lost_survey"
        ]
        # A start is held at most three days, by nights, caps and until ten o'clock.
        assert all(later - one > 57 * DAY for one, later in pairwise(began))


def test_in_the_crowd_every_action_says_until_when_it_is_of_use() -> None:
    for _, action in everything():
        assert action.due_at_ms <= action.decided_at_ms < action.valid_until_ms
