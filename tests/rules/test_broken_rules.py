"""Wrong rules never start: each error names the file, the line and, for maps, the cells."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from streams.errors import UsageError
from streams.rules.files import rules_text
from streams.settings import load_settings

REST = "  - {name: Rest, when: []}\n"
CAMPAIGN = """\
name: hello
version: 1
priority: 1
channels: [email]
trigger: {enters: {scheme: rfm, segment: At Risk}, causes: [clock]}
steps:
  - {name: one, after: 1d, template: t, valid_for: 1d}
  - {name: two, after: 2d, template: t, valid_for: 1d}
"""
LIFECYCLE = """\
lost: 365d
sleeper: 26w
reactivated: 30d
new_buyer: 90d
slipping: {factor: 150%, at_least: 30d, few_orders: 90d}
"""
LOYALTY = "vip: 90%\nsmall_shop: {frequent_orders: 4, vip_orders: 10}\n"


class Broken(NamedTuple):
    """A file of the shop's own, what is said, with `@` for its path, and settings beside it."""

    name: str
    text: str
    said: str
    chosen: Mapping[str, Any] = MappingProxyType({})


def swap(text: str, before: str, after: str) -> str:
    assert before in text
    return text.replace(before, after)


BROKEN = {
    # -- maps
    "an uncovered cell": Broken(
        "maps/five.yaml",
        "segments:\n  - {name: Some, when: [{r: 2-5}, {f: 2-5}, {m: 3-5}]}\n",
        "@, line 1: no segment covers 111 112",
    ),
    "many uncovered cells": Broken(
        "maps/five.yaml",
        "# by R alone\nsegments:\n  - {name: Some, when: [{r: 2-5}]}\n",
        "@, line 2: no segment covers 111 112 113 114 115 121 122 123 124 125 131 132 (and 13 more "
        "cells)",
    ),
    "two rows for one cell": Broken(
        "maps/ours.yaml",
        "each_cell_once: true\nsegments:\n  - {name: Old, when: [{r: 1-2}]}\n"
        "  - {name: New, when: [{r: 3-5}, {r: 2, f: 5, m: 1-2}]}\n",
        "@, line 4: 'New' and 'Old' both have 251 252",
    ),
    "one cell twice in a list": Broken(
        "maps/ours.yaml",
        "segments:\n  - {name: Old, cells: 111 112 111}\n" + REST,
        "@, line 2: field segments.0.cells is wrong: the cell 111 stands twice",
    ),
    "a row that can never win": Broken(
        "maps/five.yaml",
        "segments:\n  - {name: Recent, when: [{r: 3-5}]}\n  - {name: Old, when: [{r: 1-2}]}\n"
        "  - name: Never\n    cells: 111 555\n",
        "@, line 4: 'Never' can never win: 'Recent' takes 555; 'Old' takes 111",
    ),
    "a raised score makes it worse": Broken(
        "maps/five.yaml",
        "best_to_worst: true\nsegments:\n  - {name: Good, cells: 553}\n" + REST,
        "@, line 4: raising M makes it worse: 553 is 'Good', 554 is 'Rest'",
    ),
    "a name given twice": Broken(
        "maps/five.yaml",
        "segments:\n  - {name: Rest, cells: 111}\n" + REST,
        "@, line 3: the name 'Rest' is given twice",
    ),
    "a flag's separator in a name": Broken(
        "maps/five.yaml",
        "segments:\n  - {name: A|B, when: []}\n",
        "@, line 2: the name 'A|B' must not contain '|'",
    ),
    "a score that is none": Broken(
        "maps/five.yaml",
        "segments:\n  - name: Some\n    when:\n      - {r: 5, x: 1}\n" + REST,
        "@, line 2: 'Some': no score 'x'; known are r, f, m, fm",
    ),
    "a score out of range": Broken(
        "maps/five.yaml",
        "segments:\n  - {name: Some, when: [{r: 4-6}]}\n" + REST,
        "@, line 2: 'Some': r 4-6 is not within 1 to 5",
    ),
    "a score that is no digit": Broken(
        "maps/five.yaml",
        "segments:\n  - name: Some\n    when:\n      - {r: high}\n" + REST,
        "@, line 4: field segments.0.when.0.r is wrong: 'high' is no score; write 3 or 2-5",
    ),
    "a cell with too many levels": Broken(
        "maps/ours.yaml",
        "scores:\n  f: {limits: [2, 3]}\nsegments:\n  - {name: Some, cells: 545}\n" + REST,
        "@, line 4: 'Some': f 4 is not within 1 to 3",
    ),
    "a cell that is none": Broken(
        "maps/five.yaml",
        "segments:\n  - {name: Some, cells: 55 444}\n" + REST,
        "@, line 2: field segments.0.cells is wrong: '55' is no cell; write R, F and M as in 555",
    ),
    "no cells": Broken(
        "maps/five.yaml",
        'segments:\n  - {name: Some, cells: ""}\n' + REST,
        "@, line 2: field segments.0.cells is wrong: there is no cell; write R, F and M as in 555",
    ),
    "cells and conditions": Broken(
        "maps/five.yaml",
        "segments:\n  - {name: Some, cells: 555, when: []}\n" + REST,
        "@, line 2: field segments.0 is wrong: give either when or cells",
    ),
    "an empty map": Broken("maps/five.yaml", "segments: []\n", "@, line 1: there is no segment"),
    "an empty file": Broken("maps/five.yaml", "# nothing\n", "@: is empty; fill or remove it"),
    "limits that do not rise": Broken(
        "maps/ours.yaml",
        "scores:\n  r: {limits: [180d, 365d]}\n  f: {limits: [3, 3]}\nsegments:\n" + REST,
        "@, line 3: limits of F must rise, found [3, 3]",
    ),
    "a window smaller than the largest R limit": Broken(
        "maps/ours.yaml",
        "scores:\n  r: {limits: [180d, 800d]}\nsegments:\n" + REST,
        "@, line 2: the window (730 days) must exceed the largest recency limit (800 days), or the "
        "lowest R always comes with the lowest F and M",
    ),
    "limits with too many digits": Broken(
        "maps/ours.yaml",
        "scores:\n  m: {limits: [0.005]}\nsegments:\n" + REST,
        "@, line 2: field scores.m.limits is wrong: 0.005 has too many digits for the base currency",
    ),
    "more levels than scores have": Broken(
        "maps/ours.yaml",
        "scores:\n  f: {limits: [1, 2, 3, 4, 5]}\nsegments:\n" + REST,
        "@, line 2: F needs 1 to 4 limits, found 5",
    ),
    "holding a fall without an order of segments": Broken(
        "maps/ours.yaml",
        "hold: 7d\nsegments:\n" + REST,
        "@, line 1: field hold needs best_to_worst: true",
    ),
    "an unknown field": Broken(
        "maps/five.yaml",
        "segmets:\n" + REST,
        "@, line 1: field segmets is unknown; did you mean segments? known here: best_to_worst, "
        "each_cell_once, hold, scores, segments (and 1 more)",
    ),
    "a field that stands twice": Broken(
        "maps/five.yaml",
        "segments:\n" + REST + "segments:\n" + REST,
        "@, line 3: field segments stands twice; remove one",
    ),
    "bad YAML": Broken(
        "maps/five.yaml",
        "segments:\n  - {name: Rest, when: [}\n",
        "@, line 2: is no valid YAML (did not find expected node content); mend the line",
    ),
    "a tree without an end": Broken(
        "schemes/attributes.yaml",
        "segments:\n  - {name: A, when: &a {not: *a}}\n",
        "@: an alias stands within its own anchor",
    ),
    "no mapping": Broken(
        "maps/five.yaml", "- 1\n", "@: is no mapping; write one field to a line, like name: value"
    ),
    "an own map that nobody chose": Broken(
        "maps/later.yaml", "segments: []\n", "@, line 1: there is no segment", {"rfm_maps": "grid"}
    ),
    # -- other schemes
    "a bad duration": Broken(
        "schemes/lifecycle.yaml",
        swap(LIFECYCLE, "26w", "half a year"),
        "@, line 2: field sleeper is wrong: 'half a year' is no duration; write 30s, 15m, 4h, 7d or "
        "26w",
    ),
    "a negative duration": Broken(
        "schemes/lifecycle.yaml",
        swap(LIFECYCLE, "26w", "-26w"),
        "@, line 2: field sleeper is wrong: '-26w' is no duration; write 30s, 15m, 4h, 7d or 26w",
    ),
    "a duration of nothing": Broken(
        "schemes/lifecycle.yaml",
        swap(LIFECYCLE, "at_least: 30d", "at_least: 0d"),
        "@, line 5: field slipping.at_least is wrong: '0d' must be longer than nothing",
    ),
    "a segment that nobody can be in": Broken(
        "schemes/lifecycle.yaml",
        swap(LIFECYCLE, "26w", "365d"),
        "@, line 2: field sleeper must be shorter than lost, or nobody is ever a Sleeper",
    ),
    "a setting that makes it so": Broken(
        "schemes/lifecycle.yaml",
        LIFECYCLE,
        "@, line 5: field slipping must begin before sleeper, or nobody is ever Slipping",
        {"sleeper_weeks": 4},
    ),
    "a share out of range": Broken(
        "schemes/loyalty.yaml",
        swap(LOYALTY, "90%", "100%"),
        "@, line 1: field vip is wrong: '100%' is not within 1% to 99%",
    ),
    "a share without its sign": Broken(
        "schemes/loyalty.yaml",
        swap(LOYALTY, "90%", "0.9"),
        "@, line 1: field vip is wrong: 0.9 is no share; write 80%",
    ),
    "counts that do not rise": Broken(
        "schemes/loyalty.yaml",
        swap(LOYALTY, "10", "4"),
        "@, line 2: frequent_orders (4) must exceed the 2 of a Loyal Customer, and vip_orders (4) "
        "must exceed both, or a segment stays empty",
    ),
    "a negative count": Broken(
        "schemes/loyalty.yaml",
        swap(LOYALTY, "orders: 4", "orders: -4"),
        "@, line 2: field small_shop.frequent_orders is wrong: Input should be greater than or equal "
        "to 1 (it is -4)",
    ),
    "a missing field": Broken(
        "schemes/loyalty.yaml", "vip: 90%\n", "@, line 1: field small_shop is missing"
    ),
    "shares that do not rise": Broken(
        "schemes/value.yaml",
        "window: 365d\nshares: [80%, 80%]\n",
        "@, line 2: field shares must rise, found 80% and 80%",
    ),
    "a window longer than orders are kept": Broken(
        "schemes/value.yaml",
        "window: 731d\nshares: [80%, 95%]\n",
        "@, line 1: field window (731 days) must not exceed window_days (730)",
    ),
    "an order a year": Broken(
        "schemes/frequency.yaml",
        "window: 365d\nfrequent_orders: 1\ninactive: 365d\n",
        "@, line 2: field frequent_orders must be at least 2, or nobody is ever Occasional",
    ),
    "a scheme that does not exist": Broken(
        "schemes/loyality.yaml",
        LOYALTY,
        "@: there is no scheme 'loyality' with a file; known are loyalty, value, lifecycle, "
        "frequency, behaviour, attributes",
    ),
    "a file in the wrong place": Broken(
        "rfm.yaml",
        "segments: []\n",
        "@: rule files stand in maps, schemes, campaigns; beside them only policy.yaml",
    ),
    "a file that ends otherwise": Broken(
        "maps/ours.yml", "segments: []\n", "@: is not read; rule files end in .yaml"
    ),
    # -- attributes
    "a flag with the separator": Broken(
        "schemes/attributes.yaml",
        "segments:\n  - name: A|B\n    when: {field: age, ge: 18}\n",
        "@, line 2: the name 'A|B' must not contain '|'",
        {"schemes": "attributes"},
    ),
    "a flag given twice": Broken(
        "schemes/attributes.yaml",
        "segments:\n" + "  - {name: Adult, when: {field: age, ge: 18}}\n" * 2,
        "@, line 3: the name 'Adult' is given twice",
        {"schemes": "attributes"},
    ),
    "an unknown operator": Broken(
        "schemes/attributes.yaml",
        "segments:\n  - name: Adult\n    when:\n      all:\n        - {field: age, ge: 18}\n"
        "        - nor: []\n",
        "@, line 6: 'Adult': all[1]: unknown operator 'nor'; known are all, any, not, field, bought, "
        "segment",
        {"schemes": "attributes"},
    ),
    "a segment that a tree asks for": Broken(
        "schemes/attributes.yaml",
        "segments:\n  - name: Best\n    when: {segment: {scheme: rfm, in: [Heroes]}}\n",
        "@, line 3: 'Best': scheme rfm has no segment 'Heroes'; its segments are Champions, Loyal "
        "Customers, Potential Loyalists, At Risk, Lost Customers",
        {"schemes": "attributes"},
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file(broken: Broken, tmp_path: Path) -> None:
    path = tmp_path / broken.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(broken.text, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        rules_text(load_settings(rules_dir=str(tmp_path), **broken.chosen))
    assert str(raised.value) == broken.said.replace("@", str(path))


def test_two_files_with_one_name(tmp_path: Path) -> None:
    (tmp_path / "campaigns").mkdir()
    for name in ("hello", "hello_again"):
        (tmp_path / "campaigns" / f"{name}.yaml").write_text(CAMPAIGN, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        rules_text(load_settings(rules_dir=str(tmp_path)))
    assert str(raised.value) == (
        f"{tmp_path}/campaigns/hello_again.yaml, line 1: field name is taken: two files define hello"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    # Somebody linked to a file and took it away.
    (tmp_path / "campaigns").mkdir()
    path = tmp_path / "campaigns" / "hello.yaml"
    path.symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(UsageError) as raised:
        rules_text(load_settings(rules_dir=str(tmp_path)))
    assert str(raised.value) == (
        f"{path}: cannot be read (No such file or directory); check the path"
    )


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    path = tmp_path / "maps" / "five.yaml"
    path.write_bytes(b"segments: [\xff]\n")
    with pytest.raises(UsageError) as raised:
        rules_text(load_settings(rules_dir=str(tmp_path)))
    assert str(raised.value) == f"{path}: is not UTF-8 text; save it as UTF-8"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (
            {"schemes": "starters"},
            (
                "settings: schemes: there is no scheme or preset 'starters'; known are starter, full and "
                "rfm, loyalty, value, lifecycle, frequency, behaviour, attributes (set RFM_SCHEMES)"
            ),
        ),
        (
            {"schemes": "rfm,full"},
            (
                "settings: schemes: there is no scheme or preset 'full'; known are starter, full and "
                "rfm, loyalty, value, lifecycle, frequency, behaviour, attributes (set RFM_SCHEMES)"
            ),
        ),
        (
            {"rfm_maps": "twelve"},
            (
                "settings: rfm_maps: there is no map 'twelve'; known are eleven, five, grid, rf_ten, "
                "three_by_three (set RFM_RFM_MAPS)"
            ),
        ),
        (
            {"rfm_maps": "../five"},
            (
                "settings: rfm_maps: '../five' is no name of a map: small letters, digits and _ "
                "(set RFM_RFM_MAPS)"
            ),
        ),
        (
            {"rfm_maps": "five"},
            "settings: rfm_maps: five is the map of scheme rfm, which always runs (set RFM_RFM_MAPS)",
        ),
        (
            {"rfm_maps": "grid,grid"},
            "settings: rfm_maps: grid stands twice (set RFM_RFM_MAPS)",
        ),
        (
            {"rules_dir": "/no/such/rules"},
            "/no/such/rules: no such folder (set RFM_RULES_DIR)",
        ),
        (
            {"value_shares_percent": [80, 80]},
            (
                "settings: value_shares_percent: the share of A must be below that of A and B together "
                "(set RFM_VALUE_SHARES_PERCENT)"
            ),
        ),
        (
            {"pinned_frequency": [4, 3, 2, 1]},
            "settings: pinned_frequency: cut points must not fall (set RFM_PINNED_FREQUENCY)",
        ),
        (
            {"pinned_recency_days": [1, 2, 3, 730]},
            "settings: window_days (730) must exceed the largest pinned_recency_days (730)",
        ),
        (
            {"schemes": "frequency", "window_days": 366, "service_minute_rate": "0.000001"},
            (
                "settings: service_minute_rate: Decimal input should have no more than 5 decimal places "
                "(set RFM_SERVICE_MINUTE_RATE)"
            ),
        ),
    ],
)
def test_a_broken_choice(chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        rules_text(load_settings(**chosen))
    assert str(raised.value) == said
