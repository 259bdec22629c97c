"""Intake under the event clock: time is what the events say. For loads of history and the demo.

Each source has a watermark: the greatest `occurred_at`, or `until` of a time mark, read there. The
sources are merged by watermark, always taking next from the one whose next record leaves it least,
and only while the next record of every source is known. So the order, and the journal time of each
record, follow from what stands in the topics and not from how the client happened to fetch it.

Journal time is the least watermark, the next record of a source included. A source that was read
to its end stays where it is and holds time back, until further records or a time mark move it; one
that never held a record does not count. Journal time never goes back. All of it survives a restart:
the watermark of a source, journal time and the latest tick are the note at its committed position.
"""

from collections import deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import Final

from schemas.events import TimeMark
from schemas.fields import parse_instant_ms
from streams.codec.journal import encode_input
from streams.core.inputs import Tick
from streams.errors import BrokenInvariant, Rejected
from streams.intake.conversion import JOURNAL, Converter, Work
from streams.intake.ports import Outgoing, Position, Source, SourceRecord, SourcesPolled
from streams.intake.reading import Reading

EVENT_CLOCK_STEP_MS: Final = 60_000
"""A tick at least every minute of journal time. In between, timers wait for it or for a record."""

# A source that runs ahead of the others is read no further than this, and again from the lower
# figure on: enough to fill a batch, little enough to hold one for every source in memory.
_MANY_RECORDS: Final = 5_000
_FEW_RECORDS: Final = 1_000
_MANY_BYTES: Final = 8 * 1024 * 1024
# A refused record says nothing about time: it goes first.
_AT_ONCE: Final = -(2**63)


@dataclass(slots=True)
class _Lane:
    """What was read of one source and not taken. `offset` is next to take, `fetched` to fetch."""

    watermark_ms: int | None
    offset: int | None
    fetched: int | None
    records: deque[SourceRecord] = field(default_factory=deque)
    size_bytes: int = 0
    head: Reading | Rejected | None = None
    head_ms: int = _AT_ONCE
    at_end: bool = False
    halted: bool = False


