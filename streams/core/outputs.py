"""What a decision says to the world, as plain values. `streams.codec` turns them into contracts."""

from dataclasses import dataclass, field
from typing import Literal

from streams.core.facts import Facts
from streams.core.inputs import CustomerEvent, Foreign, Item
from streams.core.schemes.scheme import Scores
from streams.core.values import Cause

NotTakenReason = Literal["merge_cycle", "too_many_attributes"]


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
    """The cart an action is about; `return_rates` by sku, where they were asked for and are known."""

    cart_id: str
    value_minor: int
    foreign: Foreign | None
    items: tuple[Item, ...]
    checkout_url: str | None
    return_rates: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True, frozen=True, kw_only=True)
class VoucherOffered:
    """An offer: a class of voucher, which the shop makes one of under `key`."""

    name: str
    expires_at_ms: int
    key: str


@dataclass(slots=True, frozen=True, kw_only=True)
class ActionRequested:
    """A marketing action to be carried out once, until `valid_until_ms` at the latest.

    `is_control`: the customer is in the control group, and nothing is sent.
    """

    action_id: str
    customer_id: str
    campaign: str
    version: int
    step: str
    channels: tuple[str, ...]
    template: str
    voucher: VoucherOffered | None
    cart: CartContent | None
    suggestions: tuple[str, ...]
    segment_context: dict[str, str | list[str] | None] = field(default_factory=dict)
    cause: Cause
    is_control: bool
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
class CampaignOutcome:
    """What a customer did from a run's first action to a week after its last.

    `segment` is the one of scheme `rfm` at the first action, `orders` counting orders in that time,
    `net_minor` what is left of them after returns. `stage`: preliminary, or final after 30 more days
    for returns.
    """

    event_id: str
    customer_id: str
    campaign: str
    version: int
    segment: str | None
    is_control: bool
    stage: str
    actions: int
    from_ms: int
    until_ms: int
    orders: int
    net_minor: int
    opened: bool
    clicked: bool
    unsubscribed: bool
    decided_at_ms: int


@dataclass(slots=True, frozen=True, kw_only=True)
class Forwarded:
    """An input for another customer, to be journaled to that customer's partition."""

    event: CustomerEvent


@dataclass(slots=True, frozen=True, kw_only=True)
class NotTaken:
    """An input, or what of it had no place; it becomes a dead letter with this reason.

    `field` names the event's field where it is one.
    """

    event: CustomerEvent
    customer_id: str
    reason: NotTakenReason
    message: str
    field: str | None = None


Message = SegmentChanged | ActionRequested | ActionCancelled | ActionSuppressed | CampaignOutcome
Output = Message | Forwarded | NotTaken
