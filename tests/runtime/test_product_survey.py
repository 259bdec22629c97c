"""What was sold: counted in a walk after each boundary, said by the next snapshot."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from streams.adapters.memory import MemoryStateStore
from streams.bootstrap import build_rates, limits_of
from streams.codec.journal import decode_input, encode_input
from streams.codec.partition import decode_partition
from streams.codec.population import decode_snapshot, encode_snapshot
from streams.codec.state import decode_state, encode_state
from streams.codec.text import format_instant
from streams.core.inputs import (
    CustomerErased,
    Input,
    Item,
    OrderPlaced,
    ProductsTaken,
    ReturnRegistered,
    RulesApplied,
    SnapshotTaken,
    Tick,
)
from streams.core.population.products import ProductCensus, Sold, TopProduct, quarter_of
from streams.core.population.snapshot import QuarterRevenue, Sales, TopList
from streams.core.products import read_lines
from streams.files.events import Event
from streams.replay.replay import Replay
from streams.rules.files import rules_text
from streams.runtime import survey
from streams.runtime.steps import Step
from streams.runtime.survey import MAX_RECORD_BYTES, Survey
from streams.settings import Settings
from tests.contract.messages import order as order_text
from tests.core.story import DAY, HOUR, T0
from tests.runtime.journals import order
from tests.runtime.test_crashes import BATCH, FATES, Killed, killer
from tests.runtime.test_population import journaled, rules
from tests.runtime.world import MOST_CYCLES, Observer, Worker, World, unobserved

PARTITIONS = 2
QUARTER = quarter_of(T0)
SEGMENT = "Potential Loyalists"


def bought(
    index: int, customer_id: str, day: float, *items: tuple[str, float], total_minor: int = 5_000
) -> OrderPlaced:
    """An order of some pieces of some skus."""
    placed = order(index, customer_id, T0 + int(day * DAY), total_minor)
    return replace(placed, items=[Item(sku, pieces) for sku, pieces in items])


def brought_back(
    index: int, order_id: str | None, customer_id: str, day: float, sku: str, amount_minor: int
) -> ReturnRegistered:
    """One piece of a sku that came back."""
    at_ms = T0 + int(day * DAY)
    return ReturnRegistered(
        event_id=f"b{index}",
        customer_id=customer_id,
        occurred_at_ms=at_ms,
        received_at_ms=at_ms,
        identity=index,
        source="shop",
        return_id=f"r{index}",
        order_id=order_id,
        amount_minor=amount_minor,
        items=[Item(sku, 1.0)],
    )


def first_day(number: int) -> list[Input]:
    """Half of the shop: who buys once belongs to `SEGMENT`."""
    begun = RulesApplied(received_at_ms=T0, version=1, rules=rules())
    day_over = Tick(received_at_ms=T0 + DAY, continuous=True)
    if number == 0:
        return [
            begun,
            bought(1, "A", 0.1, ("TEA", 2), ("POT", 1)),
            bought(2, "B", 0.2, ("TEA", 1.5), total_minor=3_000),
            brought_back(3, "o1", "A", 0.5, "POT", 2_000),
            day_over,
        ]
    return [
        begun,
        bought(11, "C", 0.1, ("TEA", 1), ("SOAP", 7), total_minor=1_000),
        bought(12, "D", 0.2, ("HAT", 2), total_minor=4_000),
        # All of it came back: sold, and nothing is left of it.
        brought_back(13, "o12", "D", 0.6, "HAT", 4_000),
        brought_back(14, None, "E", 0.7, "SOAP", 300),
        day_over,
    ]


# The three orders of TEA bring 30.00 of 50.00 after the POT, 30.00 and 10.00.
SALES = Sales(
    as_of_ms=T0 + DAY,
    top=[
        TopList(
            QUARTER,
            SEGMENT,
            [
                TopProduct("TEA", 3, 4_500, 7_000, 0),
                TopProduct("SOAP", 1, 7_000, 1_000, 0),
                TopProduct("POT", 1, 1_000, 3_000, 0),
            ],
        )
    ],
    sold=[
        Sold("SOAP", 7_000, 1_000),
        Sold("TEA", 4_500, 0),
        Sold("HAT", 2_000, 1_000),
        Sold("POT", 1_000, 1_000),
    ],
    revenue=[QuarterRevenue(QUARTER, 3_000 + 3_000 + 1_000 - 300)],
)


def new_world() -> World:
    world = World(PARTITIONS)
    for number in range(PARTITIONS):
        world.journal(first_day(number), number)
    return world


def run(world: World, observe: Observer = unobserved) -> Worker:
    """Decide everything that is there, and count what was sold."""
    return drive(world.worker(observe=observe, max_records=BATCH))


def drive(worker: Worker) -> Worker:
    for _ in range(MOST_CYCLES):
        partitions = worker.cycle.partitions.values()
        if worker.is_done and all(one.survey_due_ms is None for one in partitions):
            return worker
        if not worker.cycle.run_once():
            worker.world.clock.sleep(0.1)
    raise AssertionError("the survey does not end")


def next_day(world: World, day: int = 2) -> Sales | None:
    """Let another day pass; what its snapshot says."""
    for number in range(PARTITIONS):
        world.journal([Tick(received_at_ms=T0 + day * DAY, continuous=True)], number)
    run(world)
    world.check()
    latest = [journaled(world, SnapshotTaken, number)[-1].snapshot for number in range(PARTITIONS)]
    assert latest[0] == latest[1]
    return latest[0].sales


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walks of several pages, though there are only a few customers."""
    monkeypatch.setattr(survey, "PAGE", 1)


