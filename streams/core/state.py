"""What is known about one customer. Only the machine changes it.

The parts are NamedTuples, which the codec writes as arrays; the whole is a slotted dataclass that is
changed in place while a batch is decided and is dropped when that batch is aborted.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from streams.core.inputs import AttributeValue, Foreign, Item
from streams.core.population.counted import Counted
from streams.core.values import Cause


class Order(NamedTuple):
    """One order, money in minor units of the base currency.

    `returned_minor` is the sum of its known returns; `returned_own_minor` the same sum in the
    order's own currency, or -1 where a return came in yet another one. `discount_minor` came off
    `total_minor`. `lines` are its items as `streams.core.products.pack_lines` writes them, `units`
    their quantities summed.
    """

    occurred_at_ms: int
    event_id: str
    total_minor: int
    cancelled: bool = False
    returned_minor: int = 0
    foreign: Foreign | None = None
    returned_own_minor: int = 0
    discount_minor: int = 0
    has_coupon: bool = False
    units: float = 0.0
    lines: str = ""

    @property
    def fully_returned(self) -> bool:
        """Returned > 0 and returned >= total, in the order's currency where that is known."""
        if self.foreign is not None and self.returned_own_minor >= 0:
            return 0 < self.returned_own_minor >= self.foreign.amount_minor
        return 0 < self.returned_minor >= self.total_minor

    @property
    def counts(self) -> bool:
        """A counting order is neither cancelled nor fully returned."""
        return not self.cancelled and not self.fully_returned

    @property
    def net_minor(self) -> int:
        """What is left of the total after its returns; never below zero, and 0 if it is gone."""
        return max(0, self.total_minor - self.returned_minor) if self.counts else 0


class Return(NamedTuple):
    """One return. Without a known order it lowers the customer's sum at its own instant.

    `lines` are its items, packed like those of an order.
    """

    occurred_at_ms: int
    event_id: str
    order_id: str | None
    amount_minor: int
    foreign: Foreign | None = None
    lines: str = ""


class Remnant(NamedTuple):
    """What is kept of a folded order, so that a late return or cancellation still finds it."""

    occurred_at_ms: int
    net_minor: int
    counts: bool


@dataclass(slots=True)
class Folded:
    """What left the kept history: remnants of orders, and lifetime totals of all that is older.

    `remnants` maps a 64-bit hash of the order id to what is left of it, oldest first. They still
    count inside the window, to the millisecond; only what is older than every remnant is a sum.
    """

    order_count: int = 0
    net_minor: int = 0
    remnants: dict[int, Remnant] = field(default_factory=dict)


class Product(NamedTuple):
    """What a customer bought of one sku or category in orders that were folded."""

    last_at_ms: int
    orders: int
    units: float


@dataclass(slots=True)
class Products:
    """Products of folded orders, by category and by sku, and a filter of every sku among them.

    `bought` is a fixed-size Bloom filter: it may take a sku for bought that was not (rarely), never
    the other way round.
    """

    categories: dict[str, Product] = field(default_factory=dict)
    skus: dict[str, Product] = field(default_factory=dict)
    bought: bytes = b""


class Membership(NamedTuple):
    """The segment of one scheme. `since_ms` is the effective instant of the latest change."""

    segment: str | None
    previous: str | None
    since_ms: int
    sequence: int


NO_MEMBERSHIP = Membership(None, None, 0, 0)


class Attribute(NamedTuple):
    value: AttributeValue
    occurred_at_ms: int
    event_id: str


class Consent(NamedTuple):
    granted: bool
    occurred_at_ms: int
    event_id: str


class Contact(NamedTuple):
    """One contact with the shop's service; what it cost in the base currency, where that is known."""

    occurred_at_ms: int
    event_id: str
    complaint: bool
    minutes: float | None
    cost_minor: int | None


class Held(NamedTuple):
    """A change towards worse by moving limits alone that waits until it has lasted.

    `snapshot` is the one that brought it, `counted` what the customer amounted to then: while that
    stays, nobody but the limits can have moved the customer.
    """

    segment: str | None
    since_ms: int
    snapshot: int
    counted: Counted | None


