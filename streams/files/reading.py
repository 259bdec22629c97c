"""Files into contract events: the one door of this package.

CSV and Parquet need a mapping (streams/files/mapping.py); JSON Lines are contract events already.
"""

import heapq
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.errors import BrokenInvariant, UsageError
from streams.files import statements
from streams.files.events import CartFold, CartLine, Event, Head, Line, encode_head
from streams.files.json_lines import ENDINGS as JSON_ENDINGS
from streams.files.json_lines import JsonLines
from streams.files.mapping import CartsMapping, Mapping
from streams.files.report import ReadReport
from streams.files.tables import Tables

__all__ = ["Event", "EventStream", "ReadReport", "count_events", "read_events"]

_HEAD_NO = itemgetter(0)


class EventStream(Iterator[Event]):
    """Events of tables in order of `occurred_at_ms`, of JSON Lines in the order of the files.

    `event_count` is known from the start; `report` is complete at the end. Closes itself at the end
    or as a context manager.
    """

    def __init__(
        self,
        events: Iterator[Event],
        event_count: int,
        report: ReadReport,
        close: Callable[[], None],
    ) -> None:
        """Take over what `close` closes."""
        self._events = events
        self._close = close
        self.event_count = event_count
        self.report = report

    def __next__(self) -> Event:
        """Return the next event; the end closes the stream."""
        try:
            return next(self._events)
        except BaseException:
            self._close()
            raise

    def close(self) -> None:
        """Release the database and temporary files. Closing twice is fine."""
        self._close()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self._close()


def read_events(
    paths: list[Path], mapping: Mapping | None, *, until_ms: int | None = None
) -> EventStream:
    """Read all files and stream their events; those after `until_ms` (UTC) are left out, counted.

    Tables are loaded and sorted before this returns; memory is bounded, disk takes the rest.
    Raises UsageError for files that cannot be read or do not fit the mapping.
    """
    if mapping is None:
        return _read_json_lines(paths, until_ms)
    for path in paths:
        if path.name.lower().endswith(JSON_ENDINGS):
            raise UsageError(f"{path}: JSON Lines are contract events; leave the mapping away")
    return _read_tables(paths, mapping, until_ms)


def count_events(paths: list[Path], mapping: Mapping | None, *, until_ms: int | None = None) -> int:
    """Count the events that `read_events` yields.

    Reads everything: a command that goes on reading takes `event_count` of its stream instead.
    """
    with read_events(paths, mapping, until_ms=until_ms) as stream:
        return stream.event_count


def _read_json_lines(paths: list[Path], until_ms: int | None) -> EventStream:
    if not paths:
        raise UsageError("no file given; name at least one")
    for path in paths:
        if not path.name.lower().endswith(JSON_ENDINGS):
            raise UsageError(
                f"{path}: only JSON Lines ({', '.join(JSON_ENDINGS)}) are read without a mapping; "
                "give one with --mapping (examples are in examples/)"
            )
    report = ReadReport()
    lines = JsonLines(paths, until_ms, report)
    return EventStream(lines.events(), lines.line_count, report, lambda: None)


def _read_tables(paths: list[Path], mapping: Mapping, until_ms: int | None) -> EventStream:
    tables = Tables(paths, mapping, until_ms)
    report = ReadReport(row_count=tables.fetch_one("SELECT count(*) FROM lines")[0])
    for reason, row_count in tables.fetch_rows(statements.LEFT_OUT):
        report.left_out[reason] += row_count
    count = tables.fetch_one("SELECT count(*) FROM heads WHERE reason IS NULL")[0]
    events = _heads(tables, mapping, report)
    if isinstance(mapping, CartsMapping):
        changes, too_late = tables.fetch_one(statements.cart_counts(until_ms))
        count += changes
        if too_late:
            report.left_out[statements.AFTER_UNTIL] += too_late
        # At one instant a change comes before the order, which may have emptied the cart.
        carts = _carts(tables, mapping, report, until_ms)
        events = heapq.merge(carts, events, key=attrgetter("occurred_at_ms"))
    return EventStream(events, count, report, tables.close)


def _heads(tables: Tables, mapping: Mapping, report: ReadReport) -> Iterator[Event]:
    heads = (Head._make(row) for row in tables.fetch_rows(statements.HEADS))
    lines = (Line._make(row) for row in tables.fetch_rows(statements.HEAD_LINES))
    # Every head has a line, so both run in step.
    for head, (head_no, group) in zip(heads, groupby(lines, key=_HEAD_NO), strict=True):
        if head.head_no != head_no:
            raise BrokenInvariant(f"lines of head {head_no} stand beside head {head.head_no}")
        event_type, event = encode_head(mapping.source, head, group)
        report.events[event_type] += 1
        yield event


def _carts(
    tables: Tables, mapping: CartsMapping, report: ReadReport, until_ms: int | None
) -> Iterator[Event]:
    fold = CartFold(mapping.source)
    for row in tables.fetch_rows(statements.cart_lines(until_ms)):
        event = fold.apply(CartLine._make(row))
        if event is not None:
            report.events["cart.updated"] += 1
            yield event
