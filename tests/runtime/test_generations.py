"""A generation that begins with the customers of another: taken in once, whatever fails."""

import pytest

from streams.codec.partition import (
    PARTITION_KEY,
    RULES_KEY,
    SNAPSHOT_KEY,
    decode_partition,
    decode_rules,
)
from streams.codec.population import decode_snapshot
from streams.codec.state import decode_head, decode_state, encode_state
from streams.core.inputs import (
    CustomerMoved,
    GenerationBegun,
    Input,
    SnapshotTaken,
    Tick,
)
from streams.core.population.census import Census
from streams.errors import BrokenInvariant
from streams.repartition.beginning import Stood, plan_beginning
from streams.runtime.steps import Step
from tests.core.story import DAY, T0
from tests.runtime.test_crashes import Killed, killer
from tests.runtime.test_population import PARTITIONS, grown_world, journaled
from tests.runtime.world import Worker, World

OTHERS = 3
FEW = 2


def states_of(world: World) -> dict[str, bytes]:
    return {
        customer_id: state
        for number in range(world.broker.partitions)
        for customer_id, state in world.store.scan(number)
    }


def stood(world: World) -> list[Stood]:
    found = []
    for number, log in enumerate(world.broker.state):
        latest = {one.key: one.value or b"" for one in log.read(0, log.end)}
        snapshot = latest.get(SNAPSHOT_KEY)
        found.append(
            Stood(
                number,
                decode_partition(latest[PARTITION_KEY]),
                decode_rules(latest[RULES_KEY]),
                decode_snapshot(snapshot) if snapshot is not None else None,
            )
        )
    return found


def moved(old: World, partitions: int = OTHERS) -> World:
    """A world of other partitions that begins as the old one ended; customers dealt out in turn."""
    world = World(partitions)
    states = sorted(states_of(old).items())
    begun = plan_beginning(stood(old), [len(states[one::partitions]) for one in range(partitions)])
    now_ms = begun[0].received_at_ms
    journals: list[list[Input]] = [[one] for one in begun]
    for place, (customer_id, state) in enumerate(states):
        record = CustomerMoved(received_at_ms=now_ms, customer_id=customer_id, state=state)
        journals[place % partitions].append(record)
    for number, records in enumerate(journals):
        world.journal(records, number)
    return world


def lived() -> World:
    """Two partitions that have counted, moved their limits and swept."""
    world = grown_world()
    world.worker().run_to_end()
    assert journaled(world, SnapshotTaken)
    return world


def census_of(worker: Worker) -> Census:
    whole = Census()
    for partition in worker.cycle.partitions.values():
        whole.merge(partition.population.census)
    return whole


def test_everybody_stands_where_they_stood_and_is_counted_again() -> None:
    old = lived()
    before = old.worker().run_to_end()
    world = moved(old)
    after = world.worker().run_to_end()
    world.check()
    assert states_of(world) == states_of(old)
    assert world.said == {}
    assert census_of(after) == census_of(before)
    standing = {one.standing for one in before.cycle.partitions.values()}
    assert {one.standing for one in after.cycle.partitions.values()} == standing
    assert sum(one.guard.customers for one in after.cycle.partitions.values()) == len(
        states_of(old)
    )


def test_the_next_boundary_gathers_the_new_partitions_and_goes_on_numbering() -> None:
    old = lived()
    number = max(one.snapshot.number for one in journaled(old, SnapshotTaken))
    world = moved(old)
    worker = world.worker().run_to_end()
    assert not worker.cycle.partitions[0].population.gathered
    for partition in range(OTHERS):
        world.journal([Tick(received_at_ms=T0 + 3 * DAY, continuous=True)], partition)
    worker.run_to_end()
    taken = journaled(world, SnapshotTaken)
    assert [(one.snapshot.number, one.snapshot.as_of_ms) for one in taken] == [
        (number + 1, T0 + 3 * DAY)
    ]
    # The same base, so the same limits as in a life that was not moved.
    for partition in range(PARTITIONS):
        old.journal([Tick(received_at_ms=T0 + 3 * DAY, continuous=True)], partition)
    old.worker().run_to_end()
    last = journaled(old, SnapshotTaken)[-1].snapshot
    assert taken[0].snapshot._replace(sales=None) == last._replace(sales=None)


