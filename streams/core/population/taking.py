"""From the census of all customers to a snapshot: the one place where limits are computed."""

from collections.abc import Sequence

from streams.core.population.census import Census
from streams.core.population.histogram import Histogram
from streams.core.population.snapshot import Sales, Snapshot
from streams.core.values import DAY_MS, HOUR_MS

_PERCENTILES, _THIRDS = 100, 3


def take_snapshot(
    census: Census,
    number: int,
    as_of_ms: int,
    value_shares_percent: Sequence[int],
    sales: Sales | None = None,
) -> Snapshot:
    """Limits and figures of everybody in `census`, which must be a whole and counted at `as_of_ms`.

    `value_shares_percent` are the rising shares of classes A and B (80 and 95): a class ends where
    the sum of strictly larger values reaches its share of the total of positive net (segments.md,
    scheme `value`). Its limit is the least value of a bucket, so at most 1 % below the exact one;
    without positive net there are no limits. Ages are within an hour above the exact ones,
    `history_ms` within a day. `sales` are passed on. Raises ValueError for a delta.
    """
    orders = census.histograms["lifetime_orders"]
    once = orders.count_of(1)
    first_day = census.first_days.least
    return Snapshot(
        number=number,
        as_of_ms=as_of_ms,
        customers=census.last_hours.count,
        buyers=orders.count,
        repeat_buyers=orders.count - once,
        repeat_orders=orders.total - once,
        history_ms=0 if first_day is None else max(0, as_of_ms - first_day * DAY_MS),
        percentiles=_quantiles(census, as_of_ms, _PERCENTILES),
        thirds=_quantiles(census, as_of_ms, _THIRDS),
        value_limits_minor=_value_limits(census.histograms["value_minor"], value_shares_percent),
        sales=sales,
    )


def _quantiles(census: Census, as_of_ms: int, parts: int) -> dict[str, list[int]]:
    """Quantiles by metric, without metrics that nobody has."""
    # The latest hour is the least age; an order of a fast clock has age 0, not a negative one.
    hours = census.last_hours.quantiles_from_above(parts)
    found = {"recency_ms": [max(0, as_of_ms - hour * HOUR_MS) for hour in hours]}
    for metric, histogram in census.histograms.items():
        found[metric] = histogram.quantiles(parts)
    return {metric: values for metric, values in found.items() if values}


def _value_limits(values: Histogram, shares_percent: Sequence[int]) -> list[int]:
    positive = [bucket for bucket in values.descending() if bucket.least > 0]
    total = sum(bucket.total for bucket in positive)
    limits: list[int] = []
    for share in shares_percent if positive else ():
        larger = 0
        limit = positive[0].least
        for bucket in positive:
            if larger * 100 >= share * total:
                break
            limit = bucket.least
            larger += bucket.total
        limits.append(limit)
    return limits
