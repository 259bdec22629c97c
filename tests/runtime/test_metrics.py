"""Metrics: the catalogue is what is served and documented, and batches are counted as they were."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from schemas.dead_letters import Reason
from streams.adapters.memory import MemoryLog, MemoryStateLog, SimulatedClock
from streams.core.inputs import OrderPlaced, RulesApplied
from streams.core.values import DAY_MS
from streams.errors import BrokenInvariant, Transient
from streams.health import Health, Probe
from streams.metrics.catalogue import CATALOGUE, catalogue_as_markdown
from streams.metrics.decide import DecideMetrics
from streams.metrics.definition import BulkHistogram, MetricDefinition, Role
from streams.metrics.deliver import DeliverMetrics
from streams.metrics.intake import IntakeMetrics
from streams.metrics.shared import coarse_reason
from streams.processes.surroundings import Surroundings
from streams.runtime.clock_check import check_clock, difference_s
from streams.runtime.cycle import Cycle
from streams.runtime.partition import Partition, Phase
from streams.runtime.steps import CycleSettings
from tests.core.story import rules_document
from tests.runtime.world import World

ROOT = Path(__file__).resolve().parents[2]


def served(registry: CollectorRegistry) -> dict[str, str]:
    """Types of the families that a registry serves, counters with their suffix."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in text_string_to_metric_families(generate_latest(registry).decode())
    }


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """One sample."""
    return registry.get_sample_value(name, labels)


def order(number: int, at_ms: int) -> OrderPlaced:
    """The first order of customer `number`, on time."""
    shared: dict[str, Any] = {"occurred_at_ms": at_ms, "received_at_ms": at_ms, "source": "s"}
    return OrderPlaced(
        event_id=f"e{number}",
        customer_id=f"c{number}",
        identity=number,
        order_id=f"o{number}",
        total_minor=5_000,
        **shared,
    )


@pytest.mark.parametrize("role", ["decide", "intake", "deliver"])
def test_what_a_role_serves_is_what_the_catalogue_says(role: Role) -> None:
    registry = CollectorRegistry()
    if role == "decide":
        DecideMetrics(registry, SimulatedClock(), wall_clock=True)
    elif role == "deliver":
        DeliverMetrics(registry, SimulatedClock(), "marketing.actions")
    else:
        IntakeMetrics(registry, SimulatedClock())
    assert served(registry) == {one.name: one.kind for one in CATALOGUE if role in one.roles}


def test_the_page_is_the_catalogue() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == catalogue_as_markdown()


def test_names_have_the_prefix_and_no_label_names_a_customer() -> None:
    for one in CATALOGUE:
        assert one.name.startswith("rfm_")
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert not {label for label in one.labels if "customer" in label or label.endswith("id")}


@given(
    st.lists(st.lists(st.floats(0, 100), max_size=20), max_size=5),
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), max_size=5),
)
def test_a_histogram_counts_what_lies_at_or_below_each_bound(
    batches: list[list[float]], weighted: list[tuple[float, int]]
) -> None:
    bounds = (0.5, 1.0, 10.0)
    histogram = BulkHistogram(
        MetricDefinition(name="rfm_x", kind="histogram", help="x", roles=(), buckets=bounds)
    )
    for batch in batches:
        histogram.observe_many(batch)
    for one, count in weighted:
        histogram.observe(one, count)
    everything = [one for batch in batches for one in batch]
    everything += [one for one, count in weighted for _ in range(count)]
    (family,) = histogram.collect()
    found = {(one.name, one.labels.get("le")): one.value for one in family.samples}
    for bound in bounds:
        expected = sum(one <= bound for one in everything)
        assert found["rfm_x_bucket", str(bound)] == expected
    assert found["rfm_x_bucket", "+Inf"] == found["rfm_x_count", None] == len(everything)
    assert found["rfm_x_sum", None] == pytest.approx(sum(everything))


