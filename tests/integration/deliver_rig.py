"""An installation in which the delivery stage is tried: actions as decide publishes them.

What decide would have left in Redis (customers, rules, where it stands) is written here through the
product's own store, so that a test of the last stage needs no other.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import murmur2

from streams.adapters.kafka.transactions import TransactionalProducer
from streams.bootstrap import build_store, ensure_rules, ensure_topics, names_of
from streams.codec.partition import PartitionRecord, RulesRecord, encode_partition, encode_rules
from streams.codec.state import encode_state
from streams.codec.text import format_instant
from streams.core.state import Attribute, Consent, CustomerState
from streams.core.values import stable_id
from streams.insights.topic_reader import TopicReader
from streams.ports import Outcome, StoreWrite
from streams.settings import Settings, load_settings
from tests.receiver import SECRET
from tests.waiting import wait_until

WAIT_S = 60.0
HOUR_MS = 3_600_000


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def customer(customer_id: str, **attributes: str) -> CustomerState:
    """A customer who allows mail and text messages."""
    said = {"email": f"{customer_id}@customer.example", "first_name": "Anna", **attributes}
    return CustomerState(
        customer_id=customer_id,
        attributes={name: Attribute(value, 1, "e") for name, value in said.items() if value},
        consents={channel: Consent(True, 1, "e") for channel in ("email", "sms")},
        rules_version=1,
    )


def action(number: int, **changed: Any) -> dict[str, Any]:
    """One `action.requested` of customer C-number, due now."""
    at_ms = now_ms()
    action_id = stable_id("test", str(number))
    return {
        "action_id": action_id,
        "type": "action.requested",
        "schema_version": 1,
        "customer_id": f"C-{number}",
        "campaign": "cart_reminder",
        "step": "first",
        "channels": ["email"],
        "template": "cart_reminder_first",
        "parameters": {"cart_id": "K-1", "value": "99.90", "currency": "EUR"},
        "segment_context": {"rfm": "Potential Loyalists"},
        "cause": {"kind": "clock"},
        "due_at": format_instant(at_ms),
        "valid_until": format_instant(at_ms + HOUR_MS),
        "control_group": False,
        "idempotency_key": action_id,
        **changed,
    }


def cancellation(number: int) -> dict[str, Any]:
    """The `action.cancelled` of that action."""
    return {
        "event_id": stable_id("cancelled", str(number)),
        "type": "action.cancelled",
        "schema_version": 1,
        "action_id": stable_id("test", str(number)),
        "customer_id": f"C-{number}",
        "campaign": "cart_reminder",
        "reason": "order_placed",
        "decided_at": format_instant(now_ms()),
    }


@dataclass(frozen=True, slots=True)
class Reported:
    """One event of `marketing.deliveries`."""

    event_id: str
    action_id: str
    channel: str
    outcome: str
    detail: str
    key: bytes | None
    headers: dict[str, bytes]


class DeliverRig:
    """One namespace with topics, rules and customers."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        settings = {name.removeprefix("RFM_").lower(): one for name, one in environment.items()}
        self.settings: Settings = load_settings(
            kafka_bootstrap_servers=settings["kafka_bootstrap_servers"],
            redis_url=settings["redis_url"],
            namespace=settings["namespace"],
            partitions=int(settings["partitions"]),
        )
        self.names = names_of(self.settings)
        ensure_topics(self.settings)
        self.rules: RulesRecord = ensure_rules(self.settings)
        self._bases = dict.fromkeys(range(self.settings.partitions), 0)
        self._producer = TransactionalProducer(
            self.settings.kafka_config(), self.names.transactional_id("test", "actions")
        )

    def know(self, customers: Iterable[CustomerState]) -> None:
        """Put customers into Redis, as of now."""
        store = build_store(self.settings)
        states: dict[int, list[tuple[str, bytes]]] = {number: [] for number in self._bases}
        for one in customers:
            number = murmur2(one.customer_id.encode(), self.settings.partitions)
            states[number].append((one.customer_id, encode_state(one)))
        # Whatever is decided in this test is decided before that.
        record = encode_partition(
            PartitionRecord(0, now_ms() + HOUR_MS, rules_version=self.rules.version)
        )
        for number, base in self._bases.items():
            write = StoreWrite(
                number, base, base + 1, states[number], [], record, encode_rules(self.rules)
            )
            assert store.apply(write) is Outcome.APPLIED
            self._bases[number] = base + 1

    def forget(self) -> None:
        """Empty Redis, as a loss would."""
        store = build_store(self.settings)
        for number in self._bases:
            store.wipe(number)
        self._bases = dict.fromkeys(self._bases, 0)

    def publish(self, records: Iterable[Mapping[str, Any]], *, commit: bool = True) -> None:
        """Publish actions in one transaction, which ends in an abort if it is not committed."""
        self._producer.begin()
        for record in records:
            headers = [("ce_time", format_instant(now_ms()).encode())]
            self._producer.publish(
                self.names.topic("marketing.actions"),
                str(record.get("customer_id", "")).encode(),
                json.dumps(record).encode(),
                headers,
                None,
            )
        if commit:
            self._producer.commit()
        else:
            # An abort says nothing of records that never reached the broker.
            self._producer._producer.flush(WAIT_S)
            self._producer.abort()

    def publish_raw(self, value: bytes) -> None:
        """Publish what is no action."""
        self._producer.begin()
        self._producer.publish(self.names.topic("marketing.actions"), b"k", value, [], None)
        self._producer.commit()

    def outcomes(self) -> list[Reported]:
        """Everything that was reported until now."""
        return [
            Reported(
                body["event_id"],
                body["action_id"],
                body["channel"],
                body["outcome"],
                body.get("detail", ""),
                key,
                headers,
            )
            for key, value, headers in self._read("marketing.deliveries")
            for body in [json.loads(value)]
        ]

    def wait_for_outcomes(self, count: int, timeout_s: float = WAIT_S) -> dict[str, Reported]:
        """Until so many actions have an outcome; by action id."""
        found: dict[str, Reported] = {}

        def all_there() -> bool:
            found.update({one.action_id: one for one in self.outcomes()})
            return len(found) >= count

        wait_until(all_there, timeout_s, f"{count} actions have an outcome")
        return found

    def letters(self) -> list[tuple[bytes, dict[str, str]]]:
        """Dead letters: value and texts of the `dlq.` headers."""
        return [
            (value, {name: raw.decode() for name, raw in headers.items() if "dlq." in name})
            for _, value, headers in self._read("dead-letters")
        ]

    def close(self) -> None:
        """Let go of the producer."""
        self._producer.close()

    def _read(self, topic: str) -> list[tuple[bytes | None, bytes, dict[str, bytes]]]:
        reader = TopicReader(self.settings.kafka_config(), self.names.topic(topic))
        partitions = 1 if topic == "dead-letters" else self.settings.partitions
        found = []
        try:
            for number in range(partitions):
                bounds = reader.bounds(number)
                for message in reader.read(number, bounds.start, bounds.end):
                    key: Any = message.key()
                    value: Any = message.value()
                    headers: Any = message.headers() or []
                    found.append((key, value, dict(headers)))
        finally:
            reader.close()
        return found


def webhook_environment(url: str) -> dict[str, str]:
    """Settings under which every channel goes to one webhook."""
    return {
        "RFM_DELIVERY_TRANSPORTS": '{"*": "webhook"}',
        "RFM_DELIVERY_WEBHOOK_URL": url,
        "RFM_DELIVERY_WEBHOOK_SECRET": SECRET,
        "RFM_DELIVERY_RATE_PER_S": '{"webhook": 1000}',
    }
