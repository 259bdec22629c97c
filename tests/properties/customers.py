"""Customers built by hand, the shipped limits of the schemes, and strategies for both.

What happens to a customer stands in the state as the history would leave it: `customer` lowers its
orders by the returns that name them.
"""

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

from hypothesis import strategies as st

from streams.core.facts import facts_at
from streams.core.population.snapshot import Snapshot
from streams.core.schemes import behaviour, frequency, lifecycle, loyalty, value
from streams.core.schemes.scheme import Answer, Shop, View
from streams.core.state import Contact, CustomerState, Folded, Order, Remnant, Return
from tests.core.story import DAY, HOUR, T0

YEAR = 365 * DAY
SHOP = Shop(730 * DAY, 500, 180 * DAY, count_zero_value_orders=True)
RULES: dict[str, dict[str, Any]] = {
    "loyalty": {
        "kind": "loyalty",
        "name": "loyalty",
        "vip_percent": 90,
        "small_shop": {"frequent_orders": 4, "vip_orders": 10},
        "hold_ms": None,
    },
    "value": {
        "kind": "value",
        "name": "value",
        "window_ms": YEAR,
        "shares_percent": [80, 95],
        "hold_ms": None,
    },
    "lifecycle": {
        "kind": "lifecycle",
        "name": "lifecycle",
        "lost_ms": YEAR,
        "sleeper_ms": 26 * 7 * DAY,
        "reactivated_ms": 30 * DAY,
        "new_ms": 90 * DAY,
        "slipping_factor_percent": 150,
        "slipping_floor_ms": 30 * DAY,
        "slipping_default_ms": 90 * DAY,
    },
    "frequency": {
        "kind": "frequency",
        "name": "frequency",
        "window_ms": YEAR,
        "frequent_orders": 4,
        "inactive_ms": YEAR,
    },
    "behaviour": {
        "kind": "behaviour",
        "name": "behaviour",
        "window_ms": YEAR,
        "revenue_reverser": {
            "return_rate_percent": 30,
            "minimum_returns": 3,
            "minimum_orders": 3,
            "minimum_complaints": 3,
            "complaint_return_rate_percent": 20,
        },
        "promotion_maximizer": {
            "discount_percent": 20,
            "value_weight_percent": 80,
            "score_percent": 60,
            "minimum_orders": 3,
        },
        "spending_limiter": {
            "minimum_orders": 4,
            "variation_percent": 25,
            "minimum_offers": 2,
            "response_ms": 48 * HOUR,
        },
        "service_demander": {
            "minimum_contacts": 3,
            "cost_percent": 10,
            "minute_rate_milli": 60_000,
            "default_minutes": 8,
        },
        "bulk_buyer": {"percent": 90, "minimum_orders": 3},
    },
}
Kind = (
    loyalty.Loyalty | value.Value | lifecycle.Lifecycle | frequency.Frequency | behaviour.Behaviour
)
COMPILERS: dict[str, Callable[[Mapping[str, Any], Shop], Kind]] = {
    "loyalty": loyalty.compile_scheme,
    "value": value.compile_scheme,
    "lifecycle": lifecycle.compile_scheme,
    "frequency": frequency.compile_scheme,
    "behaviour": behaviour.compile_scheme,
}


def compiled(kind: str, base: Snapshot | None = None, **changes: Any) -> Kind:
    """A shipped scheme with top-level entries replaced, under the limits of `base`."""
    return COMPILERS[kind]({**RULES[kind], **changes}, SHOP).under(base)


def snapshot(**changes: Any) -> Snapshot:
    """A base of 1,000: repeat buyers order 3.5 times, the cuts at 90 % are 6 orders and 500.00."""
    figures: dict[str, Any] = {
        "number": 7,
        "as_of_ms": T0,
        "customers": 1_000,
        "buyers": 1_000,
        "repeat_buyers": 400,
        "repeat_orders": 1_400,
        "history_ms": 400 * DAY,
        "percentiles": {
            "lifetime_orders": [1] * 89 + [6] + [9] * 9,
            "lifetime_net_minor": [100] * 89 + [50_000] + [90_000] * 9,
            "units_milli": [1_000] * 89 + [4_000] + [9_000] * 9,
        },
        "thirds": {},
        "value_limits_minor": [30_000, 10_000],
    }
    return Snapshot(**{**figures, **changes})


def bought(at_ms: int = T0, total_minor: int = 10_000, **fields: Any) -> Order:
    return Order(at_ms, f"e{at_ms}", total_minor, **fields)


def gave_back(at_ms: int, amount_minor: int, order: int | None = None) -> Return:
    """A return of the order at that place in `customer(orders)`, or of none."""
    return Return(at_ms, f"r{at_ms}", None if order is None else f"o{order}", amount_minor)


def contact(at_ms: int, cost_minor: int | None = None, **fields: Any) -> Contact:
    fields = {"complaint": False, "minutes": None, **fields}
    return Contact(at_ms, f"c{at_ms}", cost_minor=cost_minor, **fields)