class EventClock:
    """`Timing` of `RFM_CLOCK=event`, for the one worker that owns every source."""

    exclusive = True

    def __init__(self, converter: Converter, journal_partitions: int) -> None:
        self._converter = converter
        self._journal_partitions = journal_partitions
        self._lanes: dict[Source, _Lane] = {}
        self.journal_ms: int | None = None
        self._ticked_ms: int | None = None

    @property
    def is_waiting(self) -> bool:
        """True where nothing can be taken before the next poll brings more."""
        return not any(lane.records for lane in self._lanes.values()) or self._has_gap()

    def restart(self, source: Source, position: Position) -> None:
        """Go on with a source from its committed position."""
        watermark_ms, journal_ms, ticked_ms = _parse_note(position.note)
        self._lanes[source] = _Lane(watermark_ms, position.offset, position.offset)
        self.journal_ms = _greatest(self.journal_ms, journal_ms)
        self._ticked_ms = _greatest(self._ticked_ms, ticked_ms)

    def forget(self, source: Source) -> None:
        """Drop a source. With the last one goes the time, which the committed notes give back."""
        self._lanes.pop(source, None)
        if not self._lanes:
            self.journal_ms = self._ticked_ms = None

    def feed(self, polled: SourcesPolled) -> bool:
        """Take over what a poll brought; True where there is work."""
        for source, records in polled.records.items():
            lane = self._lanes[source]
            lane.records.extend(records)
            lane.size_bytes += sum(map(_size, records))
            lane.fetched = records[-1].offset + 1
            lane.at_end = False
        for source in polled.at_end & self._lanes.keys():
            self._lanes[source].at_end = True
        if not self._lanes or self._has_gap():
            return False
        return any(lane.records for lane in self._lanes.values()) or self._owes_tick()

    def take(self, now_ms: int, max_records: int) -> Work:
        """Take up to `max_records` records in the order of time, with the ticks between them."""
        work = Work()
        held_ms = self._held_ms()
        touched: dict[Source, _Lane] = {}
        heads = self._heads(now_ms)
        while heads and work.taken < max_records:
            head_ms, source = heads[0]
            lane = touched[source] = self._lanes[source]
            if head_ms != _AT_ONCE:
                self._advance(head_ms if held_ms is None else min(head_ms, held_ms), work)
            self._take_head(source, lane, work, now_ms)
            if lane.records:
                heapreplace(heads, (self._look(source, lane, now_ms), source))
                continue
            heappop(heads)
            if not lane.at_end:
                break
            held_ms = _least(held_ms, lane.watermark_ms)
        if not heads and not self._has_gap() and held_ms is not None:
            self._advance(held_ms, work, to_the_end=True)
        for source, lane in (touched or self._any_lane()).items():
            work.positions[source] = Position(lane.offset, self._note(lane))
        return work

    def flow(self) -> tuple[list[Source], list[tuple[Source, int]]]:
        """Give the sources to read no further for now, and those to read on, with their offsets."""
        ahead: list[Source] = []
        behind: list[tuple[Source, int]] = []
        for source, lane in self._lanes.items():
            count, size_bytes = len(lane.records), lane.size_bytes
            if not lane.halted and (count >= _MANY_RECORDS or size_bytes >= _MANY_BYTES):
                lane.halted = True
                ahead.append(source)
            elif lane.halted and count <= _FEW_RECORDS and size_bytes <= _MANY_BYTES // 2:
                lane.halted = False
                behind.append((source, lane.fetched or 0))
        return ahead, behind

    # -- the merge -------------------------------------------------------------------------------

    def _heads(self, now_ms: int) -> list[tuple[int, Source]]:
        heads = [
            (self._look(source, lane, now_ms), source)
            for source, lane in self._lanes.items()
            if lane.records
        ]
        heapify(heads)
        return heads

    def _look(self, source: Source, lane: _Lane, now_ms: int) -> int:
        """Read a lane's next record, once; the watermark that it would leave."""
        if lane.head is None:
            lane.head = self._converter.read(source, lane.records[0], now_ms)
            lane.head_ms = _AT_ONCE
            if not isinstance(lane.head, Rejected):
                event = lane.head.event
                told = event.until if isinstance(event, TimeMark) else event.occurred_at
                at_ms = parse_instant_ms(told)
                lane.head_ms = at_ms if lane.watermark_ms is None else max(lane.watermark_ms, at_ms)
        return lane.head_ms

    def _take_head(self, source: Source, lane: _Lane, work: Work, now_ms: int) -> None:
        record, head = lane.records.popleft(), lane.head
        lane.head = None
        lane.size_bytes -= _size(record)
        lane.offset = record.offset + 1
        work.taken += 1
        if isinstance(head, Rejected):
            self._converter.refuse(source, record, head, work, now_ms)
        elif head is not None and self.journal_ms is not None:
            lane.watermark_ms = lane.head_ms
            self._converter.convert(
                source, record, head, work, received_at_ms=self.journal_ms, now_ms=now_ms
            )

    def _has_gap(self) -> bool:
        """Whether a source's next record is not known yet, though there may be one."""
        return any(not lane.records and not lane.at_end for lane in self._lanes.values())

    def _held_ms(self) -> int | None:
        """The least watermark of the sources at their end."""
        held_ms: int | None = None
        for lane in self._lanes.values():
            if not lane.records:
                held_ms = _least(held_ms, lane.watermark_ms)
        return held_ms

    def _any_lane(self) -> dict[Source, _Lane]:
        """A lane to hang the note of mere ticks on."""
        return next(
            ({source: lane} for source, lane in self._lanes.items() if lane.offset is not None), {}
        )

    # -- time ------------------------------------------------------------------------------------

    def _advance(self, to_ms: int, work: Work, *, to_the_end: bool = False) -> None:
        """Bring journal time to `to_ms` unless it is later, and tick where a step is complete."""
        self.journal_ms = journal_ms = max(
            to_ms, to_ms if self.journal_ms is None else self.journal_ms
        )
        least_ms = 1 if to_the_end else EVENT_CLOCK_STEP_MS
        if self._ticked_ms is not None and journal_ms - self._ticked_ms < least_ms:
            return
        self._ticked_ms = journal_ms
        tick = encode_input(Tick(received_at_ms=journal_ms, continuous=True))
        work.outgoing.extend(
            Outgoing(JOURNAL, None, tick, (), partition)
            for partition in range(self._journal_partitions)
        )

    def _owes_tick(self) -> bool:
        """Whether time, all sources being at their end, is later than the latest tick."""
        now_ms = _greatest(self._held_ms(), self.journal_ms)
        return now_ms is not None and now_ms != _greatest(self._ticked_ms, now_ms - 1)

    def _note(self, lane: _Lane) -> str:
        values = (lane.watermark_ms, self.journal_ms, self._ticked_ms)
        return ";".join("" if value is None else str(value) for value in values)


def _parse_note(note: str) -> tuple[int | None, int | None, int | None]:
    if not note:
        return None, None, None
    try:
        watermark, journal, ticked = (int(text) if text else None for text in note.split(";"))
    except ValueError:
        raise BrokenInvariant(
            f"the committed position of intake carries {note!r}, which this release cannot read; "
            "a newer release may have written it: run that release"
        ) from None
    return watermark, journal, ticked


def _size(record: SourceRecord) -> int:
    return len(record.value or b"") + len(record.key or b"")


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _greatest(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)
