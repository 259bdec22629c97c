"""CloudEvents in both modes and the Confluent wire format carry the same payloads."""

import base64
import json
from typing import Any

import pytest

from schemas.dead_letters import Reason
from streams.errors import Rejected
from tests.contract.messages import ORDER, encode, order, read

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "https://shop.example/de",
    "type": "order.placed",
    "time": "2026-03-01T10:30:00+01:00",
}
STRUCTURED: list[tuple[str, bytes | None]] = [
    ("content-type", b"application/cloudevents+json; charset=UTF-8")
]
BARE = {name: v for name, v in ORDER.items() if name not in ("event_id", "type", "occurred_at")}


def _headers(**changes: bytes | None) -> list[tuple[str, bytes | None]]:
    attributes = {name: text.encode() for name, text in ATTRIBUTES.items()} | changes
    headers = [(f"ce_{name}", value) for name, value in attributes.items() if value is not None]
    return [("content-type", b"application/json"), *headers]


def _structured(data: object, **changes: object) -> bytes:
    return encode({**ATTRIBUTES, "data": data, **changes})


@pytest.mark.parametrize("payload", [ORDER, BARE], ids=["complete", "bare"])
def test_both_modes_give_the_same_event_and_source(payload: dict[str, Any]) -> None:
    binary = read(encode(payload), _headers())
    structured = read(_structured(payload), STRUCTURED)
    unannounced = read(_structured(payload))
    encoded = _structured(..., data_base64=base64.b64encode(encode(payload)).decode())
    assert binary == structured == unannounced == read(encoded)
    assert binary.source == "https://shop.example/de"
    assert binary.event.event_id == "e-1"
    assert binary.event.type == "order.placed"


def test_the_envelope_wins_over_nothing_it_only_fills_in() -> None:
    same = read(encode(ORDER), _headers(time=b"2026-03-01T09:30:00.000Z"))
    assert same.event == read(order()).event
    assert read(encode(ORDER), _headers(time=None)).event == same.event


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": b"other"}, "event_id"),
        ({"type": b"order.cancelled"}, "type"),
        ({"time": b"2026-03-01T09:30:01Z"}, "occurred_at"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, bytes], field: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(order(), _headers(**changes))
    assert refused.value.reason == Reason.CLOUDEVENT_CONTRADICTION
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, Reason.INVALID_CLOUDEVENT),
        ({"source": None}, Reason.INVALID_CLOUDEVENT),
        ({"source": b"a\0b"}, Reason.INVALID_CLOUDEVENT),
        ({"source": b"x" * 1001}, Reason.INVALID_CLOUDEVENT),
        ({"specversion": b"0.3"}, Reason.INVALID_CLOUDEVENT),
        ({"specversion": None}, Reason.INVALID_CLOUDEVENT),
        ({"type": b"\xff"}, Reason.INVALID_CLOUDEVENT),
        ({"time": b"yesterday"}, Reason.INVALID_TIME),
        ({"time": b"2026-03-01T09:30:00"}, Reason.INVALID_TIME),
    ],
)
def test_incomplete_headers_are_refused(changes: dict[str, bytes], reason: Reason) -> None:
    with pytest.raises(Rejected) as refused:
        read(order(), _headers(**changes))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (_structured(ORDER, id=5), Reason.INVALID_CLOUDEVENT),
        (_structured(ORDER, source=""), Reason.INVALID_CLOUDEVENT),
        (_structured(...), Reason.INVALID_CLOUDEVENT),
        (_structured(..., data_base64="%%"), Reason.INVALID_CLOUDEVENT),
        (_structured(..., data_base64="ZZZ"), Reason.INVALID_CLOUDEVENT),
        (_structured(..., data_base64=base64.b64encode(b"\xff").decode()), Reason.INVALID_UTF8),
        (_structured(None), Reason.NOT_AN_OBJECT),
        (_structured([ORDER]), Reason.NOT_AN_OBJECT),
        (_structured("x"), Reason.NOT_AN_OBJECT),
        (_structured({**ORDER, "total": "1,5"}), Reason.INVALID_MONEY),
        (_structured({**ORDER, "event_id": 5}), Reason.CLOUDEVENT_CONTRADICTION),
        (_structured({**ORDER, "occurred_at": 5}), Reason.INVALID_TIME),
        (_structured(ORDER)[:-3], Reason.INVALID_JSON),
        (b'{"specversion":"1.0","data":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
         Reason.INVALID_JSON),
        (b"\xff", Reason.INVALID_UTF8),
        (b"[]", Reason.NOT_AN_OBJECT),
    ],
)  # fmt: skip
def test_bad_envelopes_are_refused(value: bytes, reason: Reason) -> None:
    with pytest.raises(Rejected) as refused:
        read(value, STRUCTURED)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "content_type", [b"application/cloudevents-batch+json", b"application/cloudevents+avro"]
)
def test_batches_and_other_formats_are_refused(content_type: bytes) -> None:
    with pytest.raises(Rejected) as refused:
        read(_structured(ORDER), [("Content-Type", content_type)])
    assert refused.value.reason == Reason.INVALID_CLOUDEVENT


def test_exponents_in_money_are_found_inside_envelopes() -> None:
    for value, headers in (
        (_structured({**ORDER, "total": "@"}), None),
        (order(total="@"), _headers()),
    ):
        with pytest.raises(Rejected) as refused:
            read(value.replace(b'"@"', b"1e2"), headers)
        assert refused.value.reason == Reason.INVALID_MONEY


def test_the_word_specversion_alone_makes_no_envelope() -> None:
    assert read(order(specversion="1.0")).source == "shop.orders"
    assert read(order(note={"specversion": "1.0", "data": 1})).source == "shop.orders"


def test_other_headers_make_no_envelope() -> None:
    headers: list[tuple[str, bytes | None]] = [
        ("rfm-backfill", b"true"),
        ("ce_traceparent", b"\xff"),
        ("content-type", None),
    ]
    assert read(order(), headers) == read(order())


def test_the_wire_format_of_a_schema_registry_is_peeled_off() -> None:
    assert read(b"\0\0\0\0\x2a" + order()) == read(order())
    assert read(b"\0\0\0\0\x2a" + order(), _headers()).source == ATTRIBUTES["source"]
    assert json.loads(order())["order_id"] == "O-1"