def customer(
    orders: Iterable[Order] = (),
    returns: Iterable[Return] = (),
    contacts: Iterable[Contact] = (),
    offers: Iterable[int] = (),
    folded: Folded | None = None,
) -> CustomerState:
    state = CustomerState("C-1")
    state.orders = {f"o{place}": order for place, order in enumerate(orders)}
    state.returns = {f"r{place}": back for place, back in enumerate(returns)}
    state.contacts = {f"c{place}": one for place, one in enumerate(contacts)}
    state.offers = list(offers)
    state.folded = folded
    for back in state.returns.values():
        if back.order_id is not None and back.order_id in state.orders:
            order = state.orders[back.order_id]
            lowered = order._replace(returned_minor=order.returned_minor + back.amount_minor)
            state.orders[back.order_id] = lowered
    return state


def view_of(state: CustomerState, now_ms: int, *, zero_value_orders_count: bool = True) -> View:
    facts = facts_at(state, now_ms, SHOP.window_ms, count_zero_value_orders=zero_value_orders_count)
    return View(state, facts, now_ms)


def ask(scheme: Kind, state: CustomerState, now_ms: int = T0) -> Answer:
    return scheme.classify(view_of(state, now_ms))


# -- strategies ------------------------------------------------------------------------------------

# Instants are drawn around each other at the spans that matter, so that limits are met to the ms.
_SPANS = [0, 48 * HOUR, 20 * DAY, 30 * DAY, 45 * DAY, 90 * DAY, 182 * DAY, YEAR]


def states() -> st.SearchStrategy[CustomerState]:
    """Customers by seed and number of orders: a failure names both."""
    return st.builds(state_of, st.integers(0, 2**32 - 1), st.integers(0, 16))


def state_of(seed: int, count: int) -> CustomerState:
    """A customer of a certain manner: with even or uneven orders, discounts, returns or calls."""
    random = Random(seed)
    amounts = random.choice([[10_000], [7_500, 12_500], [0, 5_000, 6_000, 10_000], range(20_000)])
    coupons = random.choice([0.0, 0.5, 0.9])
    placed = [
        Order(
            at_ms,
            f"e{random.randrange(9)}",
            random.choice(amounts),
            cancelled=random.random() < 0.1,
            discount_minor=random.choice([0, 0, 1_000, 1_250, 2_500]),
            has_coupon=random.random() < coupons,
            units=random.choice([0.0, 0.3, 1.0, 4.0, 4.001, 12.5]),
        )
        for at_ms in _instants(random, count)
    ]
    named = [None, *(f"o{place}" for place in range(len(placed)))]
    backs = [
        Return(at_ms, "r", random.choice(named), random.choice([0, 300, 5_000, 10_000]))
        for at_ms in _instants(random, random.choice([0, 0, 3, 5]))
    ]
    minutes, costs = [None, 0.1, 10.0, 33.3], [None, None, 0, 400]
    contacts = [
        Contact(at_ms, "c", random.random() < 0.7, random.choice(minutes), random.choice(costs))
        for at_ms in _instants(random, random.choice([0, 0, 3, 5]))
    ]
    occasions = [order.occurred_at_ms for order in placed] or [T0]
    offers = [
        random.choice(occasions) - random.choice([0, 1, 48 * HOUR, 90 * DAY])
        for _ in range(random.choice([0, 0, 1, 2, 3]))
    ]
    return customer(placed, backs, contacts, offers, _folded(random))


def _instants(random: Random, count: int) -> list[int]:
    """Instants up to T0, many of them a span, or a span and a millisecond, before another."""
    found = [T0]
    for _ in range(count):
        near = random.choice(_SPANS) + random.choice([-1, 0, 1])
        span = random.choice([near, random.randrange(150 * DAY), random.randrange(10 * DAY)])
        found.append(random.choice(found) - span)
    return found[1:]


def _folded(random: Random) -> Folded | None:
    if random.random() < 0.7:
        return None
    remnants: dict[int, Remnant] = {}
    for place, at_ms in enumerate(_instants(random, random.randrange(5))):
        net = random.choice([0, 1, 5_000, 10_000])
        remnants[place] = Remnant(at_ms, net, net > 0 or random.random() < 0.5)
    return Folded(random.randrange(4), random.randrange(-1_000, 90_000), remnants)


snapshots = st.one_of(
    st.none(),
    st.just(snapshot()),
    st.just(snapshot(customers=499)),
    st.builds(
        lambda units, repeat, least: snapshot(
            percentiles={
                "lifetime_orders": [repeat] * 99,
                "lifetime_net_minor": [least] * 99,
                "units_milli": [units] * 99,
            },
            repeat_orders=400 * repeat + 100,
            value_limits_minor=[least, least // 3],
        ),
        st.sampled_from([0, 1_000, 3_999, 4_000]),
        st.integers(2, 8),
        st.integers(3, 100_000),
    ),
)
