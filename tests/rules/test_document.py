"""From settings and files to the journaled document: presets, order, what goes before what."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.core.rules import compile_rules
from streams.rules.describe import describe_rules, segments_of
from streams.rules.files import rules_document, rules_text
from streams.settings import Settings, load_settings

DAY = 86_400_000
HOUR = 3_600_000
MAP = "segments:\n  - {name: Recent, when: [{r: 4-5}]}\n  - {name: Rest, when: []}\n"


def document(**chosen: Any) -> dict[str, Any]:
    return rules_document(load_settings(**chosen))


def scheme(name: str, **chosen: Any) -> dict[str, Any]:
    chosen.setdefault("schemes", "full")
    (found,) = (one for one in document(**chosen)["schemes"] if one["name"] == name)
    return dict(found)


def names(**chosen: Any) -> list[str]:
    return [one["name"] for one in document(**chosen)["schemes"]]


def own(folder: Path, **texts: str) -> dict[str, Any]:
    """A folder of rules; `schemes__value` becomes schemes/value.yaml."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return {"rules_dir": str(folder)}


# -- which schemes run ---------------------------------------------------------------------------


def test_presets_and_lists_in_the_order_in_which_schemes_are_asked() -> None:
    others = ["loyalty", "value", "lifecycle", "frequency", "behaviour", "attributes"]
    assert names() == ["rfm", "loyalty"]
    assert names(schemes="full") == ["rfm", *others]
    assert names(schemes="attributes, value") == ["rfm", "value", "attributes"]
    assert names(schemes=["rfm"]) == ["rfm"]
    assert names(schemes="value", rfm_maps="grid,eleven") == [
        "rfm",
        "rfm_grid",
        "rfm_eleven",
        "value",
    ]


def test_defaults_without_validation_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules_document(Settings.model_construct()) == document()
    monkeypatch.setenv("RFM_SCHEMES", "full")
    monkeypatch.setenv("RFM_RFM_MAPS", "eleven, grid")
    assert len(names()) == 9


def test_the_core_compiles_everything_that_is_shipped_under_the_names_it_is_described_by() -> None:
    chosen = load_settings(schemes="full", rfm_maps="eleven,grid,rf_ten,three_by_three")
    text = rules_text(chosen)
    assert json.loads(text) == rules_document(chosen)
    compiled = compile_rules(text, 1).schemes
    for one, journaled in zip(compiled, json.loads(text)["schemes"], strict=True):
        assert (one.name, list(one.segments)) == (journaled["name"], segments_of(journaled))
        described = dict(describe_rules(text))
        assert all(f"{one.name}: {segment}" in described for segment in one.segments)


# -- numbers -------------------------------------------------------------------------------------


def test_the_numbers_of_the_shipped_schemes() -> None:
    rate = {"minimum_contacts": 3, "cost_percent": 10, "minute_rate_milli": 60_000}
    assert [
        scheme(name) for name in ("loyalty", "value", "lifecycle", "frequency", "behaviour")
    ] == [
        {
            "kind": "loyalty",
            "name": "loyalty",
            "vip_percent": 90,
            "small_shop": {"frequent_orders": 4, "vip_orders": 10},
            "hold_ms": None,
        },
        {
            "kind": "value",
            "name": "value",
            "window_ms": 365 * DAY,
            "shares_percent": [80, 95],
            "hold_ms": None,
        },
        {
            "kind": "lifecycle",
            "name": "lifecycle",
            "lost_ms": 365 * DAY,
            "sleeper_ms": 26 * 7 * DAY,
            "reactivated_ms": 30 * DAY,
            "new_ms": 90 * DAY,
            "slipping_factor_percent": 150,
            "slipping_floor_ms": 30 * DAY,
            "slipping_default_ms": 90 * DAY,
        },
        {
            "kind": "frequency",
            "name": "frequency",
            "window_ms": 365 * DAY,
            "frequent_orders": 4,
            "inactive_ms": 365 * DAY,
        },
        {
            "kind": "behaviour",
            "name": "behaviour",
            "window_ms": 365 * DAY,
            "revenue_reverser": {
                "return_rate_percent": 30,
                "minimum_returns": 3,
                "minimum_orders": 3,
                "minimum_complaints": 3,
                "complaint_return_rate_percent": 20,
            },
            "promotion_maximizer": {
                "discount_percent": 20,
                "value_weight_percent": 80,
                "score_percent": 60,
                "minimum_orders": 3,
            },
            "spending_limiter": {
                "minimum_orders": 4,
                "variation_percent": 25,
                "minimum_offers": 2,
                "response_ms": 48 * HOUR,
            },
            "service_demander": {**rate, "default_minutes": 8},
            "bulk_buyer": {"percent": 90, "minimum_orders": 3},
        },
    ]


def test_settings_go_before_the_numbers_of_the_files() -> None:
    assert scheme("value", value_shares_percent=[70, 90])["shares_percent"] == [70, 90]
    assert scheme("lifecycle", sleeper_weeks=10)["sleeper_ms"] == 70 * DAY
    changed = scheme("behaviour", service_minute_rate="1.255", service_default_minutes=12)
    assert changed["service_demander"]["minute_rate_milli"] == 125_500
    assert changed["service_demander"]["default_minutes"] == 12
    yen = scheme("behaviour", base_currency="JPY")
    assert yen["service_demander"]["minute_rate_milli"] == 600, "no minor units"


