"""One partition: the position to commit, cancellations, and giving back."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from streams.deliver import lane as lanes
from streams.deliver.lane import Lane
from streams.deliver.pending import Over, Pending
from tests.deliver.deliveries import CLOCK, action, run

SETTLED_S = lanes.SETTLED_AFTER_S + 0.2


class Doors:
    """What a lane hands its actions to: each stays until its door is opened."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self.over: list[str] = []
        self.failing: set[str] = set()
        self.in_effect: set[str] = set()
        self._open: dict[str, asyncio.Event] = {}

    async def __call__(self, pending: Pending) -> None:
        name = pending.action.action_id
        self.arrived.append(name)
        pending.in_effect = name in self.in_effect
        opened = self._open.setdefault(name, asyncio.Event())
        try:
            while not opened.is_set():
                if pending.in_effect:
                    await opened.wait()
                else:
                    await pending.wait(0.01)
        except Over as over:
            self.over.append(f"{name} {over.detail}")
        if name in self.failing:
            raise RuntimeError(name)

    def open(self, *names: str) -> None:
        for name in names:
            self._open.setdefault(name, asyncio.Event()).set()


def with_lane(use: Callable[[Lane, Doors], Coroutine[Any, Any, None]]) -> None:
    async def used() -> None:
        doors = Doors()
        lane = Lane(doors, CLOCK)
        try:
            await use(lane, doors)
        finally:
            await lane.stop(1.0)

    run(used())


def named(name: str) -> Any:
    return action(action_id=name)


def test_the_position_is_that_of_the_oldest_that_is_not_done() -> None:
    async def use(lane: Lane, doors: Doors) -> None:
        lane.skip(3)
        assert lane.position == 4
        # A gap, as the marker of a transaction leaves it.
        for offset in (4, 6, 7, 9):
            lane.deliver(offset, named(str(offset)))
        lane.skip(10)
        assert lane.position == 4
        doors.open("6", "7", "9")
        await asyncio.sleep(SETTLED_S)
        assert (lane.position, len(lane)) == (4, 1)
        doors.open("4")
        await asyncio.sleep(0.05)
        assert (lane.position, len(lane)) == (11, 0)

    with_lane(use)


def test_nothing_goes_out_before_what_is_there_was_read() -> None:
    async def use(lane: Lane, doors: Doors) -> None:
        for offset in range(5):
            lane.deliver(offset, named(f"a{offset}"))
            await asyncio.sleep(lanes.SETTLED_AFTER_S / 5)
        assert doors.arrived == []
        lane.cancel(5, "a2")
        await asyncio.sleep(SETTLED_S)
        assert doors.over == ["a2 cancelled"]
        assert lane.position == 0

    with_lane(use)


def test_a_full_lane_says_so_and_goes_on_without_waiting_for_more() -> None:
    async def use(lane: Lane, doors: Doors) -> None:
        for offset in range(lanes.WINDOW):
            lane.deliver(offset, named(str(offset)))
        assert lane.is_full
        assert not lane.has_room
        doors.open(*map(str, range(lanes.WINDOW)))
        await asyncio.sleep(SETTLED_S)
        assert (lane.has_room, lane.position) == (True, lanes.WINDOW)

    with_lane(use)


def test_a_cancellation_of_what_is_not_here_is_a_record_like_any_other() -> None:
    async def use(lane: Lane, doors: Doors) -> None:
        assert not lane.cancel(7, "unknown")
        assert lane.position == 8

    with_lane(use)


def test_a_record_that_comes_twice_is_one_action() -> None:
    async def use(lane: Lane, doors: Doors) -> None:
        lane.deliver(0, named("a"))
        lane.deliver(1, named("b"))
        # Read again from the committed position.
        lane.deliver(0, named("a"))
        lane.deliver(1, named("b"))
        await asyncio.sleep(SETTLED_S)
        assert sorted(doors.arrived) == ["a", "b"]

    with_lane(use)


def test_a_stop_gives_back_what_waits_and_finishes_what_is_at_a_receiver() -> None:
    async def use(lane: Lane, doors: Doors) -> None:
        doors.in_effect.add("b")
        for offset, name in enumerate("abc"):
            lane.deliver(offset, named(name))
        await asyncio.sleep(SETTLED_S)
        asyncio.get_running_loop().call_later(0.1, doors.open, "b")
        await lane.stop(5.0)
        # a and c stay for the next owner, b is done.
        assert (lane.position, len(lane)) == (0, 2)
        # What comes now is not ours any more.
        lane.deliver(3, named("d"))
        lane.skip(4)
        assert (lane.position, len(lane)) == (0, 2)

    with_lane(use)


def test_what_fails_is_not_done_and_is_told() -> None:
    async def use(lane: Lane, doors: Doors) -> None:
        doors.failing.add("a")
        doors.open("a", "b")
        lane.deliver(0, named("a"))
        lane.deliver(1, named("b"))
        await asyncio.sleep(SETTLED_S)
        assert str(lane.failure) == "a"
        assert lane.position == 0

    with_lane(use)