def test_killed_before_every_step_everybody_is_taken_in_once() -> None:
    old = lived()
    at = 0
    while True:
        world = moved(old)
        try:
            world.worker(observe=killer(at), max_records=FEW).run_to_end()
        except Killed:
            world.worker(max_records=FEW).run_to_end()
        else:
            break
        world.check()
        assert states_of(world) == states_of(old)
        at += 1
    assert at > 2 * len(Step)


def test_a_sweep_that_was_under_way_is_finished_by_the_new_owners() -> None:
    old = lived()
    world = moved_alone(old, beginning_of(old), list(states_of(old).items()))
    partition = world.worker().run_to_end().cycle.partitions[0]
    assert partition.swept == partition.standing != (0, 0)
    assert states_of(world) == states_of(old)


def beginning_of(old: World) -> GenerationBegun:
    """One partition for all, in which the sweep to the present rules begins again."""
    (beginning,) = plan_beginning(stood(old), [len(states_of(old))])
    beginning.swept = (0, 0)
    return beginning


def moved_alone(old: World, beginning: GenerationBegun, states: list[tuple[str, bytes]]) -> World:
    world = World(1).journal([beginning])
    return world.journal(
        CustomerMoved(received_at_ms=beginning.received_at_ms, customer_id=customer_id, state=state)
        for customer_id, state in states
    )


@pytest.mark.parametrize("max_records", [1, FEW, 5])
def test_nobody_is_passed_over_by_a_sweep_that_could_begin_while_they_are_taken_in(
    max_records: int,
) -> None:
    """Given states under older rules, taken in by and by; then all are decided by the present ones."""
    old = lived()
    behind = [(key, under_older_rules(key, value)) for key, value in sorted(states_of(old).items())]
    world = moved_alone(old, beginning_of(old), behind)
    worker = world.worker(max_records=max_records).run_to_end()
    [partition] = worker.cycle.partitions.values()
    assert partition.swept == partition.standing
    standing = {
        (head.rules_version, head.limits_number)
        for head in map(decode_head, states_of(world).values())
    }
    assert standing == {partition.standing}


def under_older_rules(customer_id: str, value: bytes) -> bytes:
    state = decode_state(customer_id, value)
    state.rules_version, state.limits_number = 0, 0
    return encode_state(state)


def test_what_is_sold_is_counted_when_everybody_is_there() -> None:
    """Given customers taken in by and by; then no walk that counts their sales begins before that."""
    old = lived()
    world = moved_alone(old, beginning_of(old), sorted(states_of(old).items()))
    worker = world.worker(max_records=1)
    partition = None
    while partition is None or partition.journal_offset < len(states_of(old)):
        worker.cycle.run_once()
        partition = worker.cycle.partitions.get(0)
        assert partition is None or not partition.holds_everybody
        assert partition is None or (partition.survey, partition.sweeper) == (None, None)


def test_a_share_of_the_customers_is_that_of_all_from_the_start() -> None:
    """Given a guard that counts; when the first of many customers are there; then it knows of all."""
    old = lived()
    (beginning,) = plan_beginning(stood(old), [1_000])
    world = World(1).journal([beginning])
    worker = world.worker().run_to_end()
    assert worker.cycle.partitions[0].guard.customers == 1_000


def test_a_partition_that_lives_is_not_begun_again() -> None:
    old = lived()
    beginning = beginning_of(old)
    world = World(1).journal([beginning, beginning])
    with pytest.raises(BrokenInvariant, match=r"begins twice.*RFM_GENERATION"):
        world.worker().run_to_end()


def test_guards_and_pauses_go_on() -> None:
    old = lived()
    beginning = beginning_of(old)
    beginning.counts, beginning.paused = {"thanks": {7: 3}}, {"cart": 1}
    world = World(1).journal([beginning])
    world.worker().run_to_end()
    # A new owner reads it back from rfm.state.
    guard = world.worker().run_to_end().cycle.partitions[0].guard
    assert (guard.counts, guard.paused) == ({"thanks": {7: 3}}, {"cart": 1})
