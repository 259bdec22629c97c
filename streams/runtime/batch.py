"""Decide one partition's share of a batch: pure, given the states it may need.

Timers and records interleave by journal time. Nothing of the partition changes here: the result is
adopted after the commit or dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams.core import machine
from streams.core.inputs import CustomerEvent, Input, RulesApplied, Tick
from streams.core.outputs import Forwarded, Message, NotForwarded, Output
from streams.core.rules import Rules, RulesError, compile_rules
from streams.core.state import CustomerState
from streams.errors import BrokenInvariant
from streams.runtime.timers import TimerHeap

# One record or tick may make a million timers due. A transaction takes as many as can be decided
# well within the transaction timeout of 15 s; the next one goes on behind them.
MAX_TIMERS = 5_000

NameType = Callable[[type], str]


@dataclass(slots=True)
class Counts:
    """What happened in a batch, for the metrics."""

    events: dict[tuple[str, str], int] = field(default_factory=dict)
    timers_fired: int = 0
    late_events: int = 0
    greatest_received_ms: int = 0


@dataclass(slots=True)
class Decided:
    """The outcome of one partition's batch: where it stands after it, and what it says.

    `next_offset` is the journal position; `working` holds every state that was looked at, `changed`
    the ids of those to be written, in order of change.
    """

    next_offset: int
    time_ms: int
    rules: Rules | None
    rules_record: RulesApplied | None
    working: dict[str, CustomerState]
    changed: dict[str, None] = field(default_factory=dict)
    outputs: list[Message] = field(default_factory=list)
    forwarded: list[CustomerEvent] = field(default_factory=list)
    refused: list[tuple[int, NotForwarded]] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    tick_read: bool = False
    complete: bool = True


class BatchDecider:
    """Applies the records of one partition in order. One use per batch."""

    def __init__(
        self,
        timers: TimerHeap,
        decided: Decided,
        name_type: NameType,
        max_timers: int = MAX_TIMERS,
    ) -> None:
        self._timers = timers
        self._decided = decided
        self._name_type = name_type
        self._timers_left = max_timers

    def decide(self, records: Sequence[tuple[int, Input]]) -> Decided:
        """Decide (offset, input) pairs; stops early, and says so, when timers exceed the bound."""
        decided = self._decided
        for offset, record in records:
            if not self._reach(record):
                # The committed position still points at this record: it is read again.
                decided.next_offset = offset
                decided.complete = False
                return decided
            decided.next_offset = offset + 1
            if isinstance(record, CustomerEvent):
                self._apply(record)
            elif isinstance(record, RulesApplied):
                self._take_rules(record)
            else:
                decided.tick_read = True
        return decided

    def _reach(self, record: Input) -> bool:
        """Bring the partition's time up to the record; False where timers are left over."""
        decided = self._decided
        now_ms = max(decided.time_ms, record.received_at_ms)
        continuous = isinstance(record, Tick) and record.continuous
        while (timer := self._timers.pop_due(now_ms)) is not None:
            due_ms, customer_id = timer
            state = decided.working.get(customer_id)
            if state is None or self._timers_left <= 0:
                self._timers.push(due_ms, customer_id)
                return False
            if state.next_due_ms == due_ms:
                self._fire(state, due_ms, due_ms if continuous else now_ms)
                # Should the next transaction begin in the middle, time has come this far.
                decided.time_ms = max(decided.time_ms, due_ms)
        if not self._timers.is_ready(now_ms):
            return False
        decided.time_ms = now_ms
        return True

    def _fire(self, state: CustomerState, due_ms: int, now_ms: int) -> None:
        step = machine.fire(state, due_ms, self._rules(), now_ms)
        if state.next_due_ms is not None and state.next_due_ms <= due_ms:
            raise BrokenInvariant(
                f"a timer due at {due_ms} was followed by one at {state.next_due_ms}: time must go on"
            )
        self._timers_left -= 1
        self._decided.counts.timers_fired += 1
        self._keep(state, step.outputs, due_ms)

    def _apply(self, event: CustomerEvent) -> None:
        decided = self._decided
        state = decided.working.get(event.customer_id)
        if state is None:
            state = decided.working[event.customer_id] = CustomerState(event.customer_id)
        event_type = self._name_type(type(event))
        due_before_ms = state.next_due_ms
        step = machine.apply(state, event, self._rules(), decided.time_ms, event_type)
        counts = decided.counts
        noted = (event_type, step.note)
        counts.events[noted] = counts.events.get(noted, 0) + 1
        counts.late_events += step.late
        counts.greatest_received_ms = max(counts.greatest_received_ms, event.received_at_ms)
        if step.note != machine.DUPLICATE:
            self._keep(state, step.outputs, due_before_ms)

    def _keep(self, state: CustomerState, outputs: list[Output], due_before_ms: int | None) -> None:
        decided = self._decided
        for output in outputs:
            if isinstance(output, Forwarded):
                decided.forwarded.append(output.event)
            elif isinstance(output, NotForwarded):
                decided.refused.append((decided.next_offset - 1, output))
            else:
                decided.outputs.append(output)
        decided.changed[state.customer_id] = None
        if state.next_due_ms is not None and state.next_due_ms != due_before_ms:
            self._timers.push(state.next_due_ms, state.customer_id)

    def _take_rules(self, record: RulesApplied) -> None:
        decided = self._decided
        if decided.rules is not None and record.version <= decided.rules.version:
            return
        try:
            decided.rules = compile_rules(record.rules, record.version)
        except RulesError as error:
            raise BrokenInvariant(
                f"the journaled rules cannot be decided by ({error}); a newer release may have "
                "written them: run that release"
            ) from error
        decided.rules_record = record

    def _rules(self) -> Rules:
        if self._decided.rules is None:
            raise BrokenInvariant(
                "the journal has events before any rules: this journal was not begun by "
                "`rfm-streams run`; journal the rules with `rfm-streams rules apply` first"
            )
        return self._decided.rules
