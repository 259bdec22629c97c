"""`loyalty_bonus` and `season_opener`: once a quarter by the shop's calendar, once they are armed."""

import json
from collections.abc import Callable

import pytest

from streams.core.population.products import Quarter
from streams.rules import arming
from tests.core.catalogue import people
from tests.core.catalogue.life import (
    SEASONAL,
    HeldBack,
    Life,
    Mail,
    armed,
    at,
    base,
    best_of,
    campaign,
    document,
    item,
    sales,
    shop,
)

BONUS = "loyalty_bonus"
OPENER = "season_opener"
EVERYBODY_IS_A = base(number=8, value_limits_minor=[1, 0])


# -- the bonus -------------------------------------------------------------------------------------


def test_a_vip_gets_points_each_quarter_at_nine() -> None:
    life = people.vip(Life()).until(370)
    assert life.member_of("loyalty") == "VIP"
    assert life.mail(BONUS) == [
        Mail(f"day {day}, 09:00", BONUS, "points") for day in (90, 181, 273, 365)
    ]


@pytest.mark.parametrize(
    "person",
    [people.buyer, people.small_pair, people.heavy_buyer, people.frequent, people.champion],
)
def test_nobody_else_gets_it_and_nothing_is_said_of_them(person: Callable[[Life], Life]) -> None:
    life = person(Life()).until(370)
    assert life.member_of("loyalty") != "VIP"
    assert (life.mail(BONUS), life.held_back(BONUS)) == ([], [])


def test_who_is_no_vip_any_more_when_night_is_over_gets_none() -> None:
    """In New York the first hour of the quarter's bonus is four in the morning."""
    life = Life()
    life.lives_in(at(0, "00:00"), "America/New_York")
    people.vip(life).until(90, "09:30")
    assert life.is_in(BONUS)
    life.base_moves(
        base(number=8, percentiles={"lifetime_orders": [9] * 99, "lifetime_net_minor": [1] * 99})
    )
    life.until(100)
    assert life.mail(BONUS) == []
    assert life.held_back(BONUS) == [HeldBack("day 90, 12:00", "bonus", "condition")]


def test_nothing_that_a_vip_does_ends_it() -> None:
    life = Life()
    life.lives_in(at(0, "00:00"), "America/New_York")
    people.vip(life).until(90, "09:30")
    life.order(at(90, "10:00"), 1_000)
    assert life.until(100).mail(BONUS) == [Mail("day 90, 12:00", BONUS, "points")]


def test_nine_is_what_the_shops_clock_says() -> None:
    """In Berlin it is summer time by 1 April, and winter time by 1 January."""
    rules = armed(policy={"time_zone": "Europe/Berlin"})
    life = people.vip(Life(shop(rules))).until(370)
    assert [one.when for one in life.mail(BONUS)] == [
        "day 90, 07:00",
        "day 181, 07:00",
        "day 273, 07:00",
        "day 365, 08:00",
    ]


# -- the opener ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "segment", "offer"),
    [
        (people.champion, "Champions", "early_access"),
        (people.loyal, "Loyal Customers", "club_benefit"),
        (lambda life: life.buys([150]), "Potential Loyalists", "points"),
        (people.small_pair, "At Risk", "free_delivery"),
        (people.buyer, "Lost Customers", "free_delivery"),
    ],
)
def test_an_offer_by_segment_with_what_that_segment_buys_in_the_season(
    person: Callable[[Life], Life], segment: str, offer: str
) -> None:
    life = person(Life()).forget().until(185)
    assert life.mail(OPENER)[0] == Mail("day 181, 09:00", OPENER, offer)
    [action] = life.actions(OPENER)
    assert life.member_of("rfm") == segment
    assert action.suggestions == best_of(segment, 8)


def test_no_offer_to_who_waits_for_one_or_sends_back() -> None:
    for person in (people.maximizer, people.reverser):
        life = person(Life()).until(180, "08:00").forget().until(300)
        assert life.member_of("rfm") == "At Risk"
        assert life.mail(OPENER) == [
            Mail("day 181, 09:00", OPENER),
            Mail("day 273, 09:00", OPENER),
        ]


def test_who_has_not_bought_yet_gets_the_season_and_no_offer() -> None:
    life = Life().until(185)
    assert life.mail(OPENER) == [Mail("day 181, 09:00", OPENER)]
    assert life.actions(OPENER)[0].suggestions == ()


def test_nothing_is_suggested_that_the_customer_has() -> None:
    life = Life().buys([150], items=[item("POTENTIAL-2")]).until(185)
    [action] = life.actions(OPENER)
    first, _, *others = best_of("Potential Loyalists", 9)
    assert action.suggestions == (first, *others)


