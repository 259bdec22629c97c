"""JSON Lines of contract events: sorted by time, otherwise the bytes as they are.

A line that is no usable event is passed on too, to the topic it most likely belongs to, so that
intake refuses it with its reason. Sorting is a merge of sorted runs in a private folder: memory
holds one run.
"""

import gzip
import heapq
import marshal
import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from schemas.fields import parse_instant_ms
from schemas.registry import INBOUND_TYPES
from streams.errors import UsageError
from streams.files.events import Event
from streams.files.report import ReadReport
from streams.files.statements import AFTER_UNTIL

ENDINGS = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz")
# Where a line goes whose type cannot be told.
FALLBACK_TOPIC = "shop.orders"
UNKNOWN = "unknown"
# A run is what memory holds: about 64 MiB of lines.
_RUN_BYTES = 64 << 20
_TYPE = re.compile(rb'"type"\s*:\s*"([a-z.]{1,40})"')

_decode = msgspec.json.Decoder().decode
_Line = tuple[int, int, str, str, str | None, bytes]  # at_ms, number, topic, type, key, value


class JsonLines:
    """The lines of some files, in order of `occurred_at`, then as they stand in the files."""

    def __init__(self, paths: list[Path], until_ms: int | None, report: ReadReport) -> None:
        """Read and sort all lines. Raises UsageError where a file cannot be read."""
        self._closing = ExitStack()
        self._report = report
        self._runs: list[Path] = []
        self._last_run: list[_Line] = []
        self.line_count = 0
        try:
            self._folder = Path(
                self._closing.enter_context(TemporaryDirectory(prefix="rfm-lines-"))
            )
            self._sort(paths, until_ms)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the runs. Closing twice is fine."""
        self._closing.close()

    def events(self) -> Iterator[Event]:
        """Merge the runs."""
        runs: list[Iterator[_Line]] = [_load_run(path) for path in self._runs]
        for at_ms, _, topic, event_type, key, value in heapq.merge(
            *runs, self._last_run, key=itemgetter(0, 1)
        ):
            self._report.events[event_type] += 1
            yield Event(topic, key, value, at_ms)

    def _sort(self, paths: list[Path], until_ms: int | None) -> None:
        size = 0
        for line in self._read(paths, until_ms):
            self._last_run.append(line)
            size += len(line[5]) + 200
            if size > _RUN_BYTES:
                self._save_run()
                size = 0
        self._last_run.sort(key=itemgetter(0, 1))

    def _save_run(self) -> None:
        self._last_run.sort(key=itemgetter(0, 1))
        path = self._folder / str(len(self._runs))
        with path.open("wb") as file:
            for line in self._last_run:
                marshal.dump(line, file)
        self._runs.append(path)
        self._last_run = []

    def _read(self, paths: list[Path], until_ms: int | None) -> Iterator[_Line]:
        for path in paths:
            before_ms = 0
            for value in _lines(path):
                self._report.row_count += 1
                topic, event_type, key, at_ms = _look(value)
                if at_ms is None:
                    # No time of its own: it stays beside its neighbours, and is never left out.
                    at_ms = before_ms
                elif until_ms is not None and at_ms > until_ms:
                    self._report.left_out[AFTER_UNTIL] += 1
                    continue
                before_ms = at_ms
                self.line_count += 1
                yield at_ms, self.line_count, topic, event_type, key, value


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines without their end; blank ones are no lines."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            for number, line in enumerate(file):
                value = line.rstrip(b"\r\n")
                if number == 0:
                    value = value.removeprefix(b"\xef\xbb\xbf")
                if value.strip():
                    yield value
    except (OSError, EOFError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); check the file") from error


def _look(value: bytes) -> tuple[str, str, str | None, int | None]:
    """Return topic, type, customer id and time of a line, as far as they can be told."""
    found: Any = None
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _decode(value)
    if not isinstance(found, dict):
        match = _TYPE.search(value)
        event_type = match[1].decode() if match else UNKNOWN
        return (*_topic(event_type), None, None)
    inner = found.get("data") if "specversion" in found else None
    event = inner if isinstance(inner, dict) else found
    key = event.get("customer_id")
    return (
        *_topic(event.get("type", found.get("type"))),
        key if isinstance(key, str) else None,
        _instant_ms(event.get("occurred_at")),
    )


def _topic(event_type: object) -> tuple[str, str]:
    if isinstance(event_type, str) and event_type in INBOUND_TYPES:
        return INBOUND_TYPES[event_type], event_type
    return FALLBACK_TOPIC, UNKNOWN


def _instant_ms(text: object) -> int | None:
    """Read a time with an offset; whether the contract accepts it is for intake to say."""
    if not isinstance(text, str):
        return None
    try:
        return parse_instant_ms(text)
    except (ValueError, TypeError):  # TypeError: a time without offset has no instant
        return None


def _load_run(path: Path) -> Iterator[_Line]:
    with path.open("rb") as file, suppress(EOFError):
        while True:
            yield marshal.load(file)  # noqa: S302 - our own file in our own folder
