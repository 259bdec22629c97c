"""Laws of the schemes loyalty, value, lifecycle, frequency and behaviour, for every customer."""

import random
from fractions import Fraction
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.population.snapshot import Snapshot
from streams.core.schemes.scheme import Answer
from streams.core.state import CustomerState, Order
from tests.core.story import DAY, HOUR, T0
from tests.properties.customers import (
    COMPILERS,
    YEAR,
    Kind,
    compiled,
    customer,
    snapshots,
    states,
    view_of,
)
from tests.properties.profiles import tried

ALL = sorted(COMPILERS)
START, END = T0 - 1_500 * DAY, T0 + 800 * DAY
# Just after everything happened, before and among it, and on the way out of every window.
nows = st.one_of(
    st.integers(T0, T0 + 60 * DAY),
    st.integers(T0 - 600 * DAY, T0),
    st.integers(T0, T0 + 800 * DAY),
)
zeros = st.booleans()


def answer_at(scheme: Kind, state: CustomerState, now_ms: int, zeros_count: bool) -> Answer:
    return scheme.classify(view_of(state, now_ms, zero_value_orders_count=zeros_count))


@pytest.mark.parametrize("kind", ALL)
@tried(60)
@given(states(), nows, snapshots, zeros, st.data())
def test_the_next_change_is_honest(
    kind: str,
    state: CustomerState,
    now_ms: int,
    base: Snapshot | None,
    zeros_count: bool,
    data: st.DataObject,
) -> None:
    scheme = compiled(kind, base)
    answer = answer_at(scheme, state, now_ms, zeros_count)
    assert answer.until_ms is None or answer.until_ms > now_ms
    last_ms = (now_ms + 3 * YEAR if answer.until_ms is None else answer.until_ms) - 1
    between = data.draw(st.lists(st.integers(now_ms, last_ms), max_size=3))
    for at_ms in (last_ms, *between):
        again = answer_at(scheme, state, at_ms, zeros_count)
        assert again.segment == answer.segment
        assert again.until_ms is None or again.until_ms > at_ms


@pytest.mark.parametrize("kind", ALL)
@tried(60)
@given(states(), snapshots, zeros, st.lists(st.integers(START, END), min_size=1, max_size=8))
def test_whoever_looks_only_when_told_to_sees_every_change(
    kind: str,
    state: CustomerState,
    base: Snapshot | None,
    zeros_count: bool,
    instants: list[int],
) -> None:
    scheme = compiled(kind, base)
    looks: list[tuple[int, str | None]] = []
    due_ms: int | None = START
    while due_ms is not None and due_ms <= END:
        answer = answer_at(scheme, state, due_ms, zeros_count)
        looks.append((due_ms, answer.segment))
        assert answer.until_ms is None or answer.until_ms > due_ms
        due_ms = answer.until_ms
    things = len(state.orders) + len(state.returns) + len(state.contacts) + len(state.offers)
    remnants = len(state.folded.remnants) if state.folded else 0
    # Each thing leaves a window once, and an offer is closed once; a lifecycle has four stages.
    assert len(looks) <= 2 * (things + remnants) + 5
    for at_ms in instants:
        seen = [segment for looked_ms, segment in looks if looked_ms <= at_ms][-1]
        assert seen == answer_at(scheme, state, at_ms, zeros_count).segment


@pytest.mark.parametrize("kind", ALL)
@tried(40)
@given(states(), nows, snapshots, zeros, st.randoms(use_true_random=False))
def test_the_order_in_which_things_became_known_changes_nothing(
    kind: str,
    state: CustomerState,
    now_ms: int,
    base: Snapshot | None,
    zeros_count: bool,
    shuffle: random.Random,
) -> None:
    scheme = compiled(kind, base)
    other = customer()
    for name in ("orders", "returns", "contacts"):
        things = list(getattr(state, name).items())
        shuffle.shuffle(things)
        setattr(other, name, dict(things))
    other.offers = shuffle.sample(state.offers, k=len(state.offers))
    other.folded = state.folded
    first = answer_at(scheme, state, now_ms, zeros_count)
    assert answer_at(scheme, other, now_ms, zeros_count) == first
    assert answer_at(scheme, state, now_ms, zeros_count) == first, "asking changes nothing"
    parts = first.segment.split("|") if scheme.is_flags and first.segment else [first.segment]
    assert set(parts) <= {*scheme.segments, None}


