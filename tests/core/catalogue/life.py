"""A customer's life in a shop that has chosen everything: all schemes, all shipped campaigns.

Quiet hours, caps, mutes and control groups are the shipped ones. Days count from `T0`, a Thursday,
1 January 2026; the clock is the shop's (UTC) unless a story says otherwise.
"""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, NamedTuple

from streams.core import machine
from streams.core.campaigns.control import is_control
from streams.core.inputs import (
    CustomerEvent,
    CustomerMerged,
    CustomerUpdated,
    DeliveryReported,
    Item,
    ServiceContacted,
)
from streams.core.merging import MergedIn
from streams.core.outputs import ActionCancelled, ActionRequested, ActionSuppressed, Forwarded
from streams.core.population.products import Quarter, Sold, TopProduct
from streams.core.population.snapshot import QuarterRevenue, Sales, Snapshot, TopList
from streams.core.rules import Rules, compile_rules
from streams.core.state import NO_MEMBERSHIP, Sent
from streams.rules import arming
from streams.rules.files import rules_text
from streams.settings import Settings
from tests.core.story import DAY, HOUR, MINUTE, T0, TYPES, Story
from tests.properties.customers import snapshot

__all__ = ["DAY", "HOUR", "MINUTE", "T0", "Item"]

TYPES[ServiceContacted] = "service.contacted"


def at(day: float, clock: str = "10:00") -> int:
    """The instant of a time of day (UTC), so many days after 1 January 2026."""
    hours, minutes = clock.split(":")
    return T0 + int(day * DAY) + int(hours) * HOUR + int(minutes) * MINUTE


