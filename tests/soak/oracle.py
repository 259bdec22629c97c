"""What must have come out, and what did.

The oracle folds this run's own journal, read back with read_committed, through the product's cycle
on the memory adapters: one process, one pass per partition, nothing that fails. `compare` is pure.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from streams.adapters.memory import MemoryBroker, MemoryLog, MemoryStateLog, MemoryStateStore
from streams.adapters.memory.clock import SimulatedClock
from streams.codec.journal import decode_input, encode_input
from streams.codec.outputs import ACTIONS, SEGMENT_CHANGES
from streams.codec.partition import (
    CENSUS_KEY,
    CUSTOMER_PREFIX,
    GATHERED_PREFIX,
    PARTITION_KEY,
    RULES_KEY,
    SNAPSHOT_KEY,
    PartitionRecord,
    decode_partition,
)
from streams.codec.population import decode_census
from streams.codec.present_segments import CUSTOMER_SEGMENTS
from streams.codec.state import decode_state
from streams.core.inputs import CensusTaken, SnapshotTaken
from streams.core.population.census import Census
from streams.ports import Headers
from streams.runtime.cycle import Cycle
from streams.runtime.measures import NoMeasures
from streams.runtime.steps import CycleSettings

JOURNAL = "rfm.journal"
OUTPUT_TOPICS = (SEGMENT_CHANGES, ACTIONS)
_SHOWN = 5


class Said(NamedTuple):
    """One record of an output topic."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class JournalRecord(NamedTuple):
    """One committed record of the journal."""

    offset: int
    value: bytes


@dataclass(slots=True)
class Share:
    """One partition: its states, timers, rules, limits, and where it stands.

    `census` is the latest census record; `settle` adds what the partition record says has changed
    since: where that is cut depends on batches, the sum does not.
    """

    states: dict[str, bytes] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    rules: bytes | None = None
    record: PartitionRecord | None = None
    snapshot: bytes | None = None
    census: bytes | None = None
    gathered: dict[str, bytes] = field(default_factory=dict)
    population: Census = field(default_factory=Census)

    def settle(self) -> "Share":
        """Give the share with its census summed up."""
        if self.census is not None:
            self.population = decode_census(self.census)
        if self.record is not None and self.record.census_change:
            self.population.merge(decode_census(self.record.census_change))
            self.record = self.record._replace(census_change=b"")
        if self.record is not None:
            # When the owner counted what was sold is not in the journal.
            self.record = self.record._replace(surveyed_ms=0)
        return self


@dataclass(slots=True)
class Outcome:
    """Everything a run said, and what it knows at its end, by partition."""

    said: dict[str, list[Said]] = field(default_factory=dict)
    shares: dict[int, Share] = field(default_factory=dict)
    counted: Counter[tuple[int, bytes]] = field(default_factory=Counter)
    present: dict[bytes, Said] = field(default_factory=dict)


