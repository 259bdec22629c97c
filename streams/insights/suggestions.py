"""Limits for R, F and M that suit a shop, proposed from how its customers order."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from streams.core.behaviour_facts import order_instants_ms
from streams.core.facts import Facts
from streams.core.schemes.scheme import View
from streams.core.state import CustomerState
from streams.core.values import DAY_MS
from streams.insights.segments import share
from streams.insights.thresholds import nearest_rank

# A customer whose silence exceeds the gaps of so many percent of repeat orders loses a point of R.
GAP_PERCENT = (50, 75, 90, 95)
# F 3, 4 and 5 begin above so many percent of repeat buyers; F 2 is the second order.
REPEAT_PERCENT = (50, 75, 90)
MEDIAN_FACTORS = (1, 2, 4, 8)
# With fewer, the cut at 95 % is simply the longest gap that ever was.
MINIMUM_COUNT = 20
_LEVELS = 5
_YEAR_DAYS = 365


class ScoreShare(NamedTuple):
    """Share of buyers that one score would get, in ten-thousandths; None without that limit."""

    score: int
    r: int | None
    f: int | None
    m: int | None


class Suggestion(NamedTuple):
    """Proposed limits; None where there is too little to tell.

    `window_days` is a longer RFM window, needed where the largest R limit reaches the present one.
    `buyers` have a counting order ever; `orders` of the RFM window, `gaps` between orders and
    `repeat_buyers` (of the window) are what the limits come from.
    """

    buyers: int
    orders: int
    gaps: int
    repeat_buyers: int
    median_order_minor: int | None
    window_days: int | None
    recency_days: list[int] | None
    frequency: list[int] | None
    monetary_minor: list[int] | None
    shares: list[ScoreShare]


class Habits:
    """How customers order. Whole numbers only: 8 bytes an order, 24 a customer."""

    def __init__(self) -> None:
        self._order_values = array("q")
        self._gaps = array("q")
        self._ages = array("q")
        self._counts = array("q")
        self._sums = array("q")

    def add(self, state: CustomerState, facts: Facts, now_ms: int, window_ms: int) -> None:
        """Take in one customer, with facts at `now_ms`."""
        if facts.last_order_at_ms is None:
            return
        view = View(state, facts, now_ms)
        since_ms = now_ms - window_ms
        self._order_values.extend(
            order.net_minor for order in view.orders if order.occurred_at_ms > since_ms
        )
        self._gaps.extend(late - early for early, late in pairwise(order_instants_ms(view)))
        self._ages.append(max(0, now_ms - facts.last_order_at_ms))
        self._counts.append(facts.order_count)
        self._sums.append(facts.monetary_minor)

    def suggest(self, window_ms: int) -> Suggestion:
        """Limits from everybody taken in; the same whatever the order in which they came."""
        values, gaps = sorted(self._order_values), sorted(self._gaps)
        repeat = sorted(count for count in self._counts if count > 1)
        median = nearest_rank(values, 50, 100) if len(values) >= MINIMUM_COUNT else None
        recency = _recency_days(gaps)
        frequency = _frequency(repeat)
        # A median of 0 means that most orders are free of charge: nothing to multiply.
        monetary = [factor * median for factor in MEDIAN_FACTORS] if median else None
        return Suggestion(
            buyers=len(self._ages),
            orders=len(values),
            gaps=len(gaps),
            repeat_buyers=len(repeat),
            median_order_minor=median,
            window_days=_window_days(recency, window_ms),
            recency_days=recency,
            frequency=frequency,
            monetary_minor=monetary,
            shares=self._shares(recency, frequency, monetary),
        )

    def _shares(
        self,
        recency: Sequence[int] | None,
        frequency: Sequence[int] | None,
        monetary: Sequence[int] | None,
    ) -> list[ScoreShare]:
        ages = [days * DAY_MS for days in recency] if recency is not None else None
        # An age beyond all limits has the lowest R.
        r = _tally(self._ages, ages)[::-1]
        f, m = _tally(self._counts, frequency), _tally(self._sums, monetary)
        return [
            ScoreShare(score, r[score - 1], f[score - 1], m[score - 1])
            for score in range(_LEVELS, 0, -1)
        ]


def _recency_days(gaps: Sequence[int]) -> list[int] | None:
    """Whole days, rounded up, each longer than the one before."""
    if len(gaps) < MINIMUM_COUNT:
        return None
    days: list[int] = []
    for percent in GAP_PERCENT:
        gap = -(-nearest_rank(gaps, percent, 100) // DAY_MS)
        days.append(max(gap, days[-1] + 1 if days else 1))
    return days


def _frequency(repeat: Sequence[int]) -> list[int] | None:
    """The second order, then one more than each cut, each larger than the one before."""
    if len(repeat) < MINIMUM_COUNT:
        return None
    limits = [2]
    for percent in REPEAT_PERCENT:
        limits.append(max(nearest_rank(repeat, percent, 100) + 1, limits[-1] + 1))
    return limits


def _window_days(recency: Sequence[int] | None, window_ms: int) -> int | None:
    """A window of whole years beyond the largest R limit, where the present one is not."""
    if recency is None or recency[-1] * DAY_MS < window_ms:
        return None
    return (recency[-1] // _YEAR_DAYS + 1) * _YEAR_DAYS


def _tally(values: Sequence[int], limits: Sequence[int] | None) -> list[int | None]:
    """Shares of values by the number of limits they have reached; None without limits."""
    if limits is None:
        return [None] * _LEVELS
    counts = [0] * _LEVELS
    for value in values:
        counts[bisect_right(limits, value)] += 1
    return [share(count, len(values)) for count in counts]
