"""One partition of the actions: what was read of it, what is on its way, how far it is done.

Records are read ahead of what is sent, so that a cancellation reaches an action that still waits.
One delivery at a time goes out by each transport. The position to commit is that of the oldest
action that is not done: Faust's own acknowledgements can pass one over (docs/decisions/0017).
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

from streams.deliver.action import Action
from streams.deliver.pending import Pending
from streams.ports import Clock

# Some 4 MB of actions, and what is read again after a crash. A cancellation farther behind its
# action than this is seen only when the ones between are done.
WINDOW: Final = 2_000
# At the start nothing is sent until the records that are there have been read, or those that were
# cancelled during an outage would go out. They come without a pause; under a steady load there is
# none, so there is an end to waiting for one.
SETTLED_AFTER_S: Final = 0.5
SETTLE_AT_MOST_S: Final = 5.0

Deliver = Callable[[Pending], Awaitable[None]]


class Lane:
    """One partition, from its assignment to its end."""

    def __init__(self, deliver: Deliver, clock: Clock) -> None:
        self._deliver = deliver
        self._clock = clock
        self._open: dict[int, asyncio.Task[None]] = {}
        self._pending: dict[int, Pending] = {}
        self._by_action: dict[str, Pending] = {}
        self._slots: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._next_offset: int | None = None
        self._last_taken_s = self._began_s = clock.monotonic_s()
        self._is_settled = asyncio.Event()
        self._settling = asyncio.create_task(self._settle())
        self._stopped = False
        # What ended a delivery that should not: the processor stops for it.
        self.failure: BaseException | None = None

    def __len__(self) -> int:
        """Actions on their way."""
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """Whether no more should be read."""
        return len(self._open) >= WINDOW

    @property
    def has_room(self) -> bool:
        """Whether reading may go on after it was full."""
        return len(self._open) <= WINDOW // 2

    @property
    def position(self) -> int | None:
        """The next offset to read in another life; None before the first record."""
        return min(self._open) if self._open else self._next_offset

    def deliver(self, offset: int, action: Action) -> None:
        """Take an action that was read at `offset`."""
        if self._stopped:
            return
        self._took(offset)
        if offset in self._open:
            return
        pending = Pending(action, self._slots, self._clock)
        self._pending[offset] = self._by_action[action.action_id] = pending
        task = asyncio.create_task(self._run(pending))
        self._open[offset] = task
        task.add_done_callback(lambda _: self._done(offset, pending))

    def cancel(self, offset: int, action_id: str) -> bool:
        """Leave an action undone if it still waits; False where it does not."""
        self.skip(offset)
        pending = self._by_action.get(action_id)
        if pending is None:
            return False
        pending.cancel()
        return True

    def skip(self, offset: int) -> None:
        """Take a record that asks for nothing."""
        if not self._stopped:
            self._took(offset)

    async def stop(self, grace_s: float) -> None:
        """Give back what waits, finish what is at a receiver, within `grace_s`."""
        self._stopped = True
        self._settling.cancel()
        for offset, task in self._open.items():
            pending = self._pending[offset]
            pending.give_back()
            if not pending.in_effect:
                task.cancel()
        left = list(self._open.values())
        if left:
            _, unfinished = await asyncio.wait(left, timeout=grace_s)
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished, timeout=1.0)

    def _took(self, offset: int) -> None:
        self._next_offset = offset + 1
        self._last_taken_s = self._clock.monotonic_s()

    async def _run(self, pending: Pending) -> None:
        await self._is_settled.wait()
        await self._deliver(pending)

    def _done(self, offset: int, pending: Pending) -> None:
        task = self._open[offset]
        if task.cancelled() or task.exception() is not None:
            # Not done: its offset stays the lane's position.
            if not task.cancelled():
                self.failure = self.failure or task.exception()
            return
        del self._open[offset], self._pending[offset]
        if self._by_action.get(pending.action.action_id) is pending:
            del self._by_action[pending.action.action_id]

    async def _settle(self) -> None:
        while not self.is_full:
            now_s = self._clock.monotonic_s()
            quiet_s = now_s - self._last_taken_s
            if quiet_s >= SETTLED_AFTER_S or now_s - self._began_s >= SETTLE_AT_MOST_S:
                break
            await asyncio.sleep(SETTLED_AFTER_S - quiet_s)
        self._is_settled.set()