class DeafLog(MemoryLog):
    """A log whose journal takes nothing: what deciding adds to it stands there already."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.inward: list[tuple[int | None, bytes]] = []

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int | None,
    ) -> None:
        """Keep what would go into the journal aside."""
        if topic == JOURNAL and value is not None:
            self.inward.append((partition, value))
        else:
            super().publish(topic, key, value, headers, partition)


def fold(journal: Mapping[int, Sequence[JournalRecord]]) -> Outcome:
    """Decide the whole journal, partition by partition."""
    outcome = Outcome({topic: [] for topic in OUTPUT_TOPICS})
    for number, records in sorted(journal.items()):
        broker, inward = _fold_partition(records, len(journal))
        outcome.counted.update(_counted(number, inward))
        for topic in OUTPUT_TOPICS:
            outcome.said[topic] += [
                Said(one.key, one.value, one.headers) for one in broker.outputs.get(topic, [])
            ]
        outcome.present |= {
            key: Said(one.key, one.value, one.headers)
            for key, one in broker.compacted.get(CUSTOMER_SEGMENTS, {}).items()
        }
        share = latest_share(
            (one.key or b"", one.value or b"")
            for one in broker.state[0].read(0, broker.state[0].end)
        )
        if share.record is not None and records:
            # Offsets in the memory log are numbers of records; the broker's count markers too.
            share.record = share.record._replace(journal_offset=records[-1].offset + 1)
        outcome.shares[number] = share
    return outcome


def _counted(
    number: int, inward: Iterable[tuple[int | None, bytes]]
) -> Iterable[tuple[int, bytes]]:
    """Censuses and snapshots of one partition's deciding, by the journal partition they went to.

    Not what was sold: that is an input, counted by the owner at a moment of its own.
    """
    for partition, value in inward:
        record = decode_input(value)
        if isinstance(record, CensusTaken):
            # The oracle decides each partition as if it were the only one.
            yield 0, encode_input(replace(record, partition=number))
        elif isinstance(record, SnapshotTaken) and partition is not None:
            yield partition, value


def counted_in(journal: Mapping[int, Sequence[JournalRecord]]) -> Counter[tuple[int, bytes]]:
    """The censuses and snapshots that stand in the journal."""
    return Counter(
        (number, record.value)
        for number, records in journal.items()
        for record in records
        if isinstance(decode_input(record.value), CensusTaken | SnapshotTaken)
    )


def _fold_partition(
    records: Sequence[JournalRecord], partitions: int
) -> tuple[MemoryBroker, list[tuple[int | None, bytes]]]:
    broker = MemoryBroker(partitions=1)
    for record in records:
        broker.append(0, record.value)
    log = DeafLog(broker)
    cycle = Cycle(
        log,
        MemoryStateLog(broker),
        MemoryStateStore("oracle"),
        SimulatedClock(),
        NoMeasures(),
        # The journal holds decide's own ticks, sweeps and surveys: they are records like any other.
        CycleSettings(ticks=False, sweeps=False, surveys=False, partitions=partitions),
    )
    idle = 0
    while broker.committed.get(0, 0) < len(records):
        idle = 0 if cycle.run_once() else idle + 1
        assert idle < 10, "the oracle's own cycle stands still"
    return broker, log.inward


def latest_share(state_log: Iterable[tuple[bytes, bytes]]) -> Share:
    """The latest values of one partition of `rfm.state`."""
    share = Share()
    for key, value in state_log:
        if key.startswith(CUSTOMER_PREFIX):
            share.states[key[len(CUSTOMER_PREFIX) :].decode()] = value
        elif key == PARTITION_KEY:
            share.record = decode_partition(value)
        elif key == RULES_KEY:
            share.rules = value
        elif key == SNAPSHOT_KEY:
            share.snapshot = value
        elif key == CENSUS_KEY:
            share.census = value
        elif key.startswith(GATHERED_PREFIX):
            share.gathered[key[len(GATHERED_PREFIX) :].decode()] = value
    share.timers = {
        customer_id: due_ms
        for customer_id, value in share.states.items()
        if (due_ms := decode_state(customer_id, value).next_due_ms) is not None
    }
    return share.settle()


def compare(wanted: Outcome, said: Mapping[str, Sequence[Said]]) -> list[str]:
    """Differences in what was said: missing, twice, out of order, gaps in sequences."""
    found: list[str] = []
    for topic in OUTPUT_TOPICS:
        found += _compare_messages(topic, wanted.said[topic], said[topic])
        ids = Counter(dict(one.headers).get("ce_id", b"").decode() for one in said[topic])
        found += _listed(f"{topic}: an id twice", [key for key, count in ids.items() if count > 1])
    return found + find_gaps(said[SEGMENT_CHANGES])


def _compare_messages(topic: str, wanted: Sequence[Said], said: Sequence[Said]) -> list[str]:
    left, right = Counter(wanted), Counter(said)
    found = _listed(f"{topic}: missing", map(_name, (left - right).elements()))
    found += _listed(f"{topic}: too much", map(_name, (right - left).elements()))
    if not found:
        ordered, seen = _by_customer(wanted), _by_customer(said)
        disordered = [str(key) for key, one in ordered.items() if seen[key] != one]
        found += _listed(f"{topic}: out of order for", disordered)
    return found


def _by_customer(messages: Sequence[Said]) -> dict[bytes | None, list[Said]]:
    ordered: dict[bytes | None, list[Said]] = defaultdict(list)
    for one in messages:
        ordered[one.key].append(one)
    return ordered


def _name(one: Said) -> str:
    headers = dict(one.headers)
    what = headers.get("ce_type", b"?").decode()
    return f"{what} of {(one.key or b'').decode()}: {one.value.decode()[:300]}"


def find_gaps(changes: Sequence[Said]) -> list[str]:
    """Customers whose sequence in a scheme is not 1, 2, 3 and so on."""
    sequences: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in changes:
        body = msgspec.json.decode(one.value)
        sequences[body["customer_id"], body["scheme"]].append(body["sequence"])
    return _listed(
        "segment-changes: sequence",
        [f"{key}: {n}" for key, n in sequences.items() if n != list(range(1, len(n) + 1))],
    )


def compare_shares(
    place: str, wanted: Mapping[int, Share], found: Mapping[int, Share]
) -> list[str]:
    """Differences in states, timers, rules and position between the oracle and one place."""
    complaints: list[str] = []
    for number, left in wanted.items():
        right, where = found.get(number, Share()), f"{place} partition {number}"
        complaints += _compare_values(f"{where}: state", left.states, right.states)
        complaints += _compare_values(f"{where}: timer", left.timers, right.timers)
        if left.rules != right.rules:
            complaints.append(f"{where}: other rules")
        if left.snapshot != right.snapshot:
            complaints.append(f"{where}: another snapshot")
        if left.population != right.population:
            complaints.append(f"{where}: another census")
        complaints += _compare_values(f"{where}: gathered", left.gathered, right.gathered)
        if left.record != right.record:
            complaints.append(f"{where}: stands at {right.record}, not at {left.record}")
    return complaints


def compare_present(
    wanted: Mapping[bytes, Said], found: Mapping[bytes, Said], shares: Mapping[int, Share]
) -> list[str]:
    """Differences between `customer-segments`, the oracle's, and what stands in the states.

    The states are looked at by themselves: an encoder that forgets something forgets it for both.
    """
    complaints = _compare_values(
        CUSTOMER_SEGMENTS,
        {key.decode(): one for key, one in wanted.items()},
        {key.decode(): one for key, one in found.items()},
    )
    told = {key.decode(): _segments_told(one.value) for key, one in found.items()}
    stored = _segments_in(shares)
    return complaints + _compare_values(f"{CUSTOMER_SEGMENTS} by the states:", stored, told)


def carry_present(
    before: Mapping[bytes, Said], after: Mapping[bytes, Said], shares: Mapping[int, Share]
) -> dict[bytes, Said]:
    """What stands in the topic after two lives: the latest, and nobody who has no segment by now."""
    stored = _segments_in(shares)
    return {key: one for key, one in {**before, **after}.items() if key.decode() in stored}


# Segment names of a scheme, of which only flags are several, and the number of the latest change.
_Segments = dict[str, tuple[list[str], int]]


def _segments_in(shares: Mapping[int, Share]) -> dict[str, _Segments]:
    """Those of the customers who have one."""
    memberships = {
        customer_id: _segments_stored(customer_id, value)
        for share in shares.values()
        for customer_id, value in share.states.items()
    }
    return {
        customer_id: segments
        for customer_id, segments in memberships.items()
        if any(names for names, _ in segments.values())
    }


def _segments_told(value: bytes) -> _Segments:
    found: _Segments = {}
    for scheme, one in msgspec.json.decode(value)["segments"].items():
        segment = one["segment"]
        names = segment if isinstance(segment, list) else [segment] if segment is not None else []
        found[scheme] = (names, one["sequence"])
    return found


def _segments_stored(customer_id: str, value: bytes) -> _Segments:
    return {
        scheme: (one.segment.split("|") if one.segment is not None else [], one.sequence)
        for scheme, one in decode_state(customer_id, value).memberships.items()
    }


def _compare_values(what: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    both = wanted.keys() & found.keys()
    return [
        *_listed(f"{what} missing", sorted(wanted.keys() - found.keys())),
        *_listed(f"{what} too much", sorted(found.keys() - wanted.keys())),
        *_listed(f"{what} differs", sorted(key for key in both if wanted[key] != found[key])),
    ]


def compare_counts(what: str, wanted: Counter[str], found: Counter[str]) -> list[str]:
    """Differences between what was sent in and what was taken in, by identity."""
    return [
        *_listed(f"{what} lost", sorted((wanted - found).elements())),
        *_listed(f"{what} too often", sorted((found - wanted).elements())),
    ]


def _listed(what: str, which: Iterable[str]) -> list[str]:
    names = list(which)
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{what} ({len(names)}): " + "; ".join(names[:_SHOWN]) + more]
