"""Order lines into orders and returns, on a shop of a few lines."""

import gzip
from pathlib import Path

import duckdb
import pytest

from schemas.orders import OrderPlaced
from schemas.returns import ReturnRegistered
from streams.errors import UsageError
from streams.files.reading import read_events
from tests.files.sources import ORDERS, bodies, csv_of, mapping_of, read

NEGATIVE = {"negative_lines": True}
PREFIX = {"prefix": "R-"}


def test_lines_of_one_number_are_one_order(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "1,anna,2024-01-05 10:00:00,hat,2,1.10",
        "2,ben,2024-01-05 10:01:00,cap,1,5",
        "1,anna,2024-01-05 10:02:00,tie,1,0.333333",
    )
    found, report = read(path, mapping_of(tmp_path, ORDERS))
    assert [body["order_id"] for body in found] == ["2", "1"]
    first = found[1]
    assert first == {
        "event_id": first["event_id"],
        "type": "order.placed",
        "schema_version": 1,
        "customer_id": "anna",
        "occurred_at": "2024-01-05T09:02:00Z",
        "order_id": "1",
        "currency": "EUR",
        "total": "2.53",
        "items": [
            {"sku": "hat", "quantity": 2, "unit_price": "1.1"},
            {"sku": "tie", "quantity": 1, "unit_price": "0.333333"},
        ],
    }
    assert (report.row_count, report.events, report.left_out) == (3, {"order.placed": 2}, {})


def test_order_takes_the_first_time_when_told(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path, "1,anna,2024-07-05 10:00:00,hat,1,1", "1,anna,2024-07-05 10:02:00,b,1,1"
    )
    time = ORDERS["time"] | {"order_takes": "first"}
    found, _ = read(path, mapping_of(tmp_path, ORDERS, time=time))
    assert found[0]["occurred_at"] == "2024-07-05T08:00:00Z"


@pytest.mark.parametrize(
    ("amounts", "currency", "total"),
    [
        (["0.125"], "EUR", "0.12"),
        (["0.135"], "EUR", "0.14"),
        (["0.125", "0.125"], "EUR", "0.25"),
        (["0.1"] * 3, "EUR", "0.30"),
        (["2.5"], "JPY", "2"),
        (["1.2345"], "KWD", "1.234"),
        (["999999999.99"] * 3, "EUR", "2999999999.97"),
        (["0"], "EUR", "0.00"),
    ],
)
def test_totals_are_exact_and_rounded_once_half_even(
    tmp_path: Path, amounts: list[str], currency: str, total: str
) -> None:
    rows = [f"1,anna,2024-01-05,hat,1,{amount}" for amount in amounts]
    found, _ = read(csv_of(tmp_path, *rows), mapping_of(tmp_path, ORDERS, currency=currency))
    assert found[0]["total"] == total


def test_a_product_above_a_million_does_not_overflow(tmp_path: Path) -> None:
    path = csv_of(tmp_path, "1,anna,2024-01-05,hat,80995,12345.678901")
    found, _ = read(path, mapping_of(tmp_path, ORDERS))
    assert found[0]["total"] == "999938262.59"


def test_discounts_columns_and_channel(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "1,anna,2024-01-05,hat,2,10,3.5,USD,web,K1,head,Hat",
        "1,anna,2024-01-05,tie,1,5,,USD,web,K1,neck,Tie",
        header="order,who,when,sku,n,price,off,cur,via,cart,cat,title",
    )
    line = ORDERS["line"] | {"discount": "off", "category": "cat", "name": "title"}
    order = {"id": "order", "channel": "via", "cart_id": "cart"}
    mapping = mapping_of(tmp_path, ORDERS, line=line, order=order, currency={"column": "cur"})
    found, _ = read(path, mapping)
    body = found[0]
    assert (body["total"], body["discount_total"], body["currency"]) == ("21.50", "3.50", "USD")
    assert (body["channel"], body["cart_id"]) == ("web", "K1")
    assert body["items"] == [
        {"sku": "hat", "quantity": 2, "unit_price": "10", "discount": "3.50", "category": "head",
         "name": "Hat"},
        {"sku": "tie", "quantity": 1, "unit_price": "5", "category": "neck",
         "name": "Tie"},
    ]  # fmt: skip


