"""A picture of each map of segments: `python -m tests.contract.doc_tables` renews them.

One box per R and F, in it a strip per M from left to right; strips of one segment are one rectangle
with the segment's number. It brings its own ground, so it can be read on light and dark pages, and
numbers beside the colours, so it can be read without them.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

from streams.core.schemes.map_cells import Cell
from streams.rules.describe import segments_of
from streams.rules.map_grid import is_by_fm, levels_of, named_cells

# Light enough for dark figures in them; after Paul Tol's light scheme and two more.
_FILLS: Final = (
    "#77aadd", "#99ddff", "#44bb99", "#bbcc33", "#eedd88", "#ee8866",
    "#ffaabb", "#c9b2e8", "#d9b38c", "#aaaa00", "#dddddd",
)  # fmt: skip
# Divided by 3 and by 5 without a rest: strips are whole pixels wide.
_BOX_WIDTH: Final = 105
_BOX_HEIGHT: Final = 48
_LEFT: Final = 56
_TOP: Final = 52
_GAP: Final = 4
_LINE: Final = 24
_EDGE: Final = 20
# Two names of the legend beside each other.
_LEAST_WIDTH: Final = 520
_STYLE: Final = (
    "text{font-family:sans-serif;font-size:13px;fill:#1f2328}"
    ".ground{fill:#ffffff}.note{fill:#59636e}.in{fill:#111111;font-weight:600}"
    "@media(prefers-color-scheme:dark){.ground{fill:#0d1117}text{fill:#f0f6fc}.note{fill:#9198a1}"
    ".in{fill:#111111}}"
)


class _Strip(NamedTuple):
    """Neighbouring Ms of one segment in one box: from `first` (0 for M 1) on, `ms` of them."""

    segment: str
    first: int
    ms: int


def picture_of(scheme: Mapping[str, Any]) -> str:
    """A journaled map as an SVG document; the same map gives the same bytes."""
    levels, by_fm = levels_of(scheme), is_by_fm(scheme)
    names = segments_of(scheme)
    columns = levels.of("fm" if by_fm else "f")
    boxes = {
        (r, column): strips(scheme, r, column)
        for r in range(levels.r, 0, -1)
        for column in range(1, columns + 1)
    }
    has_strips = any(len(found) > 1 for found in boxes.values())
    bottom = _TOP + levels.r * (_BOX_HEIGHT + _GAP) + (_LINE if has_strips else 0)
    width = max(_LEFT + columns * (_BOX_WIDTH + _GAP) + _EDGE, _LEAST_WIDTH)
    height = bottom + -(-len(names) // 2) * _LINE + _EDGE
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
        f'<title id="title">Segments of scheme {escape(scheme["name"])}</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}" rx="8"/>',
        *_axes(levels.r, columns, "FM" if by_fm else "F"),
        *(
            line
            for (r, column), found in boxes.items()
            for line in _box(found, (levels.r - r, column - 1), levels.m, names)
        ),
    ]
    if has_strips:
        text = f"In each box M 1 to {levels.m} from left to right"
        parts.append(_text(_LEFT, bottom - 10, text, "note"))
    parts += _legend(names, named_cells(scheme), bottom, (width - _EDGE) // 2)
    return "\n".join([*parts, "</svg>", ""])


def strips(scheme: Mapping[str, Any], r: int, column: int) -> list[_Strip]:
    """Segments of one box by rising M; one strip where M makes no difference."""
    cells, by_fm = named_cells(scheme), is_by_fm(scheme)
    if by_fm:
        found = next(name for cell, name in cells.items() if (cell.r, cell.fm) == (r, column))
        return [_Strip(found, 0, levels_of(scheme).m)]
    row = [cells[Cell(r, column, m)] for m in range(1, levels_of(scheme).m + 1)]
    runs, first = [], 0
    for name, run in groupby(row):
        count = len(list(run))
        runs.append(_Strip(name, first, count))
        first += count
    return runs


def _axes(rows: int, columns: int, key: str) -> Iterator[str]:
    yield _text(
        _LEFT, 20, f"R downwards, {key} across; the best scores are at the top right", "note"
    )
    for column in range(columns):
        middle = _LEFT + column * (_BOX_WIDTH + _GAP) + _BOX_WIDTH // 2
        yield _text(middle, _TOP - 10, f"{key} {column + 1}", anchor="middle")
    for row in range(rows):
        middle = _TOP + row * (_BOX_HEIGHT + _GAP) + _BOX_HEIGHT // 2 + 5
        yield _text(_LEFT - 12, middle, f"R {rows - row}", anchor="end")


def _box(
    found: Sequence[_Strip], place: tuple[int, int], levels: int, names: Sequence[str]
) -> Iterator[str]:
    row, column = place
    y = _TOP + row * (_BOX_HEIGHT + _GAP)
    for segment, first, count in found:
        x = _LEFT + column * (_BOX_WIDTH + _GAP) + first * _BOX_WIDTH // levels
        width = count * _BOX_WIDTH // levels
        number = names.index(segment)
        yield _rect(x, y, (width, _BOX_HEIGHT), number)
        yield _text(x + width // 2, y + _BOX_HEIGHT // 2 + 5, str(number + 1), "in", "middle")


def _legend(names: Sequence[str], cells: Mapping[Cell, str], top: int, width: int) -> Iterator[str]:
    for number, name in enumerate(names):
        x = _LEFT - 36 + number % 2 * width
        y = top + number // 2 * _LINE
        count = sum(one == name for one in cells.values())
        yield _rect(x, y, (28, 18), number)
        yield _text(x + 14, y + 14, str(number + 1), "in", "middle")
        yield _text(x + 38, y + 14, f"{name}, {count} of {len(cells)}")


def _rect(x: int, y: int, size: tuple[int, int], number: int) -> str:
    fill = _FILLS[number % len(_FILLS)]
    return f'<rect x="{x}" y="{y}" width="{size[0]}" height="{size[1]}" rx="3" fill="{fill}"/>'


def _text(x: int, y: int, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    placed = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x}" y="{y}"{named}{placed}>{escape(text)}</text>'
