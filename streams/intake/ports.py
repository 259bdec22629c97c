"""What intake needs from the outside, as protocols. Adapters implement them.

A source is one partition of one public topic, by the topic's logical name. Offsets are
next-to-read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from schemas.dead_letters import Reason

Source = tuple[str, int]
SourceHeaders = Sequence[tuple[str, bytes | None]]


class SourceRecord(NamedTuple):
    """One record of a source, as it came.

    `has_unreadable_headers`: a header's name is not UTF-8, and the client gives none of them.
    """

    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] | None
    has_unreadable_headers: bool = False


class Position(NamedTuple):
    """How far a source was taken. `offset` None: nothing yet, begin with its oldest record.

    `note` travels with the committed position: the event clock keeps its watermark there.
    """

    offset: int | None
    note: str = ""


class Outgoing(NamedTuple):
    """One record to publish, to the partition that its key chooses where `partition` is None."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: SourceHeaders = ()
    partition: int | None = None


@dataclass(slots=True)
class SourcesPolled:
    """What one poll brought. `gained` and `lost` come before the records in time.

    `records` holds only sources that were owned all through the poll; `at_end` those whose end was
    reached behind these records. `membership` proves the ownership under which they were read; it
    is captured in the same step and handed back with the positions. `troubles` are the client's
    complaints that it will mend by itself.
    """

    records: dict[Source, list[SourceRecord]] = field(default_factory=dict)
    at_end: set[Source] = field(default_factory=set)
    gained: list[Source] = field(default_factory=list)
    lost: list[Source] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    membership: object = None


class IntakeLog(Protocol):
    """The public topics as intake reads them, and the transaction that it writes."""

    def sources(self) -> frozenset[Source]:
        """Every partition of every public topic."""

    def poll(self, max_records: int, timeout_s: float) -> SourcesPolled:
        """Records of the owned sources that were started; returns at the latest after timeout."""

    def start(self, source: Source, offset: int | None) -> None:
        """Begin, or begin again, to read an owned source; None is its oldest record."""

    def halt(self, source: Source) -> None:
        """Stop reading an owned source until it is started again."""

    def committed(self, sources: Collection[Source]) -> dict[Source, Position]:
        """The committed positions of the group; waits for transactions under way."""

    def unread(self, source: Source) -> int | None:
        """Records between the position and the end of a source; None where that is not known."""

    def begin(self) -> None:
        """Open the transaction."""

    def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Add records to the transaction, in this order."""

    def send_positions(self, positions: Mapping[Source, Position], membership: object) -> None:
        """Add the positions to the transaction, under the membership of the poll."""

    def fetch_broker_time(self) -> int | None:
        """Wait until the journal has this transaction's records; the broker's clock there in ms.

        None where none was added, or none arrived within the bound.
        """

    def commit(self) -> None:
        """Commit the transaction."""

    def abort(self) -> None:
        """Drop the transaction."""

    def renew(self) -> None:
        """After an unknown outcome: a new producer, under which the old transaction has an end."""

    def close(self) -> None:
        """Leave the group and let go of every connection."""


class IntakeMeasures(Protocol):
    """What the cycle of intake tells about itself."""

    def polled(self, records: int) -> None:
        """A batch of so many records is being worked on."""

    def committed(self, records: int, seconds: float, event_to_journal_s: float | None) -> None:
        """A batch is committed; the commit took `seconds`.

        `event_to_journal_s` is the mean age of the batch's live events at the commit; None without
        any, and under the event clock.
        """

    def aborted(self, reason: str, positions: Mapping[str, int] = ...) -> None:
        """Something failed that is tried again; a batch, from `positions` by topic and partition."""

    def dead_letter(self, reason: Reason) -> None:
        """One committed dead letter."""

    def owned(self, unread: Mapping[Source, int], positions: Mapping[Source, int]) -> None:
        """How many records of each owned source are unread, and up to where it is committed.

        Told about once a second. Left out are sources of which it is not known, as before the first
        fetch.
        """

    def fenced(self) -> None:
        """Another process took over; this one ends."""
