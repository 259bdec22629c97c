"""The simulated shop: reproducible, in order, by the contracts, and lively enough to be watched."""

import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import TimeMark
from streams.errors import Rejected, UsageError
from streams.intake.reading import Limits, read_record
from streams.simulation.behaviours import BEHAVIOURS, DAY_MS
from streams.simulation.faults import SPOILERS, Faults
from streams.simulation.messages import TOPIC_OF_TYPE, ShopEvent
from streams.simulation.pacing import paced
from streams.simulation.shop import Shop, simulate

START_MS = 1_735_689_600_000
YEAR_MS = 365 * DAY_MS
MONEY = re.compile(r"\d{1,12}\.\d{2}", re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")

# From the contracts' text: the fields beyond the common ones, without the optional ones.
REQUIRED = {
    "order.placed": {"order_id", "currency", "total", "items"},
    "order.cancelled": {"order_id"},
    "return.registered": {"return_id", "currency", "amount", "items"},
    "cart.updated": {"cart_id", "currency", "value", "items"},
    "cart.abandoned": {"cart_id", "currency", "value", "items"},
    "customer.updated": {"attributes"},
    "consent.changed": {"channel", "granted"},
    "service.contacted": {"contact_id", "channel", "complaint"},
}
OPTIONAL = {
    "order.placed": {"discount_total", "coupons", "channel", "cart_id"},
    "order.cancelled": {"reason"},
    "return.registered": {"order_id", "reason"},
    "cart.updated": {"checkout_url"},
    "cart.abandoned": {"checkout_url"},
    "consent.changed": {"source"},
    "service.contacted": {"minutes", "cost", "currency", "topic", "order_id"},
}
COMMON = {"event_id", "type", "customer_id", "occurred_at"}


@pytest.fixture(scope="module")
def year() -> list[ShopEvent]:
    """A year of a shop with 600 customers."""
    return list(simulate(11, 600, START_MS, START_MS + YEAR_MS))


@pytest.fixture(scope="module")
def bodies(year: list[ShopEvent]) -> list[dict[str, Any]]:
    return [json.loads(event.value) for event in year]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    span = (40, START_MS, START_MS + 60 * DAY_MS)
    first = list(simulate(5, *span))
    assert first == list(simulate(5, *span))
    assert first != list(simulate(6, *span))


def test_two_shops_side_by_side_do_not_disturb_each_other() -> None:
    span = (40, START_MS, START_MS + 60 * DAY_MS)
    alone = list(simulate(5, *span))
    side_by_side = list(zip(simulate(5, *span), simulate(5, *span), strict=True))
    assert [left for left, _ in side_by_side] == alone
    assert [right for _, right in side_by_side] == alone


def test_events_come_in_order_and_within_the_span(year: list[ShopEvent]) -> None:
    instants = [event.occurred_at_ms for event in year]
    assert instants == sorted(instants)
    assert instants[0] >= START_MS
    assert instants[-1] < START_MS + YEAR_MS


def test_every_event_is_what_its_record_says(
    year: list[ShopEvent], bodies: list[dict[str, Any]]
) -> None:
    for event, body in zip(year, bodies, strict=True):
        said = datetime.fromisoformat(body["occurred_at"])
        assert said.utcoffset() is not None
        assert round((said - datetime.fromtimestamp(0, UTC)).total_seconds() * 1000) == (
            event.occurred_at_ms
        )
        assert body["customer_id"] == event.customer_id
        assert event.topic == TOPIC_OF_TYPE[body["type"]]
        assert UUID.fullmatch(body["event_id"])
        assert UUID.fullmatch(body["customer_id"])
    assert len({body["event_id"] for body in bodies}) == len(bodies)


def test_every_type_occurs_with_the_fields_of_its_contract(bodies: list[dict[str, Any]]) -> None:
    assert {body["type"] for body in bodies} == set(REQUIRED)
    for body in bodies:
        fields = set(body) - COMMON
        required = REQUIRED[body["type"]]
        assert required <= fields <= required | OPTIONAL.get(body["type"], set())
        for name in ("total", "discount_total", "amount", "value", "cost"):
            assert MONEY.fullmatch(body.get(name, "0.00"))


def test_intake_takes_every_event_and_refuses_every_spoilt_one(year: list[ShopEvent]) -> None:
    now_ms = START_MS + YEAR_MS
    for event in year:
        read = read_record(event.topic, event.value, None, Limits(), now_ms=now_ms)
        assert not isinstance(read.event, TimeMark)
        assert read.event.customer_id == event.customer_id
    for spoiler in SPOILERS:
        with pytest.raises(Rejected):
            read_record(year[0].topic, spoiler(year[0].value), None, Limits(), now_ms=now_ms)


def test_the_lines_of_an_order_add_up_to_its_total(bodies: list[dict[str, Any]]) -> None:
    orders = [body for body in bodies if body["type"] == "order.placed"]
    for order in orders:
        gross = sum(Decimal(item["unit_price"]) * item["quantity"] for item in order["items"])
        of_lines = sum(Decimal(item.get("discount", "0")) for item in order["items"])
        assert Decimal(order["total"]) == gross - Decimal(order["discount_total"])
        assert of_lines <= Decimal(order["discount_total"])
    assert any(order["coupons"] for order in orders)
    assert any("discount" in item for order in orders for item in order["items"])
    assert len({order["order_id"] for order in orders}) == len(orders)


def test_returns_come_without_with_and_before_their_order(bodies: list[dict[str, Any]]) -> None:
    placed_at = {b["order_id"]: b["occurred_at"] for b in bodies if b["type"] == "order.placed"}
    totals = {b["order_id"]: b["total"] for b in bodies if b["type"] == "order.placed"}
    returns = [body for body in bodies if body["type"] == "return.registered"]
    named = [body for body in returns if "order_id" in body]
    early = [b for b in named if placed_at.get(b["order_id"], "9999") > b["occurred_at"]]
    assert 0 < len(early) < len(named) < len(returns) / 2
    known = [body for body in named if body["order_id"] in totals]
    assert all(0 < Decimal(b["amount"]) <= Decimal(totals[b["order_id"]]) for b in known)
    full = [b for b in known if Decimal(b["amount"]) == Decimal(totals[b["order_id"]])]
    assert 0 < len(full) < len(known)


def test_carts_are_bought_left_and_emptied(bodies: list[dict[str, Any]]) -> None:
    seen_by_cart: dict[str, list[str]] = defaultdict(list)
    for body in bodies:
        if "cart_id" in body:
            emptied = body["type"] == "cart.updated" and not body["items"]
            seen_by_cart[body["cart_id"]].append("emptied" if emptied else body["type"])
    ends = Counter(kinds[-1] for kinds in seen_by_cart.values())
    assert set(ends) == {"order.placed", "cart.abandoned", "cart.updated", "emptied"}
    assert all(kinds[0] == "cart.updated" for kinds in seen_by_cart.values())
    assert any(kinds[-2:] == ["cart.abandoned", "order.placed"] for kinds in seen_by_cart.values())
    orders = [body for body in bodies if body["type"] == "order.placed"]
    assert any("cart_id" not in order for order in orders)


def test_most_customers_allow_e_mail_right_after_signing_up(bodies: list[dict[str, Any]]) -> None:
    first: dict[str, dict[str, Any]] = {}
    allowed: set[str] = set()
    for body in bodies:
        first.setdefault(body["customer_id"], body)
        if body["type"] == "consent.changed" and body["granted"]:
            allowed.add(body["customer_id"])
    assert len(first) == 600
    assert all(
        {"email", "first_name", "language"} <= set(body["attributes"]) for body in first.values()
    )
    assert 0.8 * len(first) < len(allowed) < len(first)


def test_customers_move_through_all_segments_and_come_back(bodies: list[dict[str, Any]]) -> None:
    """Judged week by week with the default rules, recomputed here from the orders alone."""
    orders: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
    events: dict[str, list[int]] = defaultdict(list)
    cancelled = {b["order_id"] for b in bodies if b["type"] == "order.cancelled"}
    for body in bodies:
        at_ms = int(datetime.fromisoformat(body["occurred_at"]).timestamp() * 1000)
        events[body["customer_id"]].append(at_ms)
        if body["type"] == "order.placed" and body["order_id"] not in cancelled:
            orders[body["customer_id"]].append((at_ms, Decimal(body["total"])))
    entered: Counter[str] = Counter()
    by_the_clock: Counter[str] = Counter()
    won_back = 0
    for customer, placed in orders.items():
        before = ""
        for week_ms in range(START_MS, START_MS + YEAR_MS, 7 * DAY_MS):
            segment = segment_at(placed, week_ms)
            if segment != before:
                entered[segment] += 1
                quiet = not any(week_ms - 37 * DAY_MS < at <= week_ms for at in events[customer])
                by_the_clock[segment] += quiet
                won_back += before in ("At Risk", "Lost Customers") and segment not in (
                    "At Risk",
                    "Lost Customers",
                )
            before = segment
    assert min(entered[name] for name in SEGMENTS) >= 20
    assert by_the_clock["At Risk"] >= 100
    assert by_the_clock["Lost Customers"] >= 20
    assert won_back >= 20


SEGMENTS = ("Champions", "Loyal Customers", "Potential Loyalists", "At Risk", "Lost Customers")


def segment_at(orders: list[tuple[int, Decimal]], now_ms: int) -> str:
    """Map `five` with the default limits, over orders alone; "" before the first."""
    known = [(at_ms, total) for at_ms, total in orders if at_ms <= now_ms]
    if not known:
        return ""
    silent_days = (now_ms - max(at_ms for at_ms, _ in known)) / DAY_MS
    spent = sum(total for _, total in known)
    r = 5 - sum(silent_days >= limit for limit in (30, 90, 180, 365))
    f = 1 + sum(len(known) >= limit for limit in (2, 4, 6, 10))
    m = 1 + sum(spent >= limit for limit in (100, 250, 500, 1000))
    if min(r, f, m) >= 4:
        return "Champions"
    if min(r, f) >= 3:
        return "Loyal Customers"
    if r >= 4:
        return "Potential Loyalists"
    at_risk = r == 3 or (r == 2 and (f >= 2 or m >= 3)) or (r == 1 and f >= 3 and m >= 3)
    return "At Risk" if at_risk else "Lost Customers"


def test_memory_is_bounded_by_the_customers_and_not_by_the_time() -> None:
    shop = Shop(3, 300, START_MS, START_MS + 3 * YEAR_MS)
    waiting = [shop.pending for _ in itertools.islice(shop, 100_000)]
    assert len(waiting) > 10_000
    assert max(waiting) < 3 * 300
    assert shop.pending == 0


def test_the_shares_of_the_behaviours_make_a_whole() -> None:
    assert sum(behaviour.share for behaviour in BEHAVIOURS) == pytest.approx(1)


@pytest.mark.parametrize(
    ("customers", "start_ms", "end_ms"), [(0, 0, 1), (1, 5, 5), (1, 5, 4), (1, -1, 5)]
)
def test_an_impossible_shop_is_refused(customers: int, start_ms: int, end_ms: int) -> None:
    with pytest.raises(UsageError, match="at least one customer"):
        simulate(1, customers, start_ms, end_ms)


FAULTS = Faults(duplicate_share=0.1, late_share=0.2, bad_share=0.05, delay_ms=3 * DAY_MS)


def test_faults_leave_every_good_event_and_add_their_share() -> None:
    span = (200, START_MS, START_MS + 120 * DAY_MS)
    good = list(simulate(8, *span))
    faulty = list(simulate(8, *span, faults=FAULTS))
    assert faulty == list(simulate(8, *span, faults=FAULTS))
    times = Counter(faulty)
    known = set(good)
    assert known <= set(times)
    twice = sum(times[event] - 1 for event in known)
    bad = sum(count for event, count in times.items() if event not in known)
    assert twice == pytest.approx(0.1 * len(good), rel=0.2)
    assert bad == pytest.approx(0.05 * len(good), rel=0.25)
    assert len(faulty) == len(good) + twice + bad


def test_late_events_come_after_younger_ones_but_within_the_delay() -> None:
    faults = Faults(late_share=0.2, delay_ms=2 * DAY_MS)
    newest_ms, latest_ms, late = 0, 0, 0
    for event in simulate(8, 200, START_MS, START_MS + 120 * DAY_MS, faults=faults):
        late += event.occurred_at_ms < newest_ms
        latest_ms = max(latest_ms, newest_ms - event.occurred_at_ms)
        newest_ms = max(newest_ms, event.occurred_at_ms)
    assert late > 100
    assert 0 < latest_ms <= 2 * DAY_MS


def test_every_spoiler_breaks_a_rule_of_the_contracts() -> None:
    good = next(simulate(1, 1, START_MS, START_MS + DAY_MS)).value
    assert broken_rule(good) == ""
    assert all(broken_rule(spoiler(good)) for spoiler in SPOILERS)


def broken_rule(value: bytes) -> str:
    """Which common rule of the contracts a record breaks; "" for none."""
    try:
        body = json.loads(value.decode())
    except ValueError:
        return "not JSON in UTF-8"
    if not isinstance(body, dict) or not set(body) >= COMMON or body["type"] not in REQUIRED:
        return "not an event"
    if not 1 <= len(body["event_id"]) <= 200 or not 1 <= len(body["customer_id"]) <= 200:
        return "an id that is too short or too long"
    if body["customer_id"] in ("0", "guest", "null"):
        return "a guest"
    if not isinstance(body["occurred_at"], str):
        return "a time that is no text"
    at = datetime.fromisoformat(body["occurred_at"])
    return "a time without offset or far ahead" if at.tzinfo is None or at.year > 2900 else ""


@pytest.mark.parametrize(
    "faults", [Faults(bad_share=1.5), Faults(late_share=-0.1), Faults(delay_ms=-1, bad_share=0.1)]
)
def test_impossible_faults_are_refused(faults: Faults) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        simulate(1, 1, START_MS, START_MS + DAY_MS, faults=faults)


class HandClock:
    """Time that passes only while somebody sleeps, plus what a slow caller takes."""

    def __init__(self, oversleep_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.slept_s: list[float] = []
        self._oversleep_s = oversleep_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds + self._oversleep_s


def at_hours(*hours: int) -> Iterator[ShopEvent]:
    return (ShopEvent("shop.orders", "c", b"{}", hour * 3_600_000) for hour in hours)


def test_an_hour_of_the_shop_passes_in_a_second() -> None:
    clock = HandClock()
    seen = [
        clock.now_s for _ in paced(at_hours(5, 5, 6, 9), 3600, lambda: clock.now_s, clock.sleep)
    ]
    assert seen == pytest.approx([100, 100, 101, 104])


def test_sleeping_too_long_does_not_add_up() -> None:
    clock = HandClock(oversleep_s=0.04)
    events = at_hours(*range(200))
    seen = [clock.now_s for _ in paced(events, 3600, lambda: clock.now_s, clock.sleep)]
    assert all(0 <= now - (100 + hour) <= 0.04 + 1e-9 for hour, now in enumerate(seen))


def test_a_caller_that_fell_behind_is_not_kept_waiting() -> None:
    clock = HandClock()
    events = paced(at_hours(0, 1, 2, 50), 3600, lambda: clock.now_s, clock.sleep)
    next(events)
    clock.now_s += 10
    next(events)
    next(events)
    assert clock.slept_s == []
    next(events)
    assert clock.now_s == pytest.approx(150)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_time_scale_that_goes_nowhere_is_refused(scale: float) -> None:
    with pytest.raises(UsageError, match="above 0"):
        paced(at_hours(1), scale, lambda: 0.0, lambda _: None)
