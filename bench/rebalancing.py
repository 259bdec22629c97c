"""What live events notice when workers join, leave and die: latency by phase at a steady rate.

Deciders are processes of their own, three at first. A phase runs from its cause until events are as
quick again as before, within a bound; its latency is that of the orders of that phase, those that
waited for their partition's new owner included.
"""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread

from bench.latency import WARM_UP_S, ChangeWatcher
from bench.load import Load, publish_steady
from streams.adapters.kafka.members import GroupMembers
from streams.bootstrap import names_of
from streams.settings import Settings

DECIDERS = 3
PARTITIONS = 12
# Longer than the session of a member that dies, 10 s, and than what its successors then catch up.
PHASE_S = 20.0
_STOP_S = 30
_START_S = 120.0
_MARGIN_MS = 1_000.0

Start = Callable[[str, str], "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class Phase:
    """Milliseconds of the orders from one change to the next, and how many there were."""

    name: str
    p50_ms: float
    p99_ms: float
    worst_ms: float
    changes: int


@dataclass(slots=True)
class _Deciders:
    """Processes by name; `start(role, name)` begins one."""

    start: Start
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def join(self, name: str) -> None:
        """Start one more, or one again."""
        self.running[name] = self.start("decide", name)

    def leave(self, name: str) -> None:
        """Stop one in good order."""
        process = self.running.pop(name)
        process.terminate()
        process.wait(_STOP_S)

    def die(self, name: str) -> None:
        """Kill one for good."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(_STOP_S)

    def end(self) -> None:
        """Stop all."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(_STOP_S)


def measure_rebalancing(
    settings: Settings, rate: float, start: Start, say: Callable[[str], None]
) -> list[Phase]:
    """Latency while nothing happens, while one joins, leaves, dies and comes back, in this order."""
    deciders = _Deciders(start)
    changes: list[tuple[str, Callable[[], None]]] = [
        ("nothing happens", lambda: None),
        ("a fourth worker joins", lambda: deciders.join("d")),
        ("a worker leaves in good order", lambda: deciders.leave("d")),
        ("a worker is restarted under its name", lambda: _restart(deciders, "a")),
        ("a worker is killed and stays away", lambda: deciders.die("b")),
        ("it comes back", lambda: deciders.join("b")),
    ]
    seconds = WARM_UP_S + PHASE_S * (len(changes) + 1)
    events = int(rate * seconds)
    load = Load(events=events, customers=events, seed=13)
    topic = names_of(settings).topic("shop.orders")
    stopping: list[bool] = []
    publisher = Thread(
        target=publish_steady,
        args=(settings.kafka_bootstrap_servers, topic, load, rate),
        kwargs={"until": lambda: bool(stopping)},
    )
    told = ChangeWatcher(settings)
    watcher = Thread(target=told.watch, args=(publisher,))
    for name in "abc"[:DECIDERS]:
        deciders.join(name)
    intake = start("intake", "i")
    try:
        # A backlog from their start would be no rebalance.
        _wait_for_members(settings)
        publisher.start()
        watcher.start()
        time.sleep(WARM_UP_S + PHASE_S)
        begun: list[float] = []
        for name, change in changes:
            say(name)
            begun.append(time.time_ns() / 1e6)
            until_s = time.monotonic() + PHASE_S
            change()
            time.sleep(max(0.0, until_s - time.monotonic()))
        begun.append(time.time_ns() / 1e6)
    finally:
        stopping.append(True)
        if publisher.ident is not None:
            publisher.join()
            watcher.join()
        deciders.end()
        intake.terminate()
        intake.wait(_STOP_S)
    return [
        _phase(
            name,
            # Who comes last in a phase waits for what the next one begins with.
            [late for at_ms, late in told.found if begun[n] <= at_ms < begun[n + 1] - _MARGIN_MS],
        )
        for n, (name, _) in enumerate(changes)
    ]


def _wait_for_members(settings: Settings) -> None:
    names, wanted = names_of(settings), {"decide": DECIDERS, "intake": 1}
    members = GroupMembers(settings.kafka_config(), {role: names.group(role) for role in wanted})
    deadline_s = time.monotonic() + _START_S
    while members.count() != wanted:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not everybody joined within {_START_S:g} s")
        time.sleep(1.0)


def _restart(deciders: _Deciders, name: str) -> None:
    deciders.leave(name)
    deciders.join(name)


def _phase(name: str, latencies: list[float]) -> Phase:
    late = sorted(latencies)
    if not late:
        return Phase(name, float("nan"), float("nan"), float("nan"), 0)
    return Phase(name, late[len(late) // 2], late[len(late) * 99 // 100], late[-1], len(late))
