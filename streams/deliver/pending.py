"""One action that is on its way, and what can end its way early."""

import asyncio
from collections.abc import Mapping

from streams.deliver.action import Action
from streams.ports import Clock


class Over(Exception):
    """It must not be started any more; `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Pending:
    """An action between being read and being done.

    `slots` are its partition's, one per transport: one delivery at a time goes out by each.
    `in_effect` is set while it may be at the receiver and while that is being reported, when nobody
    may stop it.
    """

    def __init__(self, action: Action, slots: Mapping[str, asyncio.Lock], clock: Clock) -> None:
        self.action = action
        self.slots = slots
        self.in_effect = False
        self.failures = 0
        # Whether an attempt, in this life or one before, may have arrived.
        self.was_attempted = False
        self._clock = clock
        self._is_cancelled = self._is_given_back = False
        self._woken = asyncio.Event()

    def cancel(self) -> None:
        """Leave it undone, if it is not at the receiver already."""
        self._is_cancelled = True
        self._woken.set()

    def give_back(self) -> None:
        """Start nothing more: another process goes on with it."""
        self._is_given_back = True
        self._woken.set()

    def check(self) -> None:
        """Raise `Over` where it must not be started now, and end the task where it is given back."""
        if self._is_given_back:
            raise asyncio.CancelledError
        if self._is_cancelled:
            raise Over(self._detail("cancelled"))
        if self._clock.now_ms() >= self.action.valid_until_ms:
            raise Over(self._detail("expired"))

    async def wait(self, seconds: float) -> None:
        """Wait, shorter where it ends meanwhile, and then raise `Over`."""
        left_s = (self.action.valid_until_ms - self._clock.now_ms()) / 1000
        try:
            async with asyncio.timeout(max(0.0, min(seconds, left_s))):
                await self._woken.wait()
        except TimeoutError:
            pass
        self.check()

    def _detail(self, why: str) -> str:
        return f"{why}: an attempt may have arrived" if self.was_attempted else why
