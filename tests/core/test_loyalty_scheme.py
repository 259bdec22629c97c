"""Scheme `loyalty`: each limit, before and under a snapshot, and limits that move."""

from typing import Any

import pytest

from streams.core.state import CustomerState, Folded
from tests.core.story import DAY, T0
from tests.properties.customers import ask, bought, compiled, customer, gave_back, snapshot


def buyer(count: int, net_minor: int = 0) -> CustomerState:
    """So many orders, the first of which has all the value."""
    return customer(bought(T0 - n, net_minor if n == 0 else 0) for n in range(count))


@pytest.mark.parametrize(
    ("count", "segment"),
    [
        (0, None),
        (1, "One Time Buyer"),
        (2, "Loyal Customer"),
        (3, "Loyal Customer"),
        (4, "Frequent Buyer"),
        (9, "Frequent Buyer"),
        (10, "VIP"),
        (11, "VIP"),
    ],
)
def test_small_shops_have_fixed_limits(count: int, segment: str | None) -> None:
    poor = buyer(count)
    for base in (None, snapshot(customers=499), snapshot(history_ms=180 * DAY - 1)):
        assert ask(compiled("loyalty", base), poor) == (segment, None, None)


def test_exactly_enough_population_moves_the_limits() -> None:
    enough = snapshot(customers=500, history_ms=180 * DAY, repeat_orders=5 * 400)
    assert ask(compiled("loyalty", enough), buyer(5)).segment == "Loyal Customer"
    assert ask(compiled("loyalty"), buyer(5)).segment == "Frequent Buyer"


@pytest.mark.parametrize(
    ("repeat_orders", "count", "segment"),
    [
        (1_400, 3, "Loyal Customer"),  # mean 3.5
        (1_400, 4, "Frequent Buyer"),
        (1_600, 4, "Loyal Customer"),  # mean 4: to equal it is not to exceed it
        (1_600, 5, "Frequent Buyer"),
        (1_601, 4, "Loyal Customer"),
        (1_599, 4, "Frequent Buyer"),
        (1_600, 2, "Loyal Customer"),
        (1_600, 1, "One Time Buyer"),
    ],
)
def test_frequent_is_above_the_mean_of_repeat_buyers(
    repeat_orders: int, count: int, segment: str
) -> None:
    scheme = compiled("loyalty", snapshot(repeat_orders=repeat_orders))
    assert ask(scheme, buyer(count)).segment == segment


@pytest.mark.parametrize(
    ("count", "net_minor", "segment"),
    [
        (7, 50_001, "VIP"),
        (6, 50_001, "Frequent Buyer"),  # at the cut of orders
        (7, 50_000, "Frequent Buyer"),  # at the cut of revenue
        (7, 49_999, "Frequent Buyer"),
        (60, 50_000, "Frequent Buyer"),
        (3, 10**9, "Loyal Customer"),
    ],
)
def test_a_vip_is_above_both_cuts(count: int, net_minor: int, segment: str) -> None:
    assert ask(compiled("loyalty", snapshot()), buyer(count, net_minor)).segment == segment


def test_a_vip_is_above_the_mean_too_where_few_order_most() -> None:
    # The mean (10) lies above the cut of orders (6).
    scheme = compiled("loyalty", snapshot(repeat_orders=4_000))
    assert ask(scheme, buyer(10, 10**6)).segment == "Loyal Customer"
    assert ask(scheme, buyer(11, 10**6)).segment == "VIP"


def test_the_whole_life_counts_folded_and_returned() -> None:
    scheme = compiled("loyalty")
    assert ask(scheme, customer([bought()], folded=Folded(9, 0))).segment == "VIP"
    assert ask(scheme, customer([bought(T0 - 3_000 * DAY)])).segment == "One Time Buyer"
    cancelled = customer([bought(), bought(T0 - 1, cancelled=True)])
    assert ask(scheme, cancelled).segment == "One Time Buyer"
    returned = customer([bought(T0 - DAY, 100)], [gave_back(T0, 100, order=0)])
    assert ask(scheme, returned).segment is None
    loose = customer(buyer(7, 50_001).orders.values(), [gave_back(T0, 1)])
    assert ask(compiled("loyalty", snapshot()), loose).segment == "Frequent Buyer"


def test_the_percentile_is_a_setting() -> None:
    percentiles = {"lifetime_orders": list(range(1, 100)), "lifetime_net_minor": [0] * 99}
    scheme = compiled("loyalty", snapshot(percentiles=percentiles), vip_percent=95)
    assert ask(scheme, buyer(95, 1)).segment == "Frequent Buyer"
    assert ask(scheme, buyer(96, 1)).segment == "VIP"


@pytest.mark.parametrize("changes", [{"repeat_buyers": 0, "repeat_orders": 0}, {"percentiles": {}}])
def test_a_base_without_the_figures_leaves_the_fixed_limits(changes: dict[str, Any]) -> None:
    assert ask(compiled("loyalty", snapshot(**changes)), buyer(10)).segment == "VIP"


def test_limits_follow_the_latest_snapshot_and_go_with_it() -> None:
    before = compiled("loyalty")
    moved = before.under(snapshot())
    assert moved.under(None) == before
    assert moved.under(snapshot(customers=3)) == before
    assert before.under(snapshot()) == moved


def test_what_it_says_of_itself() -> None:
    scheme = compiled("loyalty", hold_ms=3 * DAY)
    assert (scheme.name, scheme.kind, scheme.hold_ms) == ("loyalty", "loyalty", 3 * DAY)
    assert scheme.segments == ("VIP", "Frequent Buyer", "Loyal Customer", "One Time Buyer")
    assert (scheme.is_ranked, scheme.is_flags, scheme.uses_population) == (True, False, True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vip_percent": 0}, "vip_percent"),
        ({"vip_percent": 100}, "vip_percent"),
        ({"small_shop": {"frequent_orders": 2, "vip_orders": 10}}, "frequent_orders"),
        ({"small_shop": {"frequent_orders": 4, "vip_orders": 4}}, "vip_orders"),
    ],
)
def test_limits_that_leave_a_group_empty_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compiled("loyalty", **changes)
