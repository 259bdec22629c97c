"""Events that come late, twice or in another order, clocks that jump, and nights that change."""

from itertools import pairwise
from typing import Any

import pytest

from streams.core.inputs import CartUpdated, Input, OrderPlaced, RulesApplied
from streams.core.outputs import ActionRequested
from tests.core.catalogue import people
from tests.core.catalogue.life import (
    DAY,
    HOUR,
    MINUTE,
    T0,
    HeldBack,
    Life,
    Mail,
    armed,
    at,
    item,
    told,
)
from tests.runtime.world import World

REMINDER = "cart_reminder"
FIRST = Mail("day 5, 11:00", "cart_reminder_first")
# Days of the year 2026 on which clocks in Berlin are set, at 01:00 UTC.
SPRING, AUTUMN = 87, 297


def reminded(life: Life) -> list[str]:
    """When a reminder came."""
    return [one.when for one in life.mail(REMINDER)]


# -- carts and orders out of order ---------------------------------------------------------------------


@pytest.mark.parametrize("order", [{"cart_id": "K-1"}, {}])
@pytest.mark.parametrize("happens", ["cart", "abandon"])
def test_an_order_that_comes_before_the_event_of_its_cart(
    order: dict[str, Any], happens: str
) -> None:
    life = Life()
    life.order(at(5, "10:20"), **order)
    getattr(life, happens)(at(5), received_ms=at(5, "10:21"))
    life.until(40)
    assert (life.mail(REMINDER), life.held_back(REMINDER)) == ([], [])


@pytest.mark.parametrize("order", [{"cart_id": "K-1"}, {}])
def test_no_advice_on_a_cart_whose_order_came_before_its_event(order: dict[str, Any]) -> None:
    life = people.reverser(Life()).until(109).forget()
    life.order(at(110, "10:02"), 6_000, **order)
    life.cart(at(110), items=[item("DRESS")], received_ms=at(110, "10:03"))
    assert life.member_of("behaviour") == "Revenue Reverser"
    life.until(115)
    assert (life.mail("return_fit_help"), life.held_back("return_fit_help")) == ([], [])


def test_two_carts_and_an_order_of_one_of_them() -> None:
    """The other goes on with its second reminder; the caps leave the others and the welcome out."""
    life = Life()
    life.cart(at(5), "K-1", items=[item("TEA")])
    life.cart(at(5, "10:30"), "K-2", items=[item("POT")])
    life.order(at(5, "12:00"), cart_id="K-1")
    life.until(40)
    skus = [(one.step, one.cart.items[0].sku) for one in life.actions(REMINDER) if one.cart]
    assert skus == [("first", "TEA"), ("second", "POT")]
    assert life.called_off(REMINDER) == ["order_placed"]
    assert life.held_back(REMINDER) == [
        HeldBack("day 5, 11:30", "first", "capped"),
        HeldBack("day 8, 10:30", "last", "capped"),
    ]
    assert life.mail("welcome_new_buyer") == [Mail("day 7, 08:00", "welcome_new_buyer")]


def test_two_carts_and_an_order_of_no_known_cart() -> None:
    """Both may be what was bought: nobody is reminded of what he has."""
    life = Life()
    life.cart(at(5), "K-1")
    life.cart(at(5, "10:30"), "K-2")
    life.order(at(5, "12:00"))
    life.until(40)
    assert reminded(life) == ["day 5, 11:00"]
    assert not life.is_in(REMINDER)


def test_a_cart_filled_after_the_order_is_another_matter() -> None:
    life = Life()
    life.order(at(5, "09:00"))
    life.cart(at(5))
    assert life.until(40).mail(REMINDER)[0] == FIRST


@pytest.mark.parametrize("again_after", [MINUTE, 2 * HOUR, 30 * HOUR, 6 * DAY])
@pytest.mark.parametrize("happens", ["cart", "abandon"])
def test_an_event_of_a_cart_that_comes_twice_is_one(again_after: int, happens: str) -> None:
    once, twice = Life(), Life()
    for life in (once, twice):
        event = getattr(life, happens)(at(5), event_id="same")
    again: dict[str, Any] = {"event_id": "same", "received_ms": event.received_at_ms + again_after}
    getattr(twice, happens)(at(5), **again)
    assert twice.notes[-1] == "duplicate"
    for life in (once, twice):
        life.until(40)
    assert twice.actions() == once.actions()
    assert twice.held_back() == once.held_back()


def test_an_older_change_of_the_cart_that_comes_later_changes_nothing() -> None:
    life = Life()
    life.cart(at(5), items=[item("TEA")])
    life.cart(at(5, "09:30"), items=[item("POT")], received_ms=at(5, "10:30"))
    life.until(40)
    assert reminded(life)[0] == "day 5, 11:00"
    assert {one.cart.items[0].sku for one in life.actions(REMINDER) if one.cart} == {"TEA"}