def test_a_history_is_counted_as_it_was_decided() -> None:
    world = World()
    world.journal([RulesApplied(received_at_ms=0, version=1, rules=rules_document())])
    world.journal([order(number, 1_000) for number in range(3)])
    world.journal([order(0, 1_000)])  # the same event again
    world.journal([order(7, DAY_MS)])
    world.clock.move_to(DAY_MS + 2_000)
    registry = CollectorRegistry()
    metrics = DecideMetrics(registry, world.clock, wall_clock=True)
    cycle = Cycle(
        MemoryLog(world.broker),
        MemoryStateLog(world.broker),
        world.store,
        world.clock,
        metrics,
        CycleSettings(),
    )
    decided = 0
    while decided < 6:
        decided += cycle.run_once()
    metrics.show_partitions()
    metrics.show_lag({0: 0})
    placed = {"type": "order.placed"}
    assert value(registry, "rfm_events_total", note="applied", **placed) == 4
    assert value(registry, "rfm_events_total", note="duplicate", **placed) == 1
    assert value(registry, "rfm_events_duplicate_total") == 1
    assert value(registry, "rfm_events_late_total") == 0
    assert value(registry, "rfm_states_written_total") == 4
    assert (
        value(
            registry,
            "rfm_segment_changes_total",
            scheme="rfm",
            cause="event",
            segment="Potential Loyalists",
        )
        == 4
    )
    assert value(registry, "rfm_event_to_commit_seconds_count") == 5
    assert value(registry, "rfm_event_to_commit_seconds_bucket", le="2.0") == 1
    assert value(registry, "rfm_store_guard_outcomes_total", outcome="applied") == 1
    assert value(registry, "rfm_recoveries_total") == 1
    assert value(registry, "rfm_recovery_progress_ratio", partition="0") is None
    assert value(registry, "rfm_store_lag_offsets", partition="0") == 0
    assert value(registry, "rfm_lag_records", topic="rfm.journal", partition="0") == 0
    assert value(registry, "rfm_partitions_owned") == 1

    # With no event at all: 30 days later the clock moves everybody, by a tick of the worker's own.
    world.clock.move_to(31 * DAY_MS + 2_000)
    for _ in range(100):
        cycle.run_once()
        world.clock.sleep(0.1)
    assert value(registry, "rfm_timers_fired_total") == 4
    assert value(registry, "rfm_ticks_total") == 1


def test_a_partition_that_is_gone_is_shown_no_more() -> None:
    registry = CollectorRegistry()
    metrics = DecideMetrics(registry, SimulatedClock(), wall_clock=True)
    metrics.owned({0: Partition(0)})
    metrics.show_timers(0, 5, 1)
    assert value(registry, "rfm_timers_pending", partition="0") == 5
    metrics.owned({})
    assert value(registry, "rfm_timers_pending", partition="0") is None


def test_lag_in_seconds_ends_with_the_backlog() -> None:
    clock = SimulatedClock(1_000_000)
    registry = CollectorRegistry()
    metrics = IntakeMetrics(registry, clock)
    orders = ("shop.orders", 0)
    shown = {"topic": "shop.orders", "partition": "0"}
    metrics.owned({orders: 10}, {orders: 5})
    clock.sleep(30)
    metrics.owned({orders: 20}, {orders: 5})
    assert value(registry, "rfm_lag_seconds", **shown) == 30
    metrics.committed(10, 0.01, 4.0)
    metrics.owned({orders: 10}, {orders: 15})
    assert value(registry, "rfm_lag_seconds", **shown) == 4
    assert value(registry, "rfm_position_offset", **shown) == 15
    metrics.owned({orders: 0}, {orders: 25})
    assert value(registry, "rfm_lag_seconds", **shown) == 0
    metrics.owned({}, {orders: 25})  # where it stands is known, its end is not
    assert value(registry, "rfm_lag_records", **shown) is None
    assert value(registry, "rfm_position_offset", **shown) == 25
    metrics.owned({}, {})
    assert value(registry, "rfm_position_offset", **shown) is None


def test_a_reason_is_shown_before_its_first_dead_letter() -> None:
    """A series that begins at its first flood shows no rise, so no alert would come of it."""
    registry = CollectorRegistry()
    metrics = IntakeMetrics(registry, SimulatedClock())
    for reason in Reason:
        assert value(registry, "rfm_dead_letters_total", reason=reason.value) == 0
    metrics.dead_letter(Reason.MERGE_CYCLE)
    assert value(registry, "rfm_dead_letters_total", reason="merge_cycle") == 1


def test_a_partition_without_its_store_lags_as_events_come() -> None:
    """While it is recovered nothing is read, and the lag must not stay what it was."""
    clock = SimulatedClock(1_000_000)
    registry = CollectorRegistry()
    metrics = DecideMetrics(registry, clock, wall_clock=True)
    partition = Partition(0, phase=Phase.RECOVERING)
    metrics.owned({0: partition})
    metrics.show_lag({0: 500})
    shown = {"topic": "rfm.journal", "partition": "0"}
    assert value(registry, "rfm_lag_records", **shown) is None  # where it stands is not known yet
    # Given all is read: behind the last record stands what ended its transaction.
    partition.phase, partition.journal_offset, partition.at_end = Phase.READY, 499, True
    metrics.show_lag({0: 500})
    assert value(registry, "rfm_lag_records", **shown) == 0
    assert value(registry, "rfm_position_offset", **shown) == 499
    # When the store is lost, what was read stays read, and what comes now waits.
    partition.forget()
    metrics.show_lag({0: 500})
    assert value(registry, "rfm_lag_records", **shown) == 0
    clock.sleep(20)
    metrics.show_lag({0: 507})
    assert value(registry, "rfm_lag_records", **shown) == 7
    assert value(registry, "rfm_lag_seconds", **shown) == 20
    assert value(registry, "rfm_position_offset", **shown) == 499


