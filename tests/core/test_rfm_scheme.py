"""Scheme `rfm`: scores at their limits, the map `five` cell by cell, and raised scores."""

import itertools

import pytest

from streams.core.facts import Facts
from streams.core.rules import RulesError, cells_of
from streams.core.schemes import rfm
from streams.core.schemes.scheme import Scores
from tests.core.story import DAY, T0, Story, rules

RULES = rules()
BEST_TO_WORST = ["Champions", "Loyal Customers", "Potential Loyalists", "At Risk", "Lost Customers"]
CELLS = list(itertools.product(range(1, 6), repeat=3))


def scores_of(age_ms: int = 0, count: int = 1, monetary_minor: int = 0) -> Scores:
    facts = Facts(T0, count, monetary_minor, 0, 0, 0, count, 0, None)
    scores = rfm.score(facts, RULES, T0 + age_ms)
    assert scores is not None
    return scores


def segment_of(r: int, f: int, m: int) -> str:
    segment = rfm.classify(Scores(r=r, f=f, m=m), RULES)
    assert segment is not None
    return segment


@pytest.mark.parametrize(("days", "r"), [(30, 5), (90, 4), (180, 3), (365, 2)])
def test_recency_drops_at_exactly_its_limit(days: int, r: int) -> None:
    assert scores_of(age_ms=days * DAY - 1).r == r
    assert scores_of(age_ms=days * DAY).r == r - 1
    assert scores_of(age_ms=days * DAY + 1).r == r - 1


@pytest.mark.parametrize(("limit", "f"), [(2, 2), (4, 3), (6, 4), (10, 5)])
def test_frequency_rises_at_exactly_its_limit(limit: int, f: int) -> None:
    assert [scores_of(count=limit + d).f for d in (-1, 0, 1)] == [f - 1, f, f]


@pytest.mark.parametrize(("limit", "m"), [(100, 2), (250, 3), (500, 4), (1000, 5)])
def test_money_rises_at_exactly_its_limit(limit: int, m: int) -> None:
    assert [scores_of(monetary_minor=limit * 100 + d).m for d in (-1, 0, 1)] == [m - 1, m, m]


def test_extremes() -> None:
    assert scores_of(age_ms=-300_000) == Scores(r=5, f=1, m=1), "an order of a fast clock"
    assert scores_of(age_ms=10**12, count=0, monetary_minor=-(10**9)) == Scores(r=1, f=1, m=1)
    assert rfm.score(Facts(None, 0, 0, 0, 0, 0, 0, 0, None), RULES, T0) is None
    assert rfm.classify(None, RULES) is None


def restated(r: int, f: int, m: int) -> str:
    """Map `five` once more, from its worst segment up."""
    if r >= 4:
        if f >= 4 and m >= 4:
            return "Champions"
        return "Loyal Customers" if f >= 3 else "Potential Loyalists"
    if r == 3:
        return "Loyal Customers" if f >= 3 else "At Risk"
    if r == 2:
        return "Lost Customers" if f == 1 and m <= 2 else "At Risk"
    return "At Risk" if min(f, m) >= 3 else "Lost Customers"


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "".join(map(str, cell)))
def test_map_five(cell: tuple[int, int, int]) -> None:
    assert segment_of(*cell) == restated(*cell)


def test_raising_a_score_never_makes_the_segment_worse() -> None:
    for r, f, m in CELLS:
        rank = BEST_TO_WORST.index(segment_of(r, f, m))
        for better in ((r + 1, f, m), (r, f + 1, m), (r, f, m + 1)):
            if max(better) <= 5:
                assert BEST_TO_WORST.index(segment_of(*better)) <= rank, better


def test_no_order_causes_an_entry_into_at_risk() -> None:
    # Whoever orders now has R 5, whatever else they are.
    assert "At Risk" not in {segment_of(5, f, m) for f in range(1, 6) for m in range(1, 6)}
    for silent_days in (0, 29, 30, 89, 90, 179, 180, 364, 365, 729, 730, 900):
        for before in range(12):
            story = Story()
            for index in range(before):
                story.order(T0 + index, 10_000)
            told = len(story.pass_time(T0 + silent_days * DAY).changes)
            story.order(T0 + silent_days * DAY, 0)
            assert [c.current for c in story.changes[told:] if c.current == "At Risk"] == []


def test_a_map_must_cover_every_cell_and_no_row_may_be_useless() -> None:
    with pytest.raises(RulesError, match="no segment covers the cell 111"):
        cells_of([{"name": "Some", "when": [{"r": [2, 5]}]}])
    with pytest.raises(RulesError, match="'Never' can never win"):
        cells_of([{"name": "All", "when": []}, {"name": "Never", "when": [{"r": [1, 1]}]}])
    with pytest.raises(RulesError, match="the window"):
        rules(window_ms=365 * DAY)
    with pytest.raises(RulesError, match="four rising numbers"):
        rules(frequency_limits=[2, 2, 6, 10])
