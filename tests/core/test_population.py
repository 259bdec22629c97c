"""Histogram, census and the snapshot taken from it."""

import pytest

from streams.core.population.census import METRICS, Census
from streams.core.population.counted import Counted
from streams.core.population.histogram import Bucket, Histogram, Tally, bucket_of
from streams.core.population.taking import take_snapshot
from streams.core.values import DAY_MS as DAY
from streams.core.values import HOUR_MS as HOUR

T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def histogram_of(*values: int) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


def counted(
    net: int = 5_000,
    *,
    orders: int = 1,
    age_ms: int = 0,
    first_age_ms: int | None = None,
    value_orders: int | None = None,
    units_milli: int | None = None,
) -> Counted:
    """A customer whose window holds everything, as of T0."""
    return Counted(
        first_order_ms=T0 - (age_ms if first_age_ms is None else first_age_ms),
        last_order_ms=T0 - age_ms,
        orders=orders,
        monetary_minor=net,
        lifetime_orders=max(orders, 1),
        lifetime_net_minor=net,
        value_orders=orders if value_orders is None else value_orders,
        value_minor=net,
        units_milli=units_milli,
    )


def census_of(*customers: Counted) -> Census:
    census = Census()
    for one in customers:
        census.add(one)
    return census


# -- buckets ---------------------------------------------------------------------------------------


def test_below_a_hundred_every_value_has_a_bucket_of_its_own() -> None:
    assert [bucket_of(value) for value in range(-99, 100)] == list(range(-99, 100))


@pytest.mark.parametrize(
    ("value", "bucket"),
    [
        (100, 100),
        (101, 100),
        (102, 101),
        (5_000, 451),
        (1_000_000, 982),
        (10**12, 2371),
        (2**63 - 1, 3982),
    ],
)
def test_a_value_falls_into_this_bucket_on_every_machine(value: int, bucket: int) -> None:
    assert bucket_of(value) == bucket
    assert bucket_of(-value) == -bucket


def test_a_bucket_says_its_edges_its_count_and_its_exact_sum() -> None:
    found = list(histogram_of(-101, -100, 0, 7, 7, 100, 101, 102).descending())
    assert found == [
        Bucket(102, 103, 1, 102),
        Bucket(100, 101, 2, 201),
        Bucket(7, 7, 2, 14),
        Bucket(0, 0, 1, 0),
        Bucket(-101, -100, 2, -201),
    ]


def test_sums_are_exact() -> None:
    histogram = histogram_of(-12_345, 0, 67_890, 67_891, 10**15)
    assert histogram.count == 5
    assert histogram.total == 10**15 + 67_890 + 67_891 - 12_345
    assert histogram.sum_above(67_890) == 10**15, "67,891 lies in the same bucket"
    assert histogram.sum_above(-1) == histogram.total + 12_345


# -- quantiles -------------------------------------------------------------------------------------


def test_a_quantile_is_the_first_value_that_reaches_the_share() -> None:
    histogram = histogram_of(*range(1, 11))
    assert [histogram.quantile(percent) for percent in (1, 10, 11, 50, 99)] == [1, 1, 2, 5, 10]
    assert histogram.quantiles(3) == [4, 7]


def test_a_value_that_many_share_is_exact() -> None:
    # 4,999 and 5,000 are one bucket; nobody has 4,999.
    assert histogram_of(*[5_000] * 7, 90_000).quantile(50) == 5_000
    assert histogram_of(-5_000, -5_000).quantile(50) == -5_000


def test_nobody_has_no_quantile() -> None:
    assert Histogram().quantile(50) is None
    assert Histogram().quantiles(100) == []


@pytest.mark.parametrize("percent", [0, 100])
def test_only_1_to_99_are_percentiles(percent: int) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        histogram_of(1).quantile(percent)


