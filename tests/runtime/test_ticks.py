"""Ticks: appended by the owner when a timer is due, one unread at a time, none when idle."""

from tests.core.story import DAY, T0
from tests.runtime.journals import first_rules, order
from tests.runtime.world import Worker, World


def turn(worker: Worker, seconds: float, *, every_s: float) -> None:
    """Let a worker cycle while the clock moves on."""
    for _ in range(int(seconds / every_s)):
        worker.cycle.run_once()
        worker.world.clock.sleep(every_s)


def test_the_clock_alone_moves_a_customer() -> None:
    world = World().journal([first_rules(), order(1, "C-1", T0)])
    world.clock.move_to(T0)
    worker = world.worker(ticks=True)
    turn(worker, 60, every_s=1)
    written = world.broker.journal[0].end
    assert written == 2, "nothing is due: no ticks"
    assert not [key for key in world.broker.outputs if key == "marketing.actions"]
    world.clock.move_to(T0 + 90 * DAY)
    turn(worker, 30, every_s=0.5)
    assert world.broker.journal[0].end == written + 1, "one tick for one due timer"
    assert len(world.broker.outputs["segment-changes"]) == 2
    assert len(world.broker.outputs["marketing.actions"]) == 1
    world.check()


def test_several_timers_due_take_few_ticks() -> None:
    world = World().journal([first_rules(), *(order(n, f"C-{n}", T0 + n) for n in range(1, 40))])
    world.clock.move_to(T0)
    worker = world.worker(ticks=True, max_timers=3)
    turn(worker, 20, every_s=1)
    world.clock.move_to(T0 + 100 * DAY)
    turn(worker, 60, every_s=0.5)
    assert world.broker.journal[0].end - 40 == 1
    assert worker.tally.most_timers == 3
    world.check()
