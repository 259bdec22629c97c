"""The cells of a map and what can be wrong with them.

A cell is one combination of scores. The checks return findings, each with the row it is about, so
that whoever reads the files can name the line.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from streams.core.schemes.scheme import FLAG_SEPARATOR

# `fm` is the mean of F and M, halves up: ceil((F + M) / 2).
KEYS: Final = ("r", "f", "m", "fm")
# As many cells as fit into one line; the rest is a number.
_NAMED_CELLS: Final = 12

Row = Mapping[str, Any]


class Levels(NamedTuple):
    """How many scores there are of each kind; the best one is this number."""

    r: int
    f: int
    m: int

    def of(self, key: str) -> int:
        """The best score under a key of a condition."""
        return (self.f + self.m + 1) // 2 if key == "fm" else int(getattr(self, key))


class Cell(NamedTuple):
    """One combination of scores, written 555."""

    r: int
    f: int
    m: int

    @property
    def fm(self) -> int:
        """The mean of F and M, halves up."""
        return (self.f + self.m + 1) // 2

    def __str__(self) -> str:
        return f"{self.r}{self.f}{self.m}"


class Finding(NamedTuple):
    """What is wrong with a map; `row` is the index of the row to look at, None for the whole."""

    row: int | None
    message: str


def all_cells(levels: Levels) -> Iterator[Cell]:
    """Every combination of scores, by falling R and then by rising F and M."""
    r, f, m = (range(1, one + 1) for one in levels)
    return (Cell(*scores) for scores in product(reversed(r), f, m))


def cells_of(rows: Sequence[Row], levels: Levels) -> dict[Cell, int | None]:
    """The index of the row that wins each cell, in the order of `all_cells`; None where none does.

    A row is {"name": ..., "when": [{"r": [low, high], "f": ..., "m": ..., "fm": ...}, ...]}: any
    of the conditions, of each condition all scores. A missing score means any, an empty list always.
    """
    return {cell: next(_matching(rows, cell), None) for cell in all_cells(levels)}


def _matching(rows: Sequence[Row], cell: Cell) -> Iterator[int]:
    return (index for index, row in enumerate(rows) if _matches(row, cell))


def _matches(row: Row, cell: Cell) -> bool:
    return not row["when"] or any(
        all(low <= getattr(cell, key) <= high for key, (low, high) in condition.items())
        for condition in row["when"]
    )


def findings(
    rows: Sequence[Row], levels: Levels, *, is_ranked: bool, each_cell_once: bool = False
) -> list[Finding]:
    """Everything that is wrong with a map; the most telling first."""
    malformed = [*_names(rows), *_conditions(rows, levels)]
    if malformed or not rows:
        return malformed or [Finding(None, "there is no segment")]
    cells = cells_of(rows, levels)
    return [
        *uncovered(cells),
        *(overlaps(rows, levels) if each_cell_once else ()),
        *useless(rows, cells),
        *(worsening(rows, cells) if is_ranked else ()),
    ]


def uncovered(cells: Mapping[Cell, int | None]) -> list[Finding]:
    """Cells that belong to no segment."""
    missing = [cell for cell, winner in cells.items() if winner is None]
    return [Finding(None, f"no segment covers {_cells(missing)}")] if missing else []


def overlaps(rows: Sequence[Row], levels: Levels) -> list[Finding]:
    """Cells that more than one row names, for maps in which each cell stands once."""
    taken: dict[tuple[int, int], list[Cell]] = {}
    for cell in all_cells(levels):
        first, *others = [*_matching(rows, cell)] or [-1]
        for other in others:
            taken.setdefault((other, first), []).append(cell)
    return [
        Finding(row, f"{rows[row]['name']!r} and {rows[first]['name']!r} both have {_cells(cells)}")
        for (row, first), cells in sorted(taken.items())
    ]


def useless(rows: Sequence[Row], cells: Mapping[Cell, int | None]) -> list[Finding]:
    """Rows that can never win, with their cells and the rows that take them."""
    winners = set(cells.values())
    return [
        Finding(index, f"{row['name']!r} can never win: {_takers(rows, row, cells)}")
        for index, row in enumerate(rows)
        if index not in winners
    ]


def _takers(rows: Sequence[Row], row: Row, cells: Mapping[Cell, int | None]) -> str:
    taken: dict[int, list[Cell]] = {}
    for cell, winner in cells.items():
        if winner is not None and _matches(row, cell):
            taken.setdefault(winner, []).append(cell)
    return (
        "; ".join(f"{rows[one]['name']!r} takes {_cells(its)}" for one, its in taken.items())
        or "no combination of scores matches it"
    )


def worsening(rows: Sequence[Row], cells: Mapping[Cell, int | None]) -> list[Finding]:
    """Where a raised score leads to a worse segment, of rows from best to worst."""
    found = [
        (key, cell, better)
        for cell, winner in cells.items()
        for key in Cell._fields
        if (better := cell._replace(**{key: getattr(cell, key) + 1})) in cells
        and _rank(cells[better]) > _rank(winner)
    ]
    if not found:
        return []
    key, cell, better = found[0]
    worse = cells[better]
    return [
        Finding(
            worse,
            f"raising {key.upper()} makes it worse: {cell} is {_name(rows, cells[cell])}, "
            f"{better} is {_name(rows, worse)}{_more(len(found) - 1, 'such step')}",
        )
    ]


def _rank(winner: int | None) -> int:
    return -1 if winner is None else winner


def _name(rows: Sequence[Row], winner: int | None) -> str:
    return "nothing" if winner is None else repr(rows[winner]["name"])


def _names(rows: Sequence[Row]) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, row in enumerate(rows):
        name = row["name"]
        if not isinstance(name, str) or not name.strip():
            yield Finding(index, "a segment needs a name")
        elif FLAG_SEPARATOR in name:
            yield Finding(index, f"the name {name!r} must not contain {FLAG_SEPARATOR!r}")
        elif name in seen:
            yield Finding(index, f"the name {name!r} is given twice")
        seen.add(name)


def _conditions(rows: Sequence[Row], levels: Levels) -> Iterator[Finding]:
    for index, row in enumerate(rows):
        for condition in row["when"]:
            for key, (low, high) in condition.items():
                if key not in KEYS:
                    known = ", ".join(KEYS)
                    yield Finding(index, f"{row['name']!r}: no score {key!r}; known are {known}")
                elif not 1 <= low <= high <= levels.of(key):
                    best = levels.of(key)
                    yield Finding(
                        index,
                        f"{row['name']!r}: {key} {_range(low, high)} is not within 1 to {best}",
                    )


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _cells(cells: Sequence[Cell]) -> str:
    shown = " ".join(str(cell) for cell in cells[:_NAMED_CELLS])
    return f"{shown}{_more(len(cells) - _NAMED_CELLS, 'cell')}"


def _more(count: int, what: str) -> str:
    return f" (and {count} more {what}{'s' if count > 1 else ''})" if count > 0 else ""
