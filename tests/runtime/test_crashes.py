"""Killed before any step, and before any pair of steps: nothing missing, nothing twice."""

import contextlib
from collections.abc import Callable

import pytest

from streams.adapters.memory import MemoryLog, MemoryStateStore
from streams.errors import BrokenInvariant, Fenced, ForeignStore, Transient, UnknownOutcome
from streams.ports import Outcome, StoreWrite
from streams.runtime.cycle import Cycle
from streams.runtime.steps import Batch, Step
from tests.runtime.journals import eventful
from tests.runtime.world import World

BATCH = 5


class Killed(BaseException):
    """The process is gone. Nothing in the runtime may catch it."""


def killer(at: int) -> Callable[[Step], None]:
    """An observer that lets `at` steps pass."""
    left = at

    def observe(step: Step) -> None:
        nonlocal left
        if left == 0:
            raise Killed(step)
        left -= 1

    return observe


def killed(world: World, at: int) -> bool:
    """Run a worker until it is killed before step number `at`; False where it came to the end."""
    try:
        world.worker(observe=killer(at), max_records=BATCH).run_to_end()
    except Killed:
        return True
    return False


def count_steps() -> int:
    steps: list[Step] = []
    World().journal(eventful()).worker(observe=steps.append, max_records=BATCH).run_to_end()
    return len(steps)


def same(world: World, older: MemoryStateStore) -> None:
    """Redis is as the dead worker left it."""


def wiped(world: World, older: MemoryStateStore) -> None:
    """Redis comes back empty."""
    world.store.wipe(0)


def set_back(world: World, older: MemoryStateStore) -> None:
    """Redis comes back as it was when the dead worker began."""
    world.store = older


# Recovery begins alike for all of them; tests/soak kills real stores in each of these ways.
FATES = [same, *(pytest.param(one, marks=pytest.mark.soak) for one in (wiped, set_back))]


@pytest.mark.parametrize("fate", FATES)
def test_killed_at_every_step_and_every_pair_of_steps(
    fate: Callable[[World, MemoryStateStore], None],
) -> None:
    steps = count_steps()
    assert steps >= 3 * len(Step), "several batches, or the pairs mean little"
    for first in range(steps):
        for second in range(steps):
            world = World().journal(eventful())
            older = world.snapshot()
            assert killed(world, first)
            fate(world, older)
            older = world.snapshot()
            went_down = killed(world, second)
            if went_down:
                fate(world, older)
                world.worker(max_records=BATCH).run_to_end()
            world.check()
            if not went_down:
                break  # the rest was done in fewer steps


class Stubborn(MemoryStateStore):
    """A store that, on one write, does not answer: before or after having written."""

    fail_at = -1
    written_first = False

    def apply(self, write: StoreWrite) -> Outcome:
        self.fail_at -= 1
        if self.fail_at == 0:
            if self.written_first:
                super().apply(write)
            raise Transient("no answer")
        return super().apply(write)


@pytest.mark.parametrize("written_first", [False, True])
def test_a_store_that_does_not_answer_is_recovered(written_first: bool) -> None:
    for fail_at in range(1, 6):
        world = World(store=Stubborn).journal(eventful())
        assert isinstance(world.store, Stubborn)
        world.store.fail_at, world.store.written_first = fail_at, written_first
        world.worker(max_records=BATCH).run_to_end()
        world.check()


class Silent(MemoryLog):
    """A log whose second commit has an unknown outcome."""

    happens = False
    left = 2

    def commit(self) -> dict[int, int]:
        self.left -= 1
        if self.left == 0:
            if self.happens:
                super().commit()
            raise UnknownOutcome("commit timed out")
        return super().commit()


class SilentAfterwards(Silent):
    happens = True


@pytest.mark.parametrize("log", [Silent, SilentAfterwards])
def test_a_commit_of_unknown_outcome_is_read_back(log: type[MemoryLog]) -> None:
    world = World().journal(eventful())
    worker = world.worker(log=log, max_records=BATCH).run_to_end()
    assert worker.tally.counts["aborted"] == 1
    world.check()


class Reluctant(MemoryLog):
    """A log whose every third commit is refused, and aborted."""

    count = 0

    def commit(self) -> dict[int, int]:
        self.count += 1
        if self.count % 3 == 2:
            raise Transient("CONCURRENT_TRANSACTIONS")
        return super().commit()


def test_an_aborted_transaction_is_decided_again() -> None:
    world = World().journal(eventful())
    worker = world.worker(log=Reluctant, max_records=2).run_to_end()
    assert worker.tally.counts["aborted"] >= 2
    world.check()


