"""Scheme `loyalty`: groups relative to the whole customer base, by orders and revenue ever.

Segments.md, Other schemes. Under a snapshot with enough population the limits move with the base:
a Frequent Buyer has more orders than the mean of all repeat buyers, a VIP besides more orders and
more lifetime net revenue than 90 % of the buyers. Otherwise the limits for small shops apply: 4
orders make a Frequent Buyer, 10 a VIP, whatever they spent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from streams.core.population.snapshot import Snapshot
from streams.core.schemes.scheme import Answer, Shop, View

KIND = "loyalty"
VIP = "VIP"
FREQUENT = "Frequent Buyer"
LOYAL = "Loyal Customer"
ONE_TIME = "One Time Buyer"
SEGMENTS = (VIP, FREQUENT, LOYAL, ONE_TIME)
LOYAL_ORDERS = 2

# Nothing here depends on the clock: counts are of the whole life.
_VIP, _FREQUENT, _LOYAL, _ONE_TIME = (Answer(segment, None) for segment in SEGMENTS)
_NOWHERE = Answer(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loyalty:
    """Least orders of a Frequent Buyer and of a VIP, who has net revenue above the third limit.

    The money limit is None for small shops, where orders alone decide.
    """

    name: str
    hold_ms: int | None
    vip_percent: int
    small_frequent_orders: int
    small_vip_orders: int
    shop: Shop
    frequent_orders: int
    vip_orders: int
    vip_net_above_minor: int | None = None
    kind: str = KIND
    segments: tuple[str, ...] = SEGMENTS
    is_flags: bool = False
    is_ranked: bool = True
    uses_population: bool = True

    def classify(self, view: View) -> Answer:
        """The group by lifetime orders and net revenue; nowhere without a counting order ever."""
        facts = view.facts
        orders = facts.lifetime_order_count
        if orders >= self.vip_orders and (
            self.vip_net_above_minor is None
            or facts.lifetime_monetary_minor > self.vip_net_above_minor
        ):
            return _VIP
        if orders >= self.frequent_orders:
            return _FREQUENT
        if orders >= LOYAL_ORDERS:
            return _LOYAL
        return _ONE_TIME if orders else _NOWHERE

    def under(self, snapshot: Snapshot | None) -> "Loyalty":
        """With the mean and the cuts of a snapshot; the small shop's limits where it has none."""
        shop = self.shop
        if snapshot is not None and snapshot.is_enough(
            shop.minimum_customers, shop.minimum_history_ms
        ):
            orders_cut = snapshot.quantile("lifetime_orders", self.vip_percent)
            net_cut = snapshot.quantile("lifetime_net_minor", self.vip_percent)
            if snapshot.repeat_buyers and orders_cut is not None and net_cut is not None:
                # Orders above a mean or a cut are whole numbers from the next one up.
                frequent = snapshot.repeat_orders // snapshot.repeat_buyers + 1
                return replace(
                    self,
                    frequent_orders=frequent,
                    vip_orders=max(frequent, orders_cut + 1),
                    vip_net_above_minor=net_cut,
                )
        return replace(
            self,
            frequent_orders=self.small_frequent_orders,
            vip_orders=self.small_vip_orders,
            vip_net_above_minor=None,
        )


def compile_scheme(raw: Mapping[str, Any], shop: Shop) -> Loyalty:
    """`Loyalty` before the first snapshot; raises ValueError where its limits do not rise."""
    percent = int(raw["vip_percent"])
    frequent = int(raw["small_shop"]["frequent_orders"])
    vip = int(raw["small_shop"]["vip_orders"])
    if not 1 <= percent <= 99:  # noqa: PLR2004 - percentiles of a snapshot
        raise ValueError(f"vip_percent must be 1 to 99, found {percent}")
    if not LOYAL_ORDERS < frequent < vip:
        raise ValueError(
            f"small_shop: frequent_orders ({frequent}) must exceed {LOYAL_ORDERS} and vip_orders "
            f"({vip}) must exceed both, or a group can have no members"
        )
    hold = raw["hold_ms"]
    return Loyalty(
        name=str(raw["name"]),
        hold_ms=None if hold is None else int(hold),
        vip_percent=percent,
        small_frequent_orders=frequent,
        small_vip_orders=vip,
        shop=shop,
        frequent_orders=frequent,
        vip_orders=vip,
    )
