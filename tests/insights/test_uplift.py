"""Uplift and its intervals: published examples, another library, coverage of a known effect."""

import random
from collections.abc import Iterable, Sequence
from math import comb
from typing import NamedTuple

import pytest

from streams.insights.uplift import (
    CONFIDENCE,
    LEAST_BUYERS,
    LEAST_CUSTOMERS,
    Arm,
    Uplift,
    conversion_rate_uplift,
    design_effect,
    net_uplift,
    uplift_of,
)

TRIALS = 1_000
# Three standard errors of a share of 0.95 in so many trials.
MARGIN = 3 * (0.95 * 0.05 / TRIALS) ** 0.5


class Customer(NamedTuple):
    """What one customer did."""

    runs: int
    conversions: int
    net_minor: int = 0


def arm_of(customers: Iterable[Customer]) -> Arm:
    """Sums over customers, added up the long way."""
    listed = list(customers)
    return Arm(
        customers=len(listed),
        buyers=sum(1 for one in listed if one.conversions),
        runs=sum(one.runs for one in listed),
        conversions=sum(one.conversions for one in listed),
        net_minor=sum(one.net_minor for one in listed),
        rr=sum(one.runs**2 for one in listed),
        rc=sum(one.runs * one.conversions for one in listed),
        cc=sum(one.conversions**2 for one in listed),
        yy=sum(one.net_minor**2 for one in listed),
    )


def one_run_each(conversions: int, runs: int, net_minor: int = 0) -> Arm:
    """An arm in which nobody has two runs; every conversion brings `net_minor`."""
    return arm_of(
        Customer(1, int(number < conversions), net_minor * (number < conversions))
        for number in range(runs)
    )


# -- conversion rates -----------------------------------------------------------------------------


# Newcombe, Statistics in Medicine 17 (1998), table II, method 10, examples (a) to (h).
@pytest.mark.parametrize(
    ("sent", "controls", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_rates_is_the_published_one(
    sent: tuple[int, int], controls: tuple[int, int], low: float, high: float
) -> None:
    found = conversion_rate_uplift(one_run_each(*sent), one_run_each(*controls))
    assert found.estimate == pytest.approx(sent[0] / sent[1] - controls[0] / controls[1])
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("conversions", [0, 60])
def test_arms_in_which_all_did_the_same_leave_room_on_both_sides(conversions: int) -> None:
    found = conversion_rate_uplift(one_run_each(conversions, 60), one_run_each(conversions, 60))
    assert found.estimate == 0
    assert -0.07 < found.low < -0.05
    assert found.high == pytest.approx(-found.low)


@pytest.mark.parametrize(
    ("rate", "control_rate"), [(0.06, 0.05), (0.02, 0.02), (0.25, 0.1), (0.6, 0.5)]
)
def test_the_interval_of_rates_holds_the_truth_in_95_of_100_cases(
    rate: float, control_rate: float
) -> None:
    """Not simulated: every pair of counts with its probability."""
    covered = 0.0
    for sent, likely in _binomial(150, rate):
        for controls, as_likely in _binomial(50, control_rate):
            found = conversion_rate_uplift(
                one_run_each_counts(sent, 150), one_run_each_counts(controls, 50)
            )
            if found.low <= rate - control_rate <= found.high:
                covered += likely * as_likely
    assert 0.94 < covered < 0.985


def one_run_each_counts(conversions: int, runs: int) -> Arm:
    return Arm(customers=runs, runs=runs, conversions=conversions, rr=runs)


def _binomial(runs: int, rate: float) -> Sequence[tuple[int, float]]:
    chances = [
        (count, comb(runs, count) * rate**count * (1 - rate) ** (runs - count))
        for count in range(runs + 1)
    ]
    return [(count, chance) for count, chance in chances if chance > 1e-7]


# -- customers with several runs ------------------------------------------------------------------


# Rao and Scott, Biometrics 48 (1992), table 1: pups alive after 21 days by litter (Weil 1970).
UNTREATED = (
    "13/13 12/12 9/9 9/9 8/8 8/8 12/13 11/12 9/10 9/10 8/9 11/13 4/5 5/7 7/10 7/10",
    1.232495,
)
TREATED = (
    "12/12 11/11 10/10 9/9 10/11 9/10 9/10 8/9 8/9 4/5 7/9 4/7 5/10 3/6 3/10 0/7",
    3.952861,
)


@pytest.mark.parametrize(("litters", "published"), [UNTREATED, TREATED])
def test_the_design_effect_is_the_published_one(litters: str, published: float) -> None:
    pairs = [litter.split("/") for litter in litters.split()]
    arm = arm_of(Customer(int(litter), int(alive)) for alive, litter in pairs)
    assert design_effect(arm) == pytest.approx(published, abs=1e-5)


def test_runs_of_one_customer_are_worth_no_more_than_they_say() -> None:
    once = arm_of(Customer(1, number % 10 == 0) for number in range(200))
    always_the_same = arm_of(Customer(4, 4 * (number % 10 == 0)) for number in range(200))
    nobody = arm_of(Customer(4, 0) for _ in range(200))
    assert design_effect(once) == 1
    assert design_effect(always_the_same) == pytest.approx(4, rel=0.01)
    assert design_effect(nobody) == 4
    assert design_effect(arm_of([Customer(3, 1)])) == 3
    # Four times the runs, and no more is known.
    few = conversion_rate_uplift(once, one_run_each(5, 100))
    many = conversion_rate_uplift(always_the_same, one_run_each(5, 100))
    assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=1e-3)


def test_the_interval_holds_the_truth_where_customers_have_many_runs() -> None:
    """Some customers order in half of their runs, most in hardly any; runs are one to six."""
    rng = random.Random(20260301)
    covered = naive = 0
    for _ in range(TRIALS):
        sent, controls = (_habits(rng, count, 0.15) for count in (180, 60))
        found = conversion_rate_uplift(sent, controls)
        covered += found.low <= 0 <= found.high
        flat = [one_run_each_counts(arm.conversions, arm.runs) for arm in (sent, controls)]
        blind = conversion_rate_uplift(*flat)
        naive += blind.low <= 0 <= blind.high
    assert 0.95 - MARGIN < covered / TRIALS < 0.985
    # Runs taken for independent ones promise too much: the correction is not for show.
    assert naive / TRIALS < 0.9


def _habits(rng: random.Random, count: int, eager_share: float) -> Arm:
    customers = []
    for _ in range(count):
        habit = 0.5 if rng.random() < eager_share else 0.02
        runs = rng.randint(1, 6)
        customers.append(Customer(runs, sum(rng.random() < habit for _ in range(runs))))
    return arm_of(customers)


# -- net ------------------------------------------------------------------------------------------


def _nets(rng: random.Random, count: int, mean_minor: float, spread: float) -> list[int]:
    return [round(rng.gauss(mean_minor, spread)) for _ in range(count)]


def test_the_interval_of_net_is_that_of_the_library_on_the_customers_themselves() -> None:
    # Takes seconds to load, so not with the module, which every worker of a test run loads.
    from scipy.stats import ttest_ind  # type: ignore[import-untyped]

    rng = random.Random(7)
    sent, controls = _nets(rng, 400, 1_250, 900), _nets(rng, 60, 1_000, 300)
    ours = net_uplift(
        arm_of(Customer(1, 1, net) for net in sent), arm_of(Customer(1, 1, net) for net in controls)
    )
    assert ours is not None
    theirs = ttest_ind(sent, controls, equal_var=False).confidence_interval(CONFIDENCE)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)
    assert ours.estimate == pytest.approx(sum(sent) / 400 - sum(controls) / 60)


