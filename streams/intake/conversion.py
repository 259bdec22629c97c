"""From records of the public topics to records of the journal, or to dead letters. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

from schemas.dead_letters import Reason
from schemas.events import TimeMark
from streams.codec.journal import encode_input
from streams.codec.normalise import normalise
from streams.codec.rates import Rates
from streams.core.inputs import CustomerEvent
from streams.errors import Rejected
from streams.intake.dead_letters import make_dead_letter
from streams.intake.ports import Outgoing, Position, Source, SourceHeaders, SourceRecord
from streams.intake.reading import Limits, Reading, read_record

JOURNAL: Final = "rfm.journal"
BACKFILL_HEADER: Final = "rfm-backfill"

# `normalise` gives the common base of exactly the events that the journal knows.
_encode: Final = cast("Callable[[CustomerEvent], bytes]", encode_input)


@dataclass(slots=True)
class Work:
    """What one batch of records came to.

    `outgoing` is in the order of publication. `positions` is where the sources stand behind it.
    `age_total_ms` adds up how old the `live` events (no back-fill) were when they were read.
    """

    outgoing: list[Outgoing] = field(default_factory=list)
    positions: dict[Source, Position] = field(default_factory=dict)
    refusals: list[Reason] = field(default_factory=list)
    taken: int = 0
    live: int = 0
    age_total_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """Reads, normalises and encodes records by one installation's limits and rates.

    `version` is this release's, for the dead letters.
    """

    limits: Limits
    rates: Rates
    version: str

    def convert_all(
        self, source: Source, records: list[SourceRecord], work: Work, now_ms: int
    ) -> None:
        """Convert a source's records under the wall clock: journal time is `now_ms`."""
        topic, limits, rates = source[0], self.limits, self.rates
        add: Callable[[Outgoing], None] = work.outgoing.append
        live, age_total_ms = 0, 0
        for record in records:
            _, _, value, headers, has_unreadable_headers = record
            try:
                if has_unreadable_headers:
                    raise _unreadable_headers()
                event, origin = read_record(topic, value, headers, limits, now_ms=now_ms)
                if isinstance(event, TimeMark):
                    raise _mark_under_wall_clock()
                backfill = headers is not None and is_backfill(headers)
                entry = normalise(
                    event, source=origin, received_at_ms=now_ms, backfill=backfill, rates=rates
                )
            except Rejected as refusal:
                self.refuse(source, record, refusal, work, now_ms)
                continue
            if not backfill:
                live += 1
                age_total_ms += now_ms - entry.occurred_at_ms
            add(Outgoing(JOURNAL, entry.customer_id.encode(), _encode(entry)))
        work.taken += len(records)
        work.live += live
        work.age_total_ms += age_total_ms

    def read(self, source: Source, record: SourceRecord, now_ms: int) -> Reading | Rejected:
        """Check one record against its contract."""
        if record.has_unreadable_headers:
            return _unreadable_headers()
        try:
            return read_record(source[0], record.value, record.headers, self.limits, now_ms=now_ms)
        except Rejected as refusal:
            return refusal

    def convert(
        self,
        source: Source,
        record: SourceRecord,
        reading: Reading,
        work: Work,
        *,
        received_at_ms: int,
        now_ms: int,
    ) -> None:
        """Convert one record that was read before, at the journal time `received_at_ms`."""
        event, origin = reading
        if isinstance(event, TimeMark):
            return
        backfill = record.headers is not None and is_backfill(record.headers)
        try:
            entry = normalise(
                event,
                source=origin,
                received_at_ms=received_at_ms,
                backfill=backfill,
                rates=self.rates,
            )
        except Rejected as refusal:
            self.refuse(source, record, refusal, work, now_ms)
            return
        work.outgoing.append(Outgoing(JOURNAL, entry.customer_id.encode(), _encode(entry)))

    def refuse(
        self, source: Source, record: SourceRecord, refusal: Rejected, work: Work, now_ms: int
    ) -> None:
        """Add the dead letter of a record."""
        letter = make_dead_letter(source, record, refusal, now_ms=now_ms, version=self.version)
        work.outgoing.append(letter)
        work.refusals.append(Reason(refusal.reason))


def is_backfill(headers: SourceHeaders) -> bool:
    """Whether the header `rfm-backfill: true` stands there."""
    return any(name == BACKFILL_HEADER and value == b"true" for name, value in headers)


def _mark_under_wall_clock() -> Rejected:
    message = "time.mark has no meaning while time is now; start intake with RFM_CLOCK=event"
    return Rejected(Reason.TIME_MARK_UNDER_WALL_CLOCK, message, "type")


def _unreadable_headers() -> Rejected:
    # They might say back-fill, or be a CloudEvent: without them the record means something else.
    message = "the name of a header is not UTF-8; the headers cannot be read and are left out here"
    return Rejected(Reason.INVALID_UTF8, message)
