"""A real shop's year, day by day: limits from the census are those of the sorted figures.

The census follows every event and every expiry; windows are short, so that all that comes in also
leaves again.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from heapq import heappop, heappush
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.codec.normalise import normalise
from streams.codec.rates import Rates
from streams.core.facts import facts_at
from streams.core.history import record_order, record_return
from streams.core.inputs import OrderPlaced, ReturnRegistered
from streams.core.population.census import Census
from streams.core.population.counted import Counted
from streams.core.population.snapshot import Snapshot
from streams.core.population.taking import take_snapshot
from streams.core.state import CustomerState
from streams.core.values import DAY_MS, HOUR_MS
from streams.files.mapping import load_mapping
from streams.files.reading import read_events
from streams.intake.reading import Limits, read_record

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("RFM_SHARED_DATA", ROOT.parent / "shared" / "data"))
UCI = SHARED / "uci_online_retail_2010-12_2011-12.csv.gz"
WINDOW_MS, VALUE_WINDOW_MS = 90 * DAY_MS, 60 * DAY_MS
PARTITIONS = 4
NAIVE_EVERY_DAYS = 7
SHARES = [80, 95]
LATE_MS = 2_000_000_000_000  # a wall clock after everything in the file

pytestmark = pytest.mark.skipif(not UCI.is_file(), reason=f"the shop's file is not at {UCI}")


def shop_events() -> Iterator[OrderPlaced | ReturnRegistered]:
    rates = Rates("GBP", {})
    with read_events([UCI], load_mapping(ROOT / "examples" / "uci.yaml")) as events:
        for event in events:
            read = read_record(event.topic, event.value, None, Limits(), now_ms=LATE_MS)
            assert not hasattr(read.event, "until")
            found = normalise(
                read.event, source=read.source, received_at_ms=0, backfill=False, rates=rates
            )
            assert isinstance(found, OrderPlaced | ReturnRegistered)
            yield found


class Base:
    """The customers of the shop in partitions, each with its census, counted as events come."""

    def __init__(self) -> None:
        self.states: dict[str, CustomerState] = {}
        self.counted: dict[str, Counted] = {}
        self.censuses = [Census() for _ in range(PARTITIONS)]
        self.expiries = 0
        self._due: list[tuple[int, str]] = []
        self._next_due_ms: dict[str, int] = {}

    def take(self, event: OrderPlaced | ReturnRegistered) -> None:
        self.pass_time(event.occurred_at_ms)
        state = self.states.setdefault(event.customer_id, CustomerState(event.customer_id))
        if isinstance(event, OrderPlaced):
            assert record_order(state, event)
        else:
            assert record_return(state, event)
        self._recount(state, event.occurred_at_ms)

    def pass_time(self, until_ms: int) -> None:
        while self._due and self._due[0][0] <= until_ms:
            due_ms, customer_id = heappop(self._due)
            if self._next_due_ms[customer_id] == due_ms:
                self.expiries += self._recount(self.states[customer_id], due_ms)

    def snapshot(self, number: int, at_ms: int) -> Snapshot:
        whole = Census()
        for census in self.censuses:
            whole.merge(census)
        return take_snapshot(whole, number, at_ms, SHARES)

    def forget(self, customer_id: str) -> None:
        self._replace(customer_id, None)

    def _recount(self, state: CustomerState, now_ms: int) -> bool:
        facts = facts_at(state, now_ms, WINDOW_MS, value_window_ms=VALUE_WINDOW_MS)
        dues_ms = [one for one in (facts.next_expiry_ms, facts.value_expiry_ms) if one is not None]
        self._next_due_ms[state.customer_id] = min(dues_ms, default=0)
        if dues_ms:
            heappush(self._due, (min(dues_ms), state.customer_id))
        if facts.first_order_at_ms is None or facts.last_order_at_ms is None:
            return False
        units = [order.units for order in state.orders.values()]
        counted = Counted(
            facts.first_order_at_ms,
            facts.last_order_at_ms,
            facts.order_count,
            facts.monetary_minor,
            facts.lifetime_order_count,
            facts.lifetime_monetary_minor,
            facts.value_order_count,
            facts.value_monetary_minor,
            round(sum(units)) * 1_000 // len(units) if len(units) >= 3 else None,
        )
        return self._replace(state.customer_id, counted)

    def _replace(self, customer_id: str, counted: Counted | None) -> bool:
        known = self.counted.pop(customer_id, None)
        self.censuses[int(customer_id) % PARTITIONS].replace(known, counted)
        if counted is not None:
            self.counted[customer_id] = counted
        return counted != known


class Paid(NamedTuple):
    """One order or return of a life, as the file has it."""

    at_ms: int
    minor: int
    pieces: int | None


Lives = dict[str, list[Paid]]


def naive_counted(life: list[Paid], now_ms: int) -> Counted | None:
    """The figures from the whole life. No return in the file names its order."""
    orders = [one for one in life if one.pieces is not None]
    if not orders:
        return None

    def net(since_ms: int) -> int:
        paid = [one.minor if one.pieces is not None else -one.minor for one in life]
        return sum(m for m, one in zip(paid, life, strict=True) if one.at_ms > since_ms)

    def count(since_ms: int) -> int:
        return sum(one.at_ms > since_ms for one in orders)

    window_since, value_since = now_ms - WINDOW_MS, now_ms - VALUE_WINDOW_MS
    return Counted(
        min(one.at_ms for one in orders),
        max(one.at_ms for one in orders),
        count(window_since),
        net(window_since),
        len(orders),
        net(-1),
        count(value_since),
        net(value_since),
        sum(one.pieces or 0 for one in orders) * 1_000 // len(orders) if len(orders) >= 3 else None,
    )


def exact_values(counted: list[Counted], at_ms: int) -> dict[str, list[int]]:
    """Each metric's figures, rising."""
    in_window = [one for one in counted if one.orders]
    values = {
        "recency_ms": [at_ms - one.last_order_ms for one in in_window],
        "frequency": [one.orders for one in in_window],
        "monetary_minor": [one.monetary_minor for one in in_window],
        "lifetime_orders": [one.lifetime_orders for one in counted],
        "lifetime_net_minor": [one.lifetime_net_minor for one in counted],
        "value_minor": [one.value_minor for one in counted if one.value_orders],
        "units_milli": [one.units_milli for one in counted if one.units_milli is not None],
    }
    return {metric: sorted(some) for metric, some in values.items() if some}