def test_the_interval_of_net_holds_a_known_effect_in_95_of_100_cases() -> None:
    rng = random.Random(20260302)
    covered = 0
    for _ in range(TRIALS):
        sent, controls = (
            arm_of(Customer(1, 1, net) for net in _nets(rng, count, mean, spread))
            for count, mean, spread in ((180, 1_200, 1_500), (60, 1_000, 700))
        )
        found = net_uplift(sent, controls)
        assert found is not None
        covered += found.low <= 200 <= found.high
    assert covered / TRIALS == pytest.approx(0.95, abs=MARGIN)


def test_sums_of_great_amounts_lose_nothing() -> None:
    """A variance from sums of squares is all rounding, unless the sums are whole numbers."""
    base = 10**10
    nets = [base, base + 1] * 50
    arm = arm_of(Customer(1, 1, net) for net in nets)
    found = net_uplift(arm, arm_of(Customer(1, 1, net - base) for net in nets))
    assert found is not None
    near = net_uplift(*(arm_of(Customer(1, 1, net - base) for net in nets) for _ in range(2)))
    assert near is not None
    assert found.high - found.low == pytest.approx(near.high - near.low, rel=1e-3)


# -- what is shown --------------------------------------------------------------------------------


def test_an_uplift_wants_enough_customers_in_both_arms() -> None:
    enough = one_run_each(LEAST_BUYERS, LEAST_CUSTOMERS, 1_000)
    few = one_run_each(LEAST_BUYERS, LEAST_CUSTOMERS - 1, 1_000)
    nothing = Uplift(None, None)
    assert uplift_of(few, enough) == uplift_of(enough, few) == nothing
    assert uplift_of(enough, Arm()) == uplift_of(Arm(), Arm()) == nothing
    found = uplift_of(enough, enough)
    assert found.conversion_rate is not None and found.conversion_rate.estimate == 0
    assert found.net_minor is not None and found.net_minor.estimate == 0


def test_many_runs_of_few_customers_are_few() -> None:
    assert uplift_of(
        arm_of(Customer(10, 5, 1_000) for _ in range(LEAST_CUSTOMERS - 1)),
        one_run_each(30, 400, 1_000),
    ) == Uplift(None, None)


def test_an_uplift_of_net_wants_enough_buyers_in_both_arms() -> None:
    enough = one_run_each(LEAST_BUYERS, 500, 1_000)
    few = one_run_each(LEAST_BUYERS - 1, 500, 1_000)
    for found in (uplift_of(few, enough), uplift_of(enough, few)):
        assert found.conversion_rate is not None
        assert found.net_minor is None


def test_without_any_spread_there_is_no_interval_of_net() -> None:
    same = one_run_each(60, 60, 1_000)
    assert net_uplift(same, same) is None


def test_an_empty_arm_has_no_rate_and_no_mean() -> None:
    assert (Arm().conversion_rate, Arm().mean_net_minor) == (None, None)
    arm = arm_of([Customer(2, 1, 500), Customer(2, 0, -100)])
    assert (arm.conversion_rate, arm.mean_net_minor) == (0.25, 200)
