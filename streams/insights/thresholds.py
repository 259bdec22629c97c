"""The limits that move with the customer base, and the same figures computed exactly.

A snapshot is taken from histograms, so its cut points are within 1 % of the exact ones, ages within
an hour. Here they are computed a second time, from sorted values and without those histograms.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from streams.codec.text import format_instant
from streams.core.behaviour_facts import units_per_order_milli
from streams.core.facts import Facts
from streams.core.population.products import Quarter
from streams.core.population.snapshot import Sales, Snapshot, TopList
from streams.core.rules import Rules
from streams.core.schemes.loyalty import Loyalty
from streams.core.schemes.maps import QUANTILE, MapScheme
from streams.core.schemes.scheme import View
from streams.core.schemes.value import Value
from streams.core.state import CustomerState

METRICS = (
    "recency_ms",
    "frequency",
    "monetary_minor",
    "lifetime_orders",
    "lifetime_net_minor",
    "value_minor",
    "units_milli",
)
# The cut points that schemes take: of scores in fifths, and the tenth at the top.
SHOWN_PERCENT = (20, 40, 60, 80, 90)
_REPEAT = 2


def nearest_rank(ordered: Sequence[int], part: int, parts: int) -> int:
    """The `part`/`parts` quantile of ascending values: inverse CDF, no interpolation.

    The least value that at least that share of them does not exceed. Raises IndexError without any.
    """
    return ordered[max(0, -(-part * len(ordered) // parts) - 1)]


class Figures:
    """The counted figures of every customer, one whole number each: 8 bytes a customer and metric."""

    def __init__(self) -> None:
        self._values = {metric: array("q") for metric in METRICS}
        self._oldest_ms: int | None = None

    def add(self, state: CustomerState, facts: Facts, as_of_ms: int) -> None:
        """Count one customer, with facts at `as_of_ms`; nothing without a counting order ever."""
        first_ms, last_ms = facts.first_order_at_ms, facts.last_order_at_ms
        if first_ms is None or last_ms is None:
            return
        self._oldest_ms = first_ms if self._oldest_ms is None else min(first_ms, self._oldest_ms)
        values = self._values
        values["lifetime_orders"].append(facts.lifetime_order_count)
        values["lifetime_net_minor"].append(facts.lifetime_monetary_minor)
        if facts.order_count:
            values["recency_ms"].append(max(0, as_of_ms - last_ms))
            values["frequency"].append(facts.order_count)
            values["monetary_minor"].append(facts.monetary_minor)
        if facts.value_order_count:
            values["value_minor"].append(facts.value_monetary_minor)
        units_milli = units_per_order_milli(View(state, facts, as_of_ms))
        if units_milli is not None:
            values["units_milli"].append(units_milli)

    def snapshot(self, number: int, as_of_ms: int, value_shares_percent: Sequence[int]) -> Snapshot:
        """The snapshot that these figures give, exactly."""
        ordered = {metric: sorted(values) for metric, values in self._values.items() if values}
        orders = ordered.get("lifetime_orders", [])
        repeat = [count for count in orders if count >= _REPEAT]
        return Snapshot(
            number=number,
            as_of_ms=as_of_ms,
            customers=len(ordered.get("recency_ms", [])),
            buyers=len(orders),
            repeat_buyers=len(repeat),
            repeat_orders=sum(repeat),
            history_ms=0 if self._oldest_ms is None else max(0, as_of_ms - self._oldest_ms),
            percentiles={
                metric: [nearest_rank(values, percent, 100) for percent in range(1, 100)]
                for metric, values in ordered.items()
            },
            thirds={
                metric: [nearest_rank(values, third, 3) for third in (1, 2)]
                for metric, values in ordered.items()
            },
            value_limits_minor=value_limits(ordered.get("value_minor", []), value_shares_percent),
        )


def value_limits(ordered: Sequence[int], shares_percent: Sequence[int]) -> list[int]:
    """Least values of classes A and B among ascending net values; none without a positive one.

    A value is in the class while the sum of strictly larger values is below its share of the
    positive total (segments.md, scheme `value`).
    """
    positive = [value for value in reversed(ordered) if value > 0]
    total = sum(positive)
    limits: list[int] = []
    for percent in shares_percent if positive else ():
        limit, larger, reached = positive[0], 0, 0
        for value in positive:
            if value != limit:
                larger = reached
            if larger * 100 >= percent * total:
                break
            limit = value
            reached += value
        limits.append(limit)
    return limits


class Comparison(NamedTuple):
    """One figure as the snapshot has it and exactly; None where it is not there.

    `metric` tells the unit: milliseconds, minor units, thousandths, or a number. `percent` is None
    where the figure is no quantile.
    """

    metric: str
    what: str
    estimated: int | None
    exact: int | None

    @property
    def difference(self) -> int | None:
        """Estimated less exact."""
        if self.estimated is None or self.exact is None:
            return None
        return self.estimated - self.exact

    @property
    def relative(self) -> float | None:
        """The difference as a share of the exact figure, six decimals; None at 0."""
        if self.difference is None or not self.exact:
            return None
        return round(self.difference / abs(self.exact), 6)


def comparisons(estimated: Snapshot | None, exact: Snapshot | None) -> list[Comparison]:
    """Every figure that decisions use, side by side; either side may be missing."""
    return [
        Comparison(metric, what, ours, theirs)
        for (metric, what, ours), (_, _, theirs) in zip(
            _figures(estimated), _figures(exact), strict=True
        )
    ]


def _figures(snapshot: Snapshot | None) -> Iterable[tuple[str, str, int | None]]:
    known = snapshot or Snapshot(0, 0, 0, 0, 0, 0, 0, {}, {}, [])
    for name in ("customers", "buyers", "repeat_buyers", "repeat_orders", "history_ms"):
        yield name, "", getattr(snapshot, name) if snapshot is not None else None
    for metric in METRICS:
        for percent in SHOWN_PERCENT:
            yield metric, f"{percent} %", known.quantile(metric, percent)
        thirds = known.thirds.get(metric) or (None, None)
        yield metric, "1/3", thirds[0]
        yield metric, "2/3", thirds[1]
    limits = [*known.value_limits_minor, None, None]
    yield "value_minor", "least of A", limits[0]
    yield "value_minor", "least of B", limits[1]


class Limit(NamedTuple):
    """One limit as it is decided by; `least` is the least value beyond it, in units of `metric`.

    `source` is `snapshot` where it moves with the customers, else `fixed`.
    """

    scheme: str
    what: str
    metric: str
    least: int | None
    source: str


def limits_of(rules: Rules) -> list[Limit]:
    """The limits of all schemes that can move, under the snapshot of the rules, in their order."""
    return [limit for scheme in rules.schemes for limit in _limits(scheme, rules.snapshot)]


def _limits(scheme: object, snapshot: Snapshot | None) -> list[Limit]:
    if isinstance(scheme, MapScheme):
        return _map_limits(scheme, snapshot)
    if isinstance(scheme, Loyalty):
        name = scheme.name
        moves = scheme.vip_net_above_minor is not None
        source = "snapshot" if moves else "fixed"
        limits = [
            Limit(name, "Frequent Buyer", "lifetime_orders", scheme.frequent_orders, source),
            Limit(name, "VIP", "lifetime_orders", scheme.vip_orders, source),
        ]
        if scheme.vip_net_above_minor is not None:
            least = scheme.vip_net_above_minor + 1
            limits.append(Limit(name, "VIP", "lifetime_net_minor", least, source))
        return limits
    if isinstance(scheme, Value):
        name, (a, b) = scheme.name, scheme.limits_minor or (None, None)
        return [
            Limit(name, "A", "value_minor", a, "snapshot"),
            Limit(name, "B", "value_minor", b, "snapshot"),
        ]
    return []


def _map_limits(scheme: MapScheme, snapshot: Snapshot | None) -> list[Limit]:
    enough = snapshot is not None and snapshot.is_enough(
        scheme.minimum_customers, scheme.minimum_history_ms
    )
    found: list[Limit] = []
    for rule, metric in (
        (scheme.recency, "recency_ms"),
        (scheme.frequency, "frequency"),
        (scheme.monetary, "monetary_minor"),
    ):
        source = "snapshot" if enough and rule.mode == QUANTILE else "fixed"
        for index, cut in enumerate(rule.cuts, start=1):
            # An age beyond a limit lowers R; more orders or money raise F or M.
            score = rule.levels - index if rule.key == "r" else index + 1
            found.append(Limit(scheme.name, f"{rule.key.upper()}{score}", metric, cut, source))
    return found


def quarter_name(quarter: Quarter) -> str:
    """A calendar quarter as people write it: `2026-Q1`."""
    return f"{quarter.year}-Q{quarter.number}"


def latest_lists(sales: Sales) -> list[TopList]:
    """The top products of the latest quarter in which anything was sold, by segment."""
    latest = max((one.quarter for one in sales.top), default=None)
    return [one for one in sales.top if one.quarter == latest]


def sales_document(sales: Sales, currency: str) -> dict[str, Any]:
    """Everything that a snapshot says was sold, all quarters, as a JSON document."""
    return {
        "sold_before": format_instant(sales.as_of_ms),
        "currency": currency,
        "top_products": [
            {
                "quarter": quarter_name(one.quarter),
                "segment": one.segment,
                "products": [product._asdict() for product in one.products],
            }
            for one in sales.top
        ],
        "best_sellers": [{**one._asdict(), "return_rate": one.return_rate} for one in sales.sold],
        "revenue": [
            {"quarter": quarter_name(one.quarter), "net_minor": one.net_minor}
            for one in sales.revenue
        ],
    }
