"""Whatever the bytes are, reading gives a message or a reason, and nothing else ever."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dead_letters import Reason
from schemas.registry import INBOUND
from streams.codec.normalise import normalise
from streams.codec.rates import Rates
from streams.errors import Rejected
from streams.intake.reading import Limits, read_record
from tests.contract.messages import INBOUND_EXAMPLES, NOW_MS

_LIMITS = Limits()
_RATES = Rates("EUR", {})
_MAX_MESSAGE = 5000
_TOPICS = st.sampled_from(sorted(INBOUND))
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["content-type", "ce_id", "ce_type", "ce_source", "ce_specversion", "ce_time", "x"]
        ),
        st.none()
        | st.binary(max_size=8)
        | st.sampled_from([b"1.0", b"application/cloudevents+json", b"order.placed"]),
    ),
    max_size=6,
)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["1e2", "-5", "2026-03-01T09:30:00Z", "0001-01-01T00:00:00+23:59", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def _is_settled(
    topic: str, value: bytes | None, headers: list[tuple[str, bytes | None]] | None
) -> bool:
    """Read and normalise as intake does. True: a message; False: refused with a known reason."""
    refused: Rejected | None = None
    try:
        event, source = read_record(topic, value, headers, _LIMITS, now_ms=NOW_MS)
        if event.type != "time.mark":
            normalise(event, source=source, received_at_ms=NOW_MS, backfill=False, rates=_RATES)
    except Rejected as error:
        refused = error
    if refused is not None:
        assert refused.reason in set(Reason)
        assert 0 < len(refused.message) < _MAX_MESSAGE
    return refused is None


@given(_TOPICS, st.none() | st.binary(max_size=300), _HEADERS)
def test_arbitrary_bytes_are_refused(
    topic: str, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    assert not _is_settled(topic, value, headers)


@given(st.sampled_from(INBOUND_EXAMPLES), st.data())
@settings(max_examples=400)
def test_a_field_of_any_value_gives_a_message_or_a_reason(
    case: tuple[str, Any], data: st.DataObject
) -> None:
    topic, contract = case
    message = contract.example()
    for name in data.draw(st.lists(st.sampled_from(sorted(message)), min_size=1, max_size=3)):
        message[name] = data.draw(_JSON)
    value = json.dumps(message).encode()
    _is_settled(topic, value, data.draw(st.none() | _HEADERS))


@given(st.sampled_from(INBOUND_EXAMPLES), st.data())
@settings(max_examples=400)
def test_damaged_bytes_give_a_message_or_a_reason(
    case: tuple[str, Any], data: st.DataObject
) -> None:
    topic, contract = case
    value = bytearray(json.dumps(contract.example()).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, max(len(value) - 1, 0)))
        end = position + data.draw(st.integers(0, 5))
        value[position:end] = data.draw(st.binary(max_size=4))
    _is_settled(topic, bytes(value), data.draw(st.none() | _HEADERS))


@given(st.sampled_from(INBOUND_EXAMPLES), st.data())
def test_every_truncation_is_refused(case: tuple[str, Any], data: st.DataObject) -> None:
    topic, contract = case
    value = json.dumps(contract.example()).encode()
    assert _is_settled(topic, value, None)
    assert not _is_settled(topic, value[: data.draw(st.integers(0, len(value) - 1))], None)
