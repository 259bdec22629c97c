"""Run events through the whole system in this process, on simulated time.

A record's journal time is the greatest `occurred_at` so far, and time passes without gaps: every
timer fires at its due instant, as it would have in a life in which nothing ever stood still. At each
boundary at which the population is counted everything before it is decided first, and so are the
snapshot and the sweep that follow: new limits hold from that instant on. What was sold decides
nothing and is in no output, so it is counted there only if asked for.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.events import TimeMark
from schemas.fields import parse_instant_ms
from streams.adapters.memory import (
    MemoryBroker,
    MemoryLog,
    MemoryStateLog,
    MemoryStateStore,
    SimulatedClock,
)
from streams.adapters.memory.log import Published
from streams.codec.journal import decode_input, encode_input
from streams.codec.normalise import normalise
from streams.codec.rates import Rates
from streams.codec.state import decode_state
from streams.core.inputs import CampaignPaused, RulesApplied, SnapshotTaken, Tick
from streams.core.population.snapshot import Snapshot
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState
from streams.errors import BrokenInvariant, Rejected
from streams.files.events import Event
from streams.intake.reading import Limits, read_record
from streams.runtime.cycle import Cycle
from streams.runtime.measures import NoMeasures
from streams.runtime.population import boundary_of
from streams.runtime.steps import CycleSettings

_GENERATION = "replay"
_PARTITION = 0
_RULES_VERSION = 1
# Events between two drains: enough to make a batch worth its while, little enough to hold.
CHUNK = 10_000
_TELL_EVERY = 1_000
_NEVER_MS = 2**53
# A cycle that only begins a recovery decides nothing; this many in a row mean that it stands still.
_IDLE_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that could not be used."""

    topic: str
    value: bytes
    reason: str
    field: str | None
    message: str


class Beginning(NamedTuple):
    """When history ends and campaigns begin to act, and the rules that hold from there on."""

    at_ms: int
    rules_text: str


@dataclass(slots=True)
class ReplayCounts:
    """What came of a replay."""

    events: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    outputs: Counter[str] = field(default_factory=Counter)


