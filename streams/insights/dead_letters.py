"""Dead letters as they are read back, and which of them were sent again."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from confluent_kafka import Message

# The broker takes 4,096 bytes of metadata with a position (`offset.metadata.max.bytes`).
MAX_MEMORY_BYTES = 4_000
_MEMORY_VERSION = "1:"
_PREFIX = "dlq."


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter: the record as it came, and why it was refused.

    `headers` are the record's own, in order; `about` holds the texts of the `dlq.` headers without
    that prefix.
    """

    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    about: dict[str, str]

    @property
    def reason(self) -> str:
        """Stable code of the reason."""
        return self.about.get("reason", "")

    @property
    def attempt(self) -> int:
        """How often the record was refused, 1 for the first time."""
        text = self.about.get("attempt", "1")
        return int(text) if text.isascii() and text.isdigit() else 1

    @property
    def needs_value(self) -> bool:
        """Whether the value that is kept cannot be sent again: it was cut, or there is none."""
        return self.value is None or "truncated" in self.about


def read_dead_letter(message: Message) -> DeadLetter:
    """A dead letter from its record."""
    own: list[tuple[str, bytes | None]] = []
    about: dict[str, str] = {}
    headers = message.headers() or []
    for name, raw in headers.items() if isinstance(headers, dict) else headers:
        value = raw.encode() if isinstance(raw, str) else raw
        if name.startswith(_PREFIX):
            about[name.removeprefix(_PREFIX)] = (value or b"").decode(errors="replace")
        else:
            own.append((name, value))
    return DeadLetter(
        message.offset() or 0, _bytes(message.key()), _bytes(message.value()), own, about
    )


def _bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data


def encode_retried(offsets: Iterable[int], first: int) -> str:
    """Offsets from `first` on as text: runs as gap and length, each counted from the one before.

    Where they do not fit, the oldest are forgotten: sending such a record again changes nothing,
    because intake's events are known by their identity.
    """
    ordered = sorted({offset for offset in offsets if offset >= first})
    ends = [index for index, (a, b) in enumerate(pairwise(ordered), start=1) if b != a + 1]
    starts = [0, *ends]
    runs = [
        (ordered[start], stop - start)
        for start, stop in zip(starts, [*ends, len(ordered)], strict=True)
        if stop > start
    ]
    kept: list[str] = []
    length = len(_MEMORY_VERSION)
    # From the latest back: each run as the first of all, until it does not fit.
    for index in range(len(runs) - 1, -1, -1):
        if length + len(_run_text(runs[index], 0)) > MAX_MEMORY_BYTES:
            return _MEMORY_VERSION + ",".join([_run_text(runs[index + 1], 0), *kept[-2::-1]])
        previous_end = sum(runs[index - 1]) if index else 0
        kept.append(_run_text(runs[index], previous_end))
        length += len(kept[-1]) + 1
    return _MEMORY_VERSION + ",".join(reversed(kept))


def decode_retried(text: str | None) -> set[int]:
    """The offsets of `encode_retried`; none where the text is of another release."""
    offsets: set[int] = set()
    if not text or not text.startswith(_MEMORY_VERSION):
        return offsets
    position = 0
    for run in text.removeprefix(_MEMORY_VERSION).split(","):
        if run:
            gap, _, length = run.partition("+")
            start = position + int(gap)
            position = start + int(length or 1)
            offsets.update(range(start, position))
    return offsets


def _run_text(run: tuple[int, int], previous_end: int) -> str:
    start, length = run
    gap = start - previous_end
    return f"{gap}+{length}" if length > 1 else str(gap)