def test_prefixed_numbers_are_returns_of_unknown_orders(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "1,anna,2024-01-05,hat,2,10",
        "R-9,anna,2024-01-07,hat,-1,10",
        "R-9,anna,2024-01-07,tie,-1,0.5",
        "R-10,anna,2024-01-08,hat,-1,0",
    )
    found, report = read(path, mapping_of(tmp_path, ORDERS, returns=PREFIX))
    returned = found[1]
    assert returned["type"] == "return.registered"
    assert (returned["return_id"], returned["amount"]) == ("R-9", "10.50")
    assert "order_id" not in returned
    assert returned["items"] == [{"sku": "hat", "quantity": 1}, {"sku": "tie", "quantity": 1}]
    assert report.left_out == {"return of nothing": 1}


def test_negative_lines_return_something_of_their_order(tmp_path: Path) -> None:
    path = csv_of(tmp_path, "1,anna,2024-01-05,hat,2,10", "1,anna,2024-01-09,hat,-1,10")
    found, _ = read(path, mapping_of(tmp_path, ORDERS, returns=NEGATIVE))
    assert [(body["type"], body["order_id"]) for body in found] == [
        ("order.placed", "1"),
        ("return.registered", "1"),
    ]
    assert (found[0]["total"], found[1]["amount"]) == ("20.00", "10.00")
    assert found[1]["occurred_at"] == "2024-01-08T23:00:00Z"


def test_a_column_may_name_the_returned_order(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path, "R-1,anna,2024-01-05,hat,-1,10,77", header="order,who,when,sku,n,price,of"
    )
    found, _ = read(path, mapping_of(tmp_path, ORDERS, returns=PREFIX | {"order_id": "of"}))
    assert found[0]["order_id"] == "77"


def test_a_number_of_two_customers_is_two_orders_with_two_ids(tmp_path: Path) -> None:
    path = csv_of(tmp_path, "1,anna,2024-01-05,hat,1,10", "1,ben,2024-01-05,hat,1,10")
    found, _ = read(path, mapping_of(tmp_path, ORDERS))
    assert [body["customer_id"] for body in found] == ["anna", "ben"]
    assert len({body["event_id"] for body in found}) == len(found)


def test_ids_depend_on_source_and_order_and_on_nothing_else(tmp_path: Path) -> None:
    rows = ["1,anna,2024-01-05,hat,1,10", "2,anna,2024-01-06,hat,1,10", "R-1,b,2024-01-06,c,-1,1"]
    mapping = mapping_of(tmp_path, ORDERS, returns=PREFIX)
    once = bodies(read_events([csv_of(tmp_path, *rows)], mapping))
    again = bodies(read_events([csv_of(tmp_path, *rows)], mapping))
    turned = bodies(read_events([csv_of(tmp_path, *rows[::-1], name="other.csv")], mapping))
    renamed = mapping_of(tmp_path, ORDERS, returns=PREFIX, source="other-shop")
    other = bodies(read_events([csv_of(tmp_path, *rows)], renamed))
    ids = {body["event_id"] for body in once}
    assert once == again
    assert ids == {body["event_id"] for body in turned}
    assert len(ids) == len(rows)
    assert not ids & {body["event_id"] for body in other}


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "1,anna,2024-01-05,hat,1,10",
        "2,,2024-01-05,hat,1,10",
        ",anna,2024-01-05,hat,1,10",
        "3,anna,,hat,1,10",
        "4,anna,2024-01-05,hat,,10",
        "5,anna,2024-01-05,hat,-1,10",
        "TEST6,anna,garbage,hat,1,10",
        "7,anna,2024-01-05,hat,1,0",
        "8,anna,2024-01-05,hat,1,-3",
    )
    leave_out = [
        {"column": "order", "op": "starts_with", "value": "TEST", "reason": "test order"},
        {"column": "price", "op": "eq", "value": 0},
    ]
    found, report = read(path, mapping_of(tmp_path, ORDERS, leave_out=leave_out))
    assert [body["order_id"] for body in found] == ["1"]
    assert report.left_out == {
        "no customer": 1, "no order id": 1, "no time": 1, "no quantity": 1,
        "quantity not above 0": 1, "test order": 1, "price eq 0": 1, "order with a sum below 0": 1,
    }  # fmt: skip
    assert report.row_count == len(found) + sum(report.left_out.values())


