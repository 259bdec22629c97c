"""Random faults on a running installation, drawn from one seed."""

import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import redis

from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
from tests.soak.harness import Installation, Worker

KILL, PAUSE, ZOMBIE = "kill", "pause", "zombie"
REDIS_KILL, REDIS_FLUSH, REDIS_RESTORE = "redis killed", "redis flushed", "redis set back"
BROKER_RESTART, BROKER_KILL = "broker restarted", "broker killed"
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what, over how long. `zombie_s` must exceed the session timeout."""

    duration_s: float
    faults: dict[str, int]
    session_timeout_ms: int | None
    zombie_s: float

    def draw(self, rng: Random) -> list[tuple[float, str]]:
        """Instants (seconds from the start) and faults, in order."""
        kinds = [kind for kind, count in self.faults.items() for _ in range(count)]
        rng.shuffle(kinds)
        instants = sorted(rng.uniform(0.1, 1.0) * self.duration_s for _ in kinds)
        return list(zip(instants, kinds, strict=True))


@dataclass(slots=True)
class Chaos:
    """Keeps the named workers running while it does them harm. Single-threaded."""

    installation: Installation
    kafka: EmbeddedKafka
    server: EmbeddedRedis
    plan: Plan
    rng: Random
    members: list[tuple[str, str]]
    workers: list[Worker] = field(default_factory=list)
    restarts: int = 0
    _asleep: list[tuple[float, Worker]] = field(default_factory=list)
    _snapshot: Path | None = None

    def run(self) -> None:
        """Start everybody, do the harm, wake everybody up. Raises `WorkerStopped` at once."""
        self.workers = [self._begin(role, name) for role, name in self.members]
        began_s = time.monotonic()
        for due_s, kind in self.plan.draw(self.rng):
            while time.monotonic() - began_s < due_s:
                self.look_after()
                time.sleep(_LOOK_S)
            what = self._do(kind)
            # Seen with `pytest -s`, as `make soak` has it.
            passed = f"{time.monotonic() - began_s:6.1f} of {self.plan.duration_s:.0f} s"
            print(f"{time.time():.3f}, {passed}: {what}")
            self.look_after()
        while self._asleep:
            self.look_after()
            time.sleep(_LOOK_S)

    def look_after(self) -> None:
        """Wake who has slept enough, start again who has ended."""
        now_s = time.monotonic()
        for due_s, worker in list(self._asleep):
            if due_s <= now_s:
                worker.signal(signal.SIGCONT)
                self._asleep.remove((due_s, worker))
        for place, worker in enumerate(self.workers):
            worker.check()
            if worker.exit_code is not None:
                self.restarts += 1
                self.workers[place] = self._begin(worker.role, worker.instance)

    def end(self) -> None:
        """Kill everybody."""
        for worker in self.workers:
            worker.kill()

    def _begin(self, role: str, name: str) -> Worker:
        return Worker(
            self.installation, role, name, session_timeout_ms=self.plan.session_timeout_ms
        )

    def _do(self, kind: str) -> str:
        if kind in (KILL, PAUSE, ZOMBIE):
            return self._harm_worker(kind)
        if kind == REDIS_KILL:
            self.server.kill()
            self.server.restart()
        elif kind == REDIS_FLUSH:
            with redis.Redis.from_url(self.server.url) as client:
                client.flushall()
        elif kind == REDIS_RESTORE:
            path = self.installation.folder / "older.rdb"
            if self._snapshot is None:
                self._snapshot = self.server.snapshot(path)
                time.sleep(2.0)
            self.server.restore(self._snapshot)
            # The next one goes back less far, this time's content included.
            self._snapshot = self.server.snapshot(path)
        else:
            if kind == BROKER_KILL:
                self.kafka.kill()
            self.kafka.restart()
        return kind

    def _harm_worker(self, kind: str) -> str:
        asleep = [worker for _, worker in self._asleep]
        # Whoever sleeps is left to sleep, or no zombie would ever outlive its session.
        worker = self.rng.choice([one for one in self.workers if one not in asleep] or asleep)
        who = f"{worker.role} {worker.instance}"
        if kind == KILL:
            worker.kill()
            return f"{kind} {who}"
        seconds = self.plan.zombie_s if kind == ZOMBIE else self.rng.uniform(0.1, 2.0)
        if worker.exit_code is None:
            worker.signal(signal.SIGSTOP)
            self._asleep.append((time.monotonic() + seconds, worker))
        return f"{kind} {who} for {seconds:.1f} s"
