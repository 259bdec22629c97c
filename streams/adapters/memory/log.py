"""A log with transactions, positions and fencing, in memory.

One owner at a time reads all partitions. A new `MemoryLog` on the same broker fences the one before
it, as a transactional id does, which is how a crash and restart is simulated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zlib import crc32

from schemas.topics import TOPICS
from streams.errors import BrokenInvariant, Fenced
from streams.ports import Headers, Polled, Record

JOURNAL = "rfm.journal"
STATE = "rfm.state"
_COMPACTED = {
    topic.name for topic in TOPICS if topic.role == "output" and topic.cleanup_policy == "compact"
}


@dataclass(frozen=True, slots=True)
class Published:
    """A committed record of an output topic."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class MemoryPartition:
    """Records of one partition, by offset; the oldest can be dropped."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._start = 0
        self._records: list[Record] = []

    @property
    def end(self) -> int:
        """The offset of the next record."""
        return self._start + len(self._records)

    def append(self, key: bytes | None, value: bytes | None) -> int:
        """Add a record; returns its offset."""
        offset = self.end
        self._records.append(Record(self._number, offset, key, value))
        return offset

    def read(self, offset: int, max_records: int) -> list[Record]:
        """Up to `max_records` from `offset` on."""
        if offset < self._start:
            raise BrokenInvariant(f"offset {offset} was dropped; the log starts at {self._start}")
        index = offset - self._start
        return self._records[index : index + max_records]

    def drop_before(self, offset: int) -> None:
        """Forget what lies before `offset`."""
        del self._records[: max(0, offset - self._start)]
        self._start = max(self._start, offset)


class MemoryBroker:
    """What outlives a process: partitions, positions, outputs, and who may write.

    `compacted` holds the latest record by key of each output topic that is compacted.
    """

    def __init__(self, partitions: int = 1) -> None:
        self.partitions = partitions
        self.journal = [MemoryPartition(number) for number in range(partitions)]
        self.state = [MemoryPartition(number) for number in range(partitions)]
        self.outputs: dict[str, list[Published]] = {}
        self.compacted: dict[str, dict[bytes, Published]] = {}
        self.committed: dict[int, int] = {}
        self.epoch = 0

    def append(self, partition: int, value: bytes) -> int:
        """Add one committed journal record; returns its offset."""
        return self.journal[partition].append(None, value)

    def take_outputs(self) -> dict[str, list[Published]]:
        """Hand over the outputs since the last time."""
        taken, self.outputs = self.outputs, {}
        return taken

    def drop_decided(self) -> None:
        """Forget what is decided: for a pass over a long history that nobody resumes."""
        for number, offset in self.committed.items():
            self.journal[number].drop_before(offset)
            self.state[number].drop_before(self.state[number].end)


@dataclass(slots=True)
class _Transaction:
    records: list[tuple[str, int | None, bytes | None, bytes | None, Headers, bool]] = field(
        default_factory=list
    )
    positions: dict[int, int] = field(default_factory=dict)


class MemoryLog:
    """`JournalLog` on a `MemoryBroker`; owns every partition from its first poll on."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        broker.epoch += 1
        self._epoch = broker.epoch
        self._gained = False
        self._reading: dict[int, int] = {}
        self._transaction: _Transaction | None = None

    def poll(self, max_records: int, timeout_s: float) -> Polled:
        """Records of the started partitions; never waits."""
        polled = Polled(membership=self._epoch)
        if not self._gained:
            self._gained = True
            polled.gained = list(range(self._broker.partitions))
        for partition, offset in list(self._reading.items()):
            records = self._broker.journal[partition].read(offset, max_records)
            if records:
                polled.records[partition] = records
                self._reading[partition] = offset + len(records)
            if self._reading[partition] == self._broker.journal[partition].end:
                polled.at_end.add(partition)
        return polled

    def start(self, partition: int, offset: int) -> None:
        """Begin to read at `offset`."""
        self._reading[partition] = offset

    def halt(self, partition: int) -> None:
        """Stop reading."""
        self._reading.pop(partition, None)

    def committed(self, partition: int) -> int | None:
        """The committed position."""
        return self._broker.committed.get(partition)

    def begin(self) -> None:
        """Open the transaction."""
        self._check()
        self._transaction = _Transaction()

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int | None,
    ) -> None:
        """Add a record to the transaction."""
        self._open().records.append((topic, partition, key, value, headers, False))

    def publish_tracked(self, topic: str, key: bytes, value: bytes, partition: int) -> None:
        """Add a record whose offset `commit` tells."""
        self._open().records.append((topic, partition, key, value, (), True))

    def send_positions(self, positions: Mapping[int, int], membership: object) -> None:
        """Add positions; only the present owner may."""
        if membership != self._broker.epoch:
            raise Fenced("another process owns these partitions")
        self._open().positions.update(positions)

    def commit(self) -> dict[int, int]:
        """Append everything at once."""
        self._check()
        transaction = self._open()
        receipts: dict[int, int] = {}
        for topic, partition, key, value, headers, tracked in transaction.records:
            if topic == STATE and partition is not None:
                offset = self._broker.state[partition].append(key, value)
                if tracked:
                    receipts[partition] = offset
            elif topic == JOURNAL:
                target = partition if partition is not None else self._partition_of(key)
                self._broker.journal[target].append(key, value)
            elif topic in _COMPACTED:
                self._compact(topic, key, value, headers)
            elif value is None:
                raise BrokenInvariant(f"a tombstone for {topic}, which is not compacted")
            else:
                published = Published(key, value, tuple(headers))
                self._broker.outputs.setdefault(topic, []).append(published)
        self._broker.committed.update(transaction.positions)
        self._transaction = None
        return receipts

    def abort(self) -> None:
        """Drop the transaction."""
        self._transaction = None

    def renew(self) -> None:
        """A new producer: what was open is gone."""
        self._transaction = None

    def close(self) -> None:
        """Nothing is held."""

    def _compact(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        if key is None:
            raise BrokenInvariant(f"{topic} is compacted: its records need a key")
        latest = self._broker.compacted.setdefault(topic, {})
        if value is None:
            latest.pop(key, None)
        else:
            latest[key] = Published(key, value, tuple(headers))

    def _partition_of(self, key: bytes | None) -> int:
        # Any stable spread will do here; only Kafka's partitions have to agree with other clients.
        return crc32(key or b"") % self._broker.partitions

    def _open(self) -> _Transaction:
        if self._transaction is None:
            raise RuntimeError("no transaction is open")
        return self._transaction

    def _check(self) -> None:
        if self._epoch != self._broker.epoch:
            raise Fenced("another process owns these partitions")


class _MemoryStateReader:
    def __init__(self, log: MemoryPartition, offset: int) -> None:
        self._log = log
        self.start_offset = offset
        self.position = offset
        self.end_offset = log.end

    def read(self, max_records: int, timeout_s: float) -> list[Record]:
        """The next records up to the end as of opening."""
        until = min(self.position + max_records, self.end_offset)
        records = self._log.read(self.position, until - self.position)
        self.position = max(until, self.position)
        return records

    def close(self) -> None:
        """Nothing is held."""


class MemoryStateLog:
    """`StateLog` on a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def open(self, partition: int, offset: int) -> _MemoryStateReader:
        """A reader from `offset` to the end as of now."""
        return _MemoryStateReader(self._broker.state[partition], offset)

    def end(self, partition: int) -> int:
        """The end of a partition."""
        return self._broker.state[partition].end
