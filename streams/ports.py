"""What the runtime needs from the outside, as protocols. Adapters implement them.

Offsets are next-to-read everywhere. Partitions are numbers of the journal; `rfm.state` has the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from streams.errors import ForeignStore

Headers = Sequence[tuple[str, bytes]]


class Record(NamedTuple):
    """One record read from a log."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Polled:
    """What one poll brought. `gained` and `lost` come before the records in time.

    `records` holds only partitions that were owned all through the poll; `at_end` those whose end
    was reached. `membership` proves the ownership under which the records were read; it is captured
    in the same step and handed back with the positions.
    """

    records: dict[int, list[Record]] = field(default_factory=dict)
    at_end: set[int] = field(default_factory=set)
    gained: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    membership: object = None


class JournalLog(Protocol):
    """The journal as its deciders see it: shared partitions and one transaction at a time."""

    def poll(self, max_records: int, timeout_s: float) -> Polled:
        """Records of the owned partitions that were started; returns at the latest after timeout."""

    def start(self, partition: int, offset: int) -> None:
        """Begin, or begin again, to read an owned partition at `offset`."""

    def halt(self, partition: int) -> None:
        """Stop reading an owned partition until it is started again."""

    def committed(self, partition: int) -> int | None:
        """The committed position of the group; waits for transactions under way."""

    def begin(self) -> None:
        """Open the transaction."""

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int | None,
    ) -> None:
        """Add a record to the transaction; by its key where `partition` is None.

        No value is a tombstone: a compacted topic forgets the key.
        """

    def publish_tracked(self, topic: str, key: bytes, value: bytes, partition: int) -> None:
        """As `publish`; `commit` tells where the record landed."""

    def send_positions(self, positions: Mapping[int, int], membership: object) -> None:
        """Add the journal positions to the transaction, under the membership of the poll."""

    def commit(self) -> dict[int, int]:
        """Commit; returns the offset of the tracked record by partition."""

    def abort(self) -> None:
        """Drop the transaction."""

    def renew(self) -> None:
        """After an unknown outcome: a new producer, under which the old transaction has an end."""

    def close(self) -> None:
        """Leave the group and let go of every connection."""


class StateReader(Protocol):
    """Reads one partition of `rfm.state`, committed records only, up to a fixed end."""

    start_offset: int
    position: int
    end_offset: int

    def read(self, max_records: int, timeout_s: float) -> list[Record]:
        """The next records; `position` tells how far that is, control records included."""

    def close(self) -> None:
        """Let go of the connection."""


class StateLog(Protocol):
    """`rfm.state`, the durable truth behind the store."""

    def open(self, partition: int, offset: int) -> StateReader:
        """A reader from `offset` to the read_uncommitted end as of now."""

    def end(self, partition: int) -> int:
        """The read_uncommitted end of a partition."""


class StoredPosition(NamedTuple):
    """How far a partition of the store is: the next offset of `rfm.state` and the records with it."""

    generation: str
    offset: int
    partition_record: bytes | None
    rules_record: bytes | None
    snapshot_record: bytes | None = None


class Outcome(StrEnum):
    """What the guard said to a write."""

    APPLIED = "applied"
    ALREADY = "already_applied"
    NOT_OWNER = "not_owner"
    BEHIND = "behind"
    FOREIGN = "foreign"


@dataclass(slots=True)
class StoreWrite:
    """One guarded write to one partition of the store: from offset `base` to offset `new`.

    `timers` maps a customer to its due instant, None to remove it. `population` are records about
    the whole partition by name.
    """

    partition: int
    base: int
    new: int
    states: list[tuple[str, bytes]]
    timers: list[tuple[str, int | None]]
    partition_record: bytes | None
    rules_record: bytes | None
    snapshot_record: bytes | None = None
    population: dict[str, bytes] = field(default_factory=dict)


class PositionChanged(Exception):
    """The store's position is not the expected one: nothing may be computed from its values."""


def check_generation(found: str, expected: str, partition: int) -> None:
    """Raise `ForeignStore` where a store holds the state of another journal."""
    if found != expected:
        raise ForeignStore(
            f"Redis holds partition {partition} of journal {found!r}, this worker decides "
            f"{expected!r}. Point RFM_REDIS_URL or RFM_NAMESPACE elsewhere, or, if this journal is "
            "the right one, run `rfm-streams redis rebuild`"
        )


class StateStore(Protocol):
    """Customer states, timers and the position, per journal partition; every write is guarded."""

    def position(self, partition: int) -> StoredPosition | None:
        """Where a partition stands; None where nothing is stored. Raises `ForeignStore`."""

    def load(self, partition: int, base: int, ids: Sequence[str]) -> list[bytes | None]:
        """States by id; raises `PositionChanged` unless the position is `base`."""

    def load_timers(
        self, partition: int, base: int, after: tuple[int, str] | None, limit: int
    ) -> list[tuple[int, str]]:
        """Timers behind `after` in (due, customer) order; raises as `load` does."""

    def apply(self, write: StoreWrite) -> Outcome:
        """Write if the guard allows; idempotent."""

    def wipe(self, partition: int) -> None:
        """Remove a partition whole, to be rebuilt."""

    def scan(self, partition: int) -> Iterable[tuple[str, bytes]]:
        """All customers of a partition, in no order."""

    def scan_page(
        self, partition: int, cursor: int, count: int
    ) -> tuple[int, list[tuple[str, bytes]]]:
        """About `count` customers from a cursor on, and the next cursor, 0 at the end.

        Whoever is there from the first page to the last is in some page, perhaps in two.
        """

    def population(self, partition: int) -> dict[str, bytes]:
        """The records about the whole partition by name."""

    def count_timers(self, partition: int, until_ms: int) -> tuple[int, int]:
        """Number of timers in all and of those due by `until_ms`."""


class Clock(Protocol):
    """The wall clock, in one place."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
