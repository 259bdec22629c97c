"""Scheme `behaviour`: each flag at, below and above each of its limits, and with too little data."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from streams.core.behaviour_facts import (
    discount_share,
    responds_to_offers,
    response,
    service_cost_minor,
    units_per_order_milli,
    variation,
)
from streams.core.schemes.scheme import View
from streams.core.state import Contact, CustomerState, Folded, Order, Remnant, Return
from tests.core.story import DAY, HOUR, T0
from tests.properties.customers import (
    RULES,
    YEAR,
    ask,
    bought,
    compiled,
    contact,
    customer,
    gave_back,
    snapshot,
    view_of,
)

SCHEME = compiled("behaviour")
REVERSER = "Revenue Reverser"
MAXIMIZER = "Promotion Maximizer"
LIMITER = "Spending Limiter"
DEMANDER = "Service Demander"
BULK = "Bulk Buyer"
# Far apart, so that nobody spends evenly by accident.
UNEVEN = (1_000, 3_000, 6_000)
# Their mean is 100 and every deviation 25: a variation of exactly a quarter.
QUARTER = (75, 125, 75, 125)


def orders(*totals: int, **fields: Any) -> list[Order]:
    """One order for each total, an hour apart, the first the oldest."""
    first = T0 - len(totals) * HOUR
    return [bought(first + n * HOUR, total, **fields) for n, total in enumerate(totals)]


def flags(state: CustomerState, now_ms: int = T0) -> str | None:
    return ask(SCHEME, state, now_ms).segment


def changed(rule: str, **entries: Any) -> dict[str, Any]:
    """One rule of the scheme with entries replaced."""
    return {rule: {**RULES["behaviour"][rule], **entries}}


# -- Revenue Reverser ------------------------------------------------------------------------------


def backs(*amounts: int) -> list[Return]:
    """Returns that name no order."""
    return [gave_back(T0 - n, amount) for n, amount in enumerate(amounts)]


@pytest.mark.parametrize(
    ("returned", "flag"), [(2_999, None), (3_000, None), (3_001, REVERSER), (9_000, REVERSER)]
)
def test_a_reverser_returns_more_than_the_rate(returned: int, flag: str | None) -> None:
    assert flags(customer(orders(*UNEVEN), backs(returned - 2, 1, 1))) == flag


def test_a_reverser_needs_three_returns_and_three_orders() -> None:
    assert flags(customer(orders(*UNEVEN), backs(9_000, 1))) is None
    assert flags(customer(orders(1_000, 9_000), backs(9_000, 1, 1))) is None
    assert flags(customer(orders(*UNEVEN), backs(9_000, 1, 1, 1))) == REVERSER


def test_what_came_back_of_its_orders_counts_for_a_reverser() -> None:
    named = [gave_back(T0, 1_000, order=0), gave_back(T0, 3_000, order=1), gave_back(T0, 1, 2)]
    # Two of the three orders came back whole; they are still three orders, worth 10,000.
    assert flags(customer(orders(*UNEVEN), named)) == REVERSER
    # More than the order was worth takes nothing from the others: 1,000 of 10,000.
    excess = [gave_back(T0, amount, order=0) for amount in (1_000, 1_000, 1_000)]
    assert flags(customer(orders(*UNEVEN), excess)) is None


def test_a_cancelled_order_is_neither_gross_nor_returned() -> None:
    placed = [*orders(*UNEVEN), bought(T0, 10**6, cancelled=True)]
    assert flags(customer(placed, backs(3_001, 0, 0))) == REVERSER
    two = [*orders(1_000, 9_000), bought(T0, 100, cancelled=True)]
    assert flags(customer(two, backs(3_001, 0, 0))) is None
    of_cancelled = [gave_back(T0, 5_000, order=3) for _ in range(3)]
    assert flags(customer(placed, of_cancelled)) is None


def test_a_reverser_without_gross_has_no_rate() -> None:
    assert flags(customer(orders(0, 0, 0), backs(100, 100, 100))) is None


def test_three_complaints_lower_the_rate() -> None:
    def state(returned: int, complaints: int, others: int = 0) -> CustomerState:
        said = [contact(T0 - n, 0, complaint=n < complaints) for n in range(complaints + others)]
        return customer([bought(T0 - DAY, 10_000)], backs(returned), said)

    assert flags(state(2_000, 3)) is None
    assert flags(state(2_001, 3)) == REVERSER
    assert flags(state(2_001, 2, others=2)) is None
    assert flags(state(2_001, 4)) == REVERSER


def test_returns_and_complaints_leave_the_window() -> None:
    returned = customer(
        orders(*UNEVEN), [gave_back(T0 - 100 * DAY, 9_000), gave_back(T0, 1), gave_back(T0, 1)]
    )
    leaves = T0 - 100 * DAY + YEAR
    assert ask(SCHEME, returned) == (REVERSER, leaves, None)
    assert flags(returned, leaves - 1) == REVERSER
    assert flags(returned, leaves) is None
    said = [contact(T0 - age, 0, complaint=True) for age in (0, 0, 50 * DAY)]
    complained = customer([bought(T0, 10_000)], backs(2_001), said)
    leaves = T0 - 50 * DAY + YEAR
    assert ask(SCHEME, complained) == (REVERSER, leaves, None)
    assert flags(complained, leaves) is None


def test_a_return_of_an_order_that_left_is_still_a_return() -> None:
    back = T0 - 100 * DAY
    placed = [bought(T0 - YEAR, 500), *orders(*UNEVEN)]
    state = customer(placed, [gave_back(back, 500, order=0), *backs(3_001, 0)])
    assert ask(SCHEME, state) == (REVERSER, back + YEAR, None)
    assert flags(state, back + YEAR) is None


def test_the_rate_rises_when_a_kept_order_leaves() -> None:
    placed = [bought(T0 - 100 * DAY, 90_000), *orders(*UNEVEN)]
    state = customer(placed, backs(3_001, 0, 0))
    assert ask(SCHEME, state) == (None, T0 - 100 * DAY + YEAR, None)
    assert flags(state, T0 - 100 * DAY + YEAR) == REVERSER


def test_folded_orders_are_gross_too() -> None:
    folded = Folded(9, 10**6, {1: Remnant(T0 - DAY, 2_000, counts=True)})
    two = orders(2_000, 6_000)
    assert flags(customer(two, backs(3_001, 0, 0), folded=folded)) == REVERSER
    assert flags(customer(two, backs(3_000, 0, 0), folded=folded)) is None
    gone = Folded(9, 10**6, {1: Remnant(T0 - YEAR, 2_000, counts=True)})
    assert flags(customer(two, backs(3_001, 0, 0), folded=gone)) is None


# -- Promotion Maximizer ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("discount", "flag"),
    [(249, None), (250, MAXIMIZER), (251, MAXIMIZER), (0, None)],
)
def test_an_order_is_promoted_from_a_fifth_off(discount: int, flag: str | None) -> None:
    placed = orders(1_000, 1_000, 1_000, discount_minor=discount)
    assert flags(customer(placed)) == flag


def test_a_coupon_promotes_whatever_came_off() -> None:
    assert flags(customer(orders(*UNEVEN, has_coupon=True))) == MAXIMIZER
    assert flags(customer(orders(*UNEVEN))) is None


@pytest.mark.parametrize(
    ("promoted", "plain", "flag"),
    [
        # 0.8 x value + 0.2 x 2/3 of the orders: 7/12 of the value make 0.6.
        ((3_000, 4_000), (5_000,), MAXIMIZER),
        ((3_000, 3_999), (5_000,), None),
        ((3_000, 4_001), (5_000,), MAXIMIZER),
        # One order of three: 2/3 of the value.
        ((8_000,), (1_000, 3_000), MAXIMIZER),
        ((7_999,), (1_000, 3_000), None),
        ((1_000, 9_000), (), None),  # two orders
    ],
)
def test_the_score_weighs_value_and_orders(
    promoted: Sequence[int], plain: Sequence[int], flag: str | None
) -> None:
    placed = [*orders(*promoted, has_coupon=True), *orders(*plain)]
    assert flags(customer(placed)) == flag


def test_promoted_value_is_what_was_kept() -> None:
    placed = [*orders(7_000, has_coupon=True), *orders(1_000, 3_000)]
    assert flags(customer(placed)) is None
    assert flags(customer(placed, [gave_back(T0, 500, order=1)])) == MAXIMIZER


def test_orders_without_any_value_have_no_share() -> None:
    assert flags(customer(orders(0, 0, 0, has_coupon=True))) is None
    assert flags(customer(orders(0, 0, 1, discount_minor=1))) == MAXIMIZER
    # Nothing off nothing is no discount: one promoted order of four, with 60 % of the value.
    some = [*orders(600, has_coupon=True), *orders(400, 0, 0)]
    assert flags(customer(some)) is None
    assert discount_share(view_of(customer(some), T0)) == 0.6


def test_promoted_orders_leave_the_window() -> None:
    placed = [bought(T0 - 9 * DAY, 500, has_coupon=True), *orders(1_000, 3_000, has_coupon=True)]
    assert ask(SCHEME, customer(placed)) == (MAXIMIZER, T0 - 9 * DAY + YEAR, None)
    assert flags(customer(placed), T0 - 9 * DAY + YEAR - 1) == MAXIMIZER
    assert flags(customer(placed), T0 - 9 * DAY + YEAR) is None


# -- Spending Limiter ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("totals", "flag"),
    [
        (QUARTER, LIMITER),
        ((7_500, 12_500, 7_500, 12_501), None),
        ((7_500, 12_500, 7_500, 12_499), LIMITER),
        ((100, 100, 100), None),
        ((100, 100, 100, 100), LIMITER),
        ((0, 0, 0, 0), None),
        ((1, 100, 100, 100), None),
    ],
)
def test_a_limiter_spends_evenly_in_four_orders(totals: Sequence[int], flag: str | None) -> None:
    assert flags(customer(orders(*totals))) == flag


def test_the_net_value_is_what_varies() -> None:
    uneven = customer(orders(100, 100, 100, 200), [gave_back(T0, 100, order=3)])
    assert flags(uneven) == LIMITER
    even = customer(orders(100, 100, 100, 100), [gave_back(T0, 90, order=0)])
    assert flags(even) is None


@pytest.mark.parametrize(
    ("offer_ages", "flag"),
    [
        ((90 * HOUR, 80 * HOUR), LIMITER),  # nobody followed
        ((90 * HOUR, 1), None),  # one followed within a moment
        ((90 * HOUR, 48 * HOUR - 1), None),
        ((90 * HOUR, 48 * HOUR), LIMITER),
        ((90 * HOUR, 0), LIMITER),  # the order was the occasion of the offer
        ((1,), LIMITER),  # one offer says too little
    ],
)
def test_a_limiter_answers_no_offer(offer_ages: Iterable[int], flag: str | None) -> None:
    first = T0 - 10 * DAY
    placed = [bought(first, 100) for _ in range(4)]
    offers = [first - age for age in offer_ages]
    assert flags(customer(placed, offers=offers)) == flag


def test_a_cancelled_order_is_no_answer() -> None:
    placed = orders(100, 100, 100, 100)
    offers = [T0 - 5, T0 - 4]
    answered = bought(T0, 100)
    assert flags(customer([*placed, answered], offers=offers)) is None
    cancelled = answered._replace(cancelled=True)
    assert flags(customer([*placed, cancelled], offers=offers)) == LIMITER


def test_an_open_offer_was_sent_and_is_not_answered() -> None:
    first = T0 - 10 * DAY
    placed = [bought(first + n, 100) for n in range(4)]
    one = customer(placed, offers=[first - 1])
    assert flags(one) == LIMITER
    assert responds_to_offers(view_of(one, T0)) == 1
    two = customer(placed, offers=[first - 1, T0 - HOUR])
    assert flags(two) is None
    # Its time is not over, so it does not lower the share yet.
    assert responds_to_offers(view_of(two, T0)) == 1
    assert responds_to_offers(view_of(two, T0 + 47 * HOUR)) == 0.5
    unanswered = customer(placed, offers=[T0 - 1, T0])
    assert ask(SCHEME, unanswered) == (LIMITER, first + YEAR, None)
    assert responds_to_offers(view_of(unanswered, T0)) is None


def test_when_the_answers_can_change_by_the_clock() -> None:
    state = customer([bought(T0)], offers=[T0 + 2, T0 - 1])
    for now_ms, expected in (
        (T0 + 2, (2, 1, 1, T0 + 2 + 48 * HOUR)),
        (T0 + 2 + 48 * HOUR - 1, (2, 1, 1, T0 + 2 + 48 * HOUR)),
        (T0 + 2 + 48 * HOUR, (2, 1, 0, T0 - 1 + YEAR)),
        (T0 - 1 + YEAR, (1, 0, 0, T0 + 2 + YEAR)),
    ):
        assert response(view_of(state, now_ms), YEAR, 48 * HOUR) == expected
    assert response(view_of(state, T0 + 2 * YEAR), YEAR, 48 * HOUR)[:3] == (0, 0, 0)


def test_an_answered_offer_leaves_the_window() -> None:
    answered = T0 - 100 * DAY
    placed = [bought(answered + 1 + n, 100) for n in range(5)]
    state = customer(placed, offers=[answered, T0 - 90 * DAY])
    assert ask(SCHEME, state) == (None, answered + YEAR, None)
    assert ask(SCHEME, state, answered + YEAR - 1).segment is None
    assert ask(SCHEME, state, answered + YEAR).segment == LIMITER


def test_orders_leave_the_limiters_window() -> None:
    placed = [bought(T0 - 9 * DAY, 900), *orders(100, 100, 100, 100)]
    assert ask(SCHEME, customer(placed)) == (None, T0 - 9 * DAY + YEAR, None)
    assert flags(customer(placed), T0 - 9 * DAY + YEAR) == LIMITER
    assert flags(customer(placed), T0 - 4 * HOUR + YEAR) is None


# -- Service Demander ------------------------------------------------------------------------------


def calls(*costs: int | None, **fields: Any) -> list[Contact]:
    return [contact(T0 - n, cost, **fields) for n, cost in enumerate(costs)]


@pytest.mark.parametrize(
    ("costs", "flag"),
    [
        ((100, 0, 0), None),
        ((99, 0, 1), None),
        ((101, 0, 0), DEMANDER),
        ((101, 0), None),
        ((50, 50, 0, 1), DEMANDER),
    ],
)
def test_a_demander_costs_a_tenth_of_net_revenue(costs: Sequence[int], flag: str | None) -> None:
    assert flags(customer([bought(T0, 1_000)], contacts=calls(*costs))) == flag


@pytest.mark.parametrize(
    ("minutes", "net_minor", "flag"),
    [
        (10.0, 18_000, None),  # 18.00 of 180.00
        (10.0, 17_999, DEMANDER),
        (None, 14_400, None),  # three times 8 minutes
        (None, 14_399, DEMANDER),
        (0.0, 1, None),
    ],
)
def test_where_no_cost_is_given_minutes_are(
    minutes: float | None, net_minor: int, flag: str | None
) -> None:
    said = calls(None, None, None, minutes=minutes)
    assert flags(customer([bought(T0, net_minor)], contacts=said)) == flag


def test_a_given_cost_goes_before_the_minutes() -> None:
    said = calls(0, 0, 0, minutes=500.0)
    assert flags(customer([bought(T0, 1_000)], contacts=said)) is None


@pytest.mark.parametrize(("cost", "flag"), [(0, None), (1, DEMANDER)])
def test_without_net_revenue_any_cost_is_too_much(cost: int, flag: str | None) -> None:
    said = calls(cost, 0, 0)
    assert flags(customer(contacts=said)) == flag
    assert flags(customer([bought(T0, 500)], backs(500), said)) == flag
    assert flags(customer([bought(T0, 500)], backs(900), said)) == flag
    assert flags(customer([bought(T0 - YEAR, 10**6)], contacts=said)) == flag
    cancelled = customer([bought(T0, 10**6, cancelled=True)], contacts=said)
    assert flags(cancelled) == flag


def test_contacts_and_revenue_leave_the_window() -> None:
    old = [contact(T0 - 200 * DAY, 1), *calls(500, 500)]
    asked = customer([bought(T0, 5_000)], contacts=old)
    assert ask(SCHEME, asked) == (DEMANDER, T0 - 200 * DAY + YEAR, None)
    assert flags(asked, T0 - 200 * DAY + YEAR - 1) == DEMANDER
    assert flags(asked, T0 - 200 * DAY + YEAR) is None
    paid = customer([bought(T0 - 99 * DAY, 10_000), bought(T0, 10)], contacts=calls(5, 5, 5))
    assert ask(SCHEME, paid) == (None, T0 - 99 * DAY + YEAR, None)
    assert flags(paid, T0 - 99 * DAY + YEAR) == DEMANDER


# -- Bulk Buyer ------------------------------------------------------------------------------------

BULKY = compiled("behaviour", snapshot())  # the cut is at 4 units an order


@pytest.mark.parametrize(
    ("units", "flag"),
    [
        ((4.0, 4.0, 4.0), None),
        ((3.0, 4.0, 5.0), None),
        ((4.0, 4.0, 4.003), BULK),
        ((4.0, 4.0, 4.002), None),  # 4.0006 units are 4000 thousandths
        ((90.0, 90.0), None),
        ((0.0, 0.0, 12.003), BULK),
    ],
)
def test_a_bulk_buyer_is_above_the_cut(units: Sequence[float], flag: str | None) -> None:
    placed = [bought(T0 - n, 10 * 9**n, units=pieces) for n, pieces in enumerate(units)]
    assert ask(BULKY, customer(placed)).segment == flag


def test_a_bulk_buyer_needs_a_base_to_compare_with() -> None:
    state = customer([bought(T0 - n, 10 * 9**n, units=99.0) for n in range(3)])
    assert ask(BULKY, state) == (BULK, T0 - 2 + YEAR, None)
    for base in (
        None,
        snapshot(customers=499),
        snapshot(history_ms=180 * DAY - 1),
        snapshot(percentiles={}),
    ):
        assert ask(compiled("behaviour", base), state).segment is None
        assert ask(BULKY.under(base), state).segment is None


def test_quantities_are_of_all_orders_kept() -> None:
    placed = [bought(T0 - n * 300 * DAY, 10 * 9**n, units=5.0) for n in range(3)]
    state = customer(placed)
    assert ask(BULKY, state).segment == BULK
    assert ask(BULKY, state, T0 + 2 * YEAR) == (BULK, None, None), "the clock changes nothing"


# -- all of them -----------------------------------------------------------------------------------


def test_flags_are_sorted_and_joined() -> None:
    placed = orders(100, 100, 100, 100, has_coupon=True, units=9.0)
    state = customer(placed, backs(100, 50, 1), calls(50, 50, 50))
    assert ask(BULKY, state).segment == f"{BULK}|{MAXIMIZER}|{REVERSER}|{DEMANDER}|{LIMITER}"
    assert list(SCHEME.segments) == sorted(SCHEME.segments)


def test_with_too_little_of_everything_there_is_nothing_to_wait_for() -> None:
    for state in (
        customer(),
        customer(orders(100, 100, has_coupon=True, units=99.0)),
        customer(orders(100, 100), backs(100, 100), calls(50, 50, complaint=True), [T0, T0]),
        customer(orders(100, 100), folded=Folded(1, 100)),
    ):
        assert ask(BULKY, state) == (None, None, None)


def test_orders_of_no_value_count_only_where_the_shop_counts_them() -> None:
    returned = backs(9_000, 1, 1)
    folded = Folded(0, 0, {1: Remnant(T0 - DAY, 0, counts=True)})
    for state in (
        customer(orders(1_000, 9_000, 0), returned),
        customer(orders(1_000, 9_000), returned, folded=folded),
    ):
        assert flags(state) == REVERSER
        assert SCHEME.classify(view_of(state, T0, zero_value_orders_count=False)).segment is None


def seen(totals: Sequence[int] = (), now_ms: int = T0, **more: Any) -> View:
    return view_of(customer(orders(*totals, **more)), now_ms)


def test_the_facts_that_are_shown() -> None:
    assert discount_share(seen()) is None
    assert discount_share(seen([0])) is None
    coupon, plain = orders(1_000, has_coupon=True), orders(2_000)
    assert discount_share(view_of(customer([*coupon, *plain]), T0)) == 0.3333
    assert variation(seen(QUARTER)) == 0.25
    assert variation(seen([100])) is None
    assert variation(seen([0, 0])) is None
    assert variation(seen(QUARTER, T0 + 2 * YEAR)) is None
    assert units_per_order_milli(seen([1, 1], units=2.0)) is None
    assert units_per_order_milli(seen([1, 1, 1], units=0.1)) == 100
    pieces = [bought(T0 - n, units=one) for n, one in enumerate((0.1, 0.1, 0.3))]
    assert units_per_order_milli(view_of(customer(pieces), T0)) == 166
    assert responds_to_offers(seen([1, 1])) is None


def test_what_service_cost() -> None:
    said = [contact(T0), contact(T0, minutes=0.5), contact(T0, 7), contact(T0 - YEAR, 10_000)]
    state = customer(contacts=said)
    assert service_cost_minor(view_of(state, T0)) == 480 + 30 + 7
    assert service_cost_minor(view_of(state, T0 - 1)) == 10_000 + 480 + 30 + 7
    assert service_cost_minor(view_of(customer(), T0)) == 0
    for minutes, cost in ((0.025, 2), (0.0751, 5), (0.041, 2), (0.042, 3)):
        one = view_of(customer(contacts=[contact(T0, minutes=minutes)]), T0)
        assert service_cost_minor(one) == cost, "half-even"


def test_what_it_says_of_itself() -> None:
    assert (SCHEME.is_ranked, SCHEME.is_flags, SCHEME.uses_population) == (False, True, True)
    assert SCHEME.hold_ms is None


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        (
            changed("revenue_reverser", return_rate_percent=40),
            customer(orders(*UNEVEN), backs(4_000, 0, 0)),
        ),
        (
            changed("revenue_reverser", minimum_returns=4),
            customer(orders(*UNEVEN), backs(9_000, 0, 0)),
        ),
        (
            # Complaints alone do not stand in for the third return.
            changed("revenue_reverser", complaint_return_rate_percent=90),
            customer(orders(*UNEVEN), backs(5_000), calls(0, 0, 0, complaint=True)),
        ),
        (
            changed("promotion_maximizer", score_percent=100),
            customer([*orders(1, 10**6, has_coupon=True), *orders(1)]),
        ),
        (
            changed("promotion_maximizer", minimum_orders=5),
            customer(orders(*UNEVEN, 9_000, has_coupon=True)),
        ),
        (changed("spending_limiter", variation_percent=24), customer(orders(*QUARTER))),
        (
            changed("service_demander", minute_rate_milli=59_000),
            customer([bought(T0, 14_399)], contacts=calls(None, None, None)),
        ),
        ({"window_ms": 4 * HOUR}, customer(orders(*QUARTER))),
    ],
)
def test_limits_are_settings(changes: dict[str, Any], state: CustomerState) -> None:
    assert flags(state) is not None
    assert ask(compiled("behaviour", **changes), state).segment is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"window_ms": 0}, "window_ms"),
        (changed("bulk_buyer", percent=100), "percent"),
        (changed("promotion_maximizer", value_weight_percent=101), "value_weight_percent"),
        (changed("spending_limiter", minimum_orders=0), "minimum_orders"),
        (changed("service_demander", cost_percent=2.5), "cost_percent"),
        (changed("service_demander", cost_percent=True), "cost_percent"),
        (changed("revenue_reverser", minimum_regrets=1), "minimum_regrets"),
        ({"bulk_buyer": {"percent": 90}}, "minimum_orders"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        compiled("behaviour", **changes)
