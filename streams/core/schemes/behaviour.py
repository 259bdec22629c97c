"""Scheme `behaviour`: flags for customers who need another way of talking to them.

Segments.md, Other schemes. Everything is counted in the scheme's own window, except units per order
(all orders kept, as the snapshot counts them). Below its minimum of data a flag is not set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from streams.core.behaviour_facts import (
    Spending,
    Turnover,
    cost_milli,
    orders_since,
    response,
    spending,
    turnover_since,
    units_per_order_milli,
)
from streams.core.population.snapshot import Snapshot
from streams.core.schemes.scheme import FLAG_SEPARATOR, Answer, Shop, View
from streams.core.state import Contact

KIND = "behaviour"
BULK_BUYER = "Bulk Buyer"
PROMOTION_MAXIMIZER = "Promotion Maximizer"
REVENUE_REVERSER = "Revenue Reverser"
SERVICE_DEMANDER = "Service Demander"
SPENDING_LIMITER = "Spending Limiter"
# Sorted, as flags are joined: `classify` finds them in this order.
SEGMENTS = (
    BULK_BUYER,
    PROMOTION_MAXIMIZER,
    REVENUE_REVERSER,
    SERVICE_DEMANDER,
    SPENDING_LIMITER,
)

_NEVER = 1 << 62
_NOWHERE = Answer(None, None)


class RevenueReverser(NamedTuple):
    """Rates are returned by gross, of orders that were not cancelled, and must be exceeded."""

    return_rate_percent: int
    minimum_returns: int
    minimum_orders: int
    minimum_complaints: int
    complaint_return_rate_percent: int


class PromotionMaximizer(NamedTuple):
    """The score is the share of value in promoted orders, weighted, and their share of orders."""

    discount_percent: int
    value_weight_percent: int
    score_percent: int
    minimum_orders: int


class SpendingLimiter(NamedTuple):
    """From `minimum_offers` offers on, none may have been answered within `response_ms`."""

    minimum_orders: int
    variation_percent: int
    minimum_offers: int
    response_ms: int


class ServiceDemander(NamedTuple):
    """`minute_rate_milli` is thousandths of a minor unit per minute."""

    minimum_contacts: int
    cost_percent: int
    minute_rate_milli: int
    default_minutes: float


class BulkBuyer(NamedTuple):
    percent: int
    minimum_orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """`units_above_milli` is what a Bulk Buyer's units per order exceed; None: no such flag.

    Whoever has fewer orders than `fewest_orders` and fewer contacts than `fewest_contacts` can have
    no flag: most customers, who need not be looked at any further.
    """

    name: str
    window_ms: int
    reverser: RevenueReverser
    maximizer: PromotionMaximizer
    limiter: SpendingLimiter
    demander: ServiceDemander
    bulk: BulkBuyer
    shop: Shop
    fewest_orders: int
    fewest_contacts: int
    units_above_milli: int | None = None
    kind: str = KIND
    segments: tuple[str, ...] = SEGMENTS
    is_flags: bool = True
    is_ranked: bool = False
    uses_population: bool = True
    hold_ms: int | None = None

    def classify(self, view: View) -> Answer:
        """The flags of this customer, sorted and joined; None without any."""
        state = view.state
        if (
            len(state.orders) < self.fewest_orders
            and len(state.contacts) < self.fewest_contacts
            and state.folded is None
        ):
            return _NOWHERE
        since = view.now_ms - self.window_ms
        flags = []
        oldest = until = _NEVER
        if self._is_bulk_buyer(view):
            flags.append(BULK_BUYER)
        orders = orders_since(view, since)
        spent = None
        if len(orders) >= min(self.maximizer.minimum_orders, self.limiter.minimum_orders):
            spent = spending(orders, self.maximizer.discount_percent)
            oldest = orders[0].occurred_at_ms
            if self._is_maximizer(spent):
                flags.append(PROMOTION_MAXIMIZER)
        if state.returns or state.contacts:
            effort, oldest = self._effort(view, since, oldest)
            flags += effort
        if spent is not None and self._spends_evenly(spent):
            is_limiter, until = self._resists_offers(view)
            if is_limiter:
                flags.append(SPENDING_LIMITER)
        until = min(until, oldest + self.window_ms)
        return Answer(
            FLAG_SEPARATOR.join(flags) if flags else None, until if until < _NEVER else None
        )

    def under(self, snapshot: Snapshot | None) -> "Behaviour":
        """With the units per order of a snapshot; no Bulk Buyers where it has not enough."""
        shop = self.shop
        if snapshot is None or not snapshot.is_enough(
            shop.minimum_customers, shop.minimum_history_ms
        ):
            return replace(self, units_above_milli=None)
        return replace(self, units_above_milli=snapshot.quantile("units_milli", self.bulk.percent))

    def _is_bulk_buyer(self, view: View) -> bool:
        if self.units_above_milli is None:
            return False
        units = units_per_order_milli(view, self.bulk.minimum_orders)
        return units is not None and units > self.units_above_milli

    def _is_maximizer(self, spent: Spending) -> bool:
        """Weighted shares at least the score; both sides times 100, orders and value."""
        rule = self.maximizer
        if spent.orders < rule.minimum_orders or not spent.sum_minor:
            return False
        weight = rule.value_weight_percent
        score = weight * spent.promoted_minor * spent.orders
        score += (100 - weight) * spent.promoted_orders * spent.sum_minor
        return score >= rule.score_percent * spent.orders * spent.sum_minor

    def _spends_evenly(self, spent: Spending) -> bool:
        """Population variation at most the limit: its square, times the squared sum."""
        rule = self.limiter
        if spent.orders < rule.minimum_orders or not spent.sum_minor:
            return False
        squared_sum = spent.sum_minor * spent.sum_minor
        spread = spent.orders * spent.squares - squared_sum
        return spread * 10_000 <= rule.variation_percent * rule.variation_percent * squared_sum

    def _resists_offers(self, view: View) -> tuple[bool, int]:
        """Whether too few offers were sent or none was answered, and until when by the clock.

        An open offer was sent and is not answered: an order in time is an event that says so.
        """
        if not view.state.offers:
            return True, _NEVER
        found = response(view, self.window_ms, self.limiter.response_ms)
        if found.answered and found.sent >= self.limiter.minimum_offers:
            return False, found.until_ms
        # Offers only leave the window, and none of them is answered by the clock.
        return True, _NEVER

    def _effort(self, view: View, since_ms: int, oldest_ms: int) -> tuple[list[str], int]:
        """Flags of returns and service, and the oldest instant that they or `oldest_ms` rest on."""
        reverser, demander = self.reverser, self.demander
        backs = [
            back.occurred_at_ms
            for back in view.state.returns.values()
            if back.occurred_at_ms > since_ms
        ]
        contacts = [
            contact for contact in view.state.contacts.values() if contact.occurred_at_ms > since_ms
        ]
        complaints = sum([contact.complaint for contact in contacts])
        may_reverse = (
            len(backs) >= reverser.minimum_returns or complaints >= reverser.minimum_complaints
        )
        may_demand = len(contacts) >= demander.minimum_contacts
        if not may_reverse and not may_demand:
            # What is too little now only becomes less by the clock.
            return [], oldest_ms
        turnover = turnover_since(view, since_ms)
        flags = []
        if may_reverse and self._is_reverser(turnover, len(backs), complaints):
            flags.append(REVENUE_REVERSER)
        if may_demand and self._is_demander(turnover, contacts):
            flags.append(SERVICE_DEMANDER)
        oldest_ms = min(oldest_ms, turnover.oldest_ms, *backs)
        return flags, min([oldest_ms, *[contact.occurred_at_ms for contact in contacts]])

    def _is_reverser(self, turnover: Turnover, returns: int, complaints: int) -> bool:
        """Returned by gross above the rate; a window without gross has no rate."""
        rule = self.reverser
        gross, returned = turnover.gross_minor, turnover.returned_minor * 100
        if gross <= 0:
            return False
        if (
            returns >= rule.minimum_returns
            and turnover.orders >= rule.minimum_orders
            and returned > rule.return_rate_percent * gross
        ):
            return True
        return (
            complaints >= rule.minimum_complaints
            and returned > rule.complaint_return_rate_percent * gross
        )

    def _is_demander(self, turnover: Turnover, contacts: list[Contact]) -> bool:
        """Cost above a share of net revenue; without net revenue any cost is."""
        rule = self.demander
        cost = cost_milli(contacts, rule.minute_rate_milli, rule.default_minutes)
        return cost > rule.cost_percent * 10 * max(0, turnover.net_minor)


def compile_scheme(raw: Mapping[str, Any], shop: Shop) -> Behaviour:
    """`Behaviour` before the first snapshot; raises TypeError for a rule with a wrong entry."""
    window_ms = int(raw["window_ms"])
    reverser = RevenueReverser(**_numbers(raw, "revenue_reverser"))
    maximizer = PromotionMaximizer(**_numbers(raw, "promotion_maximizer"))
    limiter = SpendingLimiter(**_numbers(raw, "spending_limiter"))
    demander = ServiceDemander(**_numbers(raw, "service_demander"))
    bulk = BulkBuyer(**_numbers(raw, "bulk_buyer"))
    if window_ms <= 0:
        raise ValueError(f"window_ms must be above 0, found {window_ms}")
    if not 1 <= bulk.percent <= 99:  # noqa: PLR2004 - percentiles of a snapshot
        raise ValueError(f"bulk_buyer: percent must be 1 to 99, found {bulk.percent}")
    if maximizer.value_weight_percent > 100:  # noqa: PLR2004 - percent
        raise ValueError("promotion_maximizer: value_weight_percent must be at most 100")
    return Behaviour(
        name=str(raw["name"]),
        window_ms=window_ms,
        reverser=reverser,
        maximizer=maximizer,
        limiter=limiter,
        demander=demander,
        bulk=bulk,
        shop=shop,
        fewest_orders=min(
            reverser.minimum_orders,
            maximizer.minimum_orders,
            limiter.minimum_orders,
            bulk.minimum_orders,
        ),
        fewest_contacts=min(reverser.minimum_complaints, demander.minimum_contacts),
    )


def _numbers(raw: Mapping[str, Any], rule: str) -> dict[str, Any]:
    """The entries of one rule, all above 0: a minimum of none would be no minimum of data.

    Whole numbers, so that what is compared stays whole; minutes alone may have a fraction.
    """
    entries = raw[rule]
    for key, number in entries.items():
        allowed = (int, float) if key == "default_minutes" else (int,)
        if isinstance(number, bool) or not isinstance(number, allowed):
            raise TypeError(f"{rule}: {key} must be a whole number, found {number!r}")
        if number <= 0:
            raise ValueError(f"{rule}: {key} must be above 0, found {number}")
    return dict(entries)
