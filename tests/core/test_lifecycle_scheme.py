"""Scheme `lifecycle`: each stage at its limits, the first match, and the customer's own rhythm."""

from typing import Any

import pytest

from streams.core.behaviour_facts import median_gap_ms
from streams.core.state import CustomerState, Folded, Remnant
from tests.core.story import DAY, T0
from tests.properties.customers import ask, bought, compiled, customer, gave_back, view_of

SCHEME = compiled("lifecycle")
HALF_YEAR = 182 * DAY
YEAR = 365 * DAY


def days(*ages: float) -> CustomerState:
    """Orders so many days before T0."""
    return customer(bought(T0 - round(age * DAY)) for age in ages)


def test_without_a_counting_order_everybody_is_a_prospect() -> None:
    for state in (
        customer(),
        customer([bought(cancelled=True)]),
        customer([bought()], [gave_back(T0, 10_000, order=0)]),
        customer([], [gave_back(T0, 100)]),
    ):
        assert ask(SCHEME, state) == ("Prospect", None, None)


def test_who_bought_before_all_that_is_kept_is_lost() -> None:
    assert ask(SCHEME, customer(folded=Folded(1, 100))) == ("Lost", None, None)


def test_one_order_grows_old() -> None:
    state = customer([bought(T0)])
    stages = [
        (0, "New Buyer", 90 * DAY),
        (90 * DAY - 1, "New Buyer", 90 * DAY),
        (90 * DAY, "Slipping", HALF_YEAR),
        (HALF_YEAR - 1, "Slipping", HALF_YEAR),
        (HALF_YEAR, "Sleeper", YEAR),
        (YEAR - 1, "Sleeper", YEAR),
    ]
    for age_ms, segment, until_ms in stages:
        assert ask(SCHEME, state, T0 + age_ms) == (segment, T0 + until_ms, None), age_ms
    assert ask(SCHEME, state, T0 + YEAR) == ("Lost", None, None)
    assert ask(SCHEME, state, T0 - 5_000).segment == "New Buyer", "an order of a fast clock"


def test_a_second_order_ends_the_new_buyer() -> None:
    assert ask(SCHEME, days(10, 0)).segment == "Active"
    assert ask(SCHEME, customer([bought()], folded=Folded(1, 0))).segment == "Active"
    cancelled = customer([bought(T0 - DAY), bought(T0, cancelled=True)])
    assert ask(SCHEME, cancelled).segment == "New Buyer"


@pytest.mark.parametrize(
    ("gap_ms", "segment"),
    [
        (HALF_YEAR - 1, "Active"),
        (HALF_YEAR, "Reactivated"),  # asleep at that very instant
        (HALF_YEAR + 1, "Reactivated"),
        (2 * YEAR, "Reactivated"),
    ],
)
def test_reactivated_from_the_gap_before_an_order(gap_ms: int, segment: str) -> None:
    state = customer([bought(T0 - gap_ms), bought(T0)])
    assert ask(SCHEME, state).segment == segment
    was = ask(SCHEME, customer([bought(T0 - gap_ms)])).segment
    assert (was in {"Sleeper", "Lost"}) == (segment == "Reactivated")


def test_reactivated_for_thirty_days_whatever_follows() -> None:
    state = customer([bought(T0 - YEAR), bought(T0), bought(T0 + 20 * DAY)])
    for now_ms in (T0 + 20 * DAY, T0 + 30 * DAY - 1):
        assert ask(SCHEME, state, now_ms) == ("Reactivated", T0 + 30 * DAY, None)
    assert ask(SCHEME, state, T0 + 30 * DAY).segment == "Active"


def test_the_order_before_is_a_counting_one() -> None:
    awake = [bought(T0 - 300 * DAY), bought(T0 - 100 * DAY), bought(T0)]
    assert ask(SCHEME, customer(awake)).segment == "Active"
    asleep = [awake[0], awake[1]._replace(cancelled=True), awake[2]]
    assert ask(SCHEME, customer(asleep)).segment == "Reactivated"
    # The one between was folded: after a merge it may lie between orders kept whole.
    between = Folded(0, 0, {1: Remnant(T0 - 100 * DAY, 500, counts=True)})
    assert ask(SCHEME, customer([awake[0], awake[2]], folded=between)).segment == "Active"
    gone = Folded(0, 0, {1: Remnant(T0 - 100 * DAY, 0, counts=False)})
    assert ask(SCHEME, customer([awake[0], awake[2]], folded=gone)).segment == "Reactivated"


