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
from streams.core.inputs import (
    CustomerMoved,
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
    begun = plan_beginning(stood(old), partitions)
    now_ms = begun[0].received_at_ms
    journals: list[list[Input]] = [[one] for one in begun]
    for place, (customer_id, state) in enumerate(sorted(states_of(old).items())):
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
    (beginning,) = plan_beginning(stood(old), 1)
    beginning.swept = (0, 0)
    now_ms = beginning.received_at_ms
    world = World(1).journal([beginning])
    world.journal(
        CustomerMoved(received_at_ms=now_ms, customer_id=customer_id, state=state)
        for customer_id, state in sorted(states_of(old).items())
    )
    partition = world.worker().run_to_end().cycle.partitions[0]
    assert partition.swept == partition.standing != (0, 0)
    assert states_of(world) == states_of(old)


def test_a_partition_that_lives_is_not_begun_again() -> None:
    old = lived()
    (beginning,) = plan_beginning(stood(old), 1)
    world = World(1).journal([beginning, beginning])
    with pytest.raises(BrokenInvariant, match=r"begins twice.*RFM_GENERATION"):
        world.worker().run_to_end()


def test_guards_and_pauses_go_on() -> None:
    old = lived()
    (beginning,) = plan_beginning(stood(old), 1)
    beginning.counts, beginning.paused = {"thanks": {7: 3}}, {"cart": 1}
    world = World(1).journal([beginning])
    world.worker().run_to_end()
    # A new owner reads it back from rfm.state.
    guard = world.worker().run_to_end().cycle.partitions[0].guard
    assert (guard.counts, guard.paused) == ({"thanks": {7: 3}}, {"cart": 1})
