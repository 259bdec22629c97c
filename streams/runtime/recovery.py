"""Bring a partition from wherever the store is to the committed truth, in bounded steps.

One path for every case: a new assignment, a lost Redis, an older Redis, an unknown outcome.
"""

from collections.abc import Callable
from dataclasses import dataclass

from streams.codec.partition import (
    CENSUS_KEY,
    CUSTOMER_PREFIX,
    GATHERED_PREFIX,
    PARTITION_KEY,
    RULES_KEY,
    SNAPSHOT_KEY,
    PartitionRecord,
    RulesRecord,
    decode_partition,
    decode_rules,
)
from streams.codec.population import decode_snapshot
from streams.codec.state import decode_head
from streams.core.population.snapshot import Snapshot
from streams.errors import BrokenInvariant, ForeignStore
from streams.ports import Outcome, Record, StateLog, StateReader, StateStore, StoreWrite
from streams.runtime.population import CENSUS_FIELD, Population, field_of, restore

# One write of 5,000 states is about 2 MB and holds the store up for some 25 ms.
CHUNK = 5_000

Committed = Callable[[int], int | None]


@dataclass(slots=True)
class Recovered:
    """Where a recovered partition stands. `record` is None where nothing was ever decided."""

    base: int
    record: PartitionRecord | None
    rules: RulesRecord | None
    snapshot: Snapshot | None
    population: Population


class Recovery:
    """Recovers one partition. Call `step` until it returns the result; errors start anew."""

    def __init__(
        self, partition: int, committed: Committed, state_log: StateLog, store: StateStore
    ) -> None:
        self._partition = partition
        self._committed_of = committed
        self._state_log = state_log
        self._store = store
        self._generation: str | None = None
        self._reader: StateReader | None = None
        self._committed: int | None = None
        self._base = 0
        self._record: bytes | None = None
        self._rules: bytes | None = None
        self._snapshot: bytes | None = None

    @property
    def progress(self) -> float:
        """Share of the way done, 0 to 1."""
        reader = self._reader
        if reader is None or reader.end_offset <= reader.start_offset:
            return 0.0
        return (reader.position - reader.start_offset) / (reader.end_offset - reader.start_offset)

    def step(self, timeout_s: float) -> Recovered | None:
        """Do a bounded piece of work; the result once the end is reached."""
        if self._reader is None:
            self._begin()
            return None
        reader = self._reader
        records = reader.read(CHUNK, timeout_s)
        if records or reader.position > self._base:
            self._write(records, reader.position)
        if reader.position < reader.end_offset:
            return None
        self.close()
        return self._finish()

    def close(self) -> None:
        """Let go of the reader."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _begin(self) -> None:
        # The committed position first: it waits until transactions under way have an end, so that
        # everything it covers lies before the end of rfm.state asked for after it.
        self._committed = self._committed_of(self._partition)
        stored = self._store.position(self._partition)
        if stored is None:
            # Without a position whatever else is there cannot be trusted.
            self._store.wipe(self._partition)
        else:
            self._base = stored.offset
            self._record = stored.partition_record
            self._rules = stored.rules_record
            self._snapshot = stored.snapshot_record
        end = self._state_log.end(self._partition)
        if self._base > end:
            raise ForeignStore(
                f"Redis is at offset {self._base} of rfm.state partition {self._partition}, which "
                f"ends at {end}: Redis belongs to another log. If this log is the right one, run "
                "`rfm-streams redis rebuild`"
            )
        self._reader = self._state_log.open(self._partition, self._base)

    def _write(self, records: list[Record], position: int) -> None:
        states: dict[str, bytes] = {}
        population: dict[str, bytes] = {}
        for record in records:
            key, value = record.key or b"", record.value or b""
            if key.startswith(CUSTOMER_PREFIX):
                states[key[len(CUSTOMER_PREFIX) :].decode()] = value
            elif key == PARTITION_KEY:
                self._record = value
            elif key == RULES_KEY:
                self._rules = value
            elif key == SNAPSHOT_KEY:
                self._snapshot = value
            elif key == CENSUS_KEY:
                population[CENSUS_FIELD] = value
            elif key.startswith(GATHERED_PREFIX):
                population[field_of(key[len(GATHERED_PREFIX) :])] = value
        timers = [(key, decode_head(value).next_due_ms) for key, value in states.items()]
        outcome = self._store.apply(
            StoreWrite(
                self._partition,
                self._base,
                position,
                list(states.items()),
                timers,
                self._record,
                self._rules,
                self._snapshot,
                population,
            )
        )
        if outcome is Outcome.FOREIGN:
            raise ForeignStore(
                f"Redis holds partition {self._partition} of another journal generation; run "
                "`rfm-streams redis rebuild` if this journal is the right one"
            )
        if outcome not in (Outcome.APPLIED, Outcome.ALREADY):
            # Somebody else wrote, or the store fell back meanwhile: from the start, with what it says.
            self.close()
            raise StoreMovedError(self._partition, outcome)
        self._base = position

    def _finish(self) -> Recovered:
        record = decode_partition(self._record) if self._record is not None else None
        expected = record.journal_offset if record is not None else 0
        if self._committed is not None and self._committed != expected:
            raise BrokenInvariant(
                f"journal partition {self._partition}: the committed position is "
                f"{self._committed}, but the last decision stands at {expected}. Positions were "
                "reset by hand, or rfm.state was truncated; put the group's position back to "
                f"{expected}, or begin a new generation"
            )
        rules = decode_rules(self._rules) if self._rules is not None else None
        snapshot = decode_snapshot(self._snapshot) if self._snapshot is not None else None
        fields = self._store.population(self._partition)
        return Recovered(self._base, record, rules, snapshot, restore(record, fields))


class StoreMovedError(Exception):
    """The store changed during a recovery, which begins again."""

    def __init__(self, partition: int, outcome: Outcome) -> None:
        super().__init__(f"partition {partition}: {outcome}")