def test_an_order_that_comes_after_its_return() -> None:
    """The return waits for its order; with it there is nothing left that counts."""
    life = Life()
    life.give_back(at(0, "12:00"), 5_000, "o")
    life.order(at(0), 5_000, order_id="o", received_ms=at(0, "12:01"))
    life.until(80)
    assert life.member_of("lifecycle") == "Prospect"
    assert (life.mail(), life.held_back()) == ([], [])


# -- held by night -------------------------------------------------------------------------------------


def held() -> Life:
    """A reminder due at 23:00 is held until 08:00."""
    life = Life()
    life.cart(at(5, "22:00"))
    life.until(5, "23:30")
    assert life.is_in(REMINDER)
    assert life.mail() == []
    return life


@pytest.mark.parametrize("order", [{"cart_id": "K-1"}, {}])
def test_an_order_by_night_ends_what_is_held(order: dict[str, Any]) -> None:
    life = held()
    life.order(at(6, "07:59"), **order)
    assert not life.is_in(REMINDER)
    life.until(40)
    assert (life.mail(REMINDER), life.held_back(REMINDER)) == ([], [])


def test_consent_withdrawn_by_night_holds_in_the_morning() -> None:
    life = held()
    life.consent(at(6, "03:00"), granted=False)
    life.until(6, "09:00")
    assert life.mail() == []
    assert life.held_back(REMINDER) == [HeldBack("day 6, 08:00", "first", "no_consent")]


@pytest.mark.parametrize(("before_ms", "is_sent"), [(1_000, False), (1, False), (-1, True)])
def test_consent_withdrawn_a_second_before_a_reminder_and_just_after(
    before_ms: int, *, is_sent: bool
) -> None:
    life = Life()
    life.cart(at(5))
    life.consent(at(5, "11:00") - before_ms, granted=False)
    life.until(5, "12:00")
    assert life.mail(REMINDER) == ([FIRST] if is_sent else [])


def test_at_the_very_instant_the_clock_comes_before_the_event() -> None:
    """At one instant for one customer: timers before the event."""
    life = Life()
    life.cart(at(5))
    life.consent(at(5, "11:00"), granted=False)
    assert life.mail(REMINDER) == [FIRST]


# -- the nights on which clocks are set ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("night", "morning"),
    [
        # The clock goes forward: 08:00 is an hour sooner, 06:00 UTC.
        (SPRING - 1, f"day {SPRING}, 06:00"),
        (SPRING - 2, f"day {SPRING - 1}, 07:00"),
        # The clock goes back: 08:00 is an hour later, 07:00 UTC.
        (AUTUMN - 1, f"day {AUTUMN}, 07:00"),
        (AUTUMN - 2, f"day {AUTUMN - 1}, 06:00"),
    ],
)
@pytest.mark.parametrize("jump", [False, True])
def test_what_is_held_is_released_at_eight_by_the_customers_clock(
    night: int, morning: str, *, jump: bool
) -> None:
    life = Life()
    life.lives_in(at(0, "00:00"), "Europe/Berlin")
    # Left at 21:30 in winter, 22:30 in summer: the reminder would come an hour later, by night.
    life.cart(at(night, "20:30"))
    if jump:
        # Everything stood still over the change, and goes on before the morning has come.
        life.jump(night + 1, "00:00")
        life.jump(night + 1, "04:30")
    life.until(night + 1, "12:00")
    assert reminded(life) == [morning]


def test_the_offset_of_a_reminder_is_time_and_not_the_wall_clock() -> None:
    """24 hours after the cart are 24 hours, also where the day had 23 or 25."""
    for day, clock in ((SPRING - 1, "11:00"), (AUTUMN - 1, "10:00")):
        life = Life()
        life.lives_in(at(0, "00:00"), "Europe/Berlin")
        life.cart(at(day, clock))
        life.until(day + 2)
        assert reminded(life)[1] == told(at(day + 1, clock))


def test_ten_o_clock_is_ten_o_clock_on_both_sides_of_the_change() -> None:
    """The VIP programme at 10:00 in Berlin: 09:00 UTC in winter, 08:00 UTC in summer."""
    for last, hour in ((SPRING - 3, "09:00"), (SPRING - 1, "08:00"), (SPRING, "08:00")):
        life = Life()
        life.lives_in(at(0, "00:00"), "Europe/Berlin")
        for number, day in enumerate((0, 10, 20, 32, 40, 50)):
            life.buys([day], people.UNEVEN[number])
        life.buys([last], 8_000, "08:00").until(last + 3)
        assert life.mail("champion_vip") == [
            Mail(f"day {last + 1}, {hour}", "champion_vip", "club_benefit")
        ]


# -- two days without -----------------------------------------------------------------------------------


