"""Two customers of one person become one: what goes over, what stays, and what happens later."""

from dataclasses import replace

import pytest

from streams.adapters.memory import (
    MemoryBroker,
    MemoryLog,
    MemoryStateLog,
    MemoryStateStore,
    SimulatedClock,
)
from streams.codec.journal import decode_input, encode_input
from streams.codec.state import decode_state
from streams.core import history, merging, profile
from streams.core.facts import facts_at
from streams.core.inputs import (
    ConsentChanged,
    CustomerEvent,
    CustomerMerged,
    CustomerUpdated,
    OrderPlaced,
    RulesApplied,
)
from streams.core.state import Consent, CustomerState, Folded, Order, Remnant
from streams.runtime.cycle import Cycle
from streams.runtime.measures import NoMeasures
from streams.runtime.steps import CycleSettings
from tests.core.story import DAY, T0, rules_document


def order(customer: str, number: int, at: int = T0, total: int = 10_000) -> OrderPlaced:
    return OrderPlaced(
        event_id=f"e{number}", customer_id=customer, occurred_at_ms=at, received_at_ms=at,
        identity=number, source="shop.orders", order_id=f"o{number}", total_minor=total,
    )  # fmt: skip


def merge(source: str, target: str, number: int, at: int = T0 + DAY) -> CustomerMerged:
    return CustomerMerged(
        event_id=f"m{number}", customer_id=source, occurred_at_ms=at, received_at_ms=at,
        identity=1_000 + number, source="shop.customers", into_customer_id=target,
    )  # fmt: skip


def consent(customer: str, number: int, *, granted: bool) -> ConsentChanged:
    return ConsentChanged(
        event_id=f"c{number}", customer_id=customer, occurred_at_ms=T0, received_at_ms=T0,
        identity=2_000 + number, source="shop.customers", channel="email", granted=granted,
    )  # fmt: skip


def update(customer: str, number: int, **attributes: str) -> CustomerUpdated:
    return CustomerUpdated(
        event_id=f"u{number}", customer_id=customer, occurred_at_ms=T0, received_at_ms=T0,
        identity=3_000 + number, source="shop.customers", attributes={**attributes},
    )  # fmt: skip


class Shop:
    """A journal of two partitions in memory, and the cycle that decides it."""

    def __init__(self, *events: CustomerEvent) -> None:
        self.broker = MemoryBroker(2)
        self.store = MemoryStateStore("test")
        log = MemoryLog(self.broker)
        self.cycle = Cycle(
            log, MemoryStateLog(self.broker), self.store, SimulatedClock(T0), NoMeasures(),
            CycleSettings(ticks=False),
        )  # fmt: skip
        rules = RulesApplied(received_at_ms=0, version=1, rules=rules_document())
        for partition in (0, 1):
            self.broker.append(partition, encode_input(rules))
        self.take(*events)

    def take(self, *events: CustomerEvent) -> None:
        for event in events:
            partition = self.partition_of(event.customer_id)
            self.broker.append(partition, encode_input(event))
            self.drain()

    def drain(self) -> None:
        for _ in range(50):
            self.cycle.run_once()
        for number, partition in enumerate(self.broker.journal):
            assert self.broker.committed[number] == partition.end

    def partition_of(self, customer: str) -> int:
        log: MemoryLog = self.cycle._log  # type: ignore[assignment]
        return log._partition_of(customer.encode())

    def state(self, customer: str) -> CustomerState:
        [value] = [
            value for number in (0, 1) for key, value in self.store.scan(number) if key == customer
        ]
        return decode_state(customer, value)


def test_orders_go_over_and_count_once() -> None:
    shop = Shop(order("A", 1), order("A", 2), order("B", 2), order("B", 3), merge("A", "B", 1))
    facts = facts_at(shop.state("B"), T0 + DAY, 730 * DAY)
    assert facts.order_count == 3
    assert facts.monetary_minor == 30_000
    left = shop.state("A")
    assert left.orders == {}
    assert left.merged_into == "B"
    assert left.memberships["rfm"].segment is None


def test_later_events_of_the_source_reach_the_target() -> None:
    shop = Shop(order("A", 1), merge("A", "B", 1), order("A", 2, T0 + 2 * DAY))
    assert set(shop.state("B").orders) == {"o1", "o2"}
    assert shop.state("A").orders == {}


