"""One record of a public topic: its bytes checked against the contract, and nothing else done.

The hot path is one pass of pydantic's core over the bytes and one search for number literals that a
double would hide. Everything slower happens only to CloudEvents and to records that are refused.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple

from pydantic import Discriminator, TypeAdapter, ValidationError

from schemas.customers import Attributes, CustomerMerged, CustomerUpdated
from schemas.dead_letters import Reason
from schemas.events import Contract, TimeMark
from schemas.fields import MAX_IDENTIFIER_CHARACTERS, parse_instant_ms
from schemas.registry import INBOUND, CustomerEvent, Inbound
from streams.errors import Rejected
from streams.intake.cloudevents import Headers, complete_payload, open_envelope
from streams.intake.number_literals import check_literals
from streams.intake.refusals import refuse

DEFAULT_GUESTS: Final = frozenset({"", "0", "guest", "null"})
MAX_LIST_CHARACTERS: Final = 10_000
"""Of all texts of one attribute: 200 such attributes still make a state that a topic takes."""
_CONFLUENT_PREFIX_BYTES: Final = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """What intake refuses beyond the contracts.

    `max_bytes` bounds a record in use, `future_ms` is how far ahead of the clock a time may lie,
    `guest_ids` are the customer ids that stand for nobody in particular (case counts).
    """

    max_bytes: int = 256 * 1024
    future_ms: int = 5 * 60 * 1000
    guest_ids: frozenset[str] = DEFAULT_GUESTS


class Reading(NamedTuple):
    """A valid message, and the source that its identity belongs to: CloudEvents source or topic."""

    event: Inbound
    source: str


def _validator(contracts: tuple[type[Contract], ...]) -> TypeAdapter[Any]:
    union: Any = TimeMark
    for contract in contracts:
        union = union | contract
    return TypeAdapter(Annotated[union, Discriminator("type")])


_VALIDATORS: Final = {
    topic: _validator(contracts).validator for topic, contracts in INBOUND.items()
}


def read_record(
    topic: str, value: bytes | None, headers: Headers | None, limits: Limits, *, now_ms: int
) -> Reading:
    """Read one record of the public topic `topic` (its logical name, such as `shop.orders`).

    `now_ms` is the wall clock in milliseconds since 1970, for the check of times in the future;
    time marks are exempt from it, because a load may be declared complete ahead of the clock.

    Raises:
        Rejected: the record cannot be used; nothing else is raised, whatever the bytes are.

    """
    payload = _payload(value, limits.max_bytes)
    payload, envelope = open_envelope(payload, headers)
    validator = _VALIDATORS[topic]
    try:
        if envelope is None:
            event: Inbound = validator.validate_json(payload)
        else:
            event = validator.validate_python(complete_payload(payload, envelope))
    except ValidationError as error:
        raise refuse(error, topic, payload, limits.guest_ids) from None
    check_literals(payload, type(event))
    if not isinstance(event, TimeMark):
        _check_customer(event, limits.guest_ids)
        _check_time(event.occurred_at, now_ms + limits.future_ms)
        if type(event) is CustomerUpdated:
            _check_attributes(event.attributes)
    return Reading(event, topic if envelope is None else envelope.source)


def _payload(value: bytes | None, max_bytes: int) -> bytes:
    if value is None:
        message = "the record has no value; to forget a customer, send customer.erased"
        raise Rejected(Reason.NULL_VALUE, message)
    if len(value) > max_bytes:
        message = f"the value has {len(value)} bytes, at most {max_bytes} are in use"
        raise Rejected(Reason.TOO_LARGE, message)
    if value[:1] == b"\0" and len(value) > _CONFLUENT_PREFIX_BYTES:
        return value[_CONFLUENT_PREFIX_BYTES:]
    return value


def _check_customer(event: CustomerEvent, guest_ids: frozenset[str]) -> None:
    if event.customer_id in guest_ids:
        field, customer = "customer_id", event.customer_id
    elif type(event) is CustomerMerged and event.into_customer_id in guest_ids:
        field, customer = "into_customer_id", event.into_customer_id
    else:
        return
    message = f"{field} {customer!r} stands for any guest, not for one person"
    raise Rejected(Reason.GUEST_CUSTOMER, message, field)


def _check_time(occurred_at: str, latest_ms: int) -> None:
    occurred_at_ms = parse_instant_ms(occurred_at)
    if occurred_at_ms > latest_ms:
        message = f"occurred_at {occurred_at} lies in the future; check the producer's clock"
        raise Rejected(Reason.FUTURE_TIME, message, "occurred_at")
    if occurred_at_ms < 0:
        message = f"occurred_at {occurred_at} lies before 1970"
        raise Rejected(Reason.INVALID_TIME, message, "occurred_at")


def _check_attributes(attributes: Attributes) -> None:
    """Refuse what each contract of a field takes and a customer's state could not hold in sum."""
    for name, value in attributes.model_dump(exclude_unset=True).items():
        if len(name) > MAX_IDENTIFIER_CHARACTERS:
            field = f"attributes.{name[:MAX_IDENTIFIER_CHARACTERS]}"
            message = f"the attribute's name has {len(name)} characters, at most 200 are in use"
            raise Rejected(Reason.INVALID_FIELD, message, field)
        if isinstance(value, list) and sum(map(len, value)) > MAX_LIST_CHARACTERS:
            message = f"the texts of a list have at most {MAX_LIST_CHARACTERS} characters together"
            raise Rejected(Reason.INVALID_FIELD, message, f"attributes.{name}")
