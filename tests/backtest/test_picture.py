"""The picture shows what was sent, and the same weeks give the same bytes."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from streams.backtest import picture
from streams.backtest.figures import Week
from streams.backtest.picture import PICTURES, check_pictures, draw
from streams.backtest.play import Period
from streams.backtest.rule_sets import RuleSet
from streams.core.values import DAY_MS
from streams.errors import UsageError

# A Monday, 2026-01-05.
T0 = 1_767_571_200_000
WEEK = 7 * DAY_MS
PERIOD = Period(T0 + DAY_MS, T0 + 4 * WEEK)
SETS = [
    RuleSet("campaigns", "shipped rules", "", "", ("hello", "thanks"), {}),
    RuleSet("against", "mine $1$ ü", "", "", ("hello",), {}),
]
WEEKS = [Week(0, "hello", T0, 3), Week(0, "thanks", T0, 2), Week(1, "hello", T0 + WEEK, 7)]
SVG = "{http://www.w3.org/2000/svg}"


def drawn(folder: Path, weeks: list[Week], sets: list[RuleSet] = SETS) -> list[bytes]:
    """The files as bytes."""
    folder.mkdir()
    draw(folder, sets, weeks, PERIOD)
    return [(folder / name).read_bytes() for name in PICTURES]


def test_the_same_weeks_give_the_same_bytes(tmp_path: Path) -> None:
    first = drawn(tmp_path / "a", WEEKS)
    assert drawn(tmp_path / "b", WEEKS) == first
    assert first[1].startswith(b"\x89PNG")


def test_another_week_gives_another_picture(tmp_path: Path) -> None:
    first = drawn(tmp_path / "a", WEEKS)
    second = drawn(tmp_path / "b", [WEEKS[0]._replace(sent=4), *WEEKS[1:]])
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_rule_sets_have_a_panel_each_and_campaigns_one_legend(tmp_path: Path) -> None:
    drawn(tmp_path / "a", WEEKS)
    root = ET.parse(tmp_path / "a" / "backtest.svg").getroot()  # noqa: S314 - our own file
    texts = ["".join(one.itertext()).strip() for one in root.iter(f"{SVG}text")]
    assert texts.count("campaigns: shipped rules") == 1
    assert texts.count("against: mine $1$ \\xfc") == 1
    assert (texts.count("hello"), texts.count("thanks")) == (1, 1)
    assert texts.count("2026-01-05") == 2
    # One scale: the same numbers stand beside both.
    first, second = (
        [text for one in panel.iter(f"{SVG}text") if (text := "".join(one.itertext())).isdigit()]
        for panel in root.iter(f"{SVG}g")
        if (panel.get("id") or "").startswith("axes_")
    )
    assert first == second


def test_nothing_sent_is_a_picture_too(tmp_path: Path) -> None:
    assert all(drawn(tmp_path / "a", [], SETS[:1]))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"rfm-streams\[pictures\], or add --no-picture"):
        check_pictures()