def test_a_delta_has_no_quantiles() -> None:
    delta = histogram_of(1, 2)
    delta.remove(3)
    with pytest.raises(ValueError, match="delta"):
        delta.quantiles(100)
    moved = histogram_of(5_000)
    moved.remove(5_001)
    with pytest.raises(ValueError, match="delta"):
        moved.quantiles(100)


# -- taking back -----------------------------------------------------------------------------------


def test_a_move_within_a_bucket_keeps_the_sum_exact() -> None:
    histogram = histogram_of(5_000)
    histogram.move(5_000, 5_001)
    assert (histogram.count, histogram.total) == (1, 5_001)
    histogram.remove(5_001)
    assert histogram.is_empty


def test_a_delta_brings_a_whole_up_to_date() -> None:
    whole, delta = census_of(counted(5_000), counted(70_000)), Census()
    delta.replace(counted(5_000), counted(5_001, orders=2))
    whole.merge(delta)
    assert whole == census_of(counted(5_001, orders=2), counted(70_000))


def test_replacing_equal_figures_changes_nothing() -> None:
    census = Census()
    census.replace(counted(), counted())
    assert census.is_empty
    census.replace(None, None)
    assert census.is_empty


def test_a_census_is_empty_only_when_everybody_left_with_the_same_figures() -> None:
    census = census_of(counted(5_000), counted(-300, age_ms=DAY, units_milli=1_500))
    census.remove(counted(5_000))
    assert not census.is_empty
    census.remove(counted(-300, age_ms=DAY))
    assert not census.is_empty, "the pieces are still there"
    census.histograms["units_milli"].remove(1_500)
    assert census.is_empty


@pytest.mark.parametrize("metric", METRICS)
def test_a_census_survives_its_plain_form(metric: str) -> None:
    customers = [counted(net, units_milli=net) for net in (-250, 0, 99, 5_000, 5_001, 10**14)]
    census = census_of(*customers)
    plain = census.to_plain()
    again = Census.from_plain({key: list(numbers) for key, numbers in plain.items()})
    assert again == census
    assert census_of(*reversed(customers)).to_plain() == plain
    again.histograms[metric].add(5_000)
    assert again != census


def test_a_delta_survives_its_plain_form() -> None:
    delta = Census()
    delta.replace(counted(5_000, age_ms=DAY), counted(5_001))
    assert Census.from_plain(delta.to_plain()) == delta


def test_another_form_is_refused() -> None:
    plain = Census().to_plain()
    with pytest.raises(ValueError, match="form"):
        Census.from_plain({**plain, "form": (0,)})
    with pytest.raises(KeyError):
        Census.from_plain({key: one for key, one in plain.items() if key != "value_minor"})
    with pytest.raises(ValueError, match="other buckets"):
        Census.from_plain({**plain, "frequency": (10**6, 1, 0)})
    with pytest.raises(ValueError, match="zip"):
        Tally.from_plain((1, 2, 3))


# -- the snapshot ----------------------------------------------------------------------------------


def test_a_snapshot_counts_customers_buyers_and_repeat_buyers() -> None:
    gone = counted(9_000, orders=0, age_ms=900 * DAY, value_orders=0)._replace(lifetime_orders=3)
    census = census_of(counted(), counted(orders=4), gone)
    snapshot = take_snapshot(census, 7, T0, [80, 95])
    assert (snapshot.number, snapshot.as_of_ms) == (7, T0)
    assert (snapshot.customers, snapshot.buyers) == (2, 3)
    assert (snapshot.repeat_buyers, snapshot.repeat_orders) == (2, 7)
    assert snapshot.history_ms == 900 * DAY


