"""Outcomes as intake takes them, and the dead letters beside them."""

import json
from collections.abc import Sequence
from typing import Any

from schemas.dead_letters import Reason
from streams.deliver.channels.channel import Refused
from streams.deliver.ports import Outcome
from streams.deliver.reporting import KafkaReporter, event_of
from streams.intake.ports import SourceRecord
from streams.intake.reading import Limits, read_record
from tests.deliver.deliveries import CLOCK, action, run

SENT = Outcome("email", "sent", "SMTP 250")


def read(value: bytes, headers: Sequence[tuple[str, bytes | None]]) -> Any:
    """Read an event as intake does."""
    return read_record(
        "marketing.deliveries", value, list(headers), Limits(), now_ms=CLOCK.now_ms()
    )


def test_an_outcome_is_an_event_that_intake_takes() -> None:
    value, headers = event_of(action(), SENT, CLOCK.now_ms())
    event = read(value, headers).event
    assert event.action_id == action().action_id
    assert (event.customer_id, event.channel) == ("C-1", "email")
    assert (event.outcome, event.detail) == ("sent", "SMTP 250")


def test_told_again_it_is_the_same_event_and_another_outcome_is_another() -> None:
    first, headers = event_of(action(), SENT, 1_790_000_000_000)
    again, headers_again = event_of(action(), SENT, 1_790_000_999_000)
    other, _ = event_of(action(), Outcome("email", "failed", "expired"), 1_790_000_000_000)
    elsewhere, _ = event_of(action(), Outcome("sms", "sent", ""), 1_790_000_000_000)
    ids = [json.loads(one)["event_id"] for one in (first, again, other, elsewhere)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    # An event is known by its source, type and id.
    assert [one for one in headers if one[0] != "ce_time"] == [
        one for one in headers_again if one[0] != "ce_time"
    ]


def test_the_longest_detail_still_makes_an_event() -> None:
    value, headers = event_of(action(), Outcome("email", "failed", "x" * 5_000), 1)
    assert len(read(value, headers).event.detail) <= 2_000


def test_a_dead_letter_is_the_record_untouched_with_the_reason_and_comes_first() -> None:
    published: list[tuple[str, bytes | None, bytes | None, dict[str, bytes | None]]] = []

    async def publish(topic: str, key: bytes | None, value: bytes | None, headers: Any) -> None:
        published.append((topic, key, value, dict(headers)))

    record = SourceRecord(42, b"C-1", b'{"a": 1}', [("ce_id", b"e")])
    dead = Refused("SMTP 550", "SMTP 550: <anna@customer.example> unknown")
    outcome = Outcome("email", "failed", "delivery_refused: SMTP 550", dead)
    reporter = KafkaReporter(publish, lambda name: f"x.{name}", CLOCK)
    run(reporter.report(action(record=record, partition=3), outcome))
    letter, event = published
    assert letter[:3] == ("x.dead-letters", b"C-1", b'{"a": 1}')
    headers = letter[3]
    assert headers["ce_id"] == b"e"
    assert headers["dlq.topic"] == b"marketing.actions"
    assert (headers["dlq.partition"], headers["dlq.offset"]) == (b"3", b"42")
    assert headers["dlq.reason"] == Reason.DELIVERY_REFUSED.value.encode()
    assert headers["dlq.stage"] == b"deliver"
    assert b"anna" in (headers["dlq.message"] or b"")
    assert event[0] == "x.marketing.deliveries"
    assert b"anna" not in (event[2] or b"")