def told(at_ms: int) -> str:
    """An instant as `day 14, 09:00`, with what is left over beyond the minute."""
    day, rest = divmod(at_ms - T0, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    return f"day {day}, {hours:02}:{minutes:02}" + (f" and {rest} ms" if rest else "")


class Mail(NamedTuple):
    """What a customer gets: when, which text, and which offer with it."""

    when: str
    template: str
    offer: str | None = None


class HeldBack(NamedTuple):
    """What a customer does not get: when that was decided, which step, and why."""

    when: str
    step: str
    reason: str


# -- the shop ----------------------------------------------------------------------------------------

SEGMENTS: Final = (
    "Champions",
    "Loyal Customers",
    "Potential Loyalists",
    "At Risk",
    "Lost Customers",
)
# A year of the shop before the stories begin, best in autumn and winter.
LAST_YEAR: Final = {1: 100, 2: 90, 3: 200, 4: 300}


def best_of(segment: str, count: int = 20) -> tuple[str, ...]:
    """What the members of a segment buy most, as the snapshot lists it."""
    return tuple(f"{segment.split(maxsplit=1)[0].upper()}-{place}" for place in range(1, count + 1))


def sales(revenue: dict[int, int] = LAST_YEAR) -> Sales:
    """Twenty products of each segment in each quarter of last year, and what of two comes back.

    The quarter before last year's first is there too, so that this one counts as complete.
    """
    products = {
        segment: [TopProduct(sku, 50 - place, 1_000, 100, 0) for place, sku in enumerate(best)]
        for segment, best in ((one, best_of(one)) for one in SEGMENTS)
    }
    return Sales(
        as_of_ms=T0,
        top=[
            TopList(Quarter(2025, number), segment, products[segment])
            for number in revenue
            for segment in SEGMENTS
        ],
        sold=[Sold("DRESS", 200_000, 130_000), Sold("SCARF", 200_000, 4_000)],
        revenue=[QuarterRevenue(Quarter(2024, 4), 10)]
        + [QuarterRevenue(Quarter(2025, number), net) for number, net in revenue.items()],
    )


def base(**changes: Any) -> Snapshot:
    """The shop's customers, with other figures where they are given.

    A from 300.00 a year, B from 100.00; four orders make a Frequent Buyer, seven and more than
    500.00 a VIP.
    """
    return snapshot(**{"sales": sales(), **changes})


@cache
def _shipped() -> str:
    return rules_text(Settings.model_construct(schemes="full"))


def document(**changes: Any) -> str:
    """The journaled rules of that shop, with entries of the policy or at the top replaced."""
    shipped = json.loads(_shipped())
    shipped["policy"] |= changes.pop("policy", {})
    return json.dumps({**shipped, **changes})


def campaign(name: str) -> dict[str, Any]:
    """A shipped campaign as journaled."""
    [found] = [one for one in json.loads(_shipped())["campaigns"] if one["name"] == name]
    return dict(found)


NAMES: Final = tuple(one["name"] for one in json.loads(_shipped())["campaigns"])
# They start nothing until a person arms them, and one who reads the stories has.
SEASONAL: Final = ("loyalty_bonus", "season_opener")


@cache
def _armed() -> str:
    text = document()
    for name in SEASONAL:
        text = arming.arm(text, name, "future", 1, None)
    return text


def armed(**changes: Any) -> str:
    """The same with everything armed."""
    shipped = json.loads(_armed())
    shipped["policy"] |= changes.pop("policy", {})
    return json.dumps({**shipped, **changes})


@cache
def _compiled(text: str, version: int) -> Rules:
    return compile_rules(text, version)


def shop(text: str | None = None, version: int = 1, of: Snapshot | None = None) -> Rules:
    """The rules with everything armed (or `text`), under the limits of the base (or `of`)."""
    return _compiled(text or _armed(), version).under(of or base())


# -- customers -----------------------------------------------------------------------------------------


def _groups_of(customer_id: str) -> list[str]:
    return [name for name in NAMES if is_control(name, customer_id, 10)]


@cache
def in_control_group_of(name: str) -> str:
    """A customer who is in the control group of that campaign and of no other."""
    return next(one for one in map("C-{}".format, range(10_000)) if _groups_of(one) == [name])


@cache
def _ordinary(number: int) -> str:
    some = (one for one in map("C-{}".format, range(10_000)) if not _groups_of(one))
    return [next(some) for _ in range(number + 1)][number]


# In no control group at all, as half of the stories' customers would not be (0.9 to the power of 19).
ANNA: Final = _ordinary(0)
BERTA: Final = _ordinary(1)


class Life(Story):
    """A customer who allows mail, unless `consents` says otherwise."""

    def __init__(
        self, known: Rules | None = None, customer_id: str = ANNA, *, consents: bool = True
    ) -> None:
        super().__init__(known or shop(), customer_id)
        self.is_backfilled = False
        if consents:
            self.consent(T0, granted=True)

    # -- what happens ------------------------------------------------------------------------------

    def take(self, kind: type[CustomerEvent], at_ms: int, **fields: Any) -> CustomerEvent:
        """Let one event arrive; back-filled where this life is told afterwards."""
        return super().take(kind, at_ms, **{"backfill": self.is_backfilled, **fields})

    def reports(self, at_ms: int, outcome: str) -> CustomerEvent:
        """What became of some earlier mail."""
        return self.take(
            DeliveryReported, at_ms, action_id="earlier", channel="email", outcome=outcome
        )

    def was_sent_something(self) -> None:
        """An action of a campaign that plays no part here went out now."""
        self.state.sent.append(Sent(self.now_ms, ("email",)))

    def contact(self, at_ms: int, cost_minor: int = 500, **fields: Any) -> CustomerEvent:
        """A call to the service."""
        fields = {"contact_id": f"s{self._events + 1}", "channel": "phone", **fields}
        return self.take(ServiceContacted, at_ms, cost_minor=cost_minor, **fields)

    def lives_in(self, at_ms: int, time_zone: str) -> CustomerEvent:
        """The shop tells the customer's time zone."""
        return self.take(CustomerUpdated, at_ms, attributes={"time_zone": time_zone})

    def buys(
        self, days: Iterable[float], total_minor: int = 5_000, clock: str = "10:00", **fields: Any
    ) -> "Life":
        """An order on each of these days; orders are called o0, o1 and so on."""
        for day in days:
            self.order(at(day, clock), total_minor, order_id=f"o{self._orders}", **fields)
        return self

    @property
    def _orders(self) -> int:
        return len(self.state.orders)

    def until(self, day: float, clock: str = "10:00") -> "Life":
        """Let time pass."""
        self.pass_time(at(day, clock))
        return self

    def jump(self, day: float, clock: str = "10:00") -> "Life":
        """Everything stood still until now."""
        self.pass_time(at(day, clock), jump=True)
        return self

    def base_moves(self, of: Snapshot) -> "Life":
        """A new snapshot is taken, and the customer decided anew under its limits."""
        self.rules = self.rules.under(of)
        return self._decided_anew()

    def rules_change(self, text: str, *, applied_ms: int = 0) -> "Life":
        """New rules come, and the customer is decided anew by them."""
        version = self.rules.version + 1
        known = compile_rules(text, version, applied_ms or self.now_ms)
        self.rules = known.under(self.rules.snapshot)
        return self._decided_anew()

    def _decided_anew(self) -> "Life":
        step = machine.sweep(self.state, self.rules, self.now_ms)
        assert step.note == machine.APPLIED
        self.outputs += step.outputs
        return self

    def merges_into(self, other: "Life", at_ms: int) -> None:
        """Both accounts turn out to be one person's: this one's facts go to the other."""
        self.take(CustomerMerged, at_ms, into_customer_id=other.state.customer_id)
        [handed] = self.said(Forwarded)
        assert isinstance(handed.event, MergedIn)
        self.handed = handed.event
        other.replay(handed.event)

    # -- what came of it ---------------------------------------------------------------------------

    def forget(self) -> "Life":
        """What was said so far is not what the story is about."""
        self.outputs.clear()
        return self

    def actions(self, *campaigns: str) -> list[ActionRequested]:
        """What was asked for, for controls too; of all campaigns where none is named."""
        return [
            one for one in self.said(ActionRequested) if not campaigns or one.campaign in campaigns
        ]

    def mail(self, *campaigns: str) -> list[Mail]:
        """What the customer gets, of these campaigns or of all."""
        return [
            Mail(
                told(one.decided_at_ms),
                one.template,
                one.voucher.name if one.voucher is not None else None,
            )
            for one in self.actions(*campaigns)
            if not one.is_control
        ]

    def held_back(self, *campaigns: str) -> list[HeldBack]:
        """What the customer does not get although something had begun or was about to."""
        return [
            HeldBack(told(one.decided_at_ms), one.step, one.reason)
            for one in self.said(ActionSuppressed)
            if not campaigns or one.campaign in campaigns
        ]

    def called_off(self, name: str) -> list[str]:
        """Why actions of a campaign that may be on their way should not be carried out any more."""
        return [one.reason for one in self.said(ActionCancelled) if one.campaign == name]

    def is_in(self, name: str) -> bool:
        """Whether a run of that campaign is under way."""
        return any(run.campaign == name for run in self.state.runs)

    def member_of(self, scheme: str) -> str | None:
        """The customer's segment, or flags."""
        return self.state.memberships.get(scheme, NO_MEMBERSHIP).segment


def item(
    sku: str = "TEA", price: float = 20.0, cost: float | None = 8.0, category: str | None = None
) -> Item:
    """One piece in a cart, with what it costs the shop."""
    return Item(
        sku,
        1.0,
        int(price * 1_000_000),
        unit_cost_micro=None if cost is None else int(cost * 1_000_000),
        category=category,
    )
