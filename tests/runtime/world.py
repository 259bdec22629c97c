"""A broker, a store and a clock in memory, and workers that come and go in it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy

from streams.adapters.memory import (
    MemoryBroker,
    MemoryLog,
    MemoryStateLog,
    MemoryStateStore,
    SimulatedClock,
)
from streams.codec.journal import decode_input, encode_input
from streams.codec.outputs import Message
from streams.codec.partition import decode_partition
from streams.codec.present_segments import CUSTOMER_SEGMENTS
from streams.core.inputs import CensusTaken, Input
from streams.ports import Outcome
from streams.runtime.cycle import Cycle
from streams.runtime.measures import NO_POSITIONS
from streams.runtime.partition import Partition
from streams.runtime.steps import ORDER, Batch, CycleSettings, Step
from tests.runtime.oracle import fold

GENERATION = "rfm.journal.g1"
# A worker that has not come to the end after so many cycles never will.
MOST_CYCLES = 20_000

Observer = Callable[[Step], None]


class Tally:
    """`Measures` that counts what it is told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.most_timers = 0
        self.aborts: list[str] = []

    def polled(self, batch: Batch) -> None:
        self.counts["polled"] += 1

    def committed(self, batch: Batch, seconds: float) -> None:
        self.counts["committed"] += 1
        for decided in batch.decided.values():
            self.most_timers = max(self.most_timers, decided.counts.timers_fired)

    def aborted(self, reason: str, positions: Mapping[str, int] = NO_POSITIONS) -> None:
        self.counts["aborted"] += 1
        self.aborts.append(reason)

    def guarded(self, partition: int, offset: int, outcome: Outcome, seconds: float) -> None:
        self.counts[outcome] += 1

    def moved(self, partition: int, offset: int) -> None:
        self.counts["moved"] += 1

    def recovering(self, partition: int, progress: float) -> None:
        assert 0.0 <= progress <= 1.0
        self.counts["recovering"] += 1

    def recovered(self, partition: int, offset: int) -> None:
        self.counts["recovered"] += 1

    def owned(self, partitions: dict[int, Partition]) -> None:
        self.counts["owned"] = len(partitions)


def unobserved(step: Step) -> None:
    """Let every step pass."""


class Worker:
    """A decide process: its own log, cycle and measures on the world's broker and store."""

    def __init__(
        self,
        world: "World",
        settings: CycleSettings,
        observe: Observer = unobserved,
        log: type[MemoryLog] = MemoryLog,
        cycle: type[Cycle] = Cycle,
        order: Sequence[Step] = ORDER,
    ) -> None:
        self.tally = Tally()
        self.world = world
        self.log = log(world.broker)
        self.cycle = cycle(
            self.log,
            MemoryStateLog(world.broker),
            world.store,
            world.clock,
            self.tally,
            settings,
            observe,
            order,
        )

    @property
    def is_done(self) -> bool:
        partitions = self.cycle.partitions
        journal = self.world.broker.journal
        return (
            len(partitions) == len(journal)
            and self.cycle.is_ready
            and all(one.journal_offset == journal[n].end for n, one in partitions.items())
            and all(one.swept == one.standing for one in partitions.values())
        )

    def run_to_end(self) -> "Worker":
        """Cycle until the journal is read and everybody stands under the present rules and limits.

        The clock moves on while there is a wait.
        """
        for _ in range(MOST_CYCLES):
            if self.is_done:
                return self
            if not self.cycle.run_once():
                self.world.clock.sleep(0.1)
        raise AssertionError(f"not at the end after {MOST_CYCLES} cycles: {self.tally.aborts[-3:]}")


class World:
    """What outlives the workers."""

    def __init__(self, partitions: int = 1, store: type[MemoryStateStore] | None = None) -> None:
        self.broker = MemoryBroker(partitions)
        self.store = (store or MemoryStateStore)(GENERATION)
        self.clock = SimulatedClock(0)

    def journal(self, records: Iterable[Input], partition: int = 0) -> "World":
        for record in records:
            self.broker.append(partition, encode_input(record))
        return self

    def worker(
        self,
        *,
        observe: Observer = unobserved,
        log: type[MemoryLog] = MemoryLog,
        cycle: type[Cycle] = Cycle,
        max_records: int = 10_000,
        max_timers: int = 5_000,
        cached_states: int = 200_000,
        ticks: bool = False,
    ) -> Worker:
        settings = CycleSettings(
            max_records=max_records,
            max_timers=max_timers,
            cached_states=cached_states,
            ticks=ticks,
            partitions=self.broker.partitions,
        )
        return Worker(self, settings, observe, log, cycle)

    def snapshot(self) -> MemoryStateStore:
        """A copy of the store as of now, to be put back later."""
        return deepcopy(self.store)

    def check(self) -> None:
        """Outputs, states, timers and positions equal the oracle's; nothing missing, nothing twice."""
        expected_outputs: Counter[tuple[str, bytes, bytes]] = Counter()
        present_segments: dict[bytes, bytes] = {}
        told = self._told_censuses()
        for partition, journal in enumerate(self.broker.journal):
            records = journal.read(0, journal.end)
            changelog = self.broker.state[partition]
            folded = fold(record.value or b"" for record in records)
            assert told.get(partition, []) == folded.censuses
            expected_outputs.update((m.topic, m.key, m.value) for m in folded.messages)
            present_segments |= folded.present_segments
            self._check_order(folded.messages)
            assert dict(self.store.scan(partition)) == folded.encoded
            position = self.store.position(partition)
            assert position is not None
            assert position.offset == changelog.end
            assert position.partition_record is not None
            record = decode_partition(position.partition_record)
            assert (record.journal_offset, record.time_ms) == (len(records), folded.time_ms)
            assert self.broker.committed[partition] == len(records)
            timers = self.store.load_timers(partition, position.offset, None, 1_000_000)
            assert timers == folded.timers
            latest = {one.key: one.value for one in changelog.read(0, changelog.end)}
            assert latest[b"p"] == position.partition_record
            assert {key: latest[b"c" + key.encode()] for key in folded.encoded} == folded.encoded
        assert self.said == expected_outputs
        assert self.told_segments == present_segments

    @property
    def told_segments(self) -> dict[bytes, bytes]:
        """What a new subscriber reads in `customer-segments`."""
        compacted = self.broker.compacted.get(CUSTOMER_SEGMENTS, {})
        return {key: one.value for key, one in compacted.items()}

    def _told_censuses(self) -> dict[int, list[tuple[int, dict[str, list[int]]]]]:
        """What each partition told of itself, as it stands in the journal of partition 0."""
        told: dict[int, list[tuple[int, dict[str, list[int]]]]] = {}
        journal = self.broker.journal[0]
        for one in journal.read(0, journal.end):
            record = decode_input(one.value or b"")
            if isinstance(record, CensusTaken):
                told.setdefault(record.partition, []).append((record.as_of_ms, record.census))
        return told

    @property
    def said(self) -> Counter[tuple[str, bytes, bytes]]:
        return Counter(
            (topic, one.key or b"", one.value)
            for topic, published in self.broker.outputs.items()
            for one in published
        )

    def _check_order(self, messages: Sequence[Message]) -> None:
        keys = {(topic, key) for topic, key, _, _ in messages}
        for topic, key in keys:
            expected = [value for t, k, value, _ in messages if (t, k) == (topic, key)]
            found = [one.value for one in self.broker.outputs.get(topic, []) if one.key == key]
            assert found == expected
