"""Ending a process: the first signal asks, the second insists, and a deadline stands behind both.

A thread waits for the signals, not the main loop: that may sit in a client's call for seconds, in
which Python runs no signal handler. A hard exit is safe at any instant: what is not committed is
decided again, what is committed is read back.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import structlog

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_BY_SIGNAL = 128


class Stop:
    """Whether to stop, and the thread that sees to it. One per process, made in the main thread.

    Until `begin` is called nothing is at stake, and the first signal ends the process at once.
    `on_insist` runs before the process ends by a second signal or after the deadline.
    """

    def __init__(self, timeout_s: float, on_insist: Callable[[], None] = lambda: None) -> None:
        self.timeout_s = timeout_s
        self.on_insist = on_insist
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
        self._requested = threading.Event()
        self._begun = False
        self._deadline_s: float | None = None
        self._exit_code = 0
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        for number in SIGNALS:
            signal.signal(number, lambda _number, _frame: None)  # only wakes the thread
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="stop", daemon=True).start()

    @property
    def requested(self) -> bool:
        """Whether to stop after what is being done now."""
        return self._requested.is_set()

    def begin(self) -> None:
        """From now on a signal lets the work end in order."""
        self._begun = True

    def wait(self, seconds: float) -> bool:
        """Wait, shorter when asked to stop; returns whether to stop."""
        return self._requested.wait(seconds)

    def arm(self, exit_code: int) -> None:
        """The process ends with `exit_code` within the bound, whatever hangs."""
        self._exit_code = exit_code
        self._deadline_s = time.monotonic() + self.timeout_s
        self._wake()

    def disarm(self) -> None:
        """What might have hung did not."""
        self._deadline_s = None
        self._wake()

    def _wake(self) -> None:
        self._write.send(b"\0")

    def _watch(self) -> None:
        while True:
            deadline_s = self._deadline_s
            left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
            self._read.settimeout(left_s or (None if left_s is None else 0.001))
            try:
                received = self._read.recv(1)
            except TimeoutError:
                if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
                    self._log.warning("ending the hard way, which is safe", after_s=self.timeout_s)
                    self._insist(self._exit_code)
                continue
            number = received[0]
            if number in SIGNALS:
                self._signalled(number)

    def _signalled(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._requested.is_set():
            self._log.warning("ending at once", signal=name)
            self._insist(_BY_SIGNAL + number)
        self._log.info("stopping", signal=name)
        self._requested.set()
        if not self._begun:
            self._insist(0)
        self.arm(0)

    def _insist(self, exit_code: int) -> NoReturn:
        self.on_insist()
        os._exit(exit_code)


def exit_now(exit_code: int) -> NoReturn:
    """End this process without waiting for clients' threads; what was printed is written out."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