def test_asleep_goes_before_reactivated() -> None:
    scheme = compiled("lifecycle", sleeper_ms=14 * DAY)
    state = days(100, 0)
    assert ask(scheme, state) == ("Reactivated", T0 + 14 * DAY, None)
    assert ask(scheme, state, T0 + 14 * DAY).segment == "Sleeper"


@pytest.mark.parametrize(
    ("ages", "limit_days"),
    [
        ((10, 0), 90),  # two orders: no rhythm yet
        ((80, 40, 0), 60),  # 1.5 x 40
        ((100, 40, 0), 75),  # 1.5 x the mean of 40 and 60
        ((130, 100, 40, 0), 60),  # 1.5 x 40 of 30, 60, 40
        ((30, 20, 10, 0), 30),  # 1.5 x 10 is below the floor
        ((41, 20, 0), 30.75),
        ((0, 0, 0), 30),
    ],
)
def test_slipping_follows_the_median_gap(ages: tuple[float, ...], limit_days: float) -> None:
    limit = round(limit_days * DAY)
    state = days(*ages)
    assert ask(SCHEME, state, T0) == ("Active", T0 + limit, None)
    assert ask(SCHEME, state, T0 + limit - 1).segment == "Active"
    assert ask(SCHEME, state, T0 + limit) == ("Slipping", T0 + HALF_YEAR, None)


def test_a_fraction_of_a_millisecond_is_not_over_yet() -> None:
    # Gaps of 40 days and of 40 days and a millisecond: 1.5 x their mean is 60 days and 0.75 ms.
    state = customer([bought(T0 - 80 * DAY - 1), bought(T0 - 40 * DAY), bought(T0)])
    assert ask(SCHEME, state, T0 + 60 * DAY).segment == "Active"
    assert ask(SCHEME, state, T0 + 60 * DAY + 1).segment == "Slipping"


def test_only_the_last_twelve_gaps_count() -> None:
    slow = [bought(T0 - 120 * DAY - n * 90 * DAY) for n in range(1, 20)]
    quick = [bought(T0 - n * 10 * DAY) for n in range(13)]
    assert ask(SCHEME, customer([*slow, *quick])) == ("Active", T0 + 30 * DAY, None)
    assert median_gap_ms(view_of(customer([*slow, *quick]), T0)) == 10 * DAY
    # Six gaps of 10 days, five of 90 and the one between.
    assert median_gap_ms(view_of(customer([*slow, *quick[:7]]), T0)) == 50 * DAY


def test_a_slow_rhythm_sleeps_before_it_slips() -> None:
    assert ask(SCHEME, days(360, 180, 0)) == ("Active", T0 + HALF_YEAR, None)


def test_the_median_gap_as_a_fact() -> None:
    assert median_gap_ms(view_of(days(20, 0), T0)) is None
    assert median_gap_ms(view_of(days(30, 20, 0), T0)) == 15 * DAY
    odd = customer([bought(T0 - 5), bought(T0 - 2), bought(T0)])
    assert median_gap_ms(view_of(odd, T0)) == 2


def test_what_it_says_of_itself() -> None:
    assert (SCHEME.is_ranked, SCHEME.is_flags, SCHEME.uses_population) == (False, False, False)
    assert SCHEME.hold_ms is None
    assert len(set(SCHEME.segments)) == 7
    assert SCHEME.under(None) is SCHEME


@pytest.mark.parametrize(
    "changes",
    [
        {"sleeper_ms": YEAR},
        {"lost_ms": 0},
        {"new_ms": 0},
        {"reactivated_ms": -1},
        {"slipping_factor_percent": 0},
        {"slipping_floor_ms": 0},
        {"slipping_default_ms": 0},
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        compiled("lifecycle", **changes)
