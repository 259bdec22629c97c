"""Schemes of kind `map`: scores at their limits, when they turn, cells, checks, moving limits."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.facts import Facts
from streams.core.population.snapshot import Snapshot
from streams.core.schemes.map_cells import Cell, Levels, Row, all_cells, cells_of, findings
from streams.core.schemes.maps import MapScheme, compile_scheme
from streams.core.schemes.scheme import Answer, Scores, Shop, View
from streams.core.state import CustomerState
from tests.core.story import DAY, T0, Story

SHOP = Shop(730 * DAY, 500, 180 * DAY, count_zero_value_orders=True)
FIVE_ROWS: list[dict[str, Any]] = [
    {"name": "Champions", "when": [{"r": [4, 5], "f": [4, 5], "m": [4, 5]}]},
    {"name": "Loyal Customers", "when": [{"r": [3, 5], "f": [3, 5]}]},
    {"name": "Potential Loyalists", "when": [{"r": [4, 5]}]},
    {
        "name": "At Risk",
        "when": [
            {"r": [3, 3]},
            {"r": [2, 2], "f": [2, 5]},
            {"r": [2, 2], "m": [3, 5]},
            {"r": [1, 1], "f": [3, 5], "m": [3, 5]},
        ],
    },
    {"name": "Lost Customers", "when": []},
]
BEST_TO_WORST = [row["name"] for row in FIVE_ROWS]
LIMITS = {
    "r": [30 * DAY, 90 * DAY, 180 * DAY, 365 * DAY],
    "f": [2, 4, 6, 10],
    "m": [10_000, 25_000, 50_000, 100_000],
}
FIVES = Levels(5, 5, 5)
CELLS = list(itertools.product(range(1, 6), repeat=3))


def score(key: str, mode: str = "fixed", edge: str = "left_closed", **changes: Any) -> Any:
    return {"mode": mode, "limits": LIMITS[key], "edge": edge, **changes}


def five(**scores: Any) -> MapScheme:
    """Map `five`, with some scores replaced."""
    return compile_scheme(raw(**scores), SHOP)


def raw(**scores: Any) -> dict[str, Any]:
    return {
        "kind": "map",
        "name": "rfm",
        "rows": FIVE_ROWS,
        "is_ranked": True,
        "scores": {key: score(key) for key in "rfm"} | scores,
        "hold_ms": None,
    }


def answer(
    scheme: MapScheme,
    age_ms: int = 0,
    orders: int = 1,
    monetary_minor: int = 0,
    expiry_ms: int | None = None,
) -> Answer:
    facts = Facts(T0, orders, monetary_minor, 0, 0, 0, orders, 0, expiry_ms)
    return scheme.classify(View(CustomerState("C-1"), facts, T0 + age_ms))


def scores_of(scheme: MapScheme, **facts: int) -> Scores:
    scores = answer(scheme, **facts).scores
    assert scores is not None
    return scores


def snapshot(
    customers: int = 500, history_ms: int = 180 * DAY, **percentiles: Sequence[int]
) -> Snapshot:
    """A snapshot whose percentiles and thirds are spread over the given cut points."""
    hundreds = {
        metric: [cuts[max(0, min(percent // 20, 4) - 1)] for percent in range(1, 100)]
        for metric, cuts in percentiles.items()
        if len(cuts) == 4
    }
    thirds = {metric: list(cuts) for metric, cuts in percentiles.items() if len(cuts) == 2}
    return Snapshot(1, T0, customers, customers, 0, 0, history_ms, hundreds, thirds, [])


# -- scores --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "r"), [(30, 5), (90, 4), (180, 3), (365, 2)])
def test_recency_drops_at_exactly_its_limit(days: int, r: int) -> None:
    ages = [days * DAY - 1, days * DAY, days * DAY + 1]
    assert [scores_of(five(), age_ms=age).r for age in ages] == [r, r - 1, r - 1]


@pytest.mark.parametrize(("limit", "f"), [(2, 2), (4, 3), (6, 4), (10, 5)])
def test_frequency_rises_at_exactly_its_limit(limit: int, f: int) -> None:
    assert [scores_of(five(), orders=limit + d).f for d in (-1, 0, 1)] == [f - 1, f, f]


@pytest.mark.parametrize(("limit", "m"), [(100, 2), (250, 3), (500, 4), (1000, 5)])
def test_money_rises_at_exactly_its_limit(limit: int, m: int) -> None:
    found = [scores_of(five(), monetary_minor=limit * 100 + d).m for d in (-1, 0, 1)]
    assert found == [m - 1, m, m]


def test_with_the_right_edge_closed_a_limit_belongs_to_what_lies_below_it() -> None:
    scheme = five(**{key: score(key, edge="right_closed") for key in "rfm"})
    assert [scores_of(scheme, age_ms=30 * DAY + d).r for d in (-1, 0, 1)] == [5, 5, 4]
    assert [scores_of(scheme, orders=10 + d).f for d in (-1, 0, 1)] == [4, 4, 5]
    assert [scores_of(scheme, monetary_minor=10_000 + d).m for d in (-1, 0, 1)] == [1, 1, 2]


def test_repeated_cut_points_give_equal_values_equal_scores() -> None:
    scheme = five(f=score("f", edge="right_closed", limits=[1, 1, 2, 5]))
    assert [scores_of(scheme, orders=orders).f for orders in range(7)] == [1, 1, 3, 4, 4, 4, 5]


def test_extremes() -> None:
    fast_clock = answer(five(), age_ms=-300_000)
    assert (fast_clock.scores, fast_clock.until_ms) == (Scores(5, 1, 1), T0 + 30 * DAY)
    assert scores_of(five(), age_ms=10**12, orders=0, monetary_minor=-(10**9)) == Scores(1, 1, 1)
    nobody = Facts(None, 0, 0, 0, 0, 0, 0, 0, T0 + DAY)
    assert five().classify(View(CustomerState("C-1"), nobody, T0)) == Answer(None, None)


# -- the next change by the clock ----------------------------------------------------------------


@pytest.mark.parametrize(("edge", "beyond"), [("left_closed", 0), ("right_closed", 1)])
def test_the_clock_turns_the_answer_exactly_where_it_says(edge: str, beyond: int) -> None:
    scheme = five(r=score("r", edge=edge))
    at_ms, turns = T0, []
    while (due_ms := answer(scheme, age_ms=at_ms - T0).until_ms) is not None:
        assert due_ms > at_ms
        assert scores_of(scheme, age_ms=due_ms - T0 - 1).r == scores_of(scheme, age_ms=at_ms - T0).r
        assert scores_of(scheme, age_ms=due_ms - T0).r == scores_of(scheme, age_ms=at_ms - T0).r - 1
        at_ms = due_ms
        turns.append(at_ms - T0)
    assert turns == [limit + beyond for limit in LIMITS["r"]]


def test_what_leaves_the_window_is_waited_for_as_well() -> None:
    soon, late = T0 + 10 * DAY, T0 + 600 * DAY
    assert answer(five(), expiry_ms=soon).until_ms == soon
    assert answer(five(), expiry_ms=late).until_ms == T0 + 30 * DAY
    # Beyond the last limit only the window is left.
    assert answer(five(), age_ms=400 * DAY, expiry_ms=late).until_ms == late


# -- map `five` ----------------------------------------------------------------------------------


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
    r, f, m = cell
    age_ms = [400 * DAY, 200 * DAY, 100 * DAY, 50 * DAY, 0][r - 1]
    orders, money = [1, 2, 4, 6, 10][f - 1], [0, 10_000, 25_000, 50_000, 100_000][m - 1]
    found = answer(five(), age_ms=age_ms, orders=orders, monetary_minor=money)
    assert (found.segment, found.scores) == (restated(*cell), Scores(*cell))


def test_no_order_causes_an_entry_into_at_risk() -> None:
    # Whoever orders now has R 5, whatever else they are.
    assert "At Risk" not in {restated(5, f, m) for f in range(1, 6) for m in range(1, 6)}
    for silent_days in (0, 29, 30, 89, 90, 179, 180, 364, 365, 729, 730, 900):
        for before in range(12):
            story = Story()
            for index in range(before):
                story.order(T0 + index, 10_000)
            told = len(story.pass_time(T0 + silent_days * DAY).changes)
            story.order(T0 + silent_days * DAY, 0)
            assert [c.current for c in story.changes[told:] if c.current == "At Risk"] == []


# -- limits from a snapshot ----------------------------------------------------------------------


def by_quantiles() -> MapScheme:
    return five(**{key: score(key, mode="quantile") for key in "rfm"})


MOVED = snapshot(
    recency_ms=[DAY, 2 * DAY, 3 * DAY, 4 * DAY],
    frequency=[1, 1, 2, 3],
    monetary_minor=[100, 200, 300, 400],
)


def test_quantiles_put_a_cut_point_into_the_lower_score() -> None:
    scheme = by_quantiles().under(MOVED)
    assert [scores_of(scheme, age_ms=days * DAY).r for days in range(1, 6)] == [5, 4, 3, 2, 1]
    assert scores_of(scheme, age_ms=DAY + 1).r == 4
    assert [scores_of(scheme, orders=orders).f for orders in (1, 2, 3, 4)] == [1, 3, 4, 5]
    assert [scores_of(scheme, monetary_minor=100 + d).m for d in (0, 1)] == [1, 2]
    assert answer(scheme, age_ms=DAY).until_ms == T0 + DAY + 1, "a cut point is not over at itself"


@pytest.mark.parametrize(
    "too_little",
    [
        None,
        MOVED._replace(customers=499),
        MOVED._replace(history_ms=180 * DAY - 1),
        MOVED._replace(percentiles={}),
    ],
)
def test_fixed_limits_hold_while_there_is_too_little_data(too_little: Snapshot | None) -> None:
    scheme = by_quantiles().under(MOVED).under(too_little)
    assert scheme == by_quantiles()
    assert scores_of(scheme, age_ms=29 * DAY, orders=2, monetary_minor=10_000) == Scores(5, 2, 2)


def test_fixed_and_pinned_limits_do_not_move() -> None:
    pinned = five(m=score("m", edge="right_closed"))
    assert not pinned.uses_population
    assert pinned.under(MOVED) is pinned
    mixed = five(f=score("f", mode="quantile")).under(MOVED)
    assert scores_of(mixed, orders=2, monetary_minor=500, age_ms=29 * DAY) == Scores(5, 3, 1)


def test_three_levels_are_cut_at_thirds() -> None:
    thirds: dict[str, Any] = {"mode": "quantile", "limits": [250, 1000], "edge": "left_closed"}
    rows: list[Row] = [{"name": "Rich", "when": [{"m": [3, 3]}]}, {"name": "Rest", "when": []}]
    scheme = compile_scheme({**raw(m=thirds), "rows": rows}, SHOP)
    moved = scheme.under(snapshot(monetary_minor=[40, 60]))
    assert [scores_of(scheme, monetary_minor=value).m for value in (249, 250, 1000)] == [1, 2, 3]
    assert [scores_of(moved, monetary_minor=value).m for value in (40, 41, 60, 61)] == [1, 2, 2, 3]
    assert answer(moved, monetary_minor=61).segment == "Rich"


@settings(max_examples=60)
@given(
    cuts=st.lists(st.integers(-50, 50), min_size=4, max_size=4).map(sorted),
    value=st.integers(-60, 60),
)
def test_a_score_is_one_more_than_the_cut_points_below(cuts: list[int], value: int) -> None:
    scheme = by_quantiles().under(snapshot(monetary_minor=cuts))
    assert scores_of(scheme, monetary_minor=value).m == 1 + sum(cut < value for cut in cuts)


# -- what can be wrong ---------------------------------------------------------------------------


def said(rows: Sequence[Row], *, ranked: bool = False, once: bool = False) -> Any:
    return [
        (one.row, one.message)
        for one in findings(rows, FIVES, is_ranked=ranked, each_cell_once=once)
    ]


def test_the_shipped_map_is_sound() -> None:
    assert said(FIVE_ROWS, ranked=True) == []


def test_a_cell_without_a_segment() -> None:
    rows: list[Row] = [{"name": "Some", "when": [{"r": [2, 5]}, {"f": [2, 5]}, {"m": [4, 5]}]}]
    assert said(rows) == [(None, "no segment covers 111 112 113")]
    many: list[Row] = [{"name": "Some", "when": [{"r": [2, 5]}]}]
    assert said(many)[0][1] == (
        "no segment covers 111 112 113 114 115 121 122 123 124 125 131 132 (and 13 more cells)"
    )


def test_a_row_that_can_never_win_with_its_cells_and_who_takes_them() -> None:
    taken = [{"r": [1, 1], "f": [1, 1], "m": [1, 2]}, {"r": [2, 2], "f": [1, 1], "m": [5, 5]}]
    rows: list[Row] = [
        {"name": "Old", "when": [{"r": [1, 1]}]},
        {"name": "Rich", "when": [{"m": [5, 5]}]},
        {"name": "Never", "when": taken},
        {"name": "Rest", "when": []},
    ]
    assert said(rows) == [(2, "'Never' can never win: 'Rich' takes 215; 'Old' takes 111 112")]
    impossible: list[Row] = [{"name": "None", "when": [{"f": [1, 1], "fm": [4, 5]}]}, rows[3]]
    assert said(impossible) == [
        (0, "'None' can never win: no combination of scores matches it"),
    ]


def test_a_cell_that_two_rows_name_where_each_may_stand_once() -> None:
    rows: list[Row] = [
        {"name": "Old", "when": [{"r": [1, 2]}]},
        {"name": "Rest", "when": [{"r": [3, 5]}, {"r": [2, 2], "f": [5, 5], "m": [1, 2]}]},
    ]
    assert said(rows, once=True) == [(1, "'Rest' and 'Old' both have 251 252")]
    assert said(rows) == [], "elsewhere the first wins"


def test_a_raised_score_that_makes_the_segment_worse() -> None:
    rows: list[Row] = [
        {"name": "Good", "when": [{"r": [5, 5], "f": [1, 4]}]},
        {"name": "Bad", "when": []},
    ]
    assert said(rows, ranked=True) == [
        (1, "raising F makes it worse: 541 is 'Good', 551 is 'Bad' (and 4 more such steps)")
    ]
    assert said(rows) == []


def test_names_and_scores() -> None:
    assert said([]) == [(None, "there is no segment")]
    rows: list[Row] = [
        {"name": "A|B", "when": []},
        {"name": "C", "when": []},
        {"name": "C", "when": []},
    ]
    assert said(rows) == [
        (0, "the name 'A|B' must not contain '|'"),
        (2, "the name 'C' is given twice"),
    ]
    assert said([{"name": " ", "when": []}]) == [(0, "a segment needs a name")]
    wrong: list[Row] = [
        {"name": "C", "when": [{"x": [1, 1]}, {"r": [0, 3]}, {"fm": [3, 6]}, {"m": [4, 2]}]}
    ]
    assert said(wrong) == [
        (0, "'C': no score 'x'; known are r, f, m, fm"),
        (0, "'C': r 0-3 is not within 1 to 5"),
        (0, "'C': fm 3-6 is not within 1 to 5"),
        (0, "'C': m 4-2 is not within 1 to 5"),
    ]


def test_fm_is_the_mean_of_f_and_m_with_halves_up() -> None:
    assert [Cell(1, f, m).fm for f, m in ((1, 1), (1, 2), (2, 3), (4, 5), (5, 5))] == [
        1,
        2,
        3,
        5,
        5,
    ]
    rows: list[Row] = [{"name": "High", "when": [{"fm": [3, 5]}]}, {"name": "Low", "when": []}]
    cells = cells_of(rows, FIVES)
    assert {str(cell) for cell, row in cells.items() if row == 1} == {
        f"{r}{f}{m}" for r, f, m in CELLS if f + m <= 4
    }


def test_cells_are_laid_out_for_as_many_levels_as_there_are() -> None:
    cells = list(all_cells(Levels(2, 1, 3)))
    assert list(map(str, cells)) == ["211", "212", "213", "111", "112", "113"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": FIVE_ROWS[:4]}, "no segment covers 211 212 111"),
        ({"scores": {key: score(key, limits=[2, 2, 6]) for key in "rfm"}}, r"R must rise"),
        ({"is_ranked": False, "hold_ms": DAY}, "only a map from best to worst can hold"),
    ],
)
def test_a_wrong_map_does_not_compile(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_scheme({**raw(), **changes}, SHOP)


@pytest.mark.parametrize(
    ("key", "changes", "message"),
    [
        ("r", {"limits": [DAY, 730 * DAY]}, r"the window \(730 days\) must exceed the largest rec"),
        ("r", {"limits": [0, DAY]}, "limits of R are ages above 0"),
        ("f", {"limits": [2, 2, 6, 10]}, r"limits of F must rise, found \[2, 2, 6, 10\]"),
        ("f", {"limits": [5, 4], "edge": "right_closed"}, "limits of F must rise"),
        ("m", {"limits": []}, "M needs 1 to 4 limits, found 0"),
        ("m", {"mode": "median"}, "scoring of M is fixed or quantile, not 'median'"),
        ("m", {"edge": "open"}, "edge of M is left_closed or right_closed, not 'open'"),
        ("m", {"limits": [1, 2, 3, 4, 5]}, "M needs 1 to 4 limits, found 5"),
    ],
)  # fmt: skip
def test_wrong_limits_do_not_compile(key: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        five(**{key: score(key, **changes)})
