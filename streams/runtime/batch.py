"""Decide one partition's share of a batch: pure, given the states it may need.

Timers and records interleave by journal time. Nothing of the partition changes here: the result is
adopted after the commit or dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from streams.codec.state import decode_state
from streams.core import machine
from streams.core.campaigns.guard import Guard
from streams.core.inputs import (
    CampaignPaused,
    CensusTaken,
    CustomerEvent,
    CustomerMoved,
    GenerationBegun,
    Input,
    ProductsTaken,
    RulesApplied,
    SegmentsRequested,
    SnapshotTaken,
    Sweep,
    Tick,
)
from streams.core.outputs import Forwarded, Message, NotTaken, Output, SegmentChanged
from streams.core.population.counted import Counted
from streams.core.population.snapshot import Snapshot
from streams.core.rules import Rules, RulesError, compile_rules
from streams.core.schemes.scheme import Scheme
from streams.core.state import CustomerState
from streams.errors import BrokenInvariant
from streams.runtime.partition import Partition
from streams.runtime.population import (
    Counting,
    boundary_of,
    gather,
    gather_products,
    tell_census,
)

# One record or tick may make a million timers due. A transaction takes as many as can be decided
# well within the transaction timeout of 15 s; the next one goes on behind them.
MAX_TIMERS = 5_000

NameType = Callable[[type], str]


@dataclass(slots=True)
class Counts:
    """What happened in a batch, for the metrics."""

    events: dict[tuple[str, str], int] = field(default_factory=dict)
    timers_fired: int = 0
    swept_customers: int = 0
    late_events: int = 0
    greatest_received_ms: int = 0


@dataclass(slots=True)
class Decided:
    """The outcome of one partition's batch: where it stands after it, and what it says.

    `next_offset` is the journal position; `working` holds every state that was looked at, `changed`
    the ids of those to be written, in order of change. `resegmented` are the customers whose present
    segments are to be told, with the schemes that ran at their latest change: so what is told does
    not depend on where a batch ends. `lives`: it went beyond what a generation begins with.
    """

    next_offset: int
    time_ms: int
    rules: Rules | None
    working: dict[str, CustomerState]
    swept: tuple[int, int]
    guard: Guard
    rules_record: RulesApplied | None = None
    snapshot_record: Snapshot | None = None
    counting: Counting = field(default_factory=Counting)
    changed: dict[str, None] = field(default_factory=dict)
    resegmented: dict[str, tuple[Scheme, ...]] = field(default_factory=dict)
    outputs: list[Message] = field(default_factory=list)
    forwarded: list[CustomerEvent] = field(default_factory=list)
    refused: list[tuple[int, NotTaken]] = field(default_factory=list)
    paused: list[CampaignPaused] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    tick_read: bool = False
    sweep_read: bool = False
    complete: bool = True
    lives: bool = False


class BatchDecider:
    """Applies the records of one partition in order. One use per batch."""

    def __init__(
        self,
        partition: Partition,
        working: dict[str, CustomerState],
        name_type: NameType,
        max_timers: int = MAX_TIMERS,
        partitions: int = 1,
    ) -> None:
        self._partition = partition
        self._timers = partition.timers
        self._partitions = partitions
        self._decided = Decided(
            partition.journal_offset,
            partition.time_ms,
            partition.rules,
            working,
            partition.swept,
            partition.guard.copy(),
        )
        self._decided.counting.latest = partition.population.latest
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
            else:
                self._take_own(record)
        # Whoever is moved stands before everything else.
        decided.lives = not isinstance(records[-1][1], GenerationBegun | CustomerMoved)
        return decided

    def _take_own(self, record: Input) -> None:
        """Take a record that decide journaled itself, or intake's tick."""
        decided = self._decided
        match record:
            case Tick():
                decided.tick_read = True
            case RulesApplied():
                self._take_rules(record)
            case SnapshotTaken():
                self._take_snapshot(record)
            case CensusTaken():
                gather(
                    self._partition.population,
                    decided.counting,
                    record,
                    self._partitions,
                    self._rules(),
                    decided.time_ms,
                )
            case ProductsTaken():
                gather_products(decided.counting, record)
            case Sweep():
                self._sweep(record)
            case SegmentsRequested():
                schemes = self._rules().schemes
                decided.resegmented.update(dict.fromkeys(record.customers, schemes))
            case CampaignPaused():
                decided.guard.pause(record.campaign, record.release)
            case GenerationBegun():
                self._begin_generation(record)
            case CustomerMoved():
                self._take_moved(record)
            case _:
                raise TypeError(f"no rule for {type(record).__name__}")

    def _reach(self, record: Input) -> bool:
        """Bring the partition's time up to the record; False where timers are left over."""
        decided = self._decided
        now_ms = max(decided.time_ms, record.received_at_ms)
        continuous = isinstance(record, Tick) and record.continuous
        boundary_ms = self._census_boundary(now_ms)
        if boundary_ms is not None:
            # Counted as of that instant, so after every timer due by it and before anything later.
            if not self._fire_due(boundary_ms, now_ms, continuous=continuous):
                return False
            tell_census(
                self._partition.population,
                decided.counting,
                self._partition.number,
                boundary_ms,
                now_ms,
            )
        if not self._fire_due(now_ms, now_ms, continuous=continuous):
            return False
        decided.time_ms = now_ms
        return True

    def _census_boundary(self, now_ms: int) -> int | None:
        """The boundary that is passed on the way to `now_ms`; of several the latest."""
        decided = self._decided
        rules = decided.rules
        if rules is None or not rules.uses_population:
            return None
        counting = decided.counting
        told_ms = (
            counting.told_ms if counting.told_ms is not None else self._partition.population.told_ms
        )
        if now_ms < told_ms + rules.snapshot_every_ms:
            return None
        return boundary_of(now_ms, rules.snapshot_every_ms) or None

    def _fire_due(self, until_ms: int, now_ms: int, *, continuous: bool) -> bool:
        """Fire every timer due by `until_ms`; False where some are left over."""
        decided = self._decided
        while (timer := self._timers.pop_due(until_ms)) is not None:
            due_ms, customer_id = timer
            state = decided.working.get(customer_id)
            if state is None or self._timers_left <= 0:
                self._timers.push(due_ms, customer_id)
                return False
            if state.next_due_ms == due_ms:
                # Should the next transaction begin in the middle, time has come this far.
                decided.time_ms = max(decided.time_ms, due_ms)
                self._fire(state, due_ms, due_ms if continuous else now_ms)
        return self._timers.is_ready(until_ms)

    def _fire(self, state: CustomerState, due_ms: int, now_ms: int) -> None:
        counted = state.counted
        step = machine.fire(state, due_ms, self._rules(), now_ms, self._decided.guard)
        if state.next_due_ms is not None and state.next_due_ms <= due_ms:
            raise BrokenInvariant(
                f"a timer due at {due_ms} was followed by one at {state.next_due_ms}: time must go on"
            )
        self._timers_left -= 1
        self._decided.counts.timers_fired += 1
        self._keep(state, step.outputs, due_ms, counted)

    def _apply(self, event: CustomerEvent) -> None:
        decided = self._decided
        state = decided.working.get(event.customer_id)
        if state is None:
            state = decided.working[event.customer_id] = CustomerState(event.customer_id)
            decided.guard.customers += 1
        event_type = self._name_type(type(event))
        due_before_ms, counted = state.next_due_ms, state.counted
        step = machine.apply(
            state, event, self._rules(), decided.time_ms, event_type, decided.guard
        )
        counts = decided.counts
        noted = (event_type, step.note)
        counts.events[noted] = counts.events.get(noted, 0) + 1
        counts.late_events += step.late
        counts.greatest_received_ms = max(counts.greatest_received_ms, event.received_at_ms)
        if step.note != machine.DUPLICATE:
            self._keep(state, step.outputs, due_before_ms, counted)

    def _sweep(self, record: Sweep) -> None:
        """Decide the named customers anew; who stands under the present limits already is passed."""
        decided = self._decided
        decided.sweep_read = True
        rules = self._rules()
        for customer_id in record.customers:
            state = decided.working.get(customer_id)
            if state is None:
                raise BrokenInvariant(
                    "the journal names a customer to be decided anew whom Redis does not hold; "
                    "somebody wrote to it by hand. Run `rfm-streams redis rebuild`"
                )
            due_before_ms, counted = state.next_due_ms, state.counted
            step = machine.sweep(state, rules, decided.time_ms, decided.guard)
            if step.note == machine.APPLIED:
                decided.counts.swept_customers += 1
                self._keep(state, step.outputs, due_before_ms, counted)
        target = (record.rules_version, record.limits_number)
        if record.done and target == (rules.version, rules.limits_number):
            decided.swept = target

    def _keep(
        self,
        state: CustomerState,
        outputs: list[Output],
        due_before_ms: int | None,
        counted: Counted | None,
    ) -> None:
        decided = self._decided
        if state.counted is not counted:
            decided.counting.change.replace(counted, state.counted)
        if decided.guard.tripped:
            self._tell_paused()
        for output in outputs:
            if isinstance(output, Forwarded):
                decided.forwarded.append(output.event)
            elif isinstance(output, NotTaken):
                decided.refused.append((decided.next_offset - 1, output))
            else:
                decided.outputs.append(output)
                if isinstance(output, SegmentChanged):
                    decided.resegmented[state.customer_id] = self._rules().schemes
        decided.changed[state.customer_id] = None
        if state.next_due_ms is not None and state.next_due_ms != due_before_ms:
            self._timers.push(state.next_due_ms, state.customer_id)

    def _tell_paused(self) -> None:
        decided = self._decided
        decided.paused += [
            CampaignPaused(
                received_at_ms=decided.time_ms,
                campaign=campaign,
                release=release,
                partition=self._partition.number,
            )
            for campaign, release in decided.guard.tripped
        ]
        decided.guard.tripped.clear()

    def _begin_generation(self, record: GenerationBegun) -> None:
        """Stand where the partitions of the generation before stood."""
        decided = self._decided
        if decided.rules is not None:
            raise BrokenInvariant(
                "this partition of the journal begins twice: it was filled while it lived. Go back to "
                "the generation before (RFM_GENERATION), and let `rfm-streams repartition` fill one "
                "that nobody used"
            )
        try:
            rules = compile_rules(record.rules, record.rules_version, record.rules_applied_ms)
        except RulesError as error:
            raise _unknown_rules(error) from error
        decided.rules = replace(rules.under(record.snapshot), limits_number=record.limits_number)
        decided.rules_record = RulesApplied(
            received_at_ms=record.received_at_ms,
            version=record.rules_version,
            rules=record.rules,
        )
        decided.snapshot_record = record.snapshot
        decided.swept = record.swept
        decided.counting.told_ms = record.census_at_ms or None
        decided.counting.latest = record.told_snapshot
        decided.guard.counts = {name: dict(parts) for name, parts in record.counts.items()}
        decided.guard.paused = dict(record.paused)
        decided.guard.customers = record.customers

    def _take_moved(self, record: CustomerMoved) -> None:
        """Take in a customer of the generation before, as they stood there."""
        state = decode_state(record.customer_id, record.state)
        self._decided.working[record.customer_id] = state
        self._keep(state, [], None, None)

    def _take_rules(self, record: RulesApplied) -> None:
        decided = self._decided
        if decided.rules is not None and record.version <= decided.rules.version:
            return
        known = decided.rules
        try:
            rules = compile_rules(record.rules, record.version, decided.time_ms)
        except RulesError as error:
            raise _unknown_rules(error) from error
        if known is None:
            # Nobody was decided by other rules, and nothing was to be counted before.
            decided.swept = (rules.version, 0)
            if rules.uses_population:
                first_ms = boundary_of(decided.time_ms, rules.snapshot_every_ms)
                decided.counting.told_ms = decided.counting.surveyed_ms = first_ms or None
        else:
            rules = replace(rules.under(known.snapshot), limits_number=known.limits_number)
        decided.rules = rules
        decided.rules_record = record
        decided.guard.forget_resumed(rules.book)

    def _take_snapshot(self, record: SnapshotTaken) -> None:
        rules, snapshot = self._rules(), record.snapshot
        # Told twice, by an owner and the one after it, the first to stand in the journal counts.
        if snapshot.number <= rules.snapshot_number:
            return
        self._decided.rules = rules.under(snapshot)
        self._decided.snapshot_record = snapshot
        counting = self._decided.counting
        counting.latest = max(counting.latest, (snapshot.number, snapshot.as_of_ms))

    def _rules(self) -> Rules:
        if self._decided.rules is None:
            raise BrokenInvariant(
                "the journal has events before any rules: this journal was not begun by "
                "`rfm-streams run`; journal the rules with `rfm-streams rules apply` first"
            )
        return self._decided.rules


def _unknown_rules(error: RulesError) -> BrokenInvariant:
    return BrokenInvariant(
        f"the journaled rules cannot be decided by ({error}); a newer release may have written them: "
        "run that release"
    )
