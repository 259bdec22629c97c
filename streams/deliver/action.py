"""Records of `marketing.actions` as the delivery stage takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from schemas.actions import ActionCancelled, ActionRequested, ActionSuppressed
from schemas.dead_letters import Reason
from schemas.fields import parse_instant_ms
from streams.errors import Rejected
from streams.intake.ports import SourceRecord

TOPIC: Final = "marketing.actions"
_DECIDED_HEADER: Final = "ce_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action to carry out. `body` is the whole message as it was published."""

    action_id: str
    customer_id: str
    campaign: str
    channels: tuple[str, ...]
    template: str
    parameters: Mapping[str, Any]
    decided_at_ms: int
    valid_until_ms: int
    control_group: bool
    idempotency_key: str
    body: Mapping[str, Any]
    record: SourceRecord
    partition: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """An action requested before is to be left undone."""

    action_id: str


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An action that a rule held back; nothing to do."""


Reading = Action | Cancelled | Suppressed


def read_action(record: SourceRecord, partition: int) -> Reading:
    """What a record asks for; raises `Rejected` where it keeps none of the contracts."""
    try:
        body = msgspec.json.decode(record.value or b"")
    except msgspec.DecodeError as error:
        raise Rejected(Reason.INVALID_ACTION, f"no JSON: {error}") from None
    kind = body.get("type") if isinstance(body, dict) else None
    try:
        match kind:
            case "action.requested":
                return _requested(ActionRequested.model_validate(body), body, record, partition)
            case "action.cancelled":
                return Cancelled(ActionCancelled.model_validate(body).action_id)
            case "action.suppressed":
                ActionSuppressed.model_validate(body)
                return Suppressed()
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise Rejected(Reason.INVALID_ACTION, f"{path}: {first['msg']}", path) from None
    raise Rejected(Reason.INVALID_ACTION, "its type is none of marketing.actions", "type")


def _requested(
    read: ActionRequested, body: Mapping[str, Any], record: SourceRecord, partition: int
) -> Action:
    return Action(
        action_id=read.action_id,
        customer_id=read.customer_id,
        campaign=read.campaign,
        channels=tuple(read.channels),
        template=read.template,
        parameters=read.parameters,
        decided_at_ms=_decided_at_ms(record, parse_instant_ms(read.due_at)),
        valid_until_ms=parse_instant_ms(read.valid_until),
        control_group=read.control_group,
        idempotency_key=read.idempotency_key,
        body=body,
        record=record,
        partition=partition,
    )


def _decided_at_ms(record: SourceRecord, due_at_ms: int) -> int:
    """When it was decided, as the record's header says; it is never decided before it is due."""
    for name, value in record.headers or ():
        if name == _DECIDED_HEADER and value is not None:
            try:
                return max(due_at_ms, parse_instant_ms(value.decode()))
            except ValueError:
                break
    return due_at_ms
