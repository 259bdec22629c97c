"""JSON Lines of contract events: in the order of the file, the bytes as they are.

The order of a file is an order of arrival, so late events stay late. A line that is no usable event
is passed on too, to the topic it most likely belongs to, so that intake refuses it with its reason.
"""

import gzip
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from schemas.fields import read_instant_ms
from schemas.registry import INBOUND_TYPES
from streams.errors import UsageError
from streams.files.events import Event
from streams.files.report import ReadReport
from streams.files.statements import AFTER_UNTIL

ENDINGS = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz")
# Where a line goes whose type cannot be told.
FALLBACK_TOPIC = "shop.orders"
UNKNOWN = "unknown"
_TYPE = re.compile(rb'"type"\s*:\s*"([a-z.]{1,40})"')

# Above what a topic takes, so that a line too large for it is told as such; a file without line
# breaks would otherwise be read whole into memory.
MAX_LINE_BYTES = 16 * 1024 * 1024

_decode = msgspec.json.Decoder().decode


class JsonLines:
    """The lines of some files, one after the other."""

    def __init__(self, paths: list[Path], until_ms: int | None, report: ReadReport) -> None:
        """Count all lines. Raises UsageError where a file cannot be read."""
        self._paths = paths
        self._until_ms = until_ms
        self._report = report
        self.line_count = 0
        for path in paths:
            for value in _lines(path):
                report.row_count += 1
                if self._is_wanted(_look(value)[3]):
                    self.line_count += 1
                else:
                    report.left_out[AFTER_UNTIL] += 1

    def events(self) -> Iterator[Event]:
        """Yield the lines as events; one without a time of its own has that of the line before."""
        at_ms = 0
        for path in self._paths:
            for value in _lines(path):
                topic, event_type, key, found_ms = _look(value)
                if self._is_wanted(found_ms):
                    at_ms = found_ms if found_ms is not None else at_ms
                    self._report.events[event_type] += 1
                    yield Event(topic, key, value, at_ms)

    def _is_wanted(self, at_ms: int | None) -> bool:
        return at_ms is None or self._until_ms is None or at_ms <= self._until_ms


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines without their end; blank ones are no lines."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b"")):
                if len(line) > MAX_LINE_BYTES:
                    raise UsageError(
                        f"{path}, line {number + 1}: is longer than {MAX_LINE_BYTES >> 20} MiB; JSON "
                        "Lines have one event a line"
                    )
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
        return read_instant_ms(text)
    except (ValueError, TypeError):  # TypeError: a time without offset has no instant
        return None