def assert_cut_points(snapshot: Snapshot, values: dict[str, list[int]]) -> None:
    assert set(snapshot.percentiles) == set(values)
    for metric, rising in values.items():
        for percent in (20, 40, 60, 80):
            exact = rising[-(-len(rising) * percent // 100) - 1]
            found = snapshot.quantile(metric, percent)
            assert found is not None
            where = (snapshot.number, metric, percent, found, exact)
            if metric == "recency_ms":
                assert 0 <= found - exact < HOUR_MS, where
            else:
                assert abs(found - exact) * 100 <= abs(exact), where


def assert_value_limits(snapshot: Snapshot, rising: list[int]) -> None:
    positive = [value for value in reversed(rising) if value > 0]
    total = sum(positive)
    if not positive:
        assert snapshot.value_limits_minor == []
        return
    for share, limit in zip(SHARES, snapshot.value_limits_minor, strict=True):
        least, larger, before = positive[0], 0, 0
        for index, value in enumerate(positive):
            if not index or value < positive[index - 1]:
                larger = before
            if larger * 100 < share * total:
                least = value
            before += value
        assert limit <= least <= limit * 101 // 100, (snapshot.number, share, limit, least)


def check_day(base: Base, lives: Lives, number: int, at_ms: int) -> Snapshot:
    base.pass_time(at_ms)
    snapshot = base.snapshot(number, at_ms)
    values = exact_values(list(base.counted.values()), at_ms)
    assert_cut_points(snapshot, values)
    assert_value_limits(snapshot, values.get("value_minor", []))
    assert snapshot.customers == len(values.get("frequency", []))
    assert snapshot.buyers == len(base.counted)
    if number % NAIVE_EVERY_DAYS == 0:
        naive = {customer_id: naive_counted(life, at_ms) for customer_id, life in lives.items()}
        assert base.counted == {key: one for key, one in naive.items() if one is not None}
    return snapshot


@pytest.mark.soak
def test_cut_points_of_every_day_are_those_of_the_sorted_figures() -> None:
    base, snapshots = Base(), list[Snapshot]()
    lives: Lives = defaultdict(list)
    day_ms, returns = 0, 0
    for event in shop_events():
        day_ms = day_ms or (event.occurred_at_ms // DAY_MS + 1) * DAY_MS
        while event.occurred_at_ms >= day_ms:
            snapshots.append(check_day(base, lives, len(snapshots) + 1, day_ms))
            day_ms += DAY_MS
        base.take(event)
        if isinstance(event, OrderPlaced):
            pieces = round(sum(item.quantity for item in event.items))
            lives[event.customer_id].append(Paid(event.occurred_at_ms, event.total_minor, pieces))
        else:
            assert event.order_id is None
            lives[event.customer_id].append(Paid(event.occurred_at_ms, event.amount_minor, None))
            returns += 1
    # Nothing more happens: both windows run empty by the clock alone.
    for _ in range(WINDOW_MS // DAY_MS + 2):
        snapshots.append(check_day(base, lives, len(snapshots) + 1, day_ms))
        day_ms += DAY_MS

    assert returns > 3_000
    assert base.expiries > 20_000
    assert max(one.customers for one in snapshots) > 2_000
    last = snapshots[-1]
    assert (last.customers, last.buyers) == (0, 4_338)
    assert set(last.percentiles) == {"lifetime_orders", "lifetime_net_minor", "units_milli"}
    for customer_id in list(base.counted):
        base.forget(customer_id)
    assert all(census.is_empty for census in base.censuses)
