"""Intake under the wall clock: every record at once, in the order in which it came."""

from streams.intake.conversion import Converter, Work
from streams.intake.ports import Position, Source, SourceRecord, SourcesPolled


class WallClock:
    """`Timing` of `RFM_CLOCK=wall`. Journal time is the machine's clock when a batch is read."""

    exclusive = False

    def __init__(self, converter: Converter) -> None:
        self._converter = converter
        self._records: dict[Source, list[SourceRecord]] = {}

    @property
    def is_waiting(self) -> bool:
        """Always: there is nothing to do but what the next poll brings."""
        return True

    def restart(self, source: Source, position: Position) -> None:
        """Nothing is kept between batches."""

    def forget(self, source: Source) -> None:
        """Drop what was read of a source."""
        self._records.pop(source, None)

    def feed(self, polled: SourcesPolled) -> bool:
        """Take over what a poll brought; True where there is work."""
        self._records = polled.records
        return bool(polled.records)

    def take(self, now_ms: int, max_records: int) -> Work:
        """Convert everything; a poll never brings more than a batch."""
        work = Work()
        for source, records in self._records.items():
            self._converter.convert_all(source, records, work, now_ms)
            work.positions[source] = Position(records[-1].offset + 1)
        self._records = {}
        return work

    def flow(self) -> tuple[list[Source], list[tuple[Source, int]]]:
        """No source ever runs ahead."""
        return [], []
