"""Ctrl-C, SIGTERM and a closed terminal: each ends the demo, and nothing stays behind."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A sleep goes on after a signal's handler; so it is cut into pieces.
_NAP_S: Final = 0.05


class Ending:
    """Whether the demo was told to end.

    While things start the first signal interrupts (as `KeyboardInterrupt`), whatever waits. Once
    `hold` was called it only sets `requested`, and further ones change nothing: what is left to do
    has bounds of its own.
    """

    def __init__(self) -> None:
        self.requested = False
        self._held = False

    def hold(self) -> None:
        """From now on end in order."""
        self._held = True

    def nap(self, seconds: float) -> None:
        """Sleep, shorter when told to end."""
        until_s = time.monotonic() + seconds
        while not self.requested and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _NAP_S))

    def signalled(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self.requested = True
        if not self._held:
            self._held = True
            raise KeyboardInterrupt


@contextmanager
def ending_by_signals() -> Iterator[Ending]:
    """Take over the signals of this process for a while. In the main thread only."""
    ending = Ending()
    before = {number: signal.signal(number, ending.signalled) for number in SIGNALS}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
