"""Outputs as their public contracts: topic, key, value and CloudEvents headers."""

from typing import Any, NamedTuple

import msgspec

from schemas.currencies import MINOR_DIGITS
from schemas.dead_letters import Reason
from streams import VERSION
from streams.codec.journal import encode_input
from streams.codec.text import format_instant, format_money
from streams.core import outputs
from streams.core.facts import Facts
from streams.core.inputs import Item
from streams.core.outputs import (
    ActionCancelled,
    ActionRequested,
    ActionSuppressed,
    CampaignOutcome,
    CartContent,
    NotTaken,
    SegmentChanged,
)
from streams.core.schemes.scheme import FLAG_SEPARATOR
from streams.core.values import Cause

SEGMENT_CHANGES = "segment-changes"
ACTIONS = "marketing.actions"
OUTCOMES = "campaign.outcomes"
DEAD_LETTERS = "dead-letters"
_SOURCE = b"rfm-streams"
FIXED_HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_source", _SOURCE),
    ("content-type", b"application/json"),
]


class Message(NamedTuple):
    """One record for a public topic; `headers` are CloudEvents binary mode."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class OutputEncoder:
    """Encodes outputs with sums in one base currency."""

    def __init__(self, base_currency: str) -> None:
        self._currency = base_currency
        self._digits = MINOR_DIGITS[base_currency]
        self._encode = msgspec.json.Encoder().encode
        # One event often changes several schemes: what their changes share is encoded once.
        self._known_facts: Facts | None = None
        self._encoded_facts = msgspec.Raw()
        self._known_cause: Cause | None = None
        self._encoded_cause = msgspec.Raw()

    def encode(self, output: outputs.Message) -> Message:
        """The message of one output."""
        match output:
            case SegmentChanged():
                body, at_ms = self._segment_changed(output), output.decided_at_ms
                topic, event_id = SEGMENT_CHANGES, output.event_id
            case ActionRequested():
                body, at_ms = self._action_requested(output), output.decided_at_ms
                topic, event_id = ACTIONS, output.action_id
            case ActionCancelled() | ActionSuppressed():
                body, at_ms = _held_back(output), output.decided_at_ms
                topic, event_id = ACTIONS, output.event_id
            case CampaignOutcome():
                body, at_ms = self._campaign_outcome(output), output.decided_at_ms
                topic, event_id = OUTCOMES, output.event_id
        headers = [
            ("ce_id", event_id.encode()),
            ("ce_type", body["type"].encode()),
            ("ce_time", format_instant(at_ms).encode()),
            *FIXED_HEADERS,
        ]
        return Message(topic, output.customer_id.encode(), self._encode(body), headers)

    def _segment_changed(self, output: SegmentChanged) -> dict[str, Any]:
        scores = output.scores
        return {
            "event_id": output.event_id,
            "type": "segment.changed",
            "schema_version": 1,
            "customer_id": output.customer_id,
            "scheme": output.scheme,
            "previous": _segment(output, output.previous, output.sequence == 1),
            "current": _segment(output, output.current, output.cause.kind == "erasure"),
            "scores": {"r": scores.r, "f": scores.f, "m": scores.m} if scores else None,
            "facts": self._facts(output.facts),
            "cause": self._cause(output.cause),
            "effective_at": format_instant(output.effective_at_ms),
            "decided_at": format_instant(output.decided_at_ms),
            "sequence": output.sequence,
            "rules_version": output.rules_version,
            "snapshot": output.snapshot_number or None,
        }

    def _cause(self, cause: Cause) -> msgspec.Raw:
        if cause is not self._known_cause:
            self._known_cause = cause
            self._encoded_cause = msgspec.Raw(self._encode(_cause(cause)))
        return self._encoded_cause

    def _facts(self, facts: Facts) -> msgspec.Raw:
        if facts is not self._known_facts:
            self._known_facts = facts
            self._encoded_facts = msgspec.Raw(self._encode(self._told_facts(facts)))
        return self._encoded_facts

    def _told_facts(self, facts: Facts) -> dict[str, Any]:
        average = facts.average_order_value_minor
        last = facts.last_order_at_ms
        return {
            "last_order_at": format_instant(last) if last is not None else None,
            "order_count": facts.order_count,
            "monetary": format_money(facts.monetary_minor, self._digits),
            "currency": self._currency,
            "average_order_value": (
                format_money(average, self._digits) if average is not None else None
            ),
            "return_rate": facts.return_rate,
            "lifetime_order_count": facts.lifetime_order_count,
            "lifetime_monetary": format_money(facts.lifetime_monetary_minor, self._digits),
        }

    def _action_requested(self, output: ActionRequested) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        if output.cart is not None:
            parameters |= self._cart(output.cart)
        if output.voucher is not None:
            parameters["voucher"] = {
                "class": output.voucher.name,
                "expires_at": format_instant(output.voucher.expires_at_ms),
                "key": output.voucher.key,
            }
        if output.suggestions:
            parameters["suggestions"] = [{"sku": sku} for sku in output.suggestions]
        return {
            "action_id": output.action_id,
            "type": "action.requested",
            "schema_version": 1,
            "customer_id": output.customer_id,
            "campaign": output.campaign,
            "campaign_version": output.version,
            "step": output.step,
            "channels": list(output.channels),
            "template": output.template,
            "parameters": parameters,
            "segment_context": output.segment_context,
            "cause": _cause(output.cause),
            "due_at": format_instant(output.due_at_ms),
            "valid_until": format_instant(output.valid_until_ms),
            "control_group": output.is_control,
            "idempotency_key": output.action_id,
        }

    def _cart(self, cart: CartContent) -> dict[str, Any]:
        currency, value_minor = cart.foreign or (self._currency, cart.value_minor)
        return {
            "cart_id": cart.cart_id,
            "value": format_money(value_minor, MINOR_DIGITS[currency]),
            "currency": currency,
            "items": [_item(item, cart.return_rates.get(item.sku)) for item in cart.items],
            "checkout_url": cart.checkout_url,
        }

    def _campaign_outcome(self, output: CampaignOutcome) -> dict[str, Any]:
        return {
            "event_id": output.event_id,
            "type": "campaign.outcome",
            "schema_version": 1,
            "customer_id": output.customer_id,
            "campaign": output.campaign,
            "campaign_version": output.version,
            "segment": output.segment,
            "control_group": output.is_control,
            "stage": output.stage,
            "actions": output.actions,
            "first_action_at": format_instant(output.from_ms),
            "counted_until": format_instant(output.until_ms),
            "orders": output.orders,
            "net": format_money(output.net_minor, self._digits),
            "currency": self._currency,
            "opened": output.opened,
            "clicked": output.clicked,
            "unsubscribed": output.unsubscribed,
            "decided_at": format_instant(output.decided_at_ms),
        }


def dead_letter_of(refused: NotTaken, partition: int, offset: int, now_ms: int) -> Message:
    """The dead letter of a journal record, or of its part, that decide had no place for."""
    said = {
        "dlq.topic": "rfm.journal",
        "dlq.partition": str(partition),
        "dlq.offset": str(offset),
        "dlq.reason": Reason(refused.reason).value,
        "dlq.message": refused.message,
        "dlq.at": format_instant(now_ms),
        "dlq.stage": "decide",
        "dlq.version": VERSION,
        "dlq.attempt": "1",
    }
    if refused.field is not None:
        said["dlq.field"] = refused.field
    headers = [(name, text.encode()) for name, text in said.items()]
    return Message(DEAD_LETTERS, refused.customer_id.encode(), encode_input(refused.event), headers)


def _item(item: Item, return_rate: float | None) -> dict[str, Any]:
    whole = int(item.quantity)
    shown: dict[str, Any] = {
        "sku": item.sku,
        "quantity": whole if whole == item.quantity else item.quantity,
    }
    if item.unit_price_micro is not None:
        shown["unit_price"] = format_money(item.unit_price_micro, 6)
    if item.name is not None:
        shown["name"] = item.name
    if return_rate is not None:
        shown["return_rate"] = return_rate
    return shown


def _segment(
    output: SegmentChanged, segment: str | None, is_nothing: bool
) -> str | list[str] | None:
    """A segment as the contract has it; without any flag an empty list, unless it is nothing at all."""
    if not output.is_flags:
        return segment
    if segment is None:
        return None if is_nothing else []
    return segment.split(FLAG_SEPARATOR)


def _cause(cause: Cause) -> dict[str, str | None]:
    return {"kind": cause.kind, "event_id": cause.event_id, "event_type": cause.event_type}


def _held_back(output: ActionCancelled | ActionSuppressed) -> dict[str, Any]:
    shared = {
        "event_id": output.event_id,
        "schema_version": 1,
        "customer_id": output.customer_id,
        "campaign": output.campaign,
        "reason": output.reason,
        "decided_at": format_instant(output.decided_at_ms),
    }
    if isinstance(output, ActionCancelled):
        return {**shared, "type": "action.cancelled", "action_id": output.action_id}
    return {
        **shared,
        "type": "action.suppressed",
        "step": output.step,
        "detail": output.detail,
    }
