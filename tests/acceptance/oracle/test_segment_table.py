"""The table of real shops at the end of the specification, by SQL alone.

The rows of scheme `rfm` for UCI, and that of CDNOW with limits that include their last day, stand in
`test_oracle.py`.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from tests.acceptance.oracle.duckdb_facts import customers_at
from tests.acceptance.oracle.hand_cases import CHAMPION, LOST, LOYAL, NOW_MS, POTENTIAL, RISK
from tests.acceptance.oracle.segments import CustomerSegments, segments_at
from tests.acceptance.oracle.shop_files import cdnow_events, uci_events
from tests.acceptance.oracle.thresholds import exact_thresholds

DATA = Path(
    os.environ.get(
        "RFM_SHARED_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"
    )
)
UCI = DATA / "uci_online_retail_2010-12_2011-12.csv.gz"
CDNOW = DATA / "cdnow_master.csv.gz"
SHOPS = {"uci": (UCI, "GBP", NOW_MS), "cdnow": (CDNOW, "USD", 899_164_800_000)}

pytestmark = pytest.mark.skipif(
    not UCI.exists(), reason=f"no real shops' data in {DATA}; set RFM_SHARED_DATA to its folder"
)


def figures(text: str) -> list[Decimal]:
    return [Decimal(one) for one in text.split("/")]


def share(parts: Counter[str], name: str) -> Decimal:
    exact = Decimal(100 * parts[name]) / parts.total()
    return exact.quantize(Decimal("0.1"), ROUND_HALF_UP)


def at_the_end(shop: str, folder: Path) -> tuple[Path, int, str]:
    """Events of a shop, the instant of its last one, and its currency."""
    file, currency, at_ms = SHOPS[shop]
    if shop == "uci":
        uci_events(file, folder / "e.jsonl", zone="Europe/London")
    else:
        cdnow_events(file, folder / "e.jsonl")
    return folder / "e.jsonl", at_ms, currency


def members(rows: Iterable[CustomerSegments], scheme: str) -> dict[str, Decimal]:
    """Per segment: % of those that have one."""
    counts = Counter(name for row in rows if (name := row.segments[scheme]) is not None)
    return {name: share(counts, name) for name in counts}


def classes(rows: Iterable[CustomerSegments], *, net_of_debts: bool) -> list[Decimal]:
    """A, B and C in % of the customers with an order in 365 days, by walking down their values.

    `net_of_debts`: the total is lowered by those who brought less than nothing.
    """
    values = sorted(
        (row.standing.value_monetary for row in rows if row.standing.value_orders), reverse=True
    )
    total = sum(value for value in values if net_of_debts or value > 0)
    counts, above = Counter[str](), 0
    for value, equal in itertools.groupby(values):
        number = len(list(equal))
        above_share = Fraction(above, total)
        name = "C" if value <= 0 or above_share >= Fraction(95, 100) else "B"
        counts["A" if name == "B" and above_share < Fraction(80, 100) else name] += number
        above += number * value
    return [share(counts, name) for name in "ABC"]


@pytest.mark.parametrize(
    ("shop", "loyalty", "abc", "abc_net_of_debts"),
    [("uci", "34.4/45.5/13.6/6.5", "27.4/33.5/39.1", "27.4/33.4/39.3"),
     ("cdnow", "50.5/32.8/9.9/6.8", "37.0/31.8/31.2", "37.0/31.8/31.2")],
)  # fmt: skip
def test_loyalty_and_value_look_as_published(
    tmp_path: Path, shop: str, loyalty: str, abc: str, abc_net_of_debts: str
) -> None:
    """The published A, B and C of UCI have a total that customers below zero take something off.

    The rule sums positive values only. Under it 2 customers more are A and 5 more are B; CDNOW has
    no returns and so only one reading.
    """
    events, at_ms, currency = at_the_end(shop, tmp_path)
    limits = exact_thresholds(events, at_ms, base_currency=currency)
    rows = segments_at(events, at_ms, limits, base_currency=currency).values()
    groups = ("One Time Buyer", "Loyal Customer", "Frequent Buyer", "VIP")
    assert members(rows, "loyalty") == dict(zip(groups, figures(loyalty), strict=True))
    assert members(rows, "value") == dict(zip("ABC", figures(abc), strict=True))
    assert classes(rows, net_of_debts=False) == figures(abc)
    assert classes(rows, net_of_debts=True) == figures(abc_net_of_debts)


@pytest.mark.parametrize(
    ("shop", "published"),
    [("uci", ("19.0", "14.8", "35.3", "22.6", "8.3")),
     ("cdnow", ("2.2", "14.0", "3.0", "16.5", "64.3"))],
)  # fmt: skip
def test_both_ways_to_the_segments_agree(
    tmp_path: Path, shop: str, published: tuple[str, ...]
) -> None:
    events, at_ms, currency = at_the_end(shop, tmp_path)
    rows = segments_at(events, at_ms, None, base_currency=currency)
    again = customers_at(events, at_ms, base_currency=currency)
    assert {row.customer_id: row.rfm_segment for row in again} == {
        name: row.segments["rfm"] for name, row in rows.items()
    }
    names = (CHAMPION, LOYAL, POTENTIAL, RISK, LOST)
    expected = dict(zip(names, map(Decimal, published), strict=True))
    assert members(rows.values(), "rfm") == expected