def test_an_emptied_store_is_counted() -> None:
    world = World()
    world.journal([RulesApplied(received_at_ms=0, version=1, rules=rules_document())])
    world.journal([order(1, 1_000)])
    registry = CollectorRegistry()
    metrics = DecideMetrics(registry, world.clock, wall_clock=True)
    cycle = Cycle(
        MemoryLog(world.broker),
        MemoryStateLog(world.broker),
        world.store,
        world.clock,
        metrics,
        CycleSettings(),
    )
    while not cycle.run_once():
        pass
    assert value(registry, "rfm_store_guard_outcomes_total", outcome="moved") == 0
    world.store.wipe(0)
    world.journal([order(2, 2_000)])
    while not cycle.run_once():
        pass
    assert value(registry, "rfm_store_guard_outcomes_total", outcome="moved") == 1
    assert value(registry, "rfm_transactions_aborted_total", reason="store_moved") == 1


def test_what_surrounds_a_process_is_shown_and_forgotten() -> None:
    clock = SimulatedClock()
    registry = CollectorRegistry()
    metrics = IntakeMetrics(registry, clock)
    broken: set[str] = set()
    members = {"intake": 2, "decide": 0}

    def probe(name: str) -> Probe:
        def ask() -> None:
            if name in broken:
                raise Transient(f"{name} does not answer")

        return ask

    health = Health(clock, "intake", list, {name: probe(name) for name in ("kafka", "redis")})
    surroundings = Surroundings(health, metrics, lambda: members)
    surroundings.look()
    up = "rfm_dependency_up"
    assert value(registry, up, dependency="kafka") == value(registry, up, dependency="redis") == 1
    assert value(registry, "rfm_group_members", group="intake") == 2
    assert value(registry, "rfm_group_members", group="decide") == 0
    broken.add("redis")
    clock.sleep(10)
    surroundings.look()
    assert value(registry, up, dependency="redis") == 0
    assert value(registry, "rfm_group_members", group="intake") == 2
    broken.add("kafka")
    clock.sleep(10)
    surroundings.look()
    assert value(registry, up, dependency="kafka") == 0
    assert value(registry, "rfm_group_members", group="intake") is None  # nobody can say


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("unknown outcome: commit: timed out", "unknown_outcome"),
        ("partition 3: the store is at 17", "store_moved"),
        ("partition 3: the store holds nothing of partition 3", "store_moved"),
        ("Redis does not answer: refused", "redis"),
        ("poll: _TRANSPORT", "poll"),
        ("publish to shop: queue", "publish"),
        ("something new", "other"),
    ],
)
def test_reasons_of_aborts_are_few(text: str, reason: str) -> None:
    assert coarse_reason(text) == reason


@pytest.mark.parametrize(
    ("broker_ms", "expected"), [(900, 0.1), (1_000, 0.0), (1_500, 0.0), (2_000, 0.0), (2_300, -0.3)]
)
def test_a_slow_commit_is_no_difference_of_clocks(broker_ms: int, expected: float) -> None:
    assert difference_s(1_000, 2_000, broker_ms) == expected


def test_clocks_that_differ_stop_the_worker() -> None:
    check_clock(5.0, 5.0)
    check_clock(-5.0, 5.0)
    with pytest.raises(BrokenInvariant, match=r"5\.1 s ahead of the broker's"):
        check_clock(5.1, 5.0)
    with pytest.raises(BrokenInvariant, match=r"7\.0 s behind the broker's"):
        check_clock(-7.0, 5.0)


def test_health_says_why() -> None:
    clock = SimulatedClock()
    reasons: list[str] = []
    asked = []

    def kafka() -> None:
        asked.append(clock.now_ms())
        if clock.now_ms() < 5_000:
            raise Transient("Kafka does not answer")

    health = Health(clock, "decide", lambda: reasons, {"kafka": kafka})
    assert health.answer("/health/live") == (
        200,
        b'{"status": "ok", "role": "decide", "reasons": []}\n',
    )
    assert health.ready() == health.ready() == ["Kafka does not answer"]
    assert asked == [0]  # however often one asks
    clock.move_to(6_000)
    assert health.ready() == []
    reasons.append("partitions being recovered: [1]")
    status, body = health.answer("/health/ready") or (0, b"")
    assert (status, b"recovered: [1]" in body) == (503, True)
    clock.move_to(70_000)
    assert health.live() == ["the main loop has not gone on for 70 s"]
    health.beat()
    assert health.live() == []
    assert health.answer("/health") is None
