"""Any order lines, in any order, against plain sums with the standard library."""

import json
from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.files.reading import read_events
from tests.files.sources import ORDERS, csv_of, mapping_of, read

CENT = Decimal("0.01")
Line = tuple[int, str, int, int, Decimal]  # order, customer, minute, quantity, price

LINES = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["anna", "ben"]),
        st.integers(0, 59),
        st.integers(-3, 3),
        st.decimals(0, 10_000, places=6),
    ),
    max_size=12,
)


def _expected(lines: list[Line]) -> dict[tuple[str, str, str], tuple[str, Decimal]]:
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    minutes: dict[tuple[str, str, str], int] = defaultdict(int)
    for order, customer, minute, quantity, price in lines:
        returned = quantity * price < 0
        if not returned and quantity <= 0:
            continue
        kind = "return.registered" if returned else "order.placed"
        key = (kind, str(order), customer)
        sums[key] += quantity * price
        minutes[key] = max(minutes[key], minute)
    rounded = {key: abs(total.quantize(CENT, ROUND_HALF_EVEN)) for key, total in sums.items()}
    return {
        key: (f"2024-01-05T10:{minutes[key]:02d}:00Z", total)
        for key, total in rounded.items()
        if key[0] == "order.placed" or total > 0
    }


@settings(max_examples=40, deadline=None)
@given(lines=LINES, data=st.data())
def test_sums_are_exact_and_the_order_of_lines_does_not_matter(
    lines: list[Line], data: st.DataObject
) -> None:
    rows = [f"{o},{c},2024-01-05T10:{m:02d}:00Z,sku,{n},{p}" for o, c, m, n, p in lines]
    shuffled = data.draw(st.permutations(rows))
    with TemporaryDirectory() as name:
        folder = Path(name)
        mapping = mapping_of(folder, ORDERS, returns={"negative_lines": True})
        found, report = read(csv_of(folder, *rows), mapping)
        again, _ = read(csv_of(folder, *shuffled, name="shuffled.csv"), mapping)
    facts = {
        (body["type"], body["order_id"], body["customer_id"]): (
            body["occurred_at"],
            Decimal(body.get("total") or body["amount"]),
        )
        for body in found
    }
    assert facts == _expected(lines)
    assert len(facts) == len(found)
    assert report.row_count == len(lines)
    assert {body["event_id"] for body in again} == {body["event_id"] for body in found}


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ({"op": "eq", "value": "10"}, "1"),
        ({"op": "eq", "value": 10}, "12"),
        ({"op": "ne", "value": "10"}, "234"),
        ({"op": "ne", "value": 10.0}, "3"),
        ({"op": "lt", "value": 10}, "3"),
        ({"op": "le", "value": "10"}, "123"),
        ({"op": "gt", "value": -1}, "123"),
        ({"op": "ge", "value": 9.5}, "123"),
        ({"op": "in", "value": ["10", "x'y"]}, "14"),
        ({"op": "not_in", "value": ["10", "x'y"]}, "23"),
        ({"op": "starts_with", "value": "10"}, "12"),
        ({"op": "missing"}, "5"),
        ({"op": "present"}, "1234"),
    ],
)
def test_conditions(tmp_path: Path, condition: dict[str, object], left: str) -> None:
    values = ("10", "10.00", "9.5", "x'y", "")
    rows = [f"{n},anna,2024-01-05,hat,1,1,{value}" for n, value in enumerate(values, start=1)]
    path = csv_of(tmp_path, *rows, header='order,who,when,sku,n,price,"odd ""name"""')
    leave_out = [{"column": 'odd "name"'} | condition]
    events = read_events([path], mapping_of(tmp_path, ORDERS, leave_out=leave_out))
    kept = {json.loads(event.value)["order_id"] for event in events}
    assert kept == set("12345") - set(left)