@pytest.mark.parametrize("kind", ALL)
@tried(100)
@given(states(), nows, snapshots)
def test_each_rule_once_more_the_slow_way(
    kind: str, state: CustomerState, now_ms: int, base: Snapshot | None
) -> None:
    found = answer_at(compiled(kind, base), state, now_ms, True).segment
    assert found == RESTATED[kind](state, now_ms, base)


# -- the rules of segments.md, restated with the shipped limits and without a thought for speed ------


def enough(base: Snapshot | None) -> bool:
    return base is not None and base.customers >= 500 and base.history_ms >= 180 * DAY


def counting(state: CustomerState) -> list[tuple[int, int]]:
    """(instant, net) of counting orders known one by one."""
    whole = [(one.occurred_at_ms, one.net_minor) for one in state.orders.values() if one.counts]
    remnants = state.folded.remnants.values() if state.folded else ()
    return whole + [(one.occurred_at_ms, one.net_minor) for one in remnants if one.counts]


def loose(state: CustomerState) -> list[tuple[int, int]]:
    """(instant, amount) of returns without a known order."""
    backs = [one for one in state.returns.values() if one.order_id not in state.orders]
    return [(one.occurred_at_ms, one.amount_minor) for one in backs]


def net_of(state: CustomerState, now_ms: int, window_ms: int) -> int:
    inside = [net for at, net in counting(state) if now_ms < at + window_ms]
    return sum(inside) - sum(minor for at, minor in loose(state) if now_ms < at + window_ms)


def loyalty(state: CustomerState, now_ms: int, base: Snapshot | None) -> str | None:
    older = state.folded.order_count if state.folded else 0
    count = len(counting(state)) + older
    net = net_of(state, 0, 1) + (state.folded.net_minor if state.folded else 0)
    if base is not None and enough(base):
        is_frequent = count > Fraction(base.repeat_orders, base.repeat_buyers)
        is_vip = (
            is_frequent
            and count > base.percentiles["lifetime_orders"][89]
            and net > base.percentiles["lifetime_net_minor"][89]
        )
    else:
        is_frequent, is_vip = count >= 4, count >= 10
    if is_vip:
        return "VIP"
    if is_frequent:
        return "Frequent Buyer"
    return {0: None, 1: "One Time Buyer"}.get(count, "Loyal Customer")


def value(state: CustomerState, now_ms: int, base: Snapshot | None) -> str | None:
    if base is None or not enough(base):
        return None
    if not [at for at, _ in counting(state) if now_ms < at + YEAR]:
        return None
    net = net_of(state, now_ms, YEAR)
    least_a, least_b = base.value_limits_minor
    if net <= 0:
        return "C"
    return "A" if net >= least_a else "B" if net >= least_b else "C"


def lifecycle(state: CustomerState, now_ms: int, base: Snapshot | None) -> str | None:
    instants = sorted(at for at, _ in counting(state))
    older = state.folded.order_count if state.folded else 0
    if not instants:
        return "Lost" if older else "Prospect"
    silent = now_ms - instants[-1]
    gaps = [(at, at - before) for before, at in pairwise(instants)]
    if silent >= 365 * DAY:
        return "Lost"
    if silent >= 182 * DAY:
        return "Sleeper"
    if any(now_ms < at + 30 * DAY and gap >= 182 * DAY for at, gap in gaps):
        return "Reactivated"
    if len(instants) + older == 1 and silent < 90 * DAY:
        return "New Buyer"
    whole = sorted(one.occurred_at_ms for one in state.orders.values() if one.counts)[-13:]
    if len(whole) < 3:
        return "Slipping" if silent >= 90 * DAY else "Active"
    # Gaps are below 2^53 ms, so half of one is exact as a float too.
    usual = Fraction(median(at - before for before, at in pairwise(whole)))
    is_slipping = silent >= 30 * DAY and silent >= usual * Fraction(3, 2)
    return "Slipping" if is_slipping else "Active"


