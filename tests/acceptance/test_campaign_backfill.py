"""A shop that begins: its whole history is filled in at once, with every campaign armed.

Nobody may hear of it. What the history left ready waits: the clock acts on from there, and a member's
next live order starts what the history could not.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

import pytest

from schemas.events import TimeMark
from streams.codec.normalise import normalise
from streams.codec.rates import Rates
from streams.core.inputs import Input, RulesApplied, SnapshotTaken, Tick
from streams.core.population.snapshot import Snapshot
from streams.files.events import Event
from streams.intake.reading import Limits, read_record
from tests.acceptance.campaign_lives import Taken, lives_of, told_by
from tests.acceptance.campaign_shop import (
    ALL,
    CURRENCY,
    SOME,
    UCI,
    ZONE,
    Size,
    armed_rules,
    as_shipped,
    recomputed,
    shop_events,
)
from tests.acceptance.oracle.campaigns import Told
from tests.acceptance.oracle.shop_files import uci_events
from tests.acceptance.oracle.tellings import telling_differences
from tests.acceptance.oracle.thresholds import DAY_MS, exact_thresholds
from tests.runtime.world import World

NOW_MS = 1_323_453_600_000  # 2011-12-09T18:00:00Z, five hours behind the file's last line
STANDSTILL_MS = (NOW_MS + 20 * DAY_MS, NOW_MS + 40 * DAY_MS)
UNTIL_MS = NOW_MS + 60 * DAY_MS
_MINUTE_MS = 60_000
_LIVE_ORDERS = 70
_TOPICS = {"order.placed": "shop.orders", "return.registered": "shop.returns"}
# Far beyond any life told here: the limits are pinned, so that only the customer and the clock act.
_NO_SNAPSHOT_HOURS = 24 * 365 * 200

pytestmark = [
    pytest.mark.skipif(not UCI.is_file(), reason=f"the shop's file is not at {UCI}"),
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("campaign_oracle"),
]


def journaled(taken: Taken) -> Input:
    """An event as intake journals it."""
    topic = _TOPICS[json.loads(taken.value)["type"]]
    read = read_record(topic, taken.value, None, Limits(), now_ms=taken.received_ms)
    assert not isinstance(read.event, TimeMark)
    return normalise(
        read.event,
        source=read.source,
        received_at_ms=taken.received_ms,
        backfill=taken.is_backfill,
        rates=Rates(CURRENCY, {}),
    )


class Shop:
    """A shop that runs on one worker, in memory."""

    def __init__(self, size: Size, limits: Snapshot) -> None:
        self.world = World()
        self.worker = self.world.worker()
        self.taken: list[Taken] = []
        rules = armed_rules(size._replace(snapshot_every_hours=_NO_SNAPSHOT_HOURS))
        self._run(
            [
                RulesApplied(received_at_ms=NOW_MS, version=1, rules=rules),
                SnapshotTaken(received_at_ms=NOW_MS, snapshot=limits),
            ]
        )

    def _run(self, records: Iterable[Input]) -> None:
        self.world.journal(records)
        self.worker.run_to_end()

    def fill_in(self, events: Iterable[Event]) -> None:
        """All of the history at once, and the time in which it is taken in."""
        history = [Taken(event.value, NOW_MS, is_backfill=True) for event in events]
        self.taken += history
        self._run([*map(journaled, history), Tick(received_at_ms=NOW_MS + _MINUTE_MS)])

    def live_on(self, orders: Iterable[Taken], until_ms: int) -> None:
        """Time passes as it does while the owner ticks: each timer fires when it is due."""
        for order in orders:
            self.taken.append(order)
            self._run([Tick(received_at_ms=order.received_ms, continuous=True), journaled(order)])
        self._run([Tick(received_at_ms=until_ms, continuous=True)])

    def stand_still_until(self, time_ms: int) -> None:
        """Nothing runs, and then everything that came due is decided at once."""
        self._run([Tick(received_at_ms=time_ms)])

    @property
    def told(self) -> list[Told]:
        said = [told_by(one) for one in self.world.broker.outputs.get("marketing.actions", [])]
        return [one for one in said if one is not None]

    @property
    def changes(self) -> list[dict[str, Any]]:
        return [json.loads(one.value) for one in self.world.broker.outputs["segment-changes"]]


class Begun(NamedTuple):
    """The shop after 60 days, and what it had said when the history was in."""

    shop: Shop
    said_at_first: list[Told]
    bought: set[str]


def live_order(customer: str, number: int) -> Taken:
    """An order of a day later, one each minute."""
    at_ms = NOW_MS + DAY_MS + number * _MINUTE_MS
    event = {
        "event_id": f"live-{number}",
        "type": "order.placed",
        "customer_id": customer,
        "occurred_at": _text(at_ms),
        "order_id": f"live-{number}",
        "currency": CURRENCY,
        "total": "25.00",
        "items": [{"sku": "S-1", "quantity": 1, "unit_price": "25.00"}],
    }
    return Taken(json.dumps(event).encode(), at_ms)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(SOME, id="some"),
        pytest.param(ALL, id="all", marks=pytest.mark.soak),
    ],
)
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Begun:
    size: Size = request.param
    orders = tmp_path_factory.mktemp("orders") / "events.jsonl"
    uci_events(UCI, orders, zone=ZONE)
    limits = exact_thresholds(orders, NOW_MS, base_currency=CURRENCY)
    events = shop_events(size)
    shop = Shop(size, Snapshot(**limits))
    shop.fill_in(events)
    at_first = shop.told
    customers = sorted({event.key or "" for event in events})
    assert len(customers) == size.customers
    buying = customers[:: size.customers // _LIVE_ORDERS]
    from_ms, end_ms = STANDSTILL_MS
    shop.live_on([live_order(one, number) for number, one in enumerate(buying)], from_ms)
    shop.stand_still_until(end_ms)
    shop.live_on([], UNTIL_MS)
    return Begun(shop, at_first, set(buying))


def test_history_asks_for_nothing(begun: Begun) -> None:
    """Given a year of events by all, nobody hears of it; what were held back would say why."""
    assert [told for told in begun.said_at_first if not told.reason] == []
    assert {told.reason for told in begun.said_at_first} <= {"late_start"}


def test_from_there_on_campaigns_do_what_the_oracle_tells(begun: Begun) -> None:
    lives = lives_of(begun.shop.taken, begun.shop.changes)
    expected = recomputed(lives, UNTIL_MS, *as_shipped(), standstills=[STANDSTILL_MS])
    assert telling_differences(begun.shop.told, chain.from_iterable(expected)) == []


def test_what_the_history_left_pending_starts_with_the_next_live_order(begun: Begun) -> None:
    """Given Champions and VIPs by history alone, those who buy join the programme, no others."""
    by_history = _made_champions(begun.shop.changes, "backfill")
    by_order = _made_champions(begun.shop.changes, "event")
    asked = {
        told.customer
        for told in begun.shop.told
        if told.campaign == "champion_vip" and not told.reason
    }
    assert asked - by_order
    assert asked - by_order <= by_history & begun.bought
    assert by_history - begun.bought


def test_the_clock_goes_on_from_the_history(begun: Begun) -> None:
    """Given somebody whom silence puts at risk after the history, they are won back."""
    asked = {told.customer for told in begun.shop.told if told.campaign == "win_back_at_risk"}
    assert asked - begun.bought


def _made_champions(changes: Iterable[dict[str, Any]], cause: str) -> set[str]:
    """Who entered Champions or VIP by this cause."""
    return {
        told["customer_id"]
        for told in changes
        if told["cause"]["kind"] == cause
        and (("rfm", "Champions"), ("loyalty", "VIP")).count((told["scheme"], told["current"]))
    }


def _text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
