"""The dead letter of a record: key, value and headers as they came, and the reason beside them.

Headers of ours come last, so that they win where the record brought headers of the same names.
"""

from hashlib import sha256
from typing import Final

from schemas.topics import TOPIC_BY_NAME
from streams.codec.text import format_instant
from streams.errors import Rejected
from streams.intake.ports import Outgoing, Source, SourceHeaders, SourceRecord

TOPIC: Final = "dead-letters"
ATTEMPT_HEADER: Final = "rfm-attempt"
"""Which attempt this is, 2 for the first retry; written by `dead-letters retry`."""

_MAX_MESSAGE_CHARACTERS: Final = 1_000
_MAX_ATTEMPT_DIGITS: Final = 6
# What Kafka's record format adds: 61 bytes a batch, under 30 a record, under 11 a header.
_RECORD_OVERHEAD: Final = 256
_HEADER_OVERHEAD: Final = 11
_MAX_BYTES: Final = TOPIC_BY_NAME[TOPIC].max_message_bytes - _RECORD_OVERHEAD


def make_dead_letter(
    source: Source,
    record: SourceRecord,
    refusal: Rejected,
    *,
    now_ms: int,
    version: str,
    stage: str = "intake",
) -> Outgoing:
    """Give the dead letter of a record; where it would not fit into the topic, it is cut.

    The value is cut first and marked with `dlq.truncated`. Only a record whose key and own headers
    leave no room at all loses those too, and its `dlq.message` says so.
    """
    own: SourceHeaders = record.headers or ()
    key, value, message = record.key, record.value, refusal.message[:_MAX_MESSAGE_CHARACTERS]
    about = _about(source, record, refusal, now_ms, version, stage)
    room = _MAX_BYTES - _bytes_of(about) - len(message.encode("utf-8", "replace"))
    # 120 bytes for `dlq.truncated` and the sentence below.
    room -= 2 * _HEADER_OVERHEAD + len("dlq.messagedlq.truncated") + 120
    kept = len(key or b"") + _bytes_of(own)
    if kept > room:
        message += f" (its key and headers, {kept} bytes, did not fit and are left out)"
        key, own, kept = None, (), 0
    about.append(("dlq.message", message.encode("utf-8", "replace")))
    if value is not None and kept + len(value) > room:
        digest = sha256(value).hexdigest()
        about.append(("dlq.truncated", f"{len(value)} sha256={digest}".encode()))
        value = value[: room - kept]
    return Outgoing(TOPIC, key, value, [*own, *about])


def _about(
    source: Source,
    record: SourceRecord,
    refusal: Rejected,
    now_ms: int,
    version: str,
    stage: str,
) -> list[tuple[str, bytes | None]]:
    topic, partition = source
    said = {
        "dlq.topic": topic,
        "dlq.partition": str(partition),
        "dlq.offset": str(record.offset),
        "dlq.reason": refusal.reason,
        "dlq.at": format_instant(now_ms),
        "dlq.stage": stage,
        "dlq.version": version,
        "dlq.attempt": str(_attempt(record.headers or ())),
    }
    if refusal.field is not None:
        said["dlq.field"] = refusal.field[:_MAX_MESSAGE_CHARACTERS]
    return [(name, text.encode("utf-8", "replace")) for name, text in said.items()]


def _attempt(headers: SourceHeaders) -> int:
    """The attempt that a retry counted; anything else that stands there is the first."""
    for name, value in reversed(headers):
        if name == ATTEMPT_HEADER and value is not None:
            digits = value.isdigit() and len(value) <= _MAX_ATTEMPT_DIGITS
            return max(1, int(value)) if digits else 1
    return 1


def _bytes_of(headers: SourceHeaders) -> int:
    return sum(
        len(name.encode("utf-8", "replace")) + len(value or b"") + _HEADER_OVERHEAD
        for name, value in headers
    )
