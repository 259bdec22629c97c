"""Histograms and censuses: order, slicing and detours make no difference, and what leaves is gone."""

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeVar

from hypothesis import assume, given
from hypothesis import strategies as st

from streams.core.population.census import METRICS, Census
from streams.core.population.counted import Counted
from streams.core.population.histogram import Histogram, Tally, bucket_of
from streams.core.population.taking import take_snapshot
from streams.core.values import DAY_MS, HOUR_MS
from tests.properties.profiles import tried

NOW = 1_767_225_600_000
Part = TypeVar("Part", Histogram, Census)

# Ties, neighbours, both sides of zero and of 100, and everything a state can hold.
numbers = st.one_of(
    st.integers(-3, 3),
    st.integers(95, 105).flatmap(lambda near: st.sampled_from([near, -near])),
    st.integers(-20_000, 20_000),
    st.integers(4_990, 5_010),
    st.integers(-(2**63), 2**63 - 1),
)
amounts = st.one_of(st.integers(-500, 500), st.integers(-(10**7), 10**7))
instants = st.integers(0, 900 * DAY_MS).map(lambda age_ms: NOW - age_ms)


@st.composite
def customers(draw: st.DrawFn) -> Counted:
    orders, value_orders = draw(st.integers(0, 4)), draw(st.integers(0, 3))
    first_ms, last_ms = sorted((draw(instants), draw(instants)))
    return Counted(
        first_order_ms=first_ms,
        last_order_ms=last_ms,
        orders=orders,
        monetary_minor=draw(amounts),
        lifetime_orders=draw(st.integers(1, 150)),
        lifetime_net_minor=draw(amounts),
        value_orders=value_orders,
        value_minor=draw(amounts),
        units_milli=draw(st.none() | st.integers(1, 10**7)),
    )


