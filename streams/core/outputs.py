"""What a decision says to the world, as plain values. `streams.codec` turns them into contracts."""

from dataclasses import dataclass, field

from streams.core.facts import Facts
from streams.core.inputs import CustomerEvent, Foreign, Item
from streams.core.schemes.scheme import Scores
from streams.core.values import Cause


@dataclass(slots=True, kw_only=True)
class SegmentChanged:
    """A customer's segment in one scheme is another one.

    `effective_at_ms` is when it became true, `decided_at_ms` the partition's time at the decision,
    `sequence` counts from 1 without gaps per customer and scheme. In a flag scheme (`is_flags`) a
    segment is the sorted flags joined by `FLAG_SEPARATOR`.
    """

    event_id: str
    customer_id: str
    scheme: str
    is_flags: bool = False
    previous: str | None
    current: str | None
    scores: Scores | None
    facts: Facts
    cause: Cause
    effective_at_ms: int
    decided_at_ms: int
    sequence: int
    rules_version: int
    snapshot_number: int | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class CartContent:
    """The cart an action is about."""

    cart_id: str
    value_minor: int
    foreign: Foreign | None
    items: tuple[Item, ...]
    checkout_url: str | None


@dataclass(slots=True, frozen=True, kw_only=True)
class ActionRequested:
    """A marketing action to be carried out once, until `valid_until_ms` at the latest."""

    action_id: str
    customer_id: str
    campaign: str
    step: str
    channels: tuple[str, ...]
    template: str
    offer: str | None
    cart: CartContent | None
    segment_context: dict[str, str | list[str] | None] = field(default_factory=dict)
    cause: Cause
    due_at_ms: int
    decided_at_ms: int
    valid_until_ms: int


@dataclass(slots=True, frozen=True, kw_only=True)
class ActionCancelled:
    """An action already requested should not be carried out any more."""

    event_id: str
    action_id: str
    customer_id: str
    campaign: str
    reason: str
    decided_at_ms: int


@dataclass(slots=True, frozen=True, kw_only=True)
class ActionSuppressed:
    """An action that a rule held back, with the reason."""

    event_id: str
    customer_id: str
    campaign: str
    step: str
    reason: str
    detail: str
    decided_at_ms: int


@dataclass(slots=True, frozen=True, kw_only=True)
class Forwarded:
    """An input for another customer, to be journaled to that customer's partition."""

    event: CustomerEvent


@dataclass(slots=True, frozen=True, kw_only=True)
class NotForwarded:
    """An input that found no customer to go to; it becomes a dead letter."""

    event: CustomerEvent
    customer_id: str
    message: str


Message = SegmentChanged | ActionRequested | ActionCancelled | ActionSuppressed
Output = Message | Forwarded | NotForwarded