def test_the_next_snapshot_says_what_was_sold() -> None:
    world = new_world()
    run(world)
    [first] = journaled(world, SnapshotTaken)
    assert first.snapshot.sales is None, "the walk comes after the boundary"
    assert next_day(world) == SALES


def test_sales_move_no_limit_and_ask_for_no_sweep() -> None:
    world = new_world()
    swept = run(world).cycle.partitions[0].swept
    next_day(world)
    assert {one.swept for one in run(world).cycle.partitions.values()} == {swept}


def test_what_is_bought_after_the_boundary_is_of_the_next_survey() -> None:
    world = new_world()
    world.journal([bought(20, "F", 1.5, ("TEA", 9))], 0)
    world.journal([brought_back(21, None, "F", 1.5, "TEA", 9)], 1)
    run(world)
    assert next_day(world) == SALES
    later = next_day(world, 3)
    assert later is not None
    assert later.top[0].products[0] == TopProduct("TEA", 4, 13_500, 12_000, 0)
    assert later.sold[0] == Sold("TEA", 13_500, 1_000)


def test_who_was_erased_is_not_in_the_next_survey() -> None:
    world = new_world()
    run(world)
    assert next_day(world) == SALES
    at_ms = T0 + 2 * DAY + 1
    erased = CustomerErased(
        event_id="x",
        customer_id="C",
        occurred_at_ms=at_ms,
        received_at_ms=at_ms,
        identity=99,
        source="shop",
    )
    world.journal([erased], 1)
    next_day(world, 3)
    after = next_day(world, 4)
    assert after is not None
    assert [one.sku for one in after.sold] == ["TEA", "HAT", "POT"]
    assert after.top[0].products[0] == TopProduct("TEA", 2, 3_500, 6_000, 0)
    assert after.revenue == [QuarterRevenue(QUARTER, 3_000 + 3_000 - 300)]


def test_nothing_is_said_before_every_partition_has_counted() -> None:
    """Given a partition that was never surveyed; then a part of the shop is not taken for all."""
    world = new_world()
    run(world)
    value = encode_input(journaled(world, ProductsTaken)[0])
    alone = World(PARTITIONS)
    for number in range(PARTITIONS):
        alone.journal(first_day(number)[:1], number)
    alone.broker.append(0, value)
    for number in range(PARTITIONS):
        alone.journal([Tick(received_at_ms=T0 + DAY, continuous=True)], number)
    alone.worker().run_to_end()
    [snapshot] = journaled(alone, SnapshotTaken)
    assert snapshot.snapshot.sales is None


