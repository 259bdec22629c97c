"""What a replay writes of its customers is what it published of them, in every scheme."""

import csv
import json
from pathlib import Path

from streams.codec.text import format_instant
from streams.core.values import DAY_MS
from tests.command_line import run_command

START_MS = 1_700_000_000_000
ENVIRONMENT = {
    "RFM_SCHEMES": "rfm,loyalty,value",
    "RFM_POPULATION_MINIMUM_CUSTOMERS": "5",
    "RFM_POPULATION_MINIMUM_HISTORY_DAYS": "10",
}


def orders(customers: int, days: int) -> list[str]:
    """Customer n orders every n + 3 days, for n times 10.00."""
    lines = []
    for day in range(days):
        for number in range(1, customers + 1):
            if day % (number + 3) == number % (number + 3):
                at = format_instant(START_MS + day * DAY_MS + number)
                body = {
                    "event_id": f"{number}-{day}",
                    "type": "order.placed",
                    "schema_version": 1,
                    "customer_id": f"c{number}",
                    "occurred_at": at,
                    "order_id": f"{number}-{day}",
                    "currency": "EUR",
                    "total": f"{10 * number}.00",
                    "items": [],
                }
                lines.append(json.dumps(body))
    return lines


def test_customers_stand_where_the_last_snapshot_put_them(tmp_path: Path) -> None:
    """Given limits that moved with daily snapshots, then the file is under the latest of them."""
    source, out = tmp_path / "orders.jsonl", tmp_path / "out"
    source.write_text("\n".join(orders(20, 60)) + "\n", encoding="utf-8")
    ran = run_command(ENVIRONMENT, "replay", str(source), "--out", str(out))
    assert ran.code == 0, ran.err
    published: dict[tuple[str, str], tuple[str, str]] = {}
    for line in (out / "segment_changes.jsonl").read_text(encoding="utf-8").splitlines():
        change = json.loads(line)
        key = change["customer_id"], change["scheme"]
        published[key] = (change["current"] or "", change["effective_at"])
    with (out / "customers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    written = {
        (row["customer_id"], scheme): (row[f"{scheme}_segment"], row[f"{scheme}_since"])
        for row in rows
        for scheme in ("rfm", "loyalty", "value")
        if row[f"{scheme}_since"] or row[f"{scheme}_segment"]
    }
    assert written == published
    # Unset before there is a snapshot of enough customers, so this came from one.
    assert {row["value_segment"] for row in rows} == {"A", "B", "C"}