def test_metrics_count_who_they_are_about() -> None:
    census = census_of(
        counted(1_000),
        counted(30_000, orders=0, age_ms=900 * DAY, value_orders=0),
        counted(50_000, orders=4, age_ms=500 * DAY, value_orders=0, units_milli=2_500),
    )
    found = take_snapshot(census, 1, T0, [80, 95]).percentiles
    assert {metric: (values[0], values[-1]) for metric, values in found.items()} == {
        "recency_ms": (0, 500 * DAY),
        "frequency": (1, 4),
        "monetary_minor": (1_000, 50_000),
        "lifetime_orders": (1, 4),
        "lifetime_net_minor": (1_000, 50_000),
        "value_minor": (1_000, 1_000),
        "units_milli": (2_500, 2_500),
    }
    assert all(len(values) == 99 for values in found.values())


def test_thirds_of_a_snapshot() -> None:
    census = census_of(*[counted(net, age_ms=net * DAY) for net in (10, 20, 30)])
    thirds = take_snapshot(census, 1, T0, [80, 95]).thirds
    assert thirds["monetary_minor"] == [10, 20]
    assert thirds["recency_ms"] == [10 * DAY, 20 * DAY], "the youngest third comes first"


def test_ages_are_within_an_hour_and_never_negative() -> None:
    minute = HOUR // 60
    # T0 is a full hour: an order 90 minutes ago was within the hour that began 2 hours ago.
    snapshot = take_snapshot(census_of(counted(age_ms=90 * minute)), 1, T0, [])
    assert snapshot.quantile("recency_ms", 50) == 2 * HOUR
    fast_clock = take_snapshot(census_of(counted(age_ms=-90 * minute)), 1, T0, [])
    assert fast_clock.quantile("recency_ms", 50) == 0
    assert take_snapshot(census_of(counted(age_ms=-2 * DAY)), 1, T0, []).history_ms == 0


def test_a_snapshot_of_nobody() -> None:
    snapshot = take_snapshot(Census(), 1, T0, [80, 95])
    assert snapshot.percentiles == snapshot.thirds == {}
    assert snapshot.value_limits_minor == []
    assert (snapshot.customers, snapshot.buyers, snapshot.history_ms) == (0, 0, 0)
    assert snapshot.quantile("frequency", 50) is None


def test_a_snapshot_of_a_delta_is_refused() -> None:
    delta = Census()
    delta.remove(counted())
    with pytest.raises(ValueError, match="delta"):
        take_snapshot(delta, 1, T0, [80, 95])


# -- classes A and B -------------------------------------------------------------------------------


def value_limits(*nets: int, shares: tuple[int, ...] = (80, 95)) -> list[int]:
    census = census_of(*[counted(net) for net in nets])
    return take_snapshot(census, 1, T0, shares).value_limits_minor


def test_a_class_ends_where_strictly_larger_values_reach_its_share() -> None:
    # Of 100: before 50 lie 0, before 30 lie 50, before 15 lie 80, before 4 lie 95.
    assert value_limits(50, 30, 15, 4, 1) == [30, 15]
    assert value_limits(50, 30, 15, 4, 1, shares=(81, 96)) == [15, 4]


def test_equal_values_are_one_class() -> None:
    assert value_limits(*[20] * 5) == [20, 20]
    assert value_limits(60, *[20] * 5) == [20, 20], "before all of the twenties lie 37.5 %"


def test_net_of_zero_and_below_is_neither_a_nor_b() -> None:
    # The negative do not lower the total of which A has 80 %.
    assert value_limits(50, 30, 15, 4, 1, 0, -1_000) == [30, 15]
    assert value_limits(0, -5) == []


def test_the_limit_is_at_most_one_percent_below_the_least_value_of_its_class() -> None:
    nets = [100_000, 65_432, 54_321, 4_321, 321]
    a, b = value_limits(*nets)
    for limit, exact in ((a, 54_321), (b, 54_321)):
        assert exact * 99 <= limit * 100 <= exact * 100


def test_who_has_no_order_in_the_value_window_is_in_no_class() -> None:
    census = census_of(counted(50), counted(10_000, value_orders=0))
    assert take_snapshot(census, 1, T0, [80, 95]).value_limits_minor == [50, 50]
