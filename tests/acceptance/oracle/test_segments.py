"""Each scheme of the oracle against customers counted by hand."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from .hand_cases import DAY_MS, NOW_MS, Event, order, write_events
from .scheme_cases import BASE, MAP_CELLS, OFFERS, SMALL, UNDER_BASE, Case, sold
from .segments import SCHEMES, CustomerSegments, segments_at
from .thresholds import Thresholds, exact_thresholds

if TYPE_CHECKING:
    from pathlib import Path


def owned(customer: str, events: list[Event]) -> list[Event]:
    return [event | {"customer_id": customer} for event in events]


@pytest.mark.parametrize(
    ("cases", "base"), [(UNDER_BASE, BASE), (SMALL, None)], ids=["large shop", "small shop"]
)
def test_each_segment_by_hand(tmp_path: Path, cases: list[Case], base: Thresholds | None) -> None:
    """Given a customer for every case, then each is where counting by hand puts it."""
    events = [
        event
        for scheme, title, history, _ in cases
        for event in owned(f"{scheme}: {title}", history)
    ]
    found = segments_at(
        write_events(tmp_path / "e.jsonl", events), NOW_MS, base, base_currency="EUR"
    )
    expected = {f"{scheme}: {title}": segment for scheme, title, _, segment in cases}
    assert len(expected) == len(cases)
    answers = {
        f"{scheme}: {title}": found[f"{scheme}: {title}"].segments[scheme]
        for scheme, title, _, _ in cases
    }
    assert answers == expected


def test_every_segment_has_two_customers_or_more() -> None:
    counts = Counter(
        (scheme, flag)
        for scheme, _, _, segment in UNDER_BASE
        for flag in (segment or "").split("|")
        if flag
    )
    assert len(counts) == 4 + 3 + 7 + 3 + 5 + 6 + 3
    assert min(counts.values()) >= 2


@pytest.mark.parametrize(("title", "days", "expected"), OFFERS, ids=[one[0] for one in OFFERS])
def test_offers_that_nobody_follows(
    tmp_path: Path, title: str, days: tuple[float, ...], expected: str | None
) -> None:
    path = write_events(tmp_path / "e.jsonl", sold(*["20.00"] * 4, days=5))
    offers = [("c", NOW_MS - round(one * DAY_MS)) for one in days]
    found = segments_at(path, NOW_MS, None, base_currency="EUR", offers=offers)
    assert found["c"].segments["behaviour"] == expected


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CustomerSegments]:
    """A customer for each of the 125 cells, named for its scores."""
    ages, orders, totals = (400, 200, 100, 40, 10), (1, 2, 4, 6, 10), (99, 100, 250, 500, 1000)
    events = [
        order(f"{number}", ages[r], totals[m] if number == 0 else 0,
              customer_id=f"{r + 1}{f + 1}{m + 1}")
        for r, f, m in itertools.product(range(5), repeat=3)
        for number in range(orders[f])
    ]  # fmt: skip
    path = write_events(tmp_path_factory.mktemp("cells") / "cells.jsonl", events)
    return segments_at(path, NOW_MS, None, base_currency="EUR")


def test_the_125_cells_have_their_scores(cells: dict[str, CustomerSegments]) -> None:
    assert len(cells) == 125
    assert all(row.scores == tuple(int(one) for one in name) for name, row in cells.items())


@pytest.mark.parametrize("scheme", MAP_CELLS)
def test_cells_of_a_map_by_hand(scheme: str, cells: dict[str, CustomerSegments]) -> None:
    expected = {
        cell: segment for segment, names in MAP_CELLS[scheme].items() for cell in names.split()
    }
    assert {cell: cells[cell].segments[scheme] for cell in expected} == expected


@pytest.mark.parametrize(
    ("scheme", "counts"),
    [
        ("rfm_eleven", {"Champions": 7, "Loyal": 8, "Potential Loyalist": 24, "New Customers": 7,
                        "Promising": 16, "Need Attention": 8, "About To Sleep": 8, "At Risk": 22,
                        "Cannot Lose Them": 8, "Hibernating": 11, "Lost": 6}),
        # Cells with F + M of 2, 3-4, 5-6, 7-8 and 9-10 number 1, 5, 9, 7 and 3.
        ("rfm_grid", {"Recent": 1, "Potential Loyalist": 5 + 5 + 9 + 9, "Loyal": 9 + 7 + 7 + 3,
                      "Champions": 7 + 3 + 3, "Promising": 1 + 1, "Needs Attention": 5 + 5 + 9,
                      "About To Sleep": 1, "At Risk": 7 + 3 + 9, "Lost": 1, "Hibernating": 5,
                      "Can't Lose": 7 + 3}),
        ("rfm_rf_ten", {"Hibernating": 20, "At Risk": 20, "Can't Lose": 10, "About to Sleep": 10,
                        "Need Attention": 5, "Loyal": 20, "Promising": 5, "New": 5,
                        "Potential Loyalists": 20, "Champions": 10}),
    ],
)  # fmt: skip
def test_all_cells_of_a_map_are_counted(
    scheme: str, counts: dict[str, int], cells: dict[str, CustomerSegments]
) -> None:
    assert Counter(row.segments[scheme] for row in cells.values()) == counts


def test_quantile_scores_are_beyond_their_cut_points(tmp_path: Path) -> None:
    """Cut points of 20 to 80 days, 1 to 4 orders and 20 to 80: at a cut is not beyond it."""
    events = [
        *owned("at", [order("1", 20, "20.00")]),
        *owned("beyond", [order("1", 20, "20.01", ms=-1), order("2", 30, "0.00")]),
        *owned("top", [order(f"{n}", 1, "20.00") for n in range(5)]),
        *owned("last", [order("1", 81, "80.01")]),
    ]
    path = write_events(tmp_path / "e.jsonl", events)
    found = segments_at(path, NOW_MS, BASE, base_currency="EUR", quantile_scores=True)
    scores = {name: row.scores for name, row in found.items()}
    assert scores == {"at": (5, 1, 1), "beyond": (4, 2, 2), "top": (5, 5, 5), "last": (1, 1, 5)}


@pytest.mark.parametrize(
    "change", [{"customers": 499}, {"history_ms": 180 * DAY_MS - 1}], ids=["customers", "history"]
)
def test_a_base_too_small_sets_no_limits(tmp_path: Path, change: dict[str, int]) -> None:
    small: Thresholds = {**BASE, **change}  # type: ignore[typeddict-item]
    path = write_events(tmp_path / "e.jsonl", sold(*["1000.00"] * 4))
    for quantile_scores in (False, True):
        found, unset = (
            segments_at(path, NOW_MS, base, base_currency="EUR", quantile_scores=quantile_scores)
            for base in (small, None)
        )
        assert found == unset
        assert found["c"].segments["value"] is None


def test_facts_of_both_windows(tmp_path: Path) -> None:
    """Given orders in each window and none, loose returns too, then each sum has its own."""
    events = [
        order("1", 730, "1.00"), order("2", 365, "20.00"), order("3", 5, "300.00"),
        {**order("4", 2, "7000.00"), "customer_id": "d"},
    ]  # fmt: skip
    path = write_events(tmp_path / "e.jsonl", events)
    row = segments_at(path, NOW_MS, None, base_currency="EUR")["c"]
    assert row.standing[:-1] == (NOW_MS - 5 * DAY_MS, 2, 32000, 3, 32100, 1, 30000)
    assert tuple(row.segments) == SCHEMES


def test_exact_thresholds_by_hand(tmp_path: Path) -> None:
    """Ten customers, whose cut points and classes are counted by hand."""
    totals = [800, 100, 50, 20, 10, 8, 6, 3, 2, 1]
    events = [
        event
        for number, total in enumerate(totals)
        for event in owned(
            f"c{number}",
            [order(f"{copy}", number + 1, total if copy == 0 else 0, **({} if copy else _THREE))
             for copy in range(3 if number < 2 else 1)],
        )
    ]  # fmt: skip
    events += owned("gone", [order("1", 730, 5000)])
    events += owned("none", [{**order("1", 3, 1), "type": "order.cancelled"}])
    found = exact_thresholds(
        write_events(tmp_path / "e.jsonl", events), NOW_MS, base_currency="EUR"
    )
    assert found["percentiles"].keys() == BASE["percentiles"].keys()
    assert found["thirds"]["monetary_minor"] == [600, 2000]  # the 4th and the 7th of ten
    cuts = {metric: [values[at - 1] for at in (1, 10, 11, 50, 90, 91, 99)]
            for metric, values in found["percentiles"].items()}  # fmt: skip
    assert cuts["monetary_minor"] == [100, 100, 200, 800, 10000, 80000, 80000]
    assert cuts["value_minor"] == cuts["monetary_minor"]
    assert cuts["recency_ms"] == [DAY_MS * days for days in (1, 1, 2, 5, 9, 10, 10)]
    assert cuts["frequency"] == [1, 1, 1, 1, 3, 3, 3]
    assert cuts["lifetime_net_minor"][-1] == 500_000  # whoever left the window still bought
    assert cuts["units_milli"] == [1000] * 7  # 3 pieces in 3 orders, both of them
    assert found["history_ms"] == 730 * DAY_MS
    counts = ("customers", "buyers", "repeat_buyers", "repeat_orders")
    assert [found[name] for name in counts] == [10, 11, 2, 6]  # type: ignore[literal-required]
    # Of 1000 in all 800 stand above the second: no longer below 80 %. Above the fourth stand 950.
    assert found["value_limits_minor"] == [80_000, 5_000]


_THREE: dict[str, Any] = {"items": [{"sku": "a", "quantity": 3}]}
