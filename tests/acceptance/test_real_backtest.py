"""The shipped campaigns over two weeks of a real shop, judged by the shop's file itself."""

import csv
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from tests.acceptance.test_real_shop import ROOT, UCI
from tests.command_line import run_command

FROM, TO = "2011-02-01T00:00:00Z", "2011-02-15T00:00:00Z"
WEEK, DAY = timedelta(days=7), timedelta(days=1)
# In February London's clocks show UTC. An order's time is that of its latest line.
ORDERS = """
SELECT customer_id, max(invoice_date) AS bought_at, sum(quantity * unit_price::DECIMAL(18, 4)) AS total
FROM read_csv(?, types = {'customer_id': 'VARCHAR', 'unit_price': 'DECIMAL(18, 4)',
              'invoice_date': 'TIMESTAMP'})
WHERE customer_id IS NOT NULL AND unit_price > 0 AND NOT starts_with(invoice, 'C')
  AND NOT starts_with(invoice, 'A') AND invoice_date < '2011-03-01'
GROUP BY customer_id, invoice ORDER BY customer_id, bought_at
"""

pytestmark = [
    pytest.mark.skipif(not UCI.is_file(), reason=f"the shop's file is not at {UCI}"),
    pytest.mark.xdist_group("real_shop"),
]
Orders = dict[str, list[tuple[datetime, int]]]


class Played(NamedTuple):
    """The files, and by customer the instants of orders with their totals in pence."""

    actions: list[dict[str, str]]
    summary: dict[str, dict[str, str]]
    orders: Orders


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    out = tmp_path_factory.mktemp("backtest")
    ran = run_command(
        {"RFM_BASE_CURRENCY": "GBP", "RFM_TIME_ZONE": "Europe/London"},
        *("backtest", str(UCI), "--mapping", str(ROOT / "examples" / "uci.yaml")),
        *("--from", FROM, "--to", TO, "--out", str(out), "--no-picture"),
    )
    assert ran.code == 0, ran.err
    orders: Orders = defaultdict(list)
    for customer, at, total in duckdb.execute(ORDERS, [str(UCI)]).fetchall():
        orders[customer].append((at.replace(tzinfo=UTC), round(total * 100)))
    summary = {row["campaign"]: row for row in _rows(out / "summary.csv")}
    return Played(list(_rows(out / "actions.csv")), summary, dict(orders))


def test_purchases_are_those_of_the_file(played: Played) -> None:
    assert len(played.actions) > 100
    for row in played.actions:
        at = _instant(row["decided_at"])
        net = sum(
            total
            for bought, total in played.orders.get(row["customer_id"], ())
            if at < bought <= at + WEEK
        )
        assert (row["purchase_7d"], row["net_7d"]) == (str(net > 0).lower(), f"{net / 100:.2f}")


def test_the_share_of_all_customers_is_that_of_the_file(played: Played) -> None:
    firsts = sorted(orders[0][0] for orders in played.orders.values())
    shares: dict[datetime, float] = {}
    told = 0
    for campaign, summary in played.summary.items():
        sent = [
            _instant(row["decided_at"])
            for row in played.actions
            if row["campaign"] == campaign and row["control_group"] == "false"
        ]
        assert (summary["sent"], summary["sent_followed"]) == (str(len(sent)),) * 2
        if not sent:
            continue
        for at in sent:
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
            if midnight not in shares:
                buyers = sum(
                    orders[0][0] <= midnight
                    and any(midnight < bought <= midnight + WEEK for bought, _ in orders)
                    for orders in played.orders.values()
                )
                shares[midnight] = buyers / bisect_right(firsts, midnight)
        days = [shares[at.replace(hour=0, minute=0, second=0, microsecond=0)] for at in sent]
        mean = 100 * sum(days) / len(days)
        assert float(summary["all_customers_percent"]) == pytest.approx(mean, abs=0.051)
        told += 1
    assert told > 3


def test_caps_and_quiet_hours_hold(played: Played) -> None:
    """Given the shipped policy, then one action in 16 hours, three in 7 days, none at night."""
    by_customer: dict[str, list[datetime]] = defaultdict(list)
    for row in played.actions:
        at = _instant(row["decided_at"])
        assert _instant(FROM) <= at < _instant(TO)
        assert 8 <= at.hour < 21
        by_customer[row["customer_id"]].append(at)
    assert any(len(instants) > 1 for instants in by_customer.values())
    for instants in by_customer.values():
        for number, at in enumerate(instants):
            later = instants[number + 1 :]
            assert not [one for one in later if one < at + timedelta(hours=16)]
            assert len([one for one in later if one < at + WEEK]) < 3


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
