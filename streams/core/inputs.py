"""Everything that can change a decision, as plain values.

One journal record decodes to one of these. Times are whole milliseconds since 1970 (UTC), money is
whole minor units of the base currency; where a shop sent another currency, its own amount stands
beside it, because "fully returned" is judged in the order's currency.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams.core.population.snapshot import Snapshot

AttributeValue = str | float | bool | list[str] | None


class Foreign(NamedTuple):
    """An amount as the shop sent it, in a currency that is not the base currency."""

    currency: str
    amount_minor: int


class Item(NamedTuple):
    """One line of an order, a return or a cart. Prices are millionths of the event's currency."""

    sku: str
    quantity: float
    unit_price_micro: int | None = None
    discount_minor: int = 0
    unit_cost_micro: int | None = None
    category: str | None = None
    name: str | None = None


@dataclass(slots=True, kw_only=True)
class CustomerEvent:
    """What every event of a customer carries.

    `identity` is a 64-bit hash of (CloudEvents source or topic, type, event id): seen twice, it is
    one event. `received_at_ms` is journal time, `occurred_at_ms` the shop's. `hops` counts how often
    it was passed on from a merged customer.
    """

    event_id: str
    customer_id: str
    occurred_at_ms: int
    received_at_ms: int
    identity: int
    source: str
    backfill: bool = False
    hops: int = 0


@dataclass(slots=True, kw_only=True)
class OrderPlaced(CustomerEvent):
    """`total_minor` is what the customer pays for goods: after discount, before shipping."""

    order_id: str
    total_minor: int
    discount_minor: int = 0
    foreign: Foreign | None = None
    coupons: list[str] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    channel: str | None = None
    cart_id: str | None = None


@dataclass(slots=True, kw_only=True)
class OrderCancelled(CustomerEvent):
    order_id: str
    reason: str | None = None


@dataclass(slots=True, kw_only=True)
class ReturnRegistered(CustomerEvent):
    """`order_id` is None where the shop does not know it, which is common."""

    return_id: str
    amount_minor: int
    order_id: str | None = None
    foreign: Foreign | None = None
    items: list[Item] = field(default_factory=list)
    reason: str | None = None


@dataclass(slots=True, kw_only=True)
class CartUpdated(CustomerEvent):
    """An empty `items` means that the cart was emptied."""

    cart_id: str
    value_minor: int
    foreign: Foreign | None = None
    items: list[Item] = field(default_factory=list)
    checkout_url: str | None = None


@dataclass(slots=True, kw_only=True)
class CartAbandoned(CartUpdated):
    """The shop says itself that the cart was left."""


@dataclass(slots=True, kw_only=True)
class CustomerUpdated(CustomerEvent):
    """`attributes` maps a name to its new value; None removes it."""

    attributes: dict[str, AttributeValue]


@dataclass(slots=True, kw_only=True)
class ConsentChanged(CustomerEvent):
    channel: str
    granted: bool
    consent_source: str | None = None


@dataclass(slots=True, kw_only=True)
class CustomerErased(CustomerEvent):
    """State, timers and memberships go; events that occurred before it are ignored."""


@dataclass(slots=True, kw_only=True)
class CustomerMerged(CustomerEvent):
    into_customer_id: str


@dataclass(slots=True, kw_only=True)
class ServiceContacted(CustomerEvent):
    contact_id: str
    channel: str
    minutes: float | None = None
    cost_minor: int | None = None
    foreign: Foreign | None = None
    topic: str | None = None
    order_id: str | None = None
    complaint: bool = False


@dataclass(slots=True, kw_only=True)
class DeliveryReported(CustomerEvent):
    action_id: str
    channel: str
    outcome: str
    detail: str | None = None


@dataclass(slots=True, kw_only=True)
class Tick:
    """Time passed and nothing else: fires what is due at or before `received_at_ms`.

    `continuous` is set where time is simulated: then it did not jump, and every timer fires with its
    due instant as the partition's time, as it would have in a life without gaps.
    """

    received_at_ms: int
    continuous: bool = False


@dataclass(slots=True, kw_only=True)
class RulesApplied:
    """From this record on the partition decides by `rules` (canonical JSON), under `version`."""

    received_at_ms: int
    version: int
    rules: str


@dataclass(slots=True, kw_only=True)
class CensusTaken:
    """What one partition counted at `as_of_ms`; goes to partition 0, which gathers them all.

    `census` is a census as `Census.to_plain` gives it.
    """

    received_at_ms: int
    partition: int
    as_of_ms: int
    census: dict[str, list[int]]


@dataclass(slots=True, kw_only=True)
class ProductsTaken:
    """What the customers of one partition bought up to `as_of_ms`; goes to partition 0.

    `products` is a `ProductCensus` as its `to_plain` gives it. The owner of the partition counts it
    in a walk through the states, some time after the boundary `as_of_ms`: that moment is free, and
    segments, returns and erasures are those that the walk met. So this record is an input like an
    event: what follows from it is a function of the journal, it is not one of what stands before it.
    """

    received_at_ms: int
    partition: int
    as_of_ms: int
    products: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class SnapshotTaken:
    """From this record on the partition decides under the limits of `snapshot`."""

    received_at_ms: int
    snapshot: Snapshot


@dataclass(slots=True, kw_only=True)
class Sweep:
    """Decide these customers anew: limits or rules have moved since they were last decided.

    `done` says that with this record every customer of the partition stands under the named rules
    and limits.
    """

    received_at_ms: int
    rules_version: int
    limits_number: int
    customers: list[str] = field(default_factory=list)
    done: bool = False


@dataclass(slots=True, kw_only=True)
class SegmentsRequested:
    """Tell the present segments of these customers again; decides nothing.

    `received_at_ms` 0 says nothing of time.
    """

    received_at_ms: int
    customers: list[str]


@dataclass(slots=True, kw_only=True)
class CampaignPaused:
    """A campaign reached more customers than it should, in `partition`; all hold it from here on.

    `release` is how often it had been resumed before.
    """

    received_at_ms: int
    campaign: str
    release: int
    partition: int


@dataclass(slots=True, kw_only=True)
class GenerationBegun:
    """The first record of a partition that was filled from another generation of the journal.

    `received_at_ms` is the greatest time of the partitions before. Rules, snapshot, `limits_number`,
    `swept` (rules version, number of the limits), `census_at_ms` and the latest snapshot that was told
    stand as they stood there; `counts` and `paused` are this partition's share of the guards.
    `customers` is how many follow, each as a `CustomerMoved`: what is limited to a share of the
    customers must not meet the first few alone.
    """

    received_at_ms: int
    rules_version: int
    rules: str
    rules_applied_ms: int
    snapshot: Snapshot | None = None
    limits_number: int = 0
    swept: tuple[int, int] = (0, 0)
    census_at_ms: int = 0
    told_snapshot: tuple[int, int] = (0, -1)
    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    paused: dict[str, int] = field(default_factory=dict)
    customers: int = 0


@dataclass(slots=True, kw_only=True)
class CustomerMoved:
    """A customer as another generation left them; `state` as streams/codec/state.py writes it."""

    received_at_ms: int
    customer_id: str
    state: bytes


Input = (
    CustomerEvent
    | Tick
    | RulesApplied
    | CensusTaken
    | ProductsTaken
    | SnapshotTaken
    | Sweep
    | SegmentsRequested
    | CampaignPaused
    | GenerationBegun
    | CustomerMoved
)