def histogram_of(values: Sequence[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


def census_of(counted: Sequence[Counted]) -> Census:
    census = Census()
    for one in counted:
        census.add(one)
    return census


def merged(make: Callable[[], Part], *parts: Part) -> Part:
    whole = make()
    for part in parts:
        whole.merge(part)
    return whole


def exact(values: Sequence[int], part: int, parts: int) -> int:
    """Inverse CDF without interpolation, from the sorted values."""
    rising = sorted(values)
    return next(v for i, v in enumerate(rising, 1) if i * parts >= part * len(rising))


def is_within_one_percent(found: int, true: int) -> bool:
    return abs(found - true) * 100 <= abs(true)


# -- buckets ---------------------------------------------------------------------------------------


@tried(300)
@given(numbers, numbers)
def test_buckets_rise_with_values_and_are_one_percent_wide(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert bucket_of(less) <= bucket_of(more)
    if bucket_of(less) == bucket_of(more):
        assert (more - less) * 100 <= min(abs(less), abs(more))
    assert bucket_of(-one) == -bucket_of(one)


@tried(150)
@given(st.lists(numbers, min_size=1))
def test_every_quantile_is_within_one_percent_of_the_exact_one(values: list[int]) -> None:
    histogram = histogram_of(values)
    percentiles, thirds = histogram.quantiles(100), histogram.quantiles(3)
    assert len(percentiles) == 99
    assert percentiles == sorted(percentiles)
    for percent in (1, 20, 33, 40, 50, 60, 80, 90, 99):
        assert is_within_one_percent(percentiles[percent - 1], exact(values, percent, 100))
    for third in (1, 2):
        assert is_within_one_percent(thirds[third - 1], exact(values, third, 3))


@tried(100)
@given(st.lists(numbers), numbers)
def test_buckets_cover_all_values_and_their_sums_are_exact(values: list[int], limit: int) -> None:
    histogram = histogram_of(values)
    buckets = list(histogram.descending())
    for bucket in buckets:
        inside = [value for value in values if bucket.least <= value <= bucket.greatest]
        assert (bucket.pieces, bucket.total) == (len(inside), sum(inside))
    assert sum(bucket.pieces for bucket in buckets) == histogram.count == len(values)
    assert histogram.total == sum(values)
    above = [value for value in values if bucket_of(value) > bucket_of(limit)]
    assert histogram.sum_above(limit) == sum(above)


# -- adding, removing, merging ---------------------------------------------------------------------


@tried(150)
@given(st.lists(numbers), st.randoms(use_true_random=False))
def test_a_histogram_is_empty_exactly_when_everything_added_was_removed(
    values: list[int], shuffle: random.Random
) -> None:
    histogram = histogram_of(values)
    leaving = list(values)
    shuffle.shuffle(leaving)
    for left, value in reversed(list(enumerate(leaving))):
        assert not histogram.is_empty
        histogram.remove(value)
        assert histogram.is_empty == (left == 0)
    assert histogram == Histogram()


@tried(100)
@given(st.lists(customers(), max_size=12), st.randoms(use_true_random=False))
def test_any_way_through_a_life_ends_with_the_latest_figures(
    figures: list[Counted], shuffle: random.Random
) -> None:
    # Three customers change in turn, and go, and come back.
    known: dict[int, Counted] = {}
    census = Census()
    for counted in figures:
        who = shuffle.randrange(3)
        now = counted if shuffle.random() < 0.8 else None
        census.replace(known.get(who), now)
        if now is None:
            known.pop(who, None)
        else:
            known[who] = now
    assert census == census_of(list(known.values()))
    for counted in known.values():
        assert not census.is_empty
        census.remove(counted)
    assert census.is_empty


@tried(100)
@given(*[st.lists(customers(), max_size=6)] * 3)
def test_merging_commutes_and_associates(
    one: list[Counted], two: list[Counted], three: list[Counted]
) -> None:
    a, b, c = census_of(one), census_of(two), census_of(three)
    left = merged(Census, merged(Census, a, b), c)
    right = merged(Census, a, merged(Census, b, c))
    assert left == right == merged(Census, c, b, a) == census_of([*one, *two, *three])
    assert a == census_of(one), "what was merged is as it was"
    assert left.to_plain() == merged(Census, c, a, b).to_plain()


@tried(100)
@given(st.lists(st.tuples(customers(), st.none() | customers()), max_size=8), st.integers(0, 8))
def test_a_delta_merged_into_the_whole_is_the_change_itself(
    changes: list[tuple[Counted, Counted | None]], cut: int
) -> None:
    whole = census_of([before for before, _ in changes])
    deltas = [Census(), Census()]
    for index, (before, after) in enumerate(changes):
        deltas[index < cut].replace(before, after)
    after_all = census_of([after for _, after in changes if after is not None])
    assert merged(Census, whole, *deltas) == after_all
    # Deltas may come first, and as their plain forms.
    told = [Census.from_plain(delta.to_plain()) for delta in deltas]
    assert merged(Census, *told, whole) == after_all


@tried(100)
@given(st.lists(numbers), st.lists(numbers))
def test_a_plain_form_is_read_back_as_it_was(added: list[int], removed: list[int]) -> None:
    histogram, tally = histogram_of(added), Tally()
    for value in removed:
        histogram.remove(value)
    for old, new in zip(removed, added, strict=False):
        tally.move(old, new)
    assert Histogram.from_plain(histogram.to_plain()) == histogram
    assert Tally.from_plain(tally.to_plain()) == tally


# -- snapshots -------------------------------------------------------------------------------------


def metric_values(counted: Sequence[Counted]) -> dict[str, list[int]]:
    in_window = [one for one in counted if one.orders]
    return {
        "frequency": [one.orders for one in in_window],
        "monetary_minor": [one.monetary_minor for one in in_window],
        "lifetime_orders": [one.lifetime_orders for one in counted],
        "lifetime_net_minor": [one.lifetime_net_minor for one in counted],
        "value_minor": [one.value_minor for one in counted if one.value_orders],
        "units_milli": [one.units_milli for one in counted if one.units_milli is not None],
    }


@tried(100)
@given(st.lists(customers(), min_size=1, max_size=20), st.integers(0, 3 * HOUR_MS))
def test_a_snapshot_says_what_the_sorted_figures_say(counted: list[Counted], later_ms: int) -> None:
    as_of_ms = NOW + later_ms
    snapshot = take_snapshot(census_of(counted), 1, as_of_ms, [80, 95])
    for metric, values in metric_values(counted).items():
        for percent in (20, 40, 60, 80, 90) if values else ():
            found = snapshot.quantile(metric, percent)
            assert found is not None
            assert is_within_one_percent(found, exact(values, percent, 100))
        assert (metric in snapshot.percentiles) == (metric in snapshot.thirds) == bool(values)
    assert set(snapshot.percentiles) <= {*METRICS, "recency_ms"}
    ages = [as_of_ms - one.last_order_ms for one in counted if one.orders]
    for percent in (1, 20, 40, 60, 80, 99) if ages else ():
        found = snapshot.quantile("recency_ms", percent)
        assert found is not None
        assert 0 <= found - exact(ages, percent, 100) < HOUR_MS
    repeat = [one.lifetime_orders for one in counted if one.lifetime_orders > 1]
    assert (snapshot.customers, snapshot.buyers) == (len(ages), len(counted))
    assert (snapshot.repeat_buyers, snapshot.repeat_orders) == (len(repeat), sum(repeat))
    oldest_ms = as_of_ms - min(one.first_order_ms for one in counted)
    assert 0 <= snapshot.history_ms - oldest_ms < DAY_MS


def least_of_class(values: Sequence[int], share_percent: int) -> int:
    falling = sorted((value for value in values if value > 0), reverse=True)
    before = [0, *accumulate(falling)]
    total = before.pop()
    # Strictly larger: at a tie what lies before the first of the equal values.
    larger = {value: before[falling.index(value)] for value in falling}
    return min(value for value in falling if larger[value] * 100 < share_percent * total)


@tried(150)
@given(st.lists(amounts, min_size=1), st.tuples(st.integers(1, 99), st.integers(1, 99)))
def test_value_limits_lie_at_the_least_value_of_each_class(
    values: list[int], shares: tuple[int, int]
) -> None:
    assume(max(values) > 0)
    shares_percent = sorted(shares)
    census = Census()
    for value in values:
        census.histograms["value_minor"].add(value)
    limits = take_snapshot(census, 1, NOW, shares_percent).value_limits_minor
    assert limits == sorted(limits, reverse=True)
    for share, limit in zip(shares_percent, limits, strict=True):
        assert limit <= least_of_class(values, share) <= limit * 101 // 100
