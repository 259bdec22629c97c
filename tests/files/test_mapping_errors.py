"""Every mistake in a mapping or a file is one line that names the place and the remedy."""

import gzip
import re
from pathlib import Path

import pytest

from streams.errors import UsageError
from streams.files.mapping import CartsMapping, OrdersMapping, load_mapping
from streams.files.reading import read_events
from tests.files.sources import CARTS, EXAMPLES, HEADER, ORDERS, csv_of, mapping_of

GOOD = """\
kind: orders
source: corner-shop
currency: EUR
time:
  column: when
  zone: Europe/Berlin
customer:
  column: who
  missing: skip
order:
  id: order
line:
  sku: sku
  quantity: n
  unit_price: price
"""
ROW = "1,anna,2024-01-05,hat,1,1"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: orders", "kind: order", r"line 1: field kind must say what the rows are; write ki"),
        ("kind: orders\n", "", r"line 1: field kind must say"),
        ("currency: EUR\n", "", r"field currency is missing; write currency: EUR, or currency: \{"),
        ("EUR", "euro", r"line 3: field currency is wrong: euro is no ISO 4217 currency; write"),
        ("EUR", "EUX", r"line 3: field currency is wrong: EUX is no ISO 4217 currency; write"),
        ("EUR", "{code: EUR, column: c}", r"line 3: field currency is wrong: name one of the two"),
        ("Europe/Berlin", "Berlin", r"line 6: field time.zone is wrong: 'Berlin' is no IANA time "),
        ("Europe/Berlin", "../x", r"line 6: field time.zone is wrong: '../x' is no IANA time zone"),
        ("  zone: Europe/Berlin\n", "", r"line 4: field time.zone is missing; write the zone"),
        ("  missing: skip\n", "", r"line 7: field customer.missing is missing; write missing: sk"),
        ("zone:", "zome:", r"line 6: field time.zome is unknown; did you mean zone\? known her"),
        ("unit_price: price", "unit_prise: price", r"line 15: field line.unit_prise is unknown; d"),
        ("  unit_price: price\n", "", r"line 12: field line is wrong: says no amount; add unit_pr"),
        ("  unit_price: price", "  total: price", r"line 12: field line is wrong: an item needs"),
        ("id: order", "id: {computed: rows}", r"line 11: field order.id.computed is wrong: Input"),
        ("sku: sku", "sku: sku\n  sku: n", r"line 14: field line.sku stands twice; remove one"),
        ("  sku: sku", "\tsku: sku", r"line 13: is no valid YAML \(.*\); mend the line"),
        (GOOD, "- a\n", r"is no mapping; write one field to a line"),
        (GOOD, "", r"is empty; fill or remove it"),
        ("EUR\n", "EUR\nnumbers:\n", r"line 4: field numbers is empty; fill or remove it"),
        ("EUR\n", "EUR\nreturns: {}\n", r"line 4: field returns is wrong: say how returns are tol"),
        ("EUR\n", "EUR\nnumbers: {decimal: '.', thousands: '.'}\n", r"line 4: field numbers is wr"),
        ("EUR\n", "EUR\nleave_out:\n- {column: a, op: like, value: b}\n", r"line 5: field leave_o"),
        ("EUR\n", "EUR\nleave_out:\n- {column: a, op: lt, value: b}\n", r"line 5: field leave_out"),
        ("EUR\n", "EUR\nleave_out:\n- {column: a, op: in, value: b}\n", r"needs a list, for examp"),
        ("EUR\n", "EUR\nleave_out:\n- {column: a, op: eq}\n", r"'eq' needs one value"),
        ("EUR\n", "EUR\nleave_out:\n- {column: a, op: missing, value: 1}\n", r"takes no value; re"),
        ("when\n", "when\n  format: '%d/%m %H:%M'\n", r"line 6: field time.format is wrong: '%d/%"),
        ("when\n", "when\n  format: '%d/%m/%Y %I:%M'\n", r"ambiguous: %I is morning or evening; u"),
        ("when\n", "when\n  format: '%d/%m/%Y %H:%M %Z'\n", r"ambiguous: %Z is a zone's short nam"),
        ("when\n", "when\n  format: '%c'\n", r"'%c' is ambiguous: it needs year, month and day"),
        ("when\n", "when\n  format: auto\n", r"'auto' is no format; write iso or one like %d/%m/%"),
        ("when\n", "when\n  format: [iso, '%d/%m/%Y']\n", r"stand alone; list only strptime forma"),
        ("when\n", "when\n  format: ['%d/%m/%Y %z', '%d/%m/%Y']\n", r"use one kind"),
    ],
)  # fmt: skip
def test_mistakes_in_the_mapping(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = tmp_path / "shop.yaml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        load_mapping(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_unreadable_mapping_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read \(No such file.*\); check the path"):
        load_mapping(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"kind: \xff")
    with pytest.raises(UsageError, match="is not UTF-8 text; save it as UTF-8"):
        load_mapping(path)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("order,who,when,skku,n,price", ROW,
         r"mapping.yaml: field line.sku: .*shop.csv has no column 'sku'; did you mean 'skku'\? it"),
        ("order;who;when;sku;n;price", ROW.replace(",", ";"), r"field time.column: .* has no colu"),
        ("order,who,when,sku,n,n", ROW, r"column 'n' stands twice; rename one of them"),
        ("", ROW, r"has no first line with column names; add one"),
        (HEADER, "1,anna,01/05/2024,hat,1,1",
         r"shop.csv, row 1, column 'when': '01/05/2024' is no time of format iso, and a guess cou"),
        (HEADER, "1,anna,2024-02-30,hat,1,1", r"row 1, column 'when': '2024-02-30' is no time"),
        (HEADER, '1,anna,2024-01-05,hat,1,"1.234,56"',
         r"row 1, column 'price': '1.234,56' is no plain number of at most 6 decimals; mend the r"),
        (HEADER, "1,anna,2024-01-05,hat,1", r"CSV Error on Line: 2.*; check the files against"),
        (HEADER, "1,anna,2024-01-05,h\0at,1,1,7", r"CSV Error on Line: 2"),
    ],
)  # fmt: skip
def test_mistakes_in_the_file(tmp_path: Path, header: str, row: str, message: str) -> None:
    path = csv_of(tmp_path, row, header=header)
    with pytest.raises(UsageError, match=message) as caught:
        read_events([path], mapping_of(tmp_path, ORDERS))
    assert "\n" not in str(caught.value)