@pytest.mark.parametrize("max_timers", [1, 2])
def test_a_transaction_fires_at_most_so_many_timers(max_timers: int) -> None:
    world = World().journal(eventful())
    worker = world.worker(max_timers=max_timers).run_to_end()
    assert worker.tally.most_timers == max_timers
    world.check()


# -- zombies ------------------------------------------------------------------------------------


def paused_before(world: World, step: Step, then: Callable[[], object], **settings: object) -> None:
    """Run a worker that sleeps once before `step` of its second batch while `then` happens."""
    # Two polls bring no records: the partition is gained, then recovered.
    turn = 4 if step is Step.POLL else 2
    seen = 0

    def observe(now: Step) -> None:
        nonlocal seen
        seen += now is step
        if seen == turn and now is step:
            seen += 1
            then()

    world.worker(observe=observe, max_records=BATCH, **settings).run_to_end()  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [one for one in Step if one not in (Step.STORE, Step.ADOPT)])
def test_a_zombie_is_fenced_before_its_commit(step: Step) -> None:
    world = World().journal(eventful())
    with pytest.raises(Fenced):
        paused_before(world, step, lambda: world.worker(max_records=3).run_to_end())
    world.check()


def test_a_zombie_after_its_commit_cannot_set_the_store_back() -> None:
    world = World().journal(eventful())
    paused_before(world, Step.STORE, lambda: world.worker(max_records=3).run_to_end())
    world.check()


# -- recovery refuses what it must not repair -----------------------------------------------------


def test_a_store_ahead_of_the_log_stops_the_worker() -> None:
    world, other = World().journal(eventful()), World().journal(eventful())
    other.worker(max_records=1).run_to_end()
    world.worker(max_records=BATCH).run_to_end()
    world.store = other.store
    with pytest.raises(ForeignStore, match="belongs to another log"):
        world.worker().run_to_end()


def test_a_store_of_another_generation_stops_the_worker() -> None:
    world = World().journal(eventful())
    world.worker().run_to_end()
    world.store._generation = "rfm.journal.g2"
    with pytest.raises(ForeignStore, match="redis rebuild"):
        world.worker().run_to_end()


@pytest.mark.parametrize("position", [0, 3, 99])
def test_a_committed_position_that_differs_stops_the_worker(position: int) -> None:
    world = World().journal(eventful())
    world.worker().run_to_end()
    world.broker.committed[0] = position
    with pytest.raises(BrokenInvariant, match="Positions were reset"):
        world.worker().run_to_end()


# -- negative controls: broken on purpose, and the checks above must notice -----------------------


class Unguarded(MemoryStateStore):
    """Takes every write."""

    def apply(self, write: StoreWrite) -> Outcome:
        shelf = self._shelves.get(write.partition)
        if shelf is not None:
            shelf.position = shelf.position._replace(offset=write.base)
        return super().apply(write)


class Unfenced(MemoryLog):
    """Publishes without asking who owns the partitions."""

    def _check(self) -> None:
        self._epoch = self._broker.epoch

    def send_positions(self, positions: dict[int, int], membership: object) -> None:  # type: ignore[override]
        super().send_positions(positions, self._broker.epoch)


class StoresFirst(Cycle):
    """Writes the store before the commit, at the offset where the commit would land."""

    def _commit(self, batch: Batch) -> bool:
        for number, write in batch.writes.items():
            ahead = len(write.states) + (write.rules_record is not None)
            batch.receipts[number] = self._state_log.end(number) + ahead
        self._store_states(batch)
        self._observe(Step.STORE)
        return super()._commit(batch)


def test_control_without_the_guard_a_zombie_sets_the_store_back() -> None:
    world = World(store=Unguarded).journal(eventful())
    with pytest.raises(Fenced):
        paused_before(world, Step.STORE, lambda: world.worker(max_records=3).run_to_end())
    with pytest.raises(AssertionError):
        world.check()


def test_control_without_membership_a_zombie_says_things_twice() -> None:
    world = World().journal(eventful())
    with pytest.raises((AssertionError, BrokenInvariant)):  # noqa: PT012 - either may notice
        paused_before(
            world,
            Step.BEGIN,
            lambda: world.worker(max_records=3).run_to_end(),
            log=Unfenced,
        )
        world.check()


def test_control_a_store_written_before_the_commit_is_ahead_of_the_log() -> None:
    noticed = 0
    for at in range(count_steps()):
        world = World().journal(eventful())
        with contextlib.suppress(Killed):
            world.worker(observe=killer(at), max_records=BATCH, cycle=StoresFirst).run_to_end()
        try:
            world.worker(max_records=BATCH).run_to_end()
            world.check()
        except (AssertionError, BrokenInvariant):
            noticed += 1
    assert noticed, "a kill between store and commit must be noticed"