def test_rules_without_moving_limits_count_no_sales() -> None:
    world = World()
    world.journal([RulesApplied(received_at_ms=T0, version=1, rules=rules("rfm"))])
    world.journal([bought(1, "A", 0.1, ("TEA", 2)), Tick(received_at_ms=T0 + DAY)])
    run(world)
    assert journaled(world, ProductsTaken) == []


def test_a_survey_that_is_done_is_not_begun_again_by_the_next_owner() -> None:
    world = new_world()
    worker = run(world)
    for number in range(PARTITIONS):
        world.journal([Tick(received_at_ms=T0 + DAY + 5)], number)
    drive(worker)
    run(world)
    assert len(journaled(world, ProductsTaken)) == PARTITIONS
    for number in range(PARTITIONS):
        position = world.store.position(number)
        assert position is not None
        record = decode_partition(position.partition_record or b"")
        assert record.surveyed_ms == record.census_at_ms == T0 + DAY


@pytest.mark.parametrize("fate", FATES)
def test_killed_before_any_step_only_the_moment_is_another(
    fate: Callable[[World, MemoryStateStore], None],
) -> None:
    steps: list[Step] = []
    run(new_world(), steps.append)
    for at in range(len(steps)):
        world = new_world()
        older = world.snapshot()
        with pytest.raises(Killed):
            run(world, killer(at))
        fate(world, older)
        run(world)
        assert next_day(world) == SALES, f"killed before step {at}"
        counted_the_same(world)


def test_a_store_wiped_in_the_middle_of_a_walk_gives_no_half_count() -> None:
    """Given walks that have begun; when Redis comes back empty; then they count everybody anew."""
    wiped = 0
    for cycles in range(MOST_CYCLES):
        if wiped == 4:
            break
        world = new_world()
        worker = world.worker(max_records=BATCH)
        for _ in range(cycles):
            if not worker.cycle.run_once():
                world.clock.sleep(0.1)
        walks = [one.survey for one in worker.cycle.partitions.values()]
        if not any(walk is not None and walk.customer_count for walk in walks):
            continue
        for number in range(PARTITIONS):
            world.store.wipe(number)
        for _ in range(100):
            if not worker.cycle.run_once():
                world.clock.sleep(0.1)
        assert worker.tally.counts["recovered"] > PARTITIONS
        run(world)
        counted_the_same(world)
        assert next_day(world) == SALES
        wiped += 1


def counted_the_same(world: World) -> None:
    """However often a boundary was counted, it was the same."""
    for number in range(PARTITIONS):
        taken = [one for one in journaled(world, ProductsTaken) if one.partition == number]
        for as_of_ms in {one.as_of_ms for one in taken}:
            first, *others = [one.products for one in taken if one.as_of_ms == as_of_ms]
            assert all(one == first for one in others)


# -- records ---------------------------------------------------------------------------------------


def test_what_is_journaled_reads_back_as_it_was() -> None:
    world = new_world()
    run(world)
    next_day(world)
    taken = journaled(world, ProductsTaken)[0]
    assert encode_input(decode_input(encode_input(taken))) == encode_input(taken)
    census = ProductCensus()
    census.count_order(SEGMENT, T0, [("TEA", 1.5, None)], 5)
    record = ProductsTaken(received_at_ms=1, partition=3, as_of_ms=2, products=census.to_plain())
    again = decode_input(encode_input(record))
    assert isinstance(again, ProductsTaken)
    assert ProductCensus.from_plain(again.products) == census
    snapshot = journaled(world, SnapshotTaken)[-1].snapshot
    assert snapshot.sales == SALES
    assert decode_snapshot(encode_snapshot(snapshot)) == snapshot


