"""One life of a processor, which may kill or pause itself at a named step.

    python -m tests.soak.worker decide --settings JSON --instance NAME
        [--pause-at STEP:N] [--crash-at STEP:N] [--variant NAME] [--session-timeout-ms N]

STEP is a step of the role's cycle. The signal comes right before STEP in the N-th cycle that does
work, which is right after the step before it; `poll:N` is the poll behind the N-th such cycle, so
right after its last step. `recover:N` is right before the N-th write of a recovery to Redis.

Exit codes are those of streams/errors.py; 0 after SIGTERM.
"""

import argparse
import ctypes
import faulthandler
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer

from schemas.dead_letters import Reason
from streams.adapters.kafka import config as kafka_config
from streams.bootstrap import Decider
from streams.errors import RfmError
from streams.intake.build import Intake, build_intake
from streams.intake.cycle import ORDER as INTAKE_ORDER
from streams.intake.ports import Source
from streams.ports import Outcome
from streams.runtime.measures import NO_POSITIONS, NoMeasures
from streams.runtime.steps import ORDER as DECIDE_ORDER
from streams.runtime.steps import Batch
from streams.settings import Settings, load_settings
from tests.soak import variants

RECOVER = "recover"
_PR_SET_PDEATHSIG = 1
# Longer than any call of a cycle may take, 15 s.
HANG_S = 20


class Point(NamedTuple):
    """A place in a processor's life: right before `step` in its `number`-th working cycle."""

    step: str
    number: int

    def __str__(self) -> str:
        return f"{self.step}:{self.number}"


def parse_point(text: str) -> Point:
    """Read a point as `commit:2`."""
    step, _, number = text.partition(":")
    return Point(step, int(number))


class Trap:
    """Sends this process a signal when a point is reached; an observer of the cycle."""

    def __init__(self, signals: dict[Point, signal.Signals], order: Sequence[StrEnum]) -> None:
        self._signals = signals
        # A cycle works when its poll brought something, so when its second step is reached.
        self._works = str(order[1])
        self._cycles = 0
        self._recoveries = 0
        self._resumed = False

    def __call__(self, step: StrEnum) -> None:
        """Take note of a step that is about to run."""
        if str(step) == self._works:
            self._cycles += 1
        self._check(Point(str(step), self._cycles))

    def recovering(self) -> None:
        """Take note that a recovery is about to write."""
        self._recoveries += 1
        self._check(Point(RECOVER, self._recoveries))

    def tell_resumed(self, what: str) -> None:
        """Say what came first after a pause."""
        if self._resumed:
            self._resumed = False
            say(f"resumed, then {what}")

    def _check(self, reached: Point) -> None:
        number = self._signals.pop(reached, None)
        if number is not None:
            say(f"{number.name} at {reached}")
            os.kill(os.getpid(), number)
            self._resumed = True


def say(line: str) -> None:
    """Write one line to the life's log."""
    sys.stderr.write(f"{time.time():.3f} {line}\n")
    sys.stderr.flush()


class LoggedMeasures(NoMeasures):
    """Writes what is out of the ordinary to the log, and the first commit after a pause."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    def committed(self, batch: Batch, seconds: float) -> None:
        """A transaction was committed."""
        self._trap.tell_resumed("committed")

    def aborted(self, reason: str, positions: Mapping[str, int] = NO_POSITIONS) -> None:
        """A batch was given up."""
        say(f"aborted: {reason}")
        self._trap.tell_resumed("aborted")

    def guarded(self, partition: int, offset: int, outcome: Outcome, seconds: float) -> None:
        """The store answered a write."""
        if outcome is not Outcome.APPLIED:
            say(f"guard: {outcome} after {seconds:.3f} s")

    def recovered(self, partition: int, offset: int) -> None:
        """A partition is ready."""
        say(f"partition {partition} is ready")


class LoggedIntakeMeasures:
    """The same for intake."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    def polled(self, records: int) -> None:
        """A batch is being worked on."""

    def committed(self, records: int, seconds: float, event_to_journal_s: float | None) -> None:
        """A batch is committed."""
        self._trap.tell_resumed("committed")

    def aborted(self, reason: str, positions: Mapping[str, int] = NO_POSITIONS) -> None:
        """Something failed that is tried again."""
        say(f"aborted: {reason}")
        self._trap.tell_resumed("aborted")

    def dead_letter(self, reason: Reason) -> None:
        """One committed dead letter."""
        say(f"dead letter: {reason}")

    def owned(self, unread: Mapping[Source, int], positions: Mapping[Source, int]) -> None:
        """The owned sources."""

    def fenced(self) -> None:
        """Another process took over."""
        say("fenced")


