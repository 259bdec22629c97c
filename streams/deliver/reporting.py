"""Outcomes as events of `marketing.deliveries`, and the dead letters beside them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from schemas.deliveries import DeliveryReported
from streams import VERSION
from streams.codec.text import format_instant
from streams.core.values import stable_id
from streams.deliver.action import TOPIC as ACTIONS
from streams.deliver.action import Action
from streams.deliver.ports import Outcome
from streams.errors import Rejected
from streams.intake.dead_letters import TOPIC as DEAD_LETTERS
from streams.intake.dead_letters import make_dead_letter
from streams.intake.ports import SourceRecord
from streams.ports import Clock

DELIVERIES: Final = "marketing.deliveries"
STAGE: Final = "deliver"
_SOURCE: Final = "rfm-streams"
_TYPE: Final = DeliveryReported.contract_name()
_MAX_DETAIL: Final = 200

Headers = Sequence[tuple[str, bytes | None]]
Publish = Callable[[str, bytes | None, bytes | None, Headers], Awaitable[None]]

_encode = msgspec.json.Encoder().encode


def event_of(action: Action, outcome: Outcome, now_ms: int) -> tuple[bytes, Headers]:
    """The event of an outcome, with CloudEvents headers.

    Its id follows from what happened, not from when: told twice it is one event to intake.
    """
    event_id = stable_id(_TYPE, action.action_id, outcome.channel, outcome.outcome)
    occurred_at = format_instant(now_ms)
    body = {
        "event_id": event_id,
        "type": _TYPE,
        "schema_version": 1,
        "customer_id": action.customer_id,
        "occurred_at": occurred_at,
        "action_id": action.action_id,
        "channel": outcome.channel,
        "outcome": outcome.outcome,
        "detail": outcome.detail[:_MAX_DETAIL],
    }
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_type", _TYPE.encode()),
        ("ce_source", _SOURCE.encode()),
        ("ce_time", occurred_at.encode()),
        ("content-type", b"application/json"),
    ]
    return _encode(body), headers


class KafkaReporter:
    """`Reporter` over a function that publishes and waits for the brokers' answer."""

    def __init__(self, publish: Publish, topic_of: Callable[[str], str], clock: Clock) -> None:
        self._publish = publish
        self._topic_of = topic_of
        self._clock = clock

    async def report(self, action: Action, outcome: Outcome) -> None:
        """The dead letter first: an outcome that is known is not told again."""
        if outcome.dead is not None:
            await self.reject(action.record, action.partition, outcome.dead)
        value, headers = event_of(action, outcome, self._clock.now_ms())
        topic = self._topic_of(DELIVERIES)
        await self._publish(topic, action.customer_id.encode(), value, headers)

    async def reject(self, record: SourceRecord, partition: int, why: Rejected) -> None:
        """Publish a record of the actions as a dead letter."""
        letter = make_dead_letter(
            (ACTIONS, partition),
            record,
            why,
            now_ms=self._clock.now_ms(),
            version=VERSION,
            stage=STAGE,
        )
        await self._publish(
            self._topic_of(DEAD_LETTERS), letter.key, letter.value, list(letter.headers)
        )
