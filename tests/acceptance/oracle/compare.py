"""Where two customers.csv differ, in words."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from .duckdb_facts import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = 50


def differences(csv_a: Path, csv_b: Path, *, shown: int = _SHOWN) -> list[str]:
    """Return one line per customer and column that differs, empty if the files agree.

    Compared as text, in the oracle's columns; further columns and the order of the lines are
    free. At most `shown` lines, then one that counts the rest, by column.
    """
    found: list[tuple[str, str]] = []
    a = _load_rows(csv_a, "a", found)
    b = _load_rows(csv_b, "b", found)
    for customer in sorted(a.keys() | b.keys()):
        if customer not in b:
            found.append(("customer_id", f"{customer}: only in a"))
        elif customer not in a:
            found.append(("customer_id", f"{customer}: only in b"))
        else:
            found.extend(_cells(customer, a[customer], b[customer]))
    lines = [line for _, line in found[:shown]]
    if len(found) > shown:
        columns = [column for column, _ in found[shown:]]
        counted = ", ".join(f"{name} {columns.count(name)}" for name in sorted(set(columns)))
        lines.append(f"... and {len(columns)} more: {counted}")
    return lines


def _load_rows(path: Path, side: str, found: list[tuple[str, str]]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        header = reader.fieldnames or []
        missing = [name for name in COLUMNS if name not in header]
        found.extend((name, f"column {name} is missing in {side}") for name in missing)
        if "customer_id" in missing:
            return rows
        for row in reader:
            customer = row["customer_id"]
            if customer in rows:
                found.append(("customer_id", f"{customer}: more than once in {side}"))
            rows[customer] = row
    return rows


def _cells(customer: str, a: dict[str, str], b: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (name, f"{customer}: {name} is {a[name]!r} in a, {b[name]!r} in b")
        for name in COLUMNS
        if name in a and name in b and a[name] != b[name]
    ]