def frequency(state: CustomerState, now_ms: int, base: Snapshot | None) -> str | None:
    instants = [at for at, _ in counting(state)]
    if not instants:
        return "Inactive" if state.folded and state.folded.order_count else None
    if now_ms - max(instants) >= 365 * DAY:
        return "Inactive"
    return "Frequent" if sum(now_ms - at < 365 * DAY for at in instants) >= 4 else "Occasional"


def behaviour(state: CustomerState, now_ms: int, base: Snapshot | None) -> str | None:
    flags = []
    placed = [one for one in state.orders.values() if not one.cancelled]
    kept = [one for one in placed if one.counts]
    recent = [one for one in kept if now_ms < one.occurred_at_ms + YEAR]
    if base is not None and enough(base) and len(kept) >= 3:
        per_order = sum(Fraction(round(one.units * 1000)) for one in kept) / len(kept)
        if int(per_order) > base.percentiles["units_milli"][89]:
            flags.append("Bulk Buyer")
    if is_maximizer(recent):
        flags.append("Promotion Maximizer")
    if is_reverser(state, now_ms):
        flags.append("Revenue Reverser")
    inside = [one for one in state.contacts.values() if now_ms < one.occurred_at_ms + YEAR]
    costs = [
        Fraction(one.cost_minor)
        if one.cost_minor is not None
        else Fraction(str(8 if one.minutes is None else one.minutes)) * 60
        for one in inside
    ]
    net = net_of(state, now_ms, YEAR)
    cost = sum(costs, Fraction(0))
    if len(inside) >= 3 and cost and (net <= 0 or cost * 10 > net):
        flags.append("Service Demander")
    offers = [at for at in state.offers if now_ms < at + YEAR]
    ignored = all(not 0 < one.occurred_at_ms - at < 48 * HOUR for one in kept for at in offers)
    if is_even(recent) and (len(offers) < 2 or ignored):
        flags.append("Spending Limiter")
    return "|".join(flags) or None


def is_maximizer(recent: list[Order]) -> bool:
    promoted = [
        one
        for one in recent
        if one.has_coupon
        or (one.discount_minor and one.discount_minor >= Fraction(one.total_minor, 4))
    ]
    total = sum(one.net_minor for one in recent)
    if len(recent) < 3 or not total:
        return False
    of_value = Fraction(sum(one.net_minor for one in promoted), total)
    of_orders = Fraction(len(promoted), len(recent))
    return of_value * Fraction(8, 10) + of_orders * Fraction(2, 10) >= Fraction(6, 10)


def is_even(recent: list[Order]) -> bool:
    values = [one.net_minor for one in recent]
    if len(values) < 4 or not sum(values):
        return False
    mean = Fraction(sum(values), len(values))
    variance = sum((one - mean) ** 2 for one in values) / len(values)
    return variance / mean**2 <= Fraction(1, 16)


def is_reverser(state: CustomerState, now_ms: int) -> bool:
    since = now_ms - YEAR
    placed = [one for one in state.orders.values() if not one.cancelled]
    recent = [one for one in placed if one.occurred_at_ms > since]
    remnants = state.folded.remnants.values() if state.folded else ()
    folded = [one.net_minor for one in remnants if one.counts and one.occurred_at_ms > since]
    gross = sum(one.total_minor for one in recent) + sum(folded)
    if not gross:
        return False
    returned = sum(one.total_minor - one.net_minor for one in recent)
    returned += sum(minor for at, minor in loose(state) if at > since)
    rate = Fraction(returned, gross)
    events = sum(one.occurred_at_ms > since for one in state.returns.values())
    complaints = sum(
        one.complaint and one.occurred_at_ms > since for one in state.contacts.values()
    )
    orders = len(recent) + len(folded)
    return (events >= 3 and orders >= 3 and rate > Fraction(3, 10)) or (
        complaints >= 3 and rate > Fraction(2, 10)
    )


RESTATED = {
    "loyalty": loyalty,
    "value": value,
    "lifecycle": lifecycle,
    "frequency": frequency,
    "behaviour": behaviour,
}