class Replay:
    """One pass over a history. Feed events in order of arrival, then `finish`.

    `deliver` takes each output with its topic, in order; `refuse` each dead letter. With `begins`
    everything before that instant is back-filled under `rules_text`; the rules of `begins` follow a
    millisecond before it, so that all that is due at it is decided by them. With `pinned` the limits
    of that snapshot hold from the first event to the last, and no other is taken. With `counts_sales`
    all customers' orders are read at every boundary, which takes many times as long as everything
    else together, and the snapshots say what was sold.

    `paused` maps the campaigns that their guard has paused to the instant: nobody resumes them here.
    """

    def __init__(
        self,
        rules_text: str,
        limits: Limits,
        rates: Rates,
        wall_now_ms: int,
        deliver: Callable[[str, Published], None],
        refuse: Callable[[DeadLetter], None],
        *,
        backfill: bool = False,
        begins: Beginning | None = None,
        pinned: Snapshot | None = None,
        counts_sales: bool = False,
    ) -> None:
        if pinned is not None:
            rules_text = _without_snapshots(rules_text)
            if begins is not None:
                begins = begins._replace(rules_text=_without_snapshots(begins.rules_text))
        self._limits = limits
        self._rates = rates
        self._wall_now_ms = wall_now_ms
        self._deliver = deliver
        self._refuse = refuse
        self._backfill = backfill or begins is not None
        self._begins = begins
        self._broker = MemoryBroker()
        self._store = MemoryStateStore(_GENERATION)
        self._cycle = Cycle(
            MemoryLog(self._broker),
            MemoryStateLog(self._broker),
            self._store,
            SimulatedClock(),
            NoMeasures(),
            CycleSettings(
                ticks=False, sweeps_at_once=True, surveys=counts_sales, tells_segments=False
            ),
        )
        self._waiting = 0
        self.time_ms = 0
        self.counts = ReplayCounts()
        self.paused: dict[str, int] = {}
        self.rules: Rules = compile_rules(rules_text, _RULES_VERSION)
        self._append(
            encode_input(RulesApplied(received_at_ms=0, version=_RULES_VERSION, rules=rules_text))
        )
        self._counts_sales = counts_sales
        self._counts_population = self.rules.uses_population and pinned is None
        if pinned is not None:
            self.rules = self.rules.under(pinned)
            self._append(encode_input(SnapshotTaken(received_at_ms=0, snapshot=pinned)))

    def take(self, event: Event) -> None:
        """Take in one event."""
        try:
            read = read_record(
                event.topic, event.value, None, self._limits, now_ms=self._wall_now_ms
            )
            if isinstance(read.event, TimeMark):
                self.move_to(parse_instant_ms(read.event.until))
                return
            self.move_to(parse_instant_ms(read.event.occurred_at))
            record = normalise(
                read.event,
                source=read.source,
                received_at_ms=self.time_ms,
                backfill=self._backfill,
                rates=self._rates,
            )
        except Rejected as error:
            self.counts.dead_letters[error.reason] += 1
            self._refuse(
                DeadLetter(event.topic, event.value, error.reason, error.field, error.message)
            )
            return
        self.counts.events[read.event.type] += 1
        self._append(encode_input(record))

    def take_all(self, events: Iterable[Event]) -> Iterator[int]:
        """Take in many; yields the number taken so far, now and then, for a progress bar."""
        taken = 0
        for event in events:
            self.take(event)
            taken += 1
            if taken % _TELL_EVERY == 0:
                yield taken
        yield taken

    def move_to(self, time_ms: int) -> None:
        """Let time pass up to `time_ms`; it never goes back."""
        if time_ms <= self.time_ms:
            return
        if self._begins is not None and time_ms >= self._begins.at_ms:
            self._begin(self._begins)
        if self._counts_population:
            self._pass_boundaries(time_ms)
        self.time_ms = time_ms
        self._append(encode_input(Tick(received_at_ms=time_ms, continuous=True)))

    def _begin(self, beginning: Beginning) -> None:
        """Decide all history, then let the other rules hold for every customer."""
        self._begins = None
        self.move_to(beginning.at_ms - 1)
        self._backfill = False
        self._append(
            encode_input(
                RulesApplied(
                    received_at_ms=self.time_ms,
                    version=_RULES_VERSION + 1,
                    rules=beginning.rules_text,
                )
            )
        )
        self._drain()

    def _pass_boundaries(self, time_ms: int) -> None:
        """Stop at each boundary on the way, so that its snapshot decides what comes after it."""
        every_ms = self.rules.snapshot_every_ms
        # Before the first event there was nobody to count.
        boundary_ms = boundary_of(self.time_ms or time_ms, every_ms) + every_ms
        while boundary_ms <= time_ms:
            self.time_ms = boundary_ms
            self._append(encode_input(Tick(received_at_ms=boundary_ms, continuous=True)))
            self._drain()
            boundary_ms += every_ms

    def finish(self) -> None:
        """Decide everything that is left."""
        self._drain()

    def states(self) -> Iterator[CustomerState]:
        """All customers, once finished, in no order."""
        for customer_id, value in self._store.scan(_PARTITION):
            yield decode_state(customer_id, value)

    def _append(self, value: bytes) -> None:
        self._broker.append(_PARTITION, value)
        self._waiting += 1
        if self._waiting >= CHUNK:
            self._drain()

    def _drain(self) -> None:
        idle = 0
        while not self._is_drained():
            before = self._progress()
            self._cycle.run_once()
            after = self._progress()
            idle = idle + 1 if after == before else 0
            if idle > _IDLE_LIMIT:
                raise BrokenInvariant(f"the replay stands still at record {after[0]}")
            for topic, records in self._broker.take_outputs().items():
                for record in records:
                    self.counts.outputs[topic] += 1
                    self._deliver(topic, record)
            self._note_pauses()
            self._broker.drop_decided()
        self._waiting = 0
        partition = self._cycle.partitions.get(_PARTITION)
        if partition is not None and partition.rules is not None:
            # Under the latest snapshot, as the customers were decided.
            self.rules = partition.rules

    def _note_pauses(self) -> None:
        partition = self._cycle.partitions.get(_PARTITION)
        if partition is None or partition.guard.paused.keys() <= self.paused.keys():
            return
        # Journaled in the commit that paused it, so it stands behind all that is decided.
        journal = self._broker.journal[_PARTITION]
        decided = self._broker.committed.get(_PARTITION, 0)
        for record in journal.read(decided, journal.end - decided):
            told = decode_input(record.value) if record.value is not None else None
            if isinstance(told, CampaignPaused):
                self.paused.setdefault(told.campaign, told.received_at_ms)

    def _progress(self) -> tuple[int, int, int]:
        """Something that differs between two cycles unless the latter did nothing."""
        partition = self._cycle.partitions.get(_PARTITION)
        survey = partition.survey if partition is not None else None
        return (
            self._broker.committed.get(_PARTITION, 0),
            len(self._broker.outputs),
            survey.customer_count if survey is not None else 0,
        )

    def _is_drained(self) -> bool:
        """Whether everything is decided, swept for a new snapshot, and counted for the next."""
        if self._broker.committed.get(_PARTITION, 0) < self._broker.journal[_PARTITION].end:
            return False
        partition = self._cycle.partitions.get(_PARTITION)
        if partition is None or partition.swept != partition.standing:
            return False
        return not self._counts_sales or partition.survey_due_ms is None


def _without_snapshots(rules_text: str) -> str:
    """The same rules, under which no boundary is ever reached."""
    document = json.loads(rules_text)
    document["population"]["snapshot_every_ms"] = _NEVER_MS
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