def test_a_snapshot_from_before_there_were_sales_is_read() -> None:
    world = new_world()
    run(world)
    [taken] = journaled(world, SnapshotTaken)
    older = encode_snapshot(taken.snapshot[:-1])  # type: ignore[arg-type]
    assert decode_snapshot(older) == taken.snapshot


def test_a_state_keeps_what_came_back() -> None:
    world = new_world()
    run(world)
    [value] = world.store.load(0, world.store.position(0).offset, ["A"])  # type: ignore[union-attr]
    state = decode_state("A", value or b"")
    assert [tuple(one) for one in read_lines(state.returns["r3"].lines)] == [("POT", 1.0, "")]
    assert decode_state("A", encode_state(state)) == state


def test_a_record_that_would_be_too_long_has_fewer_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given 6,000 skus of 200 characters; then the record keeps its bound, the same each time."""
    monkeypatch.setattr(survey, "PAGE", 1_000)
    world = World()
    world.journal([RulesApplied(received_at_ms=T0, version=1, rules=rules())])
    for index in range(60):
        skus = [(f"{index:03}-{line:02}-".ljust(200, "ß"), 1.0 + line) for line in range(100)]
        world.journal([bought(index, f"C-{index}", 0.1, *skus)])
    world.worker().run_to_end()
    position = world.store.position(0)
    assert position is not None
    compiled = world.worker().run_to_end().cycle.partitions[0].rules
    assert compiled is not None
    found: list[bytes] = []
    for _ in range(2):
        walk = Survey(0, T0 + DAY, world.store, 0.0)
        assert walk.take_page(position.offset, compiled, 0.0)
        found.append(encode_input(walk.result(T0)))
    assert found[0] == found[1]
    assert MAX_RECORD_BYTES / 3 < len(found[0]) <= MAX_RECORD_BYTES
    again = decode_input(found[0])
    assert isinstance(again, ProductsTaken)
    census = ProductCensus.from_plain(again.products)
    assert census.revenue_by_quarter() == {QUARTER: 60 * 5_000}
    assert 0 < len(census.sold.entries) < 6_000
    assert census.sold.floor == 1, "who was cut may have come once"


def test_nobody_without_orders_is_counted() -> None:
    world = World()
    world.journal(
        [
            RulesApplied(received_at_ms=T0, version=1, rules=rules()),
            Tick(received_at_ms=T0 + DAY, continuous=True),
        ]
    )
    run(world)
    [taken] = journaled(world, ProductsTaken)
    assert ProductCensus.from_plain(taken.products) == ProductCensus()


# -- replay ----------------------------------------------------------------------------------------


def test_a_replay_counts_at_each_boundary_where_it_is_asked_to() -> None:
    """Given a replay that is to count; then the sales of each day stand in the next snapshot."""
    settings = Settings.model_construct(schemes="rfm,loyalty")
    told: dict[bool, Sales | None] = {}
    for counts_sales in (False, True):
        replay = Replay(
            rules_text(settings),
            limits_of(settings),
            build_rates(settings),
            T0 + 10 * DAY,
            lambda topic, record: None,
            lambda letter: None,
            counts_sales=counts_sales,
        )
        for index in range(3):
            at_ms = T0 + index * DAY + HOUR
            text = order_text(
                event_id=f"e{index}",
                order_id=f"o{index}",
                occurred_at=format_instant(at_ms),
                items=[{"sku": "TEA", "quantity": 2, "unit_price": "5"}],
            )
            replay.take(Event("shop.orders", "C-1", text, at_ms))
        replay.finish()
        assert replay.counts.events["order.placed"] == 3
        assert replay.rules.snapshot is not None
        told[counts_sales] = replay.rules.snapshot.sales
    assert told[False] is None
    sales = told[True]
    assert sales is not None
    # The snapshot of the third day says what was sold on the first: counted before the second.
    assert sales.as_of_ms == T0 + DAY
    assert sales.sold == [Sold("TEA", 2_000, 0)]