def test_guests_are_sent_where_the_mapping_says_so(tmp_path: Path) -> None:
    path = csv_of(tmp_path, "1,,2024-01-05,hat,1,10", "1,,2024-01-05,tie,1,10")
    mapping = mapping_of(tmp_path, ORDERS, customer={"column": "who", "missing": "send"})
    events = list(read_events([path], mapping))
    assert [event.key for event in events] == [None]
    assert bodies(read_events([path], mapping))[0]["customer_id"] == ""


def test_until_leaves_whole_orders_out(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "1,anna,2024-01-05 12:00:00,hat,1,10",
        "2,anna,2024-01-05 12:00:00,hat,1,10",
        "2,anna,2024-01-05 12:00:01,hat,1,10",
    )
    found, report = read(path, mapping_of(tmp_path, ORDERS), until="2024-01-05T12:00:00+01:00")
    assert [body["order_id"] for body in found] == ["1"]
    assert report.left_out == {"after the given instant": 2}


def test_orders_in_several_currencies_are_left_out(tmp_path: Path) -> None:
    rows = [
        "1,anna,2024-01-05,h,1,1,EUR",
        "1,anna,2024-01-05,h,1,1,USD",
        "2,anna,2024-01-05,h,1,1,",
    ]
    path = csv_of(tmp_path, *rows, header="order,who,when,sku,n,price,cur")
    found, report = read(path, mapping_of(tmp_path, ORDERS, currency={"column": "cur"}))
    assert found == []
    assert report.left_out == {"order in several currencies": 2, "no currency": 1}


def test_rows_without_number_are_orders_of_their_own(tmp_path: Path) -> None:
    line = {"total": "sum"}
    a = csv_of(
        tmp_path, "anna,2024-01-05,5", "anna,2024-01-05,6", header="who,when,sum", name="a.csv"
    )
    b = csv_of(tmp_path, "anna,2024-01-05,7", header="who,when,sum", name="b.csv")
    row = mapping_of(tmp_path, ORDERS, line=line, order={"id": {"computed": "row"}})
    found = bodies(read_events([a], row))
    assert [(body["order_id"], body["total"]) for body in found] == [("1", "5.00"), ("2", "6.00")]
    with pytest.raises(UsageError, match="row numbers repeat over 2 files; set computed: file_and"):
        read_events([a, b], row)
    both = mapping_of(tmp_path, ORDERS, line=line, order={"id": {"computed": "file_and_row"}})
    found = bodies(read_events([a, b], both))
    assert [body["order_id"] for body in found] == ["a.csv:1", "a.csv:2", "b.csv:1"]


def test_parquet_and_gzip_give_what_csv_gives(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path, "007,anna,2024-07-05 10:00:00,hat,2,1.10", "8,ben,2024-07-06 11:00:00,c,1,5"
    )
    zipped = tmp_path / "shop.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    parquet = tmp_path / "shop.parquet"
    duckdb.execute(
        """COPY (SELECT * REPLACE (CAST("when" AS TIMESTAMP) AS "when", CAST(n AS INT) AS n,
                                  CAST(price AS DOUBLE) AS price)
                 FROM read_csv($source, all_varchar = true)) TO $target (FORMAT parquet)""",
        {"source": str(path), "target": str(parquet)},
    )
    mapping = mapping_of(tmp_path, ORDERS)
    expected = bodies(read_events([path], mapping))
    assert [body["order_id"] for body in expected] == ["007", "8"]
    assert bodies(read_events([zipped], mapping)) == expected
    assert bodies(read_events([parquet], mapping)) == expected


def test_events_are_valid_contracts(tmp_path: Path) -> None:
    path = csv_of(tmp_path, "1,anna,2024-01-05,hat,2.5,0.123456", "R-1,anna,2024-01-06,hat,-1,1.5")
    events = list(read_events([path], mapping_of(tmp_path, ORDERS, returns=PREFIX)))
    assert [event.topic for event in events] == ["shop.orders", "shop.returns"]
    assert OrderPlaced.model_validate_json(events[0].value).items[0].quantity == 2.5
    assert ReturnRegistered.model_validate_json(events[1].value).return_id == "R-1"


