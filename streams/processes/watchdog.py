"""Ends a process whose main loop hangs in a client's call that ignores its own timeout.

Seen with librdkafka after a broker was killed during a commit. A hard exit is safe at any instant,
and whoever supervises the process starts it again.
"""

import os
import threading

import structlog

from streams.errors import RfmError
from streams.health import Health

# Silent for `LIVE_WITHIN_S` is reported as not live; after as long again nobody else has helped.
SILENT_CHECKS = 6
CHECK_EVERY_S = 5.0


class Watchdog:
    """Watches one process from a thread of its own, from `start` on."""

    def __init__(self, health: Health, check_every_s: float = CHECK_EVERY_S) -> None:
        self._health = health
        self._check_every_s = check_every_s
        self._done = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Closing has a deadline of its own."""
        self._done.set()

    def _watch(self) -> None:
        silent = 0
        while not self._done.wait(self._check_every_s):
            reasons = self._health.live()
            silent = silent + 1 if reasons else 0
            if silent >= SILENT_CHECKS:
                log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
                log.error("ending the hard way, which is safe", cause="; ".join(reasons))
                os._exit(RfmError.exit_code)
