"""CloudEvents 1.0 around a payload: structured mode (a JSON envelope) and binary mode (headers).

Rules from the CloudEvents specification 1.0.2, its JSON format and its Kafka binding. An envelope
may give what the payload leaves out: `event_id`, `type`, `occurred_at`. Where both say it, they
agree.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from pydantic_core import from_json

from schemas.dead_letters import Reason
from schemas.fields import read_instant_ms
from streams.errors import Rejected
from streams.intake.refusals import refuse_bytes

Headers = list[tuple[str, bytes | None]]
"""Kafka headers as the client gives them."""

_REQUIRED: Final = ("specversion", "id", "source", "type")
_STRUCTURED: Final = "application/cloudevents"
_SOURCE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,1000}")
_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode


class Envelope(NamedTuple):
    """The attributes of a CloudEvent that matter here; `time` is RFC 3339 text."""

    event_id: str
    type: str
    source: str
    time: str | None


def open_envelope(payload: bytes, headers: Headers | None) -> tuple[bytes, Envelope | None]:
    """Give the payload's JSON and its envelope; without CloudEvents the bytes as they are.

    Raises:
        Rejected: a CloudEvent that is incomplete, of another version, or not JSON.

    """
    if headers:
        attributes, content_type = _from_headers(headers)
        if content_type.startswith(_STRUCTURED):
            if content_type.partition(";")[0].strip() != "application/cloudevents+json":
                raise _invalid(f"content-type {content_type[:80]} is not taken, only JSON, singly")
            return _open_structured(_members(payload))
        if attributes:
            return payload, _envelope(attributes)
    if b'"specversion"' in payload:
        members = _try_members(payload)
        if "specversion" in members and ("data" in members or "data_base64" in members):
            return _open_structured(members)
    return payload, None


def complete_payload(payload: bytes, envelope: Envelope) -> dict[str, Any]:
    """Parse the payload of a CloudEvent and add what only the envelope says.

    Raises:
        Rejected: not a JSON object, or envelope and payload contradict each other.

    """
    try:
        content = from_json(payload)
    except ValueError as error:
        raise refuse_bytes(payload, str(error)) from None
    if not isinstance(content, dict):
        message = "the CloudEvent's data is not a JSON object"
        raise Rejected(Reason.NOT_AN_OBJECT, message, "data")
    for field, said in (("event_id", envelope.event_id), ("type", envelope.type)):
        if content.setdefault(field, said) != said:
            raise _contradiction(field, content[field], said)
    if envelope.time is not None:
        time_ms = _instant_ms(envelope.time)
        own = content.setdefault("occurred_at", envelope.time)
        if isinstance(own, str) and _differs(own, time_ms):
            raise _contradiction("occurred_at", own, envelope.time)
    return content


def _differs(own: str, time_ms: int) -> bool:
    try:
        return read_instant_ms(own) != time_ms
    except ValueError:
        return False  # The contract refuses it next, with the better reason.


def _instant_ms(text: str) -> int:
    try:
        return read_instant_ms(text)
    except ValueError as error:
        message = f"the CloudEvent's time: {error}"
        raise Rejected(Reason.INVALID_TIME, message, "time") from None


def _from_headers(headers: Headers) -> tuple[dict[str, str], str]:
    attributes = {}
    content_type = ""
    for name, value in headers:
        key = name.lower()
        if key == "content-type":
            content_type = (value or b"").decode("latin-1").strip().lower()
        elif key.startswith("ce_") and (key[3:] in _REQUIRED or key == "ce_time"):
            attributes[key[3:]] = _header_text(key, value)
    return attributes, content_type


def _header_text(name: str, value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise _invalid(f"header {name} is not UTF-8") from None


def _open_structured(members: Mapping[str, msgspec.Raw]) -> tuple[bytes, Envelope]:
    attributes = {}
    for name in (*_REQUIRED, "time"):
        raw = members.get(name)
        if raw is not None and not (name == "time" and bytes(raw) == b"null"):
            attributes[name] = _member_text(name, raw)
    envelope = _envelope(attributes)
    if "data" in members:
        return bytes(members["data"]), envelope
    if "data_base64" not in members:
        raise _invalid("the CloudEvent has no data")
    try:
        text = _member_text("data_base64", members["data_base64"])
        return base64.b64decode(text, validate=True), envelope
    except (binascii.Error, ValueError):
        raise _invalid("data_base64 is not base64") from None


def _member_text(name: str, raw: msgspec.Raw) -> str:
    try:
        return _decode_text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _invalid(f"the CloudEvent's {name} is not a string") from None


def _members(payload: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _decode_members(payload)
    except msgspec.ValidationError:
        message = "the CloudEvent is JSON but not an object"
        raise Rejected(Reason.NOT_AN_OBJECT, message) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refuse_bytes(payload, str(error)) from None


def _try_members(payload: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _decode_members(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}  # Not an envelope; the contract says next what is wrong with the bytes.


def _envelope(attributes: Mapping[str, str]) -> Envelope:
    missing = [name for name in _REQUIRED if not attributes.get(name)]
    if missing:
        raise _invalid(f"the CloudEvent lacks {', '.join(missing)}")
    if attributes["specversion"] != "1.0":
        raise _invalid(f"specversion {attributes['specversion'][:20]!r} is not taken, only 1.0")
    if _SOURCE.fullmatch(attributes["source"]) is None:
        raise _invalid("source is not a text of 1 to 1,000 characters without control characters")
    return Envelope(
        attributes["id"], attributes["type"], attributes["source"], attributes.get("time")
    )


def _invalid(message: str) -> Rejected:
    return Rejected(Reason.INVALID_CLOUDEVENT, message)


def _contradiction(field: str, own: object, said: str) -> Rejected:
    message = f"{field} is {own!r:.80} in the payload and {said!r:.80} in the CloudEvent"
    return Rejected(Reason.CLOUDEVENT_CONTRADICTION, message, field)
