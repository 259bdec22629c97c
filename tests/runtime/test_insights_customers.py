"""A customer at an instant: what the state tells is what the machine would have decided by then."""

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import machine
from streams.core.inputs import (
    CartUpdated,
    CustomerErased,
    CustomerEvent,
    Item,
    OrderCancelled,
    OrderPlaced,
    ReturnRegistered,
)
from streams.core.rules import RFM, Rules, compile_rules
from streams.core.state import CustomerState
from streams.core.values import DAY_MS
from streams.errors import UsageError
from streams.insights.customers import (
    CustomerRow,
    columns_of,
    customer_row,
    further_schemes,
    next_segment,
    standing_at,
)
from streams.insights.customers_file import CustomersFile, Format
from streams.rules.files import rules_text
from streams.settings import load_settings

START_MS = 1_600_000_000_000
RULES: Rules = compile_rules(rules_text(load_settings()), 1)
COLUMNS = columns_of(further_schemes(RULES))


def order(number: int, at_ms: int, total_minor: int = 5_000) -> OrderPlaced:
    return OrderPlaced(**shared(number, at_ms), order_id=f"o{number}", total_minor=total_minor)


def shared(number: int, at_ms: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "customer_id": "c",
        "occurred_at_ms": at_ms,
        "received_at_ms": at_ms,
        "identity": number,
        "source": "shop.orders",
    }


def state_after(*events: CustomerEvent) -> CustomerState:
    state = CustomerState("c")
    for event in events:
        let_time_pass(state, event.received_at_ms)
        machine.apply(state, event, RULES, event.received_at_ms, "event")
    return state


def let_time_pass(state: CustomerState, until_ms: int) -> None:
    while state.next_due_ms is not None and state.next_due_ms <= until_ms:
        machine.fire(state, state.next_due_ms, RULES, state.next_due_ms)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 120_000)), min_size=1, max_size=12),
    st.integers(0, 1_500 * DAY_MS),
)
def test_a_later_instant_is_what_the_clock_alone_would_have_made(
    orders: list[tuple[int, int]], ahead_ms: int
) -> None:
    """Given some orders, when only time passes, then state and clock agree at any instant."""
    events = [
        order(number, START_MS + day * DAY_MS, total)
        for number, (day, total) in enumerate(sorted(orders))
    ]
    state = state_after(*events)
    at_ms = events[-1].occurred_at_ms + ahead_ms
    told = standing_at(state, RULES, at_ms)
    upcoming = next_segment(state, RULES, told)

    let_time_pass(state, at_ms)
    member = state.memberships[RFM]
    assert (told.segment, told.previous, told.since_ms) == (
        member.segment,
        member.previous,
        member.since_ms,
    )
    assert told == standing_at(state, RULES, at_ms)

    if upcoming is not None:
        let_time_pass(state, upcoming[0] - 1)
        assert state.memberships[RFM].segment == told.segment
        let_time_pass(state, upcoming[0])
        assert (state.memberships[RFM].since_ms, state.memberships[RFM].segment) == (upcoming)


def test_a_row_by_hand() -> None:
    state = state_after(
        order(1, START_MS, 10_005),
        order(2, START_MS + DAY_MS, 20_000),
        ReturnRegistered(
            **shared(3, START_MS + 2 * DAY_MS), return_id="r", amount_minor=5, order_id="o1"
        ),
    )
    row = customer_row(state, RULES, START_MS + 2 * DAY_MS)
    assert row is not None
    assert row._replace(memberships=()) == CustomerRow(
        customer_id="c",
        last_order_at="2020-09-14T12:26:40.000Z",
        order_count=2,
        monetary="300.00",
        currency="EUR",
        r=5,
        f=2,
        m=3,
        rfm_segment="Potential Loyalists",
        lifetime_order_count=2,
        lifetime_monetary="300.00",
        rfm_previous=None,
        rfm_since="2020-09-13T12:26:40.000Z",
    )


def test_who_has_a_row() -> None:
    """Any order, return or cancellation makes one; carts alone and an erased history do not."""
    cart = CartUpdated(**shared(1, START_MS), cart_id="k", value_minor=1, items=[Item("sku", 1)])
    cancelled = OrderCancelled(**shared(1, START_MS), order_id="o9")
    erased = CustomerErased(**shared(2, START_MS + 1))
    back = ReturnRegistered(**shared(1, START_MS), return_id="r", amount_minor=150)
    assert customer_row(state_after(cart), RULES, START_MS) is None
    assert customer_row(state_after(order(1, START_MS), erased), RULES, START_MS + 1) is None
    waiting = customer_row(state_after(cancelled), RULES, START_MS)
    returned = customer_row(state_after(back), RULES, START_MS)
    assert waiting is not None
    assert returned is not None
    assert (waiting.rfm_segment, waiting.r, waiting.last_order_at) == (None, None, None)
    assert (returned.monetary, returned.lifetime_monetary, returned.rfm_since) == (
        "-1.50",
        "-1.50",
        None,
    )


IDS = ["b", "B", "ä", "😀", "\uffee", "a,\"b'", " lead", "#x", "NULL", "10", "9"]


def saved(tmp_path: Path, file_format: Format) -> Path:
    out = tmp_path / f"customers.{file_format}"
    with CustomersFile() as customers:
        for index, customer_id in enumerate(IDS):
            row = customer_row(state_after(order(index, START_MS)), RULES, START_MS)
            assert row is not None
            if index == 0:
                row = row._replace(last_order_at=None, r=None)
            customers.add(row._replace(customer_id=customer_id))
        customers.save(out, file_format, "EUR")
    return out


def test_csv_is_sorted_by_code_point_and_empty_where_there_is_no_value(tmp_path: Path) -> None:
    out = saved(tmp_path, "csv")
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert [row["customer_id"] for row in rows] == sorted(IDS)
    assert tuple(rows[0]) == COLUMNS
    by_id = {row["customer_id"]: row for row in rows}
    assert (by_id["b"]["last_order_at"], by_id["b"]["r"], by_id["b"]["f"]) == ("", "", "1")
    assert by_id["😀"]["last_order_at"] == "2020-09-13T12:26:40.000Z"
    assert b"\r" not in out.read_bytes()


def test_json_lines_have_numbers_nulls_and_money_as_text(tmp_path: Path) -> None:
    lines = saved(tmp_path, "jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["customer_id"] for row in rows] == sorted(IDS)
    by_id = {row["customer_id"]: row for row in rows}
    assert tuple(by_id["b"]) == COLUMNS
    assert by_id["b"]["r"] is None
    assert by_id["B"]["order_count"] == 1
    assert by_id["B"]["monetary"] == "50.00"


def test_parquet_has_decimal_money_and_times_in_utc(tmp_path: Path) -> None:
    out = saved(tmp_path, "parquet")
    with duckdb.connect(":memory:") as connection:
        types = dict(row[:2] for row in connection.execute(f"DESCRIBE FROM '{out}'").fetchall())
        found = connection.execute(
            f"SELECT customer_id, epoch_ms(last_order_at), monetary::VARCHAR FROM '{out}'"
        ).fetchall()
    assert types["monetary"] == "DECIMAL(20,2)"
    assert types["last_order_at"] == "TIMESTAMP WITH TIME ZONE"
    assert [row[0] for row in found] == sorted(IDS)
    assert {row[1:] for row in found} == {(START_MS, "50.00"), (None, "50.00")}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with CustomersFile() as customers, pytest.raises(UsageError, match="No such file"):
        customers.save(tmp_path / "none" / "out.csv", "csv", "EUR")
