"""Crashes and pauses at named places, each in an installation of its own, several side by side."""

import signal
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.soak.harness import POLL_S, Installation, Worker, install, settle, wait_until
from tests.soak.journal import append, draw_events
from tests.soak.public import publish_events
from tests.soak.reading import Reading
from tests.soak.worker import Point

# Each waits for timers and servers most of its time.
SIDE_BY_SIDE = 8
EVENTS = 300
CUSTOMERS = 8
# The embedded broker takes sessions of one second and more.
SHORT_SESSION_MS = 2_500
# Under its own name a double takes over at once; the sleeper must not lose its session meanwhile, or
# it would join again as somebody new. Its next heartbeat, at most 9 s away, tells it.
LONG_SESSION_MS = 30_000
# More than the 5 s after which an idle owner looks at Redis.
WAKING_S = 7.0


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the broker and the Redis of the run answer, and a folder for logs."""

    kafka: str
    redis_url: str
    folder: Path

    def install(self, name: str, partitions: int = 2) -> Installation:
        """A fresh installation."""
        namespace = f"s{uuid.uuid4().hex[:10]}"
        folder = self.folder / name.replace(":", "-").replace(" ", "_")
        return install(namespace, self.kafka, self.redis_url, folder, partitions=partitions)


@dataclass(frozen=True, slots=True)
class Crashes:
    """The lives of one instance: each ends at its point, the last one is left alone."""

    role: str
    points: tuple[Point, ...]

    def __str__(self) -> str:
        return f"{self.role} dies at " + " then ".join(map(str, self.points))

    def run(self, servers: Servers, seed: int) -> list[str]:
        """Differences from the oracle."""
        installation = servers.install(str(self))
        workers = _helpers(installation, self.role)
        try:
            dying = Worker(installation, self.role, "a", crash_at=self.points[0])
            workers.append(dying)
            published = _feed(installation, self.role, dying, seed)
            dying.wait_for_crash()
            for point in self.points[1:]:
                workers[-1] = Worker(installation, self.role, "a", crash_at=point)
                workers[-1].wait_for_crash()
            workers[-1] = Worker(installation, self.role, "a")
            with Reading(installation.settings) as reading:
                settle(installation, reading, workers, with_intake=self.role == "intake")
                return reading.complaints(published) + quiet(reading)
        finally:
            for worker in workers:
                worker.kill()


@dataclass(frozen=True, slots=True)
class Pause:
    """One is paused, another takes over and finishes the work, and the first goes on as a zombie.

    The other has the same name and so takes over at once, or another name and waits for the session
    to time out; `variant` is what the first one is. `dies_at`: a point soon after it woke.
    """

    role: str
    point: Point
    same_name: bool
    variant: str | None = None
    dies_at: Point | None = None

    def __str__(self) -> str:
        who = "its double" if self.same_name else "another"
        return f"{self.role} {self.variant or ''} sleeps at {self.point} while {who} goes on"

    def run(self, servers: Servers, seed: int) -> list[str]:
        """Differences from the oracle, and what stopped a worker."""
        installation = servers.install(str(self))
        session = {"session_timeout_ms": LONG_SESSION_MS if self.same_name else SHORT_SESSION_MS}
        workers = _helpers(installation, self.role)
        first = Worker(
            installation,
            self.role,
            "a",
            pause_at=self.point,
            crash_at=self.dies_at,
            variant=self.variant,
            **session,
        )
        try:
            published = _feed(installation, self.role, first, seed)
            first.wait_for_pause()
            other = "a" if self.same_name else "b"
            workers.append(Worker(installation, self.role, other, **session))
            with Reading(installation.settings) as reading:
                settle(installation, reading, workers, with_intake=self.role == "intake")
                first.signal(signal.SIGCONT)
                self._wait_for_sign(first)
                first.stop()
                first.check()
                if self.variant is None and reading.undecided() is not None:
                    # The one that woke may have become an owner in good order and have been stopped
                    # in the middle of work: the base is counted every few seconds. A Redis that it
                    # spoilt alone is no such reason: that is to be found, not mended.
                    settle(installation, reading, workers, with_intake=self.role == "intake")
                return reading.complaints(published) + quiet(reading)
        finally:
            for worker in (first, *workers):
                worker.kill()

    def _wait_for_sign(self, worker: Worker) -> None:
        """Wait until the zombie has done what it can: committed, failed, or ended."""
        if self.same_name:
            worker.wait_for_end()
        else:
            # Where it slept with nothing begun, waking up leaves no sign.
            deadline = time.monotonic() + WAKING_S
            while time.monotonic() < deadline and worker.exit_code is None:
                if "resumed, then" in worker.tail():
                    return
                time.sleep(POLL_S)


def demand_none(found: dict[str, list[str]]) -> None:
    """Fail with every schedule that went wrong, in full."""
    if found:
        pytest.fail("\n\n".join(f"{name}:\n" + "\n".join(lines) for name, lines in found.items()))


def _helpers(installation: Installation, role: str) -> list[Worker]:
    """What must run beside the role under test: the journal is decided in any case."""
    return [Worker(installation, "decide", "d")] if role == "intake" else []


def _feed(installation: Installation, role: str, worker: Worker, seed: int) -> Counter[str] | None:
    """Give a worker that has begun its work; returns ids and counts of what intake must take in."""
    if role == "intake":
        return publish_events(installation.settings, seed, EVENTS)
    count = installation.settings.partitions
    wait_until(
        lambda: worker.tail().count("is ready") >= count, 60, f"{worker.instance} to be ready"
    )
    append(installation.settings, draw_events(seed, EVENTS, CUSTOMERS))
    return None


def quiet(reading: Reading) -> list[str]:
    """A run in which nothing was said would prove nothing."""
    counts = reading.count_said()
    return [f"of one kind nothing was said: {counts}"] if min(counts.values()) == 0 else []


def run_side_by_side(
    schedules: Sequence[Crashes | Pause], servers: Servers, seed: int
) -> dict[str, list[str]]:
    """Differences by schedule, for those that have any; what stopped a worker counts as one."""

    def judged(schedule: Crashes | Pause) -> list[str]:
        try:
            return schedule.run(servers, seed)
        except Exception as error:
            return [f"{type(error).__name__}: {error}"]

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = pool.map(judged, schedules)
        return {str(one): found for one, found in zip(schedules, results, strict=True) if found}