class Cart(NamedTuple):
    """A cart as of its latest change.

    `abandoned` is set once this change was taken as left (or can never be: emptied, too old), so
    that the shop's own event and our derivation are one.
    """

    changed_at_ms: int
    event_id: str
    value_minor: int
    foreign: Foreign | None
    items: tuple[Item, ...]
    checkout_url: str | None
    abandoned: bool


# What a run waits for whose last action may still be on its way: so that it can be called off.
ON_ITS_WAY = "on_its_way"


class Run(NamedTuple):
    """One customer's way through one campaign, by the `version` with which it began.

    `base_ms` is the instant its step offsets count from. Step number `next_step`, in its `round`
    (from 0, for steps that repeat), was due at `due_ms` and is looked at next at `next_due_ms`,
    later where it is `waiting` for something: the reason for which it is held. `entered` is the
    (scheme, segment) by which the run began. `last_action_id` is the latest action asked for, open
    until `open_until_ms`.
    """

    campaign: str
    key: str
    version: int
    base_ms: int
    next_step: int
    due_ms: int
    next_due_ms: int
    cause: Cause
    round: int = 0
    waiting: str = ""
    entered: tuple[str, str] | None = None
    last_action_id: str | None = None
    open_until_ms: int = 0

    @property
    def is_live(self) -> bool:
        """Whether a step is still to come."""
        return self.waiting != ON_ITS_WAY


class Sent(NamedTuple):
    """An action asked for, as caps count it. For controls, too."""

    at_ms: int
    channels: tuple[str, ...]


class Attribution(NamedTuple):
    """What is to be told of one run: what the customer did from its first action on.

    `segment` is the one of scheme `rfm` at the first action. Orders count before `until_ms`, which
    moves with each further action; `next_ms` is when to look again. `told` says that the preliminary
    figures are out. `actions` are 64-bit hashes of the ids, by which reports of deliveries find them.
    """

    campaign: str
    version: int
    key: str
    base_ms: int
    segment: str | None
    is_control: bool
    from_ms: int
    until_ms: int
    next_ms: int
    actions: tuple[int, ...]
    told: bool = False
    sent: int = 0
    opened: bool = False
    clicked: bool = False
    unsubscribed: bool = False


@dataclass(slots=True)
class CustomerState:
    """Everything the rules may look at for one customer.

    `seen` maps the identity of a recent event to the journal time at which it came, oldest first.
    `starts` holds the latest start per campaign and per campaign group (`group:` + name).
    `rules_version` and `limits_number` say what the customer was decided by last.
    `next_due_ms` is the next instant at which the passing of time alone may change anything.
    `contacts` are by contact id, `offers` the instants of actions tagged `cross_sell`, `counted`
    what the census holds of this customer, `held` by scheme. `pending` maps a campaign to the
    instant at which its segment was entered by a cause that may not start it, `mutes` a tag to the
    end of its silence; `sent` is as long as caps look back, `attributions` until all is told.
    """

    customer_id: str
    orders: dict[str, Order] = field(default_factory=dict)
    returns: dict[str, Return] = field(default_factory=dict)
    cancellations: dict[str, int] = field(default_factory=dict)
    folded: Folded | None = None
    seen: dict[int, int] = field(default_factory=dict)
    memberships: dict[str, Membership] = field(default_factory=dict)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)
    carts: dict[str, Cart] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    starts: dict[str, int] = field(default_factory=dict)
    last_event_at_ms: int = 0
    erased_at_ms: int | None = None
    beyond_history_count: int = 0
    next_due_ms: int | None = None
    merged_into: str | None = None
    rules_version: int = 0
    limits_number: int = 0
    contacts: dict[str, Contact] = field(default_factory=dict)
    offers: list[int] = field(default_factory=list)
    products: Products | None = None
    counted: Counted | None = None
    held: dict[str, Held] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    mutes: dict[str, int] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    attributions: list[Attribution] = field(default_factory=list)

    @property
    def newest_order_at_ms(self) -> int:
        """The instant of the newest order, counting or not; 0 without one."""
        return max((order.occurred_at_ms for order in self.orders.values()), default=0)