def test_what_the_population_is_counted_by() -> None:
    assert document()["population"] == {
        "minimum_customers": 500,
        "minimum_history_ms": 180 * DAY,
        "snapshot_every_ms": DAY,
        "value_shares_percent": [80, 95],
        "value_window_ms": 365 * DAY,
        "sweep_customers_per_s": 10_000,
    }
    changed = document(
        population_minimum_customers=50,
        population_minimum_history_days=7.5,
        snapshot_every_hours=0.5,
        sweep_customers_per_s=5,
        value_shares_percent=[50, 60],
    )
    assert changed["population"] == {
        "minimum_customers": 50,
        "minimum_history_ms": 15 * DAY // 2,
        "snapshot_every_ms": HOUR // 2,
        "value_shares_percent": [50, 60],
        "value_window_ms": 365 * DAY,
        "sweep_customers_per_s": 5,
    }


# -- scores --------------------------------------------------------------------------------------


def scores(**chosen: Any) -> dict[str, Any]:
    return dict(scheme("rfm", **chosen)["scores"])


def test_fixed_limits_are_the_default_and_the_way_out_of_quantiles() -> None:
    fixed = scores()
    assert fixed == {
        "r": {
            "mode": "fixed",
            "limits": [d * DAY for d in (30, 90, 180, 365)],
            "edge": "left_closed",
        },
        "f": {"mode": "fixed", "limits": [2, 4, 6, 10], "edge": "left_closed"},
        "m": {"mode": "fixed", "limits": [10_000, 25_000, 50_000, 100_000], "edge": "left_closed"},
    }
    moving = scores(scoring="quantile")
    assert moving == {key: {**one, "mode": "quantile"} for key, one in fixed.items()}


def test_what_is_pinned_does_not_move_and_names_its_edge() -> None:
    pinned = scores(scoring="quantile", pinned_frequency=[1, 1, 2, 5])
    assert pinned["f"] == {"mode": "fixed", "limits": [1, 1, 2, 5], "edge": "right_closed"}
    assert {pinned["r"]["mode"], pinned["m"]["mode"]} == {"quantile"}
    all_three = scores(
        pinned_recency_days=[1, 2, 3, 4.5],
        pinned_frequency=[1, 2, 3, 4],
        pinned_monetary=["1.5", 2, 3, 4],
        pinned_edge="left_closed",
    )
    assert [one["limits"] for one in all_three.values()] == [
        [DAY, 2 * DAY, 3 * DAY, 9 * DAY // 2],
        [1, 2, 3, 4],
        [150, 200, 300, 400],
    ]
    assert {one["edge"] for one in all_three.values()} == {"left_closed"}
    assert {one["mode"] for one in all_three.values()} == {"fixed"}


def test_only_schemes_from_best_to_worst_hold_a_fall(tmp_path: Path) -> None:
    held = document(schemes="full", rfm_maps="grid", hold_days=14)["schemes"]
    assert {one["name"]: one["hold_ms"] for one in held if one.get("hold_ms")} == {
        "rfm": 14 * DAY,
        "loyalty": 14 * DAY,
        "value": 14 * DAY,
    }
    folder = own(tmp_path, maps__five=f"best_to_worst: true\nhold: 3d\n{MAP}")
    (tmp_path / "campaigns").mkdir()  # the shipped ones refer to the shipped segments
    for days in (0, 14):
        found = scheme("rfm", schemes="rfm", hold_days=days, **folder)
        assert found["hold_ms"] == 3 * DAY


# -- files of the shop's own ---------------------------------------------------------------------


def test_own_files_stand_in_for_shipped_ones_and_the_rest_stays(tmp_path: Path) -> None:
    folder = own(tmp_path, maps__ours=MAP, schemes__value="window: 30d\nshares: [50%, 60%]\n")
    changed = document(schemes="full", rfm_maps="ours,grid", **folder)
    assert [one["name"] for one in changed["schemes"]][:3] == ["rfm", "rfm_ours", "rfm_grid"]
    ours, value = changed["schemes"][1], changed["schemes"][4]
    assert segments_of(ours) == ["Recent", "Rest"]
    assert (value["window_ms"], value["shares_percent"]) == (30 * DAY, [50, 60])
    assert changed["population"]["value_window_ms"] == 30 * DAY
    assert changed["campaigns"] == document(schemes="full")["campaigns"]


def test_the_census_counts_value_in_the_same_window_whether_the_scheme_runs_or_not(
    tmp_path: Path,
) -> None:
    folder = own(tmp_path, schemes__value="window: 30d\nshares: [50%, 60%]\n")
    assert document(schemes="rfm", **folder)["population"]["value_window_ms"] == 30 * DAY
    short = document(window_days=60, recency_limits_days=[5, 10, 20, 30])
    assert short["population"]["value_window_ms"] == 60 * DAY, "no order is kept for longer"


def test_an_own_folder_of_campaigns_holds_all_of_them(tmp_path: Path) -> None:
    folder = own(tmp_path, maps__ours=MAP)
    (tmp_path / "campaigns").mkdir()
    assert document(**folder)["campaigns"] == []
