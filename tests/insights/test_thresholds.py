"""Exact figures of the base, beside those of a snapshot, and the limits that follow from one."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.population.snapshot import Snapshot
from streams.core.state import CustomerState
from streams.core.values import DAY_MS
from streams.insights.customers import facts_under
from streams.insights.thresholds import (
    Comparison,
    Figures,
    Limit,
    comparisons,
    limits_of,
    nearest_rank,
    value_limits,
)
from streams.rules.files import rules_text
from streams.settings import load_settings
from tests.insights.customers import NOW_MS, facts, rules, shopper

SHARES = (80, 95)


def exactly(*states: CustomerState) -> Snapshot:
    figures = Figures()
    for state in states:
        figures.add(state, facts(state), NOW_MS)
    return figures.snapshot(3, NOW_MS, SHARES)


@given(
    st.lists(st.integers(-9, 9), min_size=1, max_size=30),
    st.sampled_from([(1, 100), (20, 100), (50, 100), (99, 100), (1, 3), (2, 3)]),
)
def test_a_quantile_is_the_least_value_that_enough_do_not_exceed(
    values: list[int], rank: tuple[int, int]
) -> None:
    ordered = sorted(values)
    share = Fraction(*rank)
    by_definition = min(
        one for one in ordered if sum(v <= one for v in ordered) >= share * len(ordered)
    )
    assert nearest_rank(ordered, *rank) == by_definition


def test_figures_by_hand() -> None:
    found = exactly(
        shopper("a", [(10, 5_000)]),
        shopper("b", [(40, 10_000), (20, 20_000)]),
        shopper("c", [(800, 1_000), (400, 1_000), (100, 7_000)], units=2.5),
        # Nothing in the window, but ever.
        shopper("d", [(900, 9_900)]),
        shopper("e", []),
    )
    assert found[:7] == (3, NOW_MS, 3, 4, 2, 5, 900 * DAY_MS)
    assert found.thirds["recency_ms"] == [10 * DAY_MS, 20 * DAY_MS]
    assert found.thirds["frequency"] == [1, 2]
    assert [found.quantile("monetary_minor", one) for one in (33, 34, 99)] == [5_000, 8_000, 30_000]
    assert [found.quantile("lifetime_orders", one) for one in (50, 51, 99)] == [1, 2, 3]
    assert found.quantile("lifetime_net_minor", 99) == 30_000
    # The window of scheme value is a year: the orders of 400 and 800 days ago are out.
    assert found.thirds["value_minor"] == [5_000, 7_000]
    assert found.percentiles["units_milli"] == [2_500] * 99
    assert found.value_limits_minor == [7_000, 5_000]


def test_nobody_has_no_figures() -> None:
    found = exactly(shopper("e", []))
    assert (found.buyers, found.percentiles, found.thirds, found.value_limits_minor) == (
        0,
        {},
        {},
        [],
    )


@given(st.lists(st.integers(-5, 40), max_size=25))
def test_classes_a_and_b_end_by_the_value_of_who_is_worth_more(values: list[int]) -> None:
    limits = value_limits(sorted(values), SHARES)
    positive = [value for value in values if value > 0]
    if not positive:
        assert limits == []
        return
    for percent, limit in zip(SHARES, limits, strict=True):
        for value in positive:
            larger = sum(one for one in positive if one > value)
            assert (value >= limit) == (larger * 100 < percent * sum(positive))


def test_a_comparison_tells_how_far_the_estimate_is_off() -> None:
    exact = exactly(*(shopper(f"c{number}", [(number, 1_000)]) for number in range(1, 11)))
    estimated = exact._replace(
        percentiles={**exact.percentiles, "monetary_minor": [1_005] * 99}, customers=9
    )
    found = {(one.metric, one.what): one for one in comparisons(estimated, exact)}
    money = found["monetary_minor", "20 %"]
    assert (money.estimated, money.exact, money.difference, money.relative) == (
        1_005,
        1_000,
        5,
        0.005,
    )
    assert found["customers", ""].difference == -1
    assert found["recency_ms", "20 %"].difference == 0
    assert found["units_milli", "20 %"] == Comparison("units_milli", "20 %", None, None)
    assert found["units_milli", "20 %"].relative is None
    alone = {(one.metric, one.what): one for one in comparisons(None, exact)}
    assert (alone["customers", ""].estimated, alone["customers", ""].exact) == (None, 10)


def test_the_limits_that_decide_are_told_with_their_source() -> None:
    """A snapshot of enough customers moves them, one of too few does not."""
    enough = exactly(*(shopper(f"c{number}", [(200, 1_000 + number)]) for number in range(600)))
    repeat = enough._replace(
        repeat_buyers=100,
        repeat_orders=350,
        percentiles={
            **enough.percentiles,
            "lifetime_orders": [6] * 99,
            "lifetime_net_minor": [2_000] * 99,
        },
    )
    small = repeat._replace(customers=499)

    def told(snapshot: Snapshot | None, scheme: str) -> list[Limit]:
        under = rules("rfm,loyalty,value").under(snapshot)
        return [one for one in limits_of(under) if one.scheme == scheme]

    assert told(repeat, "loyalty") == [
        Limit("loyalty", "Frequent Buyer", "lifetime_orders", 4, "snapshot"),
        Limit("loyalty", "VIP", "lifetime_orders", 7, "snapshot"),
        Limit("loyalty", "VIP", "lifetime_net_minor", 2_001, "snapshot"),
    ]
    for other in (small, None):
        assert told(other, "loyalty") == [
            Limit("loyalty", "Frequent Buyer", "lifetime_orders", 4, "fixed"),
            Limit("loyalty", "VIP", "lifetime_orders", 10, "fixed"),
        ]
        assert [one.least for one in told(other, "value")] == [None, None]
    assert [one.least for one in told(repeat, "value")] == repeat.value_limits_minor
    fixed = told(repeat, "rfm")
    assert {one.source for one in fixed} == {"fixed"}
    assert [(one.what, one.least) for one in fixed][:5] == [
        ("R4", 30 * DAY_MS),
        ("R3", 90 * DAY_MS),
        ("R2", 180 * DAY_MS),
        ("R1", 365 * DAY_MS),
        ("F2", 2),
    ]


def test_limits_of_scores_by_quantiles_begin_behind_the_cut_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from streams.core.rules import compile_rules

    monkeypatch.setenv("RFM_SCORING", "quantile")
    under = compile_rules(rules_text(load_settings(schemes="rfm")), 1)
    states = [shopper(f"c{number}", [(200, number)]) for number in range(1, 501)]
    figures = Figures()
    for state in states:
        figures.add(state, facts_under(state, under, NOW_MS), NOW_MS)
    snapshot = figures.snapshot(1, NOW_MS, SHARES)
    monetary = [one for one in limits_of(under.under(snapshot)) if one.metric == "monetary_minor"]
    assert [(one.what, one.least, one.source) for one in monetary] == [
        ("M2", 101, "snapshot"),
        ("M3", 201, "snapshot"),
        ("M4", 301, "snapshot"),
        ("M5", 401, "snapshot"),
    ]
