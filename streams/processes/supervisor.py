"""Keeps the workers of one `run` going: starts them, restarts those that die, ends them together.

A worker that ends by itself with 0, 1, 4 or by a signal is started again under its name, after
0.5 s to 30 s. One that ends with 2 (settings) or 3 (a broken invariant) needs a person: the others
are ended in order, and the run ends with the same code.
"""

import pickle
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace

import structlog

from streams.errors import BrokenInvariant, Fenced, UsageError
from streams.processes.stop import Stop
from streams.processes.worker import ROLES, Role, Worker
from streams.settings import Settings

FIRST_BACKOFF_S = 0.5
LAST_BACKOFF_S = 30.0
# A worker that lived this long was well: its next restart waits the least again.
WELL_AFTER_S = 60.0
LOOK_EVERY_S = 0.1
# Beyond the workers' own deadline.
GRACE_S = 3.0
_FINAL = (UsageError.exit_code, BrokenInvariant.exit_code)


def plan_workers(
    settings: Settings,
    roles: list[Role],
    decide_workers: int,
    intake_workers: int,
    deliver_workers: int = 1,
) -> list[Worker]:
    """The workers of a run, intake first; raises `UsageError` where numbers do not fit."""
    if settings.clock == "event" and "intake" in roles and intake_workers > 1:
        raise UsageError(
            "--intake-workers: under RFM_CLOCK=event one intake worker reads everything"
        )
    counts = {"intake": intake_workers, "decide": decide_workers, "deliver": deliver_workers}
    planned = [(role, number) for role in ROLES if role in roles for number in range(counts[role])]
    return [
        Worker(role=role, number=number, place=place)
        for place, (role, number) in enumerate(planned)
    ]


@dataclass(slots=True)
class _Child:
    worker: Worker
    process: "subprocess.Popen[bytes] | None" = None
    started_s: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S
    start_at_s: float = 0.0
    restarts: dict[str, int] = field(default_factory=dict)


class Supervisor:
    """The workers of one run as child processes."""

    def __init__(self, settings: Settings, workers: list[Worker]) -> None:
        self._settings = settings
        self._children = [_Child(worker) for worker in workers]
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
        self._starting = threading.Lock()
        self._killed = False

    def run(self, stop: Stop) -> int:
        """Keep the workers going until told to stop, or one needs a person; the exit code."""
        stop.on_insist = self.kill
        stop.begin()
        code = 0
        while not stop.requested and code not in _FINAL:
            for child in self._children:
                code = self._look_after(child) or code
            stop.wait(LOOK_EVERY_S)
        self._end()
        return 0 if stop.requested and code not in _FINAL else code

    def kill(self) -> None:
        """End every worker at once."""
        with self._starting:
            self._killed = True
            for child in self._children:
                if child.process is not None:
                    child.process.kill()

    def _look_after(self, child: _Child) -> int:
        """Start or restart a worker as due; returns an exit code that ends the run, or 0."""
        now_s = time.monotonic()
        if child.process is None:
            if now_s >= child.start_at_s:
                self._start(child)
            return 0
        code = child.process.poll()
        if code is None:
            return 0
        self._release(child)
        worker = {"worker": child.worker.role, "name": child.worker.instance(self._settings)}
        if code in _FINAL:
            self._log.error("a worker needs a person; the run ends", exit_code=code, **worker)
            return code
        if now_s - child.started_s >= WELL_AFTER_S:
            child.backoff_s = FIRST_BACKOFF_S
        reason = _reason(code)
        child.restarts[reason] = child.restarts.get(reason, 0) + 1
        child.start_at_s = now_s + child.backoff_s
        self._log.warning(
            "a worker ended by itself and is started again",
            reason=reason,
            exit_code=code,
            wait_s=child.backoff_s,
            **worker,
        )
        child.backoff_s = min(2 * child.backoff_s, LAST_BACKOFF_S)
        return 0

    def _start(self, child: _Child) -> None:
        task = pickle.dumps((self._settings, replace(child.worker, restarts=dict(child.restarts))))
        with self._starting:
            if self._killed:
                return
            # A new program, never a fork of this one: clients may exist here. A process group of
            # its own, so that Ctrl-C reaches the supervisor alone, which ends the workers once.
            child.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "streams.processes.child"],
                stdin=subprocess.PIPE,
                process_group=0,
            )
        child.started_s = time.monotonic()
        if child.process.stdin is None:
            raise AssertionError("Popen was asked for a pipe")
        try:
            child.process.stdin.write(task)
            child.process.stdin.flush()
        except BrokenPipeError:
            return  # it died at once: its exit code is seen next

    def _end(self) -> None:
        """End the workers in order; those that miss their own deadline are killed."""
        for child in self._children:
            if child.process is not None:
                child.process.terminate()
        deadline_s = time.monotonic() + self._settings.shutdown_timeout_s + GRACE_S
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._log.warning("a worker missed its deadline and is killed")
                child.process.kill()
                child.process.wait()
            self._release(child)

    def _release(self, child: _Child) -> None:
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None


def _reason(code: int) -> str:
    if code == Fenced.exit_code:
        return "fenced"
    if code < 0:
        return "killed"
    return "failed" if code else "ended"