def test_what_sold_in_this_quarter_a_year_ago_comes_first() -> None:
    """The summer's list of last year is another one than all the others."""
    known = sales()
    season = Quarter(2025, 3)
    top = [
        one._replace(products=one.products[10:] if one.quarter == season else one.products[:10])
        for one in known.top
    ]
    life = Life(shop(of=base(sales=known._replace(top=top)))).buys([150]).until(185)
    [action] = life.actions(OPENER)
    assert action.suggestions == best_of("Potential Loyalists", 18)[10:]


# -- the strongest quarters ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revenue", "days"),
    [
        ({1: 100, 2: 90, 3: 200, 4: 300}, [181, 273]),
        ({1: 400, 2: 90, 3: 200, 4: 300}, [273, 365]),
        ({1: 400, 2: 500, 3: 200, 4: 300}, [90, 365]),
        # Equal ones: the earlier in the year.
        ({1: 100, 2: 100, 3: 100, 4: 100}, [90, 365]),
        # Three complete quarters do not tell: the policy's own, the third and the fourth.
        ({2: 900, 3: 100, 4: 100}, [181, 273]),
    ],
)
def test_the_two_quarters_with_the_highest_revenue(
    revenue: dict[int, int], days: list[int]
) -> None:
    life = people.small_pair(Life(shop(of=base(sales=sales(revenue))))).forget().until(367)
    assert [one.when for one in life.mail(OPENER)] == [f"day {day}, 09:00" for day in days]


def test_before_the_shop_has_counted_the_policy_says_which() -> None:
    for seasons, days in (([3, 4], [181, 273]), ([2], [90])):
        rules = armed(policy={"seasons": seasons})
        life = people.small_pair(Life(shop(rules, of=base(sales=None)))).until(364)
        assert [one.when for one in life.mail(OPENER)] == [f"day {day}, 09:00" for day in days]


# -- what keeps both from starting -----------------------------------------------------------------


def test_until_a_person_arms_them_they_start_nothing() -> None:
    life = people.vip(Life(shop(document()))).until(370)
    assert (life.mail(*SEASONAL), life.held_back(*SEASONAL)) == ([], [])


def test_armed_in_between_they_start_with_the_next_quarter() -> None:
    life = people.vip(Life(shop(document()))).until(100).forget()
    text = document()
    for name in SEASONAL:
        text = arming.arm(text, name, "future", 2, None)
    life.rules_change(text).until(185)
    assert [(one.when, one.template) for one in life.mail(*SEASONAL)] == [
        ("day 181, 09:00", BONUS),
        ("day 182, 08:00", OPENER),
    ]


def test_a_vip_hears_of_the_bonus_first_and_of_the_season_the_day_after() -> None:
    life = people.vip(Life()).until(185)
    assert [(one.when, one.template) for one in life.mail(*SEASONAL)][-2:] == [
        ("day 181, 09:00", BONUS),
        ("day 182, 08:00", OPENER),
    ]


def test_a_new_buyer_and_a_spending_limiter_are_left_alone() -> None:
    new = Life().buys([170]).until(190)
    evenly = people.limiter(Life()).until(190)
    for life in (new, evenly):
        assert life.mail(OPENER) == []
        assert life.held_back(OPENER) == [HeldBack("day 181, 09:00", "opener", "muted")]


def test_an_order_does_not_end_it() -> None:
    life = Life()
    life.lives_in(at(0, "00:00"), "America/New_York")
    people.small_pair(life).until(181, "09:30")
    life.order(at(181, "10:00"), 1_000)
    assert [one.when for one in life.until(190).mail(OPENER)] == ["day 181, 12:00"]


def test_everything_stood_still_over_the_first_of_the_quarter() -> None:
    """Within three days the bonus still goes out; later it is not made up for."""
    for day, said in ((92, ["day 92, 10:00"]), (94, [])):
        life = people.vip(Life()).until(89).forget().jump(day)
        assert [one.when for one in life.mail(BONUS)] == said
        assert life.held_back(BONUS) == (
            [] if said else [HeldBack("day 94, 10:00", "bonus", "expired")]
        )


def test_the_guard_of_both_is_what_arming_says() -> None:
    for name in SEASONAL:
        text = arming.arm(document(), name, "future", 1, 77)
        assert shop(text).book.current[name].flood.most == 77
        assert campaign(name)["flood"]["share_percent"] == 100
        assert json.loads(text)["arming"][name]["armed"] is True