def test_attributes_beyond_the_bound_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given two customers of one person with many attributes; then the rest is a dead letter."""
    monkeypatch.setattr(profile, "MAX_ATTRIBUTES", 3)
    monkeypatch.setattr(merging, "MAX_ATTRIBUTES", 3)
    shop = Shop(
        update("A", 1, a="of A", b="of A", c="of A"),
        update("B", 2, b="of B", d="of B"),
        merge("A", "B", 1),
    )
    known = {name: one.value for name, one in shop.state("B").attributes.items()}
    assert known == {"b": "of B", "d": "of B", "a": "of A"}
    [letter] = shop.broker.outputs["dead-letters"]
    assert dict(letter.headers)["dlq.reason"] == b"too_many_attributes"
    assert dict(letter.headers)["dlq.field"] == b"attributes.c"
    left_out = decode_input(letter.value)
    assert isinstance(left_out, CustomerUpdated)
    assert (left_out.customer_id, left_out.attributes) == ("B", {"c": "of A"})


def test_the_changes_say_that_a_merge_caused_them() -> None:
    shop = Shop(order("A", 1), merge("A", "B", 1))
    causes = [decode["cause"]["kind"] for decode in changes(shop)]
    assert causes == ["event", "merge", "merge"]
    assert not shop.broker.outputs.get("marketing.actions")


def changes(shop: Shop) -> list[dict[str, dict[str, str]]]:
    import json

    return [json.loads(one.value) for one in shop.broker.outputs["segment-changes"]]


def test_the_stricter_consent_stays() -> None:
    shop = Shop(consent("A", 1, granted=False), consent("B", 2, granted=True), merge("A", "B", 1))
    assert shop.state("B").consents["email"].granted is False


def test_a_circle_of_merges_is_a_dead_letter_and_the_rest_goes_on() -> None:
    shop = Shop(order("A", 1), merge("A", "B", 1), merge("B", "A", 2, T0 + 2 * DAY))
    [letter] = shop.broker.outputs["dead-letters"]
    headers = dict(letter.headers)
    assert headers["dlq.reason"] == b"merge_cycle"
    assert headers["dlq.stage"] == b"decide"
    handed_over = decode_input(letter.value)
    assert isinstance(handed_over, merging.MergedIn)
    assert set(handed_over.orders) == {"o1"}
    shop.take(order("C", 9))
    assert set(shop.state("C").orders) == {"o9"}


def test_a_customer_merged_into_itself_is_a_dead_letter() -> None:
    shop = Shop(order("A", 1), merge("A", "A", 1))
    assert len(shop.broker.outputs["dead-letters"]) == 1


def test_remnants_beyond_the_bound_become_lifetime_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_REMNANTS", 2)
    monkeypatch.setattr(merging, "MAX_REMNANTS", 2)
    target = CustomerState("B", folded=Folded(0, 0, {1: Remnant(T0, 100, counts=True)}))
    merged = merging.MergedIn(
        event_id="m", customer_id="B", occurred_at_ms=T0, received_at_ms=T0, identity=1,
        source="s", from_customer_id="A",
        remnants={2: Remnant(T0 + 1, 200, counts=True), 3: Remnant(T0 + 2, 400, counts=True)},
    )  # fmt: skip
    merging.take_in(target, merged, lambda run: None)
    facts = facts_at(target, T0 + DAY, 730 * DAY)
    assert facts.lifetime_order_count == 3
    assert facts.lifetime_monetary_minor == 700
    assert target.folded is not None
    assert len(target.folded.remnants) == 2


def test_what_is_handed_over_survives_the_journal() -> None:
    merged = merging.MergedIn(
        event_id="m", customer_id="B", occurred_at_ms=T0, received_at_ms=T0, identity=1,
        source="s", from_customer_id="A", hops=2,
        orders={"o1": Order(T0, "e1", 500)},
        consents={"email": Consent(True, T0, "c1")},
        seen={-5: T0},
    )  # fmt: skip
    assert decode_input(encode_input(merged)) == merged
    assert replace(merged, hops=3) != merged
