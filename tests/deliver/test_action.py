"""Records of `marketing.actions` as the delivery stage reads them."""

import json
from typing import Any

import pytest

from schemas.actions import ActionCancelled, ActionRequested, ActionSuppressed
from schemas.dead_letters import Reason
from schemas.fields import parse_instant_ms
from streams.deliver.action import Action, Cancelled, Suppressed, read_action
from streams.errors import Rejected
from streams.intake.ports import SourceRecord

REQUESTED = ActionRequested.example()


def read(value: object, headers: list[tuple[str, bytes | None]] | None = None) -> Any:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_action(SourceRecord(7, b"C-1001", raw, headers), 3)


def test_a_request_keeps_the_message_whole_and_says_what_is_to_be_done() -> None:
    found = read({**REQUESTED, "added_later": 1})
    assert isinstance(found, Action)
    assert found.body == {**REQUESTED, "added_later": 1}
    assert (found.action_id, found.channels) == (REQUESTED["action_id"], ("email",))
    assert found.valid_until_ms == parse_instant_ms(REQUESTED["valid_until"])
    assert (found.record.offset, found.partition) == (7, 3)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"2026-03-01T10:31:00.000Z", "2026-03-01T10:31:00.000Z"),
        # Never before it is due, and whatever stands there does no harm.
        (b"2026-03-01T10:29:00.000Z", REQUESTED["due_at"]),
        (b"soon", REQUESTED["due_at"]),
        (None, REQUESTED["due_at"]),
    ],
)
def test_the_decision_is_as_old_as_its_header_says(header: bytes | None, expected: str) -> None:
    found = read(REQUESTED, [("ce_time", header)])
    assert found.decided_at_ms == parse_instant_ms(expected)


def test_cancelled_and_suppressed_ones_are_told_apart() -> None:
    cancelled = ActionCancelled.example()
    assert read(cancelled) == Cancelled(cancelled["action_id"])
    assert read(ActionSuppressed.example()) == Suppressed()


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (b"", None),
        (b"{", None),
        (b"\xff", None),
        ([], "type"),
        ({"type": "order.placed"}, "type"),
        ({**REQUESTED, "valid_until": "tomorrow"}, "valid_until"),
        ({**REQUESTED, "channels": "email"}, "channels"),
        ({name: one for name, one in REQUESTED.items() if name != "action_id"}, "action_id"),
        ({**REQUESTED, "schema_version": 2}, "schema_version"),
        ({"type": "action.cancelled"}, "event_id"),
    ],
)
def test_what_is_no_action_is_refused_with_its_place(value: object, field: str | None) -> None:
    with pytest.raises(Rejected) as refused:
        read(value)
    assert refused.value.reason == Reason.INVALID_ACTION
    assert refused.value.field == field
