"""Rules in words: what moves and what does not, trees, money without minor units, the command."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.core.tree import journaled_tree
from streams.rules.describe import describe_rules
from streams.rules.files import rules_text
from streams.rules.map_grid import conditions_of
from streams.rules.spans import format_span
from streams.rules.tree_words import tree_words
from streams.settings import load_settings
from tests.command_line import run_command


def described(**chosen: Any) -> dict[str, str]:
    chosen.setdefault("schemes", "full")
    return dict(describe_rules(rules_text(load_settings(**chosen))))


def test_fixed_pinned_and_moving_limits_are_told_apart() -> None:
    assert described()["rfm: R 5, 4, 3, 2"] == "younger than 30d, 90d, 180d, 365d"
    pinned = described(pinned_recency_days=[1, 2, 3, 4], pinned_frequency=[1, 1, 2, 5])
    assert pinned["rfm: R 5, 4, 3, 2"] == "up to an age of 1d, 2d, 3d, 4d"
    assert pinned["rfm: F 2, 3, 4, 5"] == "above 1, 1, 2, 5 orders"
    moving = described(scoring="quantile", rfm_maps="three_by_three")
    assert moving["rfm: M 2, 3, 4, 5"] == (
        "fifths of the customers with an order in the window; for too few, from 100.00, 250.00, "
        "500.00, 1000.00"
    )
    assert moving["rfm_three_by_three: F 2, 3"].startswith("thirds of the customers")
    assert moving["limits move from"] == (
        "500 customers with an order in the window and 180d of history on"
    )


def test_numbers_that_changed_are_the_ones_described() -> None:
    changed = described(
        sleeper_weeks=10, value_shares_percent=[70, 90], hold_days=14, service_minute_rate="1.255"
    )
    assert changed["lifecycle: Sleeper"] == "silent for 70d"
    assert "less than 70 % of the net value in 365d" in changed["value: A"]
    assert changed["value: a fall by moving limits"] == "counts after 14d"
    assert "a minute costs 1.255," in changed["behaviour: Service Demander"]
    yen = described(base_currency="JPY")
    assert yen["rfm: M 2, 3, 4, 5"] == "from 100, 250, 500, 1000"
    assert "a minute costs 0.6," in yen["behaviour: Service Demander"]


def test_every_scheme_is_described_by_what_the_journal_says() -> None:
    document = json.loads(rules_text(load_settings(schemes="full")))
    document["schemes"][1]["vip_percent"] = 75
    assert "than 75 % of all buyers" in dict(describe_rules(json.dumps(document)))["loyalty: VIP"]


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"field": "age", "between": [18, 29]}, "age is between 18 and 29"),
        ({"field": "attribute.country", "in": ["DE", "AT"]}, "country is one of DE, AT"),
        ({"field": "attribute.email", "exists": False}, "email is unknown"),
        ({"field": "average_order_value", "ge": 99.5}, "average_order_value >= 99.50"),
        ({"field": "median_gap", "le": "31d"}, "median_gap <= 31d"),
        ({"field": "units_per_order", "gt": 2.5}, "units_per_order > 2.5"),
        ({"field": "last_order_at", "within": "4w"}, "last_order_at within 28d"),
        ({"bought": {"sku": "S-1", "at_least": 2}}, "bought sku S-1 in at least 2 orders"),
        (
            {"bought": {"category": "tea", "within": "90d", "at_least_units": 1.5}},
            "bought category tea within 90d at least 1.5 pieces",
        ),
        (
            {
                "all": [
                    {"not": {"segment": {"scheme": "rfm", "in": ["At Risk", "Lost Customers"]}}},
                    {"any": [{"field": "age", "lt": 18}, {"field": "age", "ge": 65}]},
                ]
            },
            "not rfm is At Risk or Lost Customers and (age < 18 or age >= 65)",
        ),
    ],
)
def test_trees_in_words(tree: dict[str, Any], words: str) -> None:
    assert tree_words(journaled_tree(tree, 2), 2) == words


def test_conditions_and_spans_in_words() -> None:
    rows: list[dict[str, Any]] = [
        {"when": []},
        {
            "when": [
                {"r": [5, 5], "f": [1, 1], "m": [2, 2]},
                {"r": [1, 1], "f": [1, 1], "m": [1, 1]},
            ]
        },
        {"when": [{"r": [4, 5], "fm": [3, 3]}, {"r": [1, 1]}]},
    ]
    said = [conditions_of(row) for row in rows]
    assert said == ["everything else", "512 111", "R 4-5, FM 3; or R 1"]
    hour = 3_600_000
    assert [format_span(ms) for ms in (0, 7, 60_000, 36 * hour, 48 * hour)] == [
        "0s", "7ms", "1m", "36h", "2d",
    ]  # fmt: skip


def test_check_settings_prints_each_map_and_the_numbers_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "two.yaml").write_text(
        "scores:\n  r: {limits: [90d]}\n  f: {limits: [2]}\n  m: {limits: [50]}\nsegments:\n"
        "  - {name: Good, cells: 222 212}\n  - {name: Rest, when: []}\n"
    )
    chosen = {"RFM_SCHEMES": "value", "RFM_RFM_MAPS": "two,grid", "RFM_RULES_DIR": str(tmp_path)}
    ran = run_command(chosen, "check-settings")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert "RFM_RFM_MAPS\ttwo,grid\tenvironment" in lines
    assert [line for line in lines if line.startswith("value: A\t")] == [
        "value: A\tall who are worth more make up less than 80 % of the net value in 365d"
    ]
    at = lines.index("rfm_two\tF1\tF2")
    assert lines[at + 1 : at + 3] == ["R2\tM1 Rest, M2 Good\tM1 Rest, M2 Good", "R1\tRest\tRest"]
    at = lines.index("rfm_grid\tFM1\tFM2\tFM3\tFM4\tFM5")
    assert lines[at + 5] == "R1\tLost\tHibernating\tAt Risk\tCan't Lose\tCan't Lose"
    assert "rfm\tF1\tF2\tF3\tF4\tF5" in lines
    (tmp_path / "maps" / "two.yaml").write_text("segments: []\n")
    broken = run_command(chosen, "check-settings")
    assert (broken.code, broken.out) == (2, "")
    assert broken.err == f"rfm-streams: {tmp_path}/maps/two.yaml, line 1: there is no segment\n"
