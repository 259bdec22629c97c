"""Installations of their own and workers that may die: what every schedule is made of."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from streams.bootstrap import ensure_rules, ensure_topics
from streams.errors import Fenced, RfmError
from streams.settings import Settings, load_settings
from tests.soak.reading import Reading
from tests.soak.worker import Life, Point, exit_line, live

# Workers are forked from a server that has imported everything and holds no client: a start costs
# some 50 ms instead of a second and more.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.soak.worker"])

POLL_S = 0.05
START_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
# Actions stay open, and what is held waits, for longer than the hour that is waited for timers.
CAMPAIGNS = {
    "cart_reminder.yaml": """
name: cart_reminder
version: 1
priority: 10
channels: [email]
trigger: {event: cart.abandoned, causes: [event, clock]}
max_start_delay: 4h
steps:
  - {name: first, after: 2s, template: cart_reminder_first, valid_for: 2h}
  - {name: second, after: 3s, template: cart_reminder_second, valid_for: 2h}
""",
    "win_back_lost.yaml": """
name: win_back_lost
version: 1
priority: 31
channels: [email]
trigger: {enters: {scheme: rfm, segment: Lost Customers}, causes: [clock]}
quiet: 1s
re_entry: 1s
group: reactivation
group_gap: 0s
max_start_delay: 4h
steps:
  - {name: we_miss_you, after: 0s, template: win_back_lost, valid_for: 2h}
  - {name: survey, after: 1s, template: win_back_lost_survey, valid_for: 2h}
""",
    # Soon more than its guard lets through: it pauses, and what is left waits.
    "thanks.yaml": """
name: thanks
version: 1
priority: 50
channels: [email]
trigger: {event: order.placed}
caps: drop
exits: {events: []}
guard: {actions: 40, per: 1h, share: 100%}
control: 20%
steps:
  - {name: now, after: 0s, template: thanks, valid_for: 2h}
  - {name: again, after: 2s, every: 1d, rounds: 2, template: thanks, valid_for: 2h}
""",
}
POLICY = """
caps:
  - {actions: 2, per: 2s}
  - {actions: 30, per: 3h}
quiet_hours: none
holdout: 5%
seasons: [3, 4]
mutes: []
offers:
  classes: {}
  floor: 0%