def test_wrong_files(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, ORDERS)
    csv, lines = csv_of(tmp_path, ROW), tmp_path / "events.jsonl"
    sheet, starred = tmp_path / "shop.xlsx", tmp_path / "a*.csv"
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(csv.read_bytes())[:-20])
    for path in (lines, sheet, starred):
        path.write_text("", encoding="utf-8")
    for path, given, message in (
        (tmp_path / "none.csv", mapping, "no such file; check the path"),
        (sheet, mapping, "a mapping reads .csv, .*; rename or convert the file"),
        (starred, mapping, r"the path has one of \* \? \[ \] \{ \}; rename the file"),
        (lines, mapping, "JSON Lines are contract events; leave the mapping away"),
        (csv, None, "only JSON Lines .* are read without a mapping; give one with --mapping"),
        (tmp_path / "none.jsonl", None, "cannot be read"),
        (cut, mapping, "check the file"),
    ):
        with pytest.raises(UsageError, match=message):
            read_events([path], given)
    for given in (mapping, None):
        with pytest.raises(UsageError, match="no file given; name at least one"):
            read_events([], given)


def test_carts_need_priced_items(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="carts are folded item by item; name sku and unit_price"):
        mapping_of(tmp_path, CARTS, line={"total": "price"})


def test_the_examples_load() -> None:
    kinds = {path.name: type(load_mapping(path)) for path in sorted(EXAMPLES.glob("*.yaml"))}
    assert kinds == {
        "cdnow.yaml": OrdersMapping,
        "corner_shop.yaml": OrdersMapping,
        "rees46_carts.yaml": CartsMapping,
        "uci.yaml": OrdersMapping,
    }


def test_the_example_shop_gives_what_its_readme_says() -> None:
    mapping = load_mapping(EXAMPLES / "corner_shop.yaml")
    with read_events([EXAMPLES / "corner_shop.csv"], mapping) as stream:
        events = list(stream)
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\{.*\}$", readme, flags=re.MULTILINE)
    assert quoted == [event.value.decode() for event in events[: len(quoted)]]
    assert len(quoted) == 2
    for reason, count in stream.report.left_out.items():
        assert f"{count} x {reason}" in readme
    for event_type, count in stream.report.events.items():
        assert f"{count} x {event_type}" in readme