@pytest.mark.parametrize(
    ("written", "formats", "zone", "instant"),
    [
        ("2024-01-05", "iso", "Europe/Berlin", "2024-01-04T23:00:00Z"),
        ("2024-07-05T10:00:00", "iso", "Europe/Berlin", "2024-07-05T08:00:00Z"),
        ("2024-07-05 10:00:00.250", "iso", "UTC", "2024-07-05T10:00:00.250Z"),
        ("2024-07-05T10:00:00Z", "iso", "Europe/Berlin", "2024-07-05T10:00:00Z"),
        ("2024-07-05 10:00:00 UTC", "iso", "Europe/Berlin", "2024-07-05T10:00:00Z"),
        ("2024-07-05 10:00:00+05:30", "iso", "Europe/Berlin", "2024-07-05T04:30:00Z"),
        ("5/7/2024 9:05", "%d/%m/%Y %H:%M", "Europe/Berlin", "2024-07-05T07:05:00Z"),
        ("7/5/2024 9:05 PM", "%m/%d/%Y %I:%M %p", "UTC", "2024-07-05T21:05:00Z"),
        ("5.7.2024", ["%d.%m.%Y %H:%M", "%d.%m.%Y"], "UTC", "2024-07-05T00:00:00Z"),
        ("05/07/2024 10:00 +0200", "%d/%m/%Y %H:%M %z", "UTC", "2024-07-05T08:00:00Z"),
        ("1720173600", "epoch_s", "UTC", "2024-07-05T10:00:00Z"),
        ("1720173600125", "epoch_ms", "UTC", "2024-07-05T10:00:00.125Z"),
        # The hour that does not exist, and the later of the hour that comes twice.
        ("2024-03-31 02:30:00", "iso", "Europe/Berlin", "2024-03-31T01:30:00Z"),
        ("2024-10-27 02:30:00", "iso", "Europe/Berlin", "2024-10-27T01:30:00Z"),
    ],
)
def test_times(
    tmp_path: Path, written: str, formats: str | list[str], zone: str, instant: str
) -> None:
    time = {"column": "when", "zone": zone, "format": formats}
    path = csv_of(tmp_path, f"1,anna,{written},hat,1,1")
    found, _ = read(path, mapping_of(tmp_path, ORDERS, time=time))
    assert found[0]["occurred_at"] == instant


@pytest.mark.parametrize(
    ("written", "decimal", "thousands", "total"),
    [
        ("12.5", ".", "", "12.50"),
        ("12,5", ",", ".", "12.50"),
        ("1.234,5", ",", ".", "1234.50"),
        ("1 234 567.8", ".", " ", "1234567.80"),
        ("+3", ".", "", "3.00"),
        (".5", ".", "", "0.50"),
        ("2.50000000000", ".", "", "2.50"),
        ("12.5", ",", ".", None),
        ("1,234", ".", "", None),
        ("1_000", ".", "", None),
        ("1e2", ".", "", None),
        ("NaN", ".", "", None),
        ("٣", ".", "", None),
        ("1.0000001", ".", "", None),
        ("12345678901234", ".", "", None),
    ],
)
def test_numbers(
    tmp_path: Path, written: str, decimal: str, thousands: str, total: str | None
) -> None:
    path = csv_of(tmp_path, f'1,anna,2024-01-05,hat,1,"{written}"')
    mapping = mapping_of(
        tmp_path, ORDERS, numbers={"decimal": decimal, "thousands": thousands},
        unreadable="leave_out",
    )  # fmt: skip
    found, report = read(path, mapping)
    if total is None:
        assert found == []
        assert report.left_out == {"unreadable unit_price": 1}
    else:
        assert found[0]["total"] == total


def test_many_lines_keep_file_and_time_order(tmp_path: Path) -> None:
    rows = [f"{n},c{n % 7},2024-01-{n % 28 + 1:02d},s{n},1,1" for n in range(30_000)]
    stream = read_events([csv_of(tmp_path, *rows)], mapping_of(tmp_path, ORDERS))
    numbers = [int(body["order_id"]) for body in bodies(stream)]
    assert numbers == sorted(range(30_000), key=lambda n: (n % 28, n))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = 'order,who , when,sku,n,price\r\n1,"änna ""ß""",2024-01-05,"h\nat", 1 ,1\r\n'
    path = tmp_path / "shop.csv"
    path.write_bytes(text.replace(",", delimiter).encode(encoding))
    csv = {"encoding": encoding.removesuffix("-sig"), "delimiter": delimiter}
    found, _ = read(path, mapping_of(tmp_path, ORDERS, csv=csv))
    assert [(body["customer_id"], body["items"][0]["sku"]) for body in found] == [
        ('änna "ß"', "h\nat")
    ]