@dataclass(frozen=True, slots=True)
class Life:
    """What one life of a worker is to do; everything that crosses into its process."""

    role: str
    instance: str
    settings: dict[str, Any]
    crash_at: Point | None = None
    pause_at: Point | None = None
    variant: str | None = None
    session_timeout_ms: int | None = None


class Watchdog:
    """Ends this process when a cycle hangs, as the product's own does, only sooner.

    librdkafka 2.16 can wait for ever for a group coordinator that went away, whatever time-out its
    `send_offsets_to_transaction` was given (its issues 5456 and 5511). Looks are counted, not
    seconds, so that time asleep under SIGSTOP is no silence.
    """

    def __init__(self) -> None:
        self._beats = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def beat(self) -> None:
        """A cycle has ended."""
        self._beats += 1

    def _watch(self) -> None:
        silent, seen = 0, -1
        while silent < HANG_S:
            time.sleep(1.0)
            silent, seen = (silent + 1 if self._beats == seen else 0), self._beats
        say("hangs, and ends the hard way:")
        faulthandler.dump_traceback(all_threads=True)
        say(exit_line(os.getpid(), RfmError.exit_code))
        os._exit(RfmError.exit_code)


def run(life: Life) -> int:
    """Live; returns the exit code."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The harness asks so where nothing goes on any more.
    asked: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _frame: asked.append(number))
    faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)
    if life.session_timeout_ms is not None:
        kafka_config.SESSION_TIMEOUT_MS = life.session_timeout_ms
        kafka_config.TRANSACTION_TIMEOUT_MS = 2 * life.session_timeout_ms
    settings = load_settings(None, **{**life.settings, "instance": life.instance})
    say(f"{life.role} {life.instance} begins, process {os.getpid()}: {life.variant or 'as it is'}")
    try:
        run_once, close, describe = _build(life, settings)
        watchdog = Watchdog()
        while not stopping:
            run_once()
            watchdog.beat()
            if asked:
                asked.clear()
                say(describe())
        close()
    except RfmError as error:
        say(traceback.format_exc())
        return error.exit_code
    except BaseException:
        say(traceback.format_exc())
        return 70
    say("ended as asked")
    return 0


def _build(
    life: Life, settings: Settings
) -> tuple[Callable[[], int], Callable[[], None], Callable[[], str]]:
    ends = ((life.crash_at, signal.SIGKILL), (life.pause_at, signal.SIGSTOP))
    signals = {point: number for point, number in ends if point is not None}
    if life.role == "intake":
        trap = Trap(signals, INTAKE_ORDER)
        intake = build_intake(settings, life.instance, LoggedIntakeMeasures(trap), trap)
        return intake.cycle.run_once, intake.close, lambda: _describe_intake(intake)
    trap = Trap(signals, DECIDE_ORDER)
    decider = variants.build(
        life.variant, settings, life.instance, LoggedMeasures(trap), trap, trap.recovering
    )
    return decider.cycle.run_once, decider.close, lambda: _describe_decider(decider)


def _describe_decider(decider: Decider) -> str:
    """Which partitions it holds and where it stands in each, by itself and by its client."""
    member = decider.log._member
    held = ", ".join(
        f"{number} {one.phase.name} at {one.journal_offset}, next {member._next.get(number)}"
        for number, one in sorted(decider.cycle.partitions.items())
    )
    return f"holds {held or 'nothing'}; {_describe_client(member._consumer)}"


def _describe_intake(intake: Intake) -> str:
    cycle = intake.cycle
    member = intake.log._member
    return (
        f"holds {sorted(cycle.owned)}, unstarted {sorted(cycle._unstarted)}, "
        f"next {member._next}; {_describe_client(member._consumer)}"
    )


def _describe_client(consumer: Consumer) -> str:
    assigned = consumer.assignment()
    places = ", ".join(
        f"{one.topic} {one.partition} at {one.offset}" for one in consumer.position(assigned)
    )
    return f"the client is assigned {places or 'nothing'}"


def exit_line(pid: int, code: int) -> str:
    """How the log tells the end of a process that was not killed."""
    return f"process {pid} exits with {code}"


def live(life: Life, log: Path) -> None:
    """Live in a process of its own, which ends with its parent. Output goes to `log`."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    code = run(life)
    say(exit_line(os.getpid(), code))
    # Clients may hang on their way out; everything that matters is committed or is not.
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and live, in this process."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.worker")
    parser.add_argument("role", choices=["decide", "intake"])
    parser.add_argument("--settings", type=json.loads, required=True, help="overrides as JSON")
    parser.add_argument("--instance", default="a")
    parser.add_argument("--crash-at", type=parse_point, metavar="STEP:N")
    parser.add_argument("--pause-at", type=parse_point, metavar="STEP:N")
    parser.add_argument("--variant", choices=sorted(variants.VARIANTS))
    parser.add_argument("--session-timeout-ms", type=int)
    return run(Life(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    sys.exit(main())
