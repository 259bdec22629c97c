"""The examples' mappings on the real files, against what others computed from them."""

import csv
import gzip
import json
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from schemas.orders import OrderPlaced
from schemas.returns import ReturnRegistered
from streams.files.mapping import load_mapping
from streams.files.reading import Event, ReadReport, read_events
from tests.files.sources import EXAMPLES, shared_data

UCI = "uci_online_retail_2010-12_2011-12.csv.gz"
CDNOW = "cdnow_master.csv.gz"
REES46 = "rees46_multi_2019-10-01_first3h.csv.gz"


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _read(example: str, data: str) -> tuple[list[Event], ReadReport]:
    with read_events([shared_data(data)], load_mapping(EXAMPLES / example)) as stream:
        events = list(stream)
    instants = [event.occurred_at_ms for event in events]
    assert instants == sorted(instants)
    assert len(events) == stream.event_count
    return events, stream.report


def _fact(body: dict[str, Any], zone: str) -> tuple[str, str, datetime, Decimal]:
    at = datetime.fromisoformat(body["occurred_at"]).astimezone(ZoneInfo(zone))
    return body["order_id"], body["customer_id"], at.replace(tzinfo=None), Decimal(body["total"])


def _reference(row: dict[str, str]) -> tuple[str, str, datetime, Decimal]:
    amount = Decimal(row["amount"])
    return row["order_id"], row["customer_id"], datetime.fromisoformat(row["ts"]), amount


def test_uci_orders_are_the_reference() -> None:
    events, report = _read("uci.yaml", UCI)
    bodies = [json.loads(event.value) for event in events if event.topic == "shop.orders"]
    found = [_fact(body, "Europe/London") for body in bodies]
    reference = {_reference(row) for row in _rows(shared_data("reference/orders_uci1.csv.gz"))}
    assert set(found) == reference
    assert len(found) == 18_532
    assert len({customer for _, customer, _, _ in found}) == 4_338
    assert sum(total for *_, total in found) == Decimal("8911407.90")
    lines = sum(len(body["items"]) for body in bodies)
    assert lines == 397_884
    assert report.row_count == 541_909
    for event in events[::50]:
        contract = OrderPlaced if event.topic == "shop.orders" else ReturnRegistered
        assert contract.model_validate_json(event.value)


def test_uci_sums_are_exact() -> None:
    events, report = _read("uci.yaml", UCI)
    sums: Counter[str] = Counter()
    totals: dict[str, Decimal] = {"order.placed": Decimal(0), "return.registered": Decimal(0)}
    for event in events:
        body = json.loads(event.value)
        sums[body["type"]] += 1
        totals[body["type"]] += Decimal(body.get("total") or body["amount"])
    expected = _uci_by_hand()
    assert {kind: (sums[kind], totals[kind]) for kind in totals} == expected
    assert report.events == sums
    assert report.left_out == {"no customer": 132_602, "no price": 2_515, "bad debt": 3}


def _uci_by_hand() -> dict[str, tuple[int, Decimal]]:
    """Sum the file's lines again with nothing but the standard library."""
    amounts: dict[str, Decimal] = {}
    for row in _rows(shared_data(UCI)):
        quantity, price = Decimal(row["quantity"]), Decimal(row["unit_price"])
        invoice = row["invoice"]
        wanted = invoice[0] == "C" or (invoice[0] != "A" and quantity > 0)
        if row["customer_id"] and wanted and price > 0:
            amounts[invoice] = amounts.get(invoice, Decimal(0)) + quantity * price
    cent = Decimal("0.01")
    orders = [amount.quantize(cent) for invoice, amount in amounts.items() if invoice[0] != "C"]
    returns = [
        abs(amount.quantize(cent)) for invoice, amount in amounts.items() if invoice[0] == "C"
    ]
    return {
        "order.placed": (len(orders), sum(orders, Decimal(0))),
        "return.registered": (len(returns), sum(returns, Decimal(0))),
    }


def test_cdnow_orders_are_the_reference() -> None:
    events, report = _read("cdnow.yaml", CDNOW)
    found = {_fact(json.loads(event.value), "UTC") for event in events}
    assert found == {_reference(row) for row in _rows(shared_data("reference/orders_cdnow.csv.gz"))}
    assert len(events) == 69_659
    assert sum(total for *_, total in found) == Decimal("2500315.63")
    assert report.left_out == {}


def test_rees46_carts_and_purchases() -> None:
    events, report = _read("rees46_carts.yaml", REES46)
    bodies = [json.loads(event.value) for event in events]
    rows = [row for row in _rows(shared_data(REES46)) if row["event_type"] != "view"]
    assert report.left_out == {"view": 17_055}
    changes = [body for body in bodies if body["type"] == "cart.updated"]
    orders = [body for body in bodies if body["type"] == "order.placed"]
    assert len(changes) == 165
    assert len({body["cart_id"] for body in changes}) == 118
    bought = {body["cart_id"] for body in orders}
    assert len({body["cart_id"] for body in changes} - bought) == 53
    paid = sum(
        (Decimal(row["price"]) for row in rows if row["event_type"] == "purchase"), Decimal()
    )
    assert sum(Decimal(body["total"]) for body in orders) == paid
    assert len({body["event_id"] for body in bodies}) == len(bodies)