"""
CART_ABANDONED_AFTER_S = 1.5
RECENCY_LIMITS_S = (1, 2, 3, 4)
SNAPSHOT_EVERY_S = 5


# What multiprocessing says where it does not know how a process ended.
_UNTOLD = 255
_OWN_CODES = (0, 1, 2, 3, 4, 70)


class WorkerStopped(AssertionError):
    """A worker stopped by itself because going on would have been wrong."""


def write_rules(folder: Path) -> Path:
    """Rules by which customers are lost and reminded within seconds."""
    (folder / "campaigns").mkdir(parents=True, exist_ok=True)
    for name, text in CAMPAIGNS.items():
        (folder / "campaigns" / name).write_text(text)
    (folder / "policy.yaml").write_text(POLICY)
    return folder


@dataclass(slots=True)
class Installation:
    """One namespace on a broker and a Redis, with its topics and rules."""

    overrides: dict[str, Any]
    folder: Path
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = load_settings(None, **self.overrides)
        ensure_topics(self.settings)
        ensure_rules(self.settings)


def install(
    namespace: str,
    kafka: str,
    redis_url: str,
    folder: Path,
    *,
    partitions: int = 2,
    **overrides: Any,
) -> Installation:
    """A fresh installation; small batches, so that a few hundred events take several cycles."""
    folder.mkdir(parents=True, exist_ok=True)
    day_s = timedelta(days=1).total_seconds()
    return Installation(
        {
            "namespace": namespace,
            "kafka_bootstrap_servers": kafka,
            "redis_url": redis_url,
            "partitions": partitions,
            "max_batch_records": 60,
            "rules_dir": str(write_rules(folder / "rules")),
            "cart_abandoned_after_minutes": CART_ABANDONED_AFTER_S / 60,
            "recency_limits_days": [f"{limit / day_s:.9f}" for limit in RECENCY_LIMITS_S],
            # The whole base is counted and limits move all the time.
            "schemes": "full",
            "population_minimum_customers": 1,
            "population_minimum_history_days": 0,
            "snapshot_every_hours": SNAPSHOT_EVERY_S / timedelta(hours=1).total_seconds(),
            **overrides,
        },
        folder,
    )


class Worker:
    """One life of a processor in a process of its own."""

    def __init__(self, installation: Installation, role: str, instance: str, **life: Any) -> None:
        self.role = role
        self.instance = instance
        self.log = installation.folder / f"{role}-{instance}.log"
        one = Life(role, instance, installation.overrides, **life)
        self._process = _CONTEXT.Process(target=live, args=(one, self.log), daemon=True)
        self._process.start()
        self.ends_expected = one.crash_at is not None

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid or 0

    @property
    def exit_code(self) -> int | None:
        """None while it lives; negative for a signal."""
        code = self._process.exitcode
        if code != _UNTOLD:
            return code
        # The fork server sometimes loses what it was told; the log has it, unless it was a signal.
        text = self.log.read_text() if self.log.exists() else ""
        told = (known for known in _OWN_CODES if exit_line(self.pid, known) in text)
        return next(told, -signal.SIGKILL)

    @property
    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    def check(self) -> None:
        """Raise where it stopped with a broken invariant, with its log."""
        code = self.exit_code
        if code is not None and code not in (
            0,
            -signal.SIGKILL,
            Fenced.exit_code,
            RfmError.exit_code,
        ):
            raise WorkerStopped(
                f"{self.role} {self.instance} stopped with code {code}; its log:\n{self.tail()}"
            )

    def tail(self, lines: int = 40) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text().splitlines()[-lines:]) if self.log.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        if self.exit_code is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.signal(signal.SIGKILL)
        self._process.join(STOP_TIMEOUT_S)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that takes too long: either is safe."""
        self.signal(signal.SIGTERM)
        self._process.join(STOP_TIMEOUT_S)
        self.kill()

    def wait_for_crash(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return once it has killed itself at its point."""
        self._process.join(timeout_s)
        assert self.exit_code == -signal.SIGKILL, (
            f"{self.role} {self.instance} never came to its point ({self.exit_code}):\n{self.tail()}"
        )

    def wait_for_pause(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return once it has stopped itself at its point."""
        wait_until(lambda: self.is_stopped or self.exit_code is not None, timeout_s, "a pause")
        assert self.is_stopped, f"it ended with {self.exit_code} instead:\n{self.tail()}"

    def wait_for_end(self, timeout_s: float = START_TIMEOUT_S) -> int:
        """Return its exit code once it has ended."""
        self._process.join(timeout_s)
        assert self.exit_code is not None, f"{self.instance} did not end:\n{self.tail()}"
        return self.exit_code


def wait_until(is_true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return once `is_true()`."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain for {what}"
        time.sleep(POLL_S)


def drain(
    installation: Installation,
    reading: Reading,
    workers: list[Worker],
    timeout_s: float = DRAIN_TIMEOUT_S,
    *,
    with_intake: bool = False,
) -> None:
    """Wait until everything is decided and no timer is near; a worker that ends starts again."""
    deadline = time.monotonic() + timeout_s
    quiet = 0
    while quiet < 2:
        for place, worker in enumerate(workers):
            worker.check()
            if worker.exit_code is not None:
                workers[place] = Worker(installation, worker.role, worker.instance)
        left = reading.what_is_left(with_intake=with_intake)
        quiet = 0 if left else quiet + 1
        if left and time.monotonic() > deadline:
            what = f"not done after {timeout_s:g} s: {left}\n{reading.describe_groups()}"
            raise AssertionError(_stuck(workers, what))
        time.sleep(0.15)


def _stuck(workers: list[Worker], what: str) -> str:
    """Say what everybody was doing: the end of each log, stacks included."""
    for worker in workers:
        worker.signal(signal.SIGUSR1)
    time.sleep(1.0)
    return "\n".join([what, *(f"--- {one.role} {one.instance}\n{one.tail()}" for one in workers)])


def settle(
    installation: Installation,
    reading: Reading,
    workers: list[Worker],
    timeout_s: float = DRAIN_TIMEOUT_S,
    *,
    with_intake: bool = False,
) -> None:
    """Drain and stop; where a last tick slipped in between, once more."""
    for _ in range(5):
        drain(installation, reading, workers, timeout_s, with_intake=with_intake)
        for worker in workers:
            worker.stop()
            worker.check()
        if reading.what_is_left(with_intake=with_intake) is None:
            return
    raise AssertionError(f"it does not settle: {reading.what_is_left()}")


__all__ = ["Installation", "Point", "Worker", "WorkerStopped", "drain", "install", "settle"]
