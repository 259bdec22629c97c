"""A shop's log of carts into cart events and orders."""

from pathlib import Path
from typing import Any

from schemas.carts import CartUpdated
from schemas.orders import OrderPlaced
from streams.files.reading import count_events, read_events
from tests.files.sources import CARTS, csv_of, mapping_of, read

CART_HEADER = "session,who,when,what,sku,price"
ROWS = (
    "s1,anna,2024-01-05 10:00:00,add,hat,10",
    "s1,anna,2024-01-05 10:01:00,view,tie,5",
    "s2,ben,2024-01-05 10:01:30,add,cap,7.5",
    "s1,anna,2024-01-05 10:02:00,add,hat,10",
    "s1,anna,2024-01-05 10:03:00,add,tie,5",
    "s1,anna,2024-01-05 10:04:00,remove,hat,10",
    "s1,anna,2024-01-05 10:05:00,buy,hat,10",
    "s1,anna,2024-01-05 10:06:00,buy,tie,5",
    "s2,ben,2024-01-05 10:07:00,remove,cap,7.5",
)


def _quantities(body: dict[str, Any]) -> dict[str, float]:
    return {item["sku"]: item["quantity"] for item in body["items"]}


def test_carts_hold_the_items_so_far(tmp_path: Path) -> None:
    path = csv_of(tmp_path, *ROWS, header=CART_HEADER)
    found, report = read(path, mapping_of(tmp_path, CARTS))
    told = [
        (body.get("cart_id"), body.get("value"), _quantities(body))
        for body in found
        if body["type"] == "cart.updated"
    ]
    assert told == [
        ("s1", "10.00", {"hat": 1}),
        ("s2", "7.50", {"cap": 1}),
        ("s1", "20.00", {"hat": 2}),
        ("s1", "25.00", {"hat": 2, "tie": 1}),
        ("s1", "15.00", {"hat": 1, "tie": 1}),
        ("s2", "0.00", {}),
    ]
    assert report.left_out == {"neither added, removed nor bought": 1}
    assert report.events == {"cart.updated": 6, "order.placed": 1}


def test_purchases_of_a_session_are_one_order_with_its_cart(tmp_path: Path) -> None:
    path = csv_of(tmp_path, *ROWS, header=CART_HEADER)
    found, _ = read(path, mapping_of(tmp_path, CARTS))
    order = next(body for body in found if body["type"] == "order.placed")
    assert (order["order_id"], order["cart_id"], order["total"]) == ("s1", "s1", "15.00")
    assert order["occurred_at"] == "2024-01-05T10:06:00Z"
    assert _quantities(order) == {"hat": 1, "tie": 1}


def test_a_bought_item_leaves_the_cart(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "s1,anna,2024-01-05 10:00:00,add,hat,10",
        "s1,anna,2024-01-05 10:00:00,buy,hat,10",
        "s1,anna,2024-01-05 10:01:00,add,tie,5",
        header=CART_HEADER,
    )
    found, _ = read(path, mapping_of(tmp_path, CARTS))
    assert [(body["type"], _quantities(body)) for body in found] == [
        ("cart.updated", {"hat": 1}),
        ("order.placed", {"hat": 1}),
        ("cart.updated", {"tie": 1}),
    ]


def test_two_changes_at_one_instant_are_two_events(tmp_path: Path) -> None:
    row = "s1,anna,2024-01-05 10:00:00,add,hat,10"
    path = csv_of(tmp_path, row, row, header=CART_HEADER)
    mapping = mapping_of(tmp_path, CARTS)
    once, _ = read(path, mapping)
    again, _ = read(path, mapping)
    assert once == again
    assert len({body["event_id"] for body in once}) == 2


def test_until_applies_to_changes_and_orders(tmp_path: Path) -> None:
    path = csv_of(tmp_path, *ROWS, header=CART_HEADER)
    found, report = read(path, mapping_of(tmp_path, CARTS), until="2024-01-05T10:03:00+00:00")
    assert [body["type"] for body in found] == ["cart.updated"] * 4
    assert report.left_out["after the given instant"] == 4
    assert report.row_count == len(found) + sum(report.left_out.values())


def test_events_are_valid_contracts(tmp_path: Path) -> None:
    path = csv_of(tmp_path, *ROWS, header=CART_HEADER)
    mapping = mapping_of(tmp_path, CARTS)
    events = list(read_events([path], mapping))
    for event in events:
        if event.topic == "shop.carts":
            assert CartUpdated.model_validate_json(event.value).customer_id == event.key
        else:
            assert OrderPlaced.model_validate_json(event.value).customer_id == event.key
    assert count_events([path], mapping) == len(events)
