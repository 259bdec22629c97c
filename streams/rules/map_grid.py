"""Maps as grids for people: which segment each combination of scores is."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from streams.core.schemes import maps
from streams.core.schemes.map_cells import Cell, Levels, cells_of

Raw = Mapping[str, Any]


def maps_of(text: str) -> list[Raw]:
    """The maps of journaled rules, in order."""
    return [scheme for scheme in json.loads(text)["schemes"] if scheme["kind"] == maps.KIND]


def levels_of(scheme: Raw) -> Levels:
    """How many scores a journaled map has of each kind."""
    return Levels(*(len(scheme["scores"][key]["limits"]) + 1 for key in Cell._fields))


def named_cells(scheme: Raw) -> dict[Cell, str]:
    """The segment of each cell of a journaled map, best R first."""
    rows = scheme["rows"]
    cells = cells_of(rows, levels_of(scheme))
    return {cell: rows[row]["name"] for cell, row in cells.items() if row is not None}


def conditions_of(row: Raw) -> str:
    """Where a journaled row wins, in words: `R 4-5, F 3-5; or R 3`, or its cells one by one."""
    if not row["when"]:
        return "everything else"
    if all(_is_one_cell(condition) for condition in row["when"]):
        return " ".join(
            "".join(str(condition[key][0]) for key in Cell._fields) for condition in row["when"]
        )
    return "; or ".join(
        ", ".join(f"{key.upper()} {_range(scores)}" for key, scores in condition.items())
        for condition in row["when"]
    )


def _is_one_cell(condition: Mapping[str, Sequence[int]]) -> bool:
    return condition.keys() == set(Cell._fields) and all(
        low == high for low, high in condition.values()
    )


def is_by_fm(scheme: Raw) -> bool:
    """Whether a map looks at the mean of F and M, and at neither alone."""
    keys = {key for row in scheme["rows"] for condition in row["when"] for key in condition}
    return "fm" in keys and not keys & {"f", "m"}


def grid_of(scheme: Raw) -> list[tuple[str, ...]]:
    """A journaled map as a table: one row per R from the best down, one column per F.

    In a cell stand the Ms, where they differ. A map by `fm` has one column per mean of F and M. The
    first row is the header.
    """
    levels, cells = levels_of(scheme), named_cells(scheme)
    key = "fm" if is_by_fm(scheme) else "f"
    columns = range(1, levels.of(key) + 1)
    rows = [
        (
            f"R{r}",
            *(
                _ms({c.m: cells[c] for c in cells if c.r == r and getattr(c, key) == column})
                for column in columns
            ),
        )
        for r in range(levels.r, 0, -1)
    ]
    return [("", *(f"{key.upper()}{column}" for column in columns)), *rows]


def _ms(names: Mapping[int, str]) -> str:
    """Segments by M, runs of one segment together."""
    if len(set(names.values())) == 1:
        return next(iter(names.values()))
    runs = [(name, [m for m, _ in run]) for name, run in groupby(names.items(), lambda one: one[1])]
    return ", ".join(f"M{_range(scores)} {name}" for name, scores in runs)


def _range(scores: Sequence[int]) -> str:
    return f"{scores[0]}-{scores[-1]}" if scores[0] < scores[-1] else str(scores[0])
