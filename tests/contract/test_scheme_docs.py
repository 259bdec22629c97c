"""The pages of the schemes: each has one, and its picture shows the map that is shipped."""

import xml.etree.ElementTree as ET
from collections import Counter
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest

from streams.rules.describe import segments_of
from streams.rules.map_grid import is_by_fm, named_cells
from streams.settings import SCHEMES
from tests.contract import doc_tables
from tests.contract.documents import ROOT, read_page
from tests.contract.map_pictures import picture_of

EVERY_MAP = pytest.mark.parametrize(
    "scheme",
    [one for one in doc_tables.shipped_schemes().values() if one["kind"] == "map"],
    ids=lambda one: one["name"],
)
SVG = "{http://www.w3.org/2000/svg}"


def test_every_scheme_and_every_shipped_map_has_a_page() -> None:
    maps = files("streams.rules") / "maps"
    names = {path.name.removesuffix(".yaml") for path in maps.iterdir()} - {"five"}
    wanted = {*SCHEMES, *(f"rfm_{name}" for name in names)}
    assert {page.stem for page in (ROOT / "docs/schemes").glob("*.md")} == wanted


@pytest.mark.parametrize("name", doc_tables.shipped_schemes())
def test_every_page_shows_the_segments_of_its_scheme(name: str) -> None:
    page = read_page(f"docs/schemes/{name}.md")
    assert doc_tables.refresh(page) == page, "run: python -m tests.contract.doc_tables"
    for segment in segments_of(doc_tables.shipped_schemes()[name]):
        assert f"| **{segment}** |" in page


@pytest.mark.parametrize("name", doc_tables.PICTURES)
def test_pictures_are_todays(name: str) -> None:
    assert read_page(name) == doc_tables.PICTURES[name](), (
        "run: python -m tests.contract.doc_tables"
    )


@EVERY_MAP
def test_a_picture_gives_each_segment_as_much_room_as_it_has_cells(scheme: dict[str, Any]) -> None:
    # Given the rectangles of the boxes, each followed by its number
    drawn: Counter[str] = Counter()
    elements = list(ET.fromstring(picture_of(scheme)))  # noqa: S314 - our own text
    for box, label in pairwise(elements):
        if box.tag == f"{SVG}rect" and box.get("height") == "48":
            drawn[str(label.text)] += int(box.get("width", "0"))
    # When a box is as wide as its Ms are many
    cells = named_cells(scheme)
    shown = {(c.r, c.fm): name for c, name in cells.items()} if is_by_fm(scheme) else cells
    width = 105 if is_by_fm(scheme) else 105 // max(cell.m for cell in cells)
    # Then every segment has its share
    names = segments_of(scheme)
    expected = Counter(str(names.index(name) + 1) for name in shown.values())
    assert drawn == {number: count * width for number, count in expected.items()}


@EVERY_MAP
def test_a_changed_map_changes_picture_and_tables(
    scheme: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *rest = scheme["rows"]
    swapped = [{**first, "name": second["name"]}, {**second, "name": first["name"]}, *rest]
    changed = {**scheme, "rows": swapped}
    name = scheme["name"]
    before = picture_of(scheme), doc_tables.grid_table(name), doc_tables.segments_table(name)
    monkeypatch.setattr(doc_tables, "shipped_schemes", lambda: {name: changed})
    after = picture_of(changed), doc_tables.grid_table(name), doc_tables.segments_table(name)
    assert all(one != other for one, other in zip(before, after, strict=True))
