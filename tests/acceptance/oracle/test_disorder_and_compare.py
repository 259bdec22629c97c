"""The oracle's tools: a disorderly delivery of the same events, and the comparison of two files."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from .compare import differences
from .disorder import disorder
from .duckdb_facts import COLUMNS
from .hand_cases import POTENTIAL, order, write_events

if TYPE_CHECKING:
    from pathlib import Path


def test_disorder_doubles_every_seventh_and_moves_at_most_three_days(tmp_path: Path) -> None:
    events = [order(str(n), 100 - n / 4, "1.00") for n in range(300)]
    path = write_events(tmp_path / "e.jsonl", events)
    assert disorder(path, tmp_path / "d.jsonl", seed=3) == 300 + 42
    lines = (tmp_path / "d.jsonl").read_text().splitlines()
    counts = Counter(lines)
    assert [counts[line] for line in path.read_text().splitlines()] == [
        2 if n % 7 == 6 else 1 for n in range(300)
    ]
    times = [datetime.fromisoformat(json.loads(line)["occurred_at"]) for line in lines]
    behind = [max(times[: n + 1]) - at for n, at in enumerate(times)]
    assert timedelta(days=4) < max(behind) <= timedelta(days=6)
    disorder(path, tmp_path / "again.jsonl", seed=3)
    disorder(path, tmp_path / "other.jsonl", seed=4)
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "d.jsonl").read_bytes()
    assert (tmp_path / "other.jsonl").read_bytes() != (tmp_path / "d.jsonl").read_bytes()


def test_disorder_names_the_line_it_cannot_place(tmp_path: Path) -> None:
    events = [order("1", 1, "1.00"), order("2", 1, "1.00") | {"occurred_at": "2011-12-09T12:50:00"}]
    with pytest.raises(ValueError, match="event 2 has no usable occurred_at"):
        disorder(write_events(tmp_path / "e.jsonl", events), tmp_path / "d.jsonl", seed=1)


def _csv(path: Path, rows: list[list[object]], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(columns), *rows])
    return path


def _line(customer: str, monetary: str = "1.00") -> list[object]:
    return [customer, "t", 1, monetary, "EUR", 5, 1, 1, POTENTIAL, 1, "1.00"]


def test_differences_name_customer_and_column(tmp_path: Path) -> None:
    a = _csv(tmp_path / "a.csv", [_line("1"), _line("2"), _line("3")])
    b = _csv(tmp_path / "b.csv", [_line("4"), _line("2", "1.0"), _line("1"), _line("1")])
    assert differences(a, a) == []
    assert differences(a, b) == [
        "1: more than once in b",
        "2: monetary is '1.00' in a, '1.0' in b",
        "3: only in a",
        "4: only in b",
    ]


def test_differences_are_bounded_and_counted(tmp_path: Path) -> None:
    a = _csv(tmp_path / "a.csv", [_line(f"{n:03d}") for n in range(80)])
    b = _csv(tmp_path / "b.csv", [_line(f"{n:03d}", "2.00") for n in range(79)])
    found = differences(a, b)
    assert len(found) == 51
    assert found[-1] == "... and 30 more: customer_id 1, monetary 29"


def test_differences_allow_more_columns_but_not_fewer(tmp_path: Path) -> None:
    a = _csv(tmp_path / "a.csv", [_line("1")])
    more = _csv(tmp_path / "m.csv", [[*_line("1"), "x"]], (*COLUMNS, "sequence"))
    less = _csv(tmp_path / "l.csv", [_line("1")[:-1]], COLUMNS[:-1])
    assert differences(a, more) == []
    assert differences(a, less) == ["column lifetime_monetary is missing in b"]