def _order(number: int, customer_id: str, at_ms: int) -> OrderPlaced:
    return OrderPlaced(
        event_id=f"e{number}",
        customer_id=customer_id,
        occurred_at_ms=at_ms,
        received_at_ms=at_ms,
        identity=number,
        source="shop",
        order_id=f"o{number}",
        total_minor=5_000,
    )


def _cart(number: int, customer_id: str, at_ms: int) -> CartUpdated:
    return CartUpdated(
        event_id=f"c{number}",
        customer_id=customer_id,
        occurred_at_ms=at_ms,
        received_at_ms=at_ms,
        identity=10_000 + number,
        source="shop",
        cart_id=f"K-{number}",
        value_minor=2_000,
        items=[item()],
    )


def _four_days() -> list[Input]:
    """What intake journals of some twenty customers in four days, an event every quarter hour."""
    rules = armed()
    records: list[Input] = [RulesApplied(received_at_ms=T0, version=1, rules=rules)]
    for number in range(4 * 96):
        customer_id = f"C-{number % 23}"
        make = _order if number % 4 == 0 else _cart
        records.append(make(number, customer_id, T0 + number * 15 * MINUTE))
    return records


def _actions(world: World) -> list[tuple[bytes | None, bytes]]:
    return [(one.key, one.value) for one in world.broker.outputs["marketing.actions"]]


def test_decide_was_down_for_two_days_while_intake_ran_and_decides_the_same() -> None:
    """The journal's time went on: nothing is late, nothing expired, nothing comes in a flood."""
    records = _four_days()
    along, after = World(), World()
    for start in range(0, len(records), 16):
        along.journal(records[start : start + 16]).worker().run_to_end()
    middle = len(records) // 4
    after.journal(records[:middle]).worker().run_to_end()
    after.journal(records[middle:]).worker().run_to_end()
    assert _actions(after) == _actions(along)
    assert len(_actions(along)) > 20
    after.check()


def test_what_is_decided_afterwards_says_until_when_it_is_of_use() -> None:
    """By that delivery leaves out what was asked for while decide was down."""
    life = Life()
    life.cart(at(5))
    # Two days later by the wall, but the journal says 11:05, when somebody else did something.
    life.pass_time(at(5, "11:05"), jump=True)
    [action] = life.actions(REMINDER)
    assert (action.decided_at_ms, action.valid_until_ms) == (at(5, "11:05"), at(5, "23:00"))


def test_everything_stood_still_for_two_days_and_one_mail_comes_and_not_four() -> None:
    """Due in the gap: the welcome, and three reminders of a cart."""
    life = people.buyer(Life())
    life.cart(at(0, "10:30"))
    life.until(0, "11:00").jump(3, "11:00")
    assert life.mail() == [Mail("day 3, 11:00", "welcome_new_buyer")]
    life.until(8)
    sent = [one.decided_at_ms for one in life.actions()]
    assert all(later - one >= 16 * HOUR for one, later in pairwise(sent))


def test_what_was_due_in_the_gap_and_is_of_no_use_any_more_says_so() -> None:
    life = Life()
    life.cart(at(5))
    life.until(5, "11:00").jump(7, "11:00")
    assert life.mail() == [FIRST]
    assert life.held_back(REMINDER) == [HeldBack("day 7, 11:00", "second", "expired")]
    assert life.until(9).mail()[1:] == [Mail("day 8, 10:00", "cart_reminder_last", "free_delivery")]


def test_what_should_have_started_in_the_gap_starts_late_or_not_at_all() -> None:
    """A cart is of no use four hours later; a win-back is for a week."""
    cart = Life()
    cart.cart(at(5))
    cart.until(5, "10:30").jump(7)
    assert cart.mail() == []
    assert cart.held_back() == [HeldBack("day 7, 10:00", "first", "late_start")]
    buyer = people.buyer(Life()).until(89).forget().jump(91)
    assert buyer.mail("win_back_at_risk") == [
        Mail("day 91, 10:00", "win_back_at_risk", "free_delivery")
    ]


@pytest.mark.parametrize(
    "person", [people.buyer, people.loyal, people.champion, people.vip, people.maximizer]
)
@pytest.mark.parametrize("gap", [2, 9, 40])
def test_after_any_gap_everybody_gets_at_most_one_mail_at_once(person: Any, gap: int) -> None:
    life: Life = person(Life())
    start = (life.now_ms - T0) // DAY
    for day in range(int(start) + 1, int(start) + 120, gap):
        life.forget().jump(day)
        assert len(life.mail()) <= 1
        for action in life.said(ActionRequested):
            assert action.decided_at_ms < action.valid_until_ms


def test_ids_do_not_depend_on_when_it_was_decided() -> None:
    """So a receiver knows an action again, whichever worker asked for it."""
    along, after = people.buyer(Life()).until(91), people.buyer(Life()).until(89).jump(91)
    ids = [
        {one.campaign: one.action_id for one in life.actions()}["win_back_at_risk"]
        for life in (along, after)
    ]
    assert ids[0] == ids[1]
