"""What a campaign changed: those it addressed compared with its controls, with 95 % intervals.

Arms are drawn by customer, so customers are the independent draws, however many runs each has
(docs/decisions/0018-uplift-is-judged-by-customer.md).
"""

from math import sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95
# From here on an interval is worth a look (campaigns.md, Outcome); below it, it is mostly width.
LEAST_CUSTOMERS: Final = 50
# Net is nothing for most and much for a few. With fewer buyers its interval misses the truth far
# more often than one time in twenty (measured in decision 0018).
LEAST_BUYERS: Final = 20
_UPPER: Final = 0.5 + CONFIDENCE / 2
_Z: Final = NormalDist().inv_cdf(_UPPER)


class Arm(NamedTuple):
    """Sums over the customers of one arm, in whole numbers, so that their order does not matter.

    `runs`, `conversions` (runs with at least one order), `opened`, `clicked`, `unsubscribed` and
    `final` (runs told finally) count runs; `customers` and `buyers` (with a conversion) count
    customers. Sums of squares and products are of one customer's runs r, conversions c and net y in
    minor units: `rr` is the sum of r * r over the customers, and so on.
    """

    customers: int = 0
    buyers: int = 0
    runs: int = 0
    final: int = 0
    conversions: int = 0
    opened: int = 0
    clicked: int = 0
    unsubscribed: int = 0
    net_minor: int = 0
    rr: int = 0
    rc: int = 0
    cc: int = 0
    yy: int = 0

    @property
    def conversion_rate(self) -> float | None:
        """Conversions by runs, None without any."""
        return self.conversions / self.runs if self.runs else None

    @property
    def mean_net_minor(self) -> float | None:
        """Net by customers, in minor units, None without any."""
        return self.net_minor / self.customers if self.customers else None


class Interval(NamedTuple):
    """An estimate and the limits between which the truth lies in 95 of 100 such cases."""

    estimate: float
    low: float
    high: float


class Uplift(NamedTuple):
    """Sent minus controls: conversion rate (0.01 is one point), and net per customer (minor units).

    Each is None where there is too little to tell it by.
    """

    conversion_rate: Interval | None
    net_minor: Interval | None


def uplift_of(sent: Arm, controls: Arm) -> Uplift:
    """What the campaign changed, as far as the arms are large enough to tell."""
    if min(sent.customers, controls.customers) < LEAST_CUSTOMERS:
        return Uplift(None, None)
    enough_buyers = min(sent.buyers, controls.buyers) >= LEAST_BUYERS
    return Uplift(
        conversion_rate_uplift(sent, controls),
        net_uplift(sent, controls) if enough_buyers else None,
    )


def conversion_rate_uplift(sent: Arm, controls: Arm) -> Interval:
    """Difference of the conversion rates; each arm has at least one run.

    Method 10 of Newcombe (1998), made of the arms' Wilson intervals: it keeps its promise with few
    conversions too, and with none. Runs are counted at what they are worth as independent ones.
    """
    rate, low, high = _wilson(sent)
    other_rate, other_low, other_high = _wilson(controls)
    estimate = rate - other_rate
    return Interval(
        estimate,
        estimate - sqrt((rate - low) ** 2 + (other_high - other_rate) ** 2),
        estimate + sqrt((high - rate) ** 2 + (other_rate - other_low) ** 2),
    )


def _wilson(arm: Arm) -> Interval:
    runs = arm.runs / design_effect(arm)
    rate = arm.conversions / arm.runs
    centre = (rate + _Z**2 / (2 * runs)) / (1 + _Z**2 / runs)
    half = _Z * sqrt(rate * (1 - rate) / runs + (_Z / (2 * runs)) ** 2) / (1 + _Z**2 / runs)
    return Interval(rate, centre - half, centre + half)


def design_effect(arm: Arm) -> float:
    """How many of the arm's runs say as much as one independent run; at least 1.

    Rao and Scott (1992): who has had several runs is likelier to do every time what they did once.
    """
    if arm.runs == arm.customers:
        return 1.0
    rate = arm.conversions / arm.runs
    if arm.conversions in (0, arm.runs) or arm.customers == 1:
        # Everybody did the same, so nobody can be told from their next run: the most it can be.
        return arm.rr / arm.runs
    spread = arm.cc - 2 * rate * arm.rc + rate**2 * arm.rr
    within = arm.runs * rate * (1 - rate)
    return max(1.0, spread / within * arm.customers / (arm.customers - 1))


def net_uplift(sent: Arm, controls: Arm) -> Interval | None:
    """Difference of the mean net per customer in minor units, by Welch; None without any spread.

    Each arm has at least two customers.
    """
    # Loading it takes longer than most commands.
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    parts = [(_variance(arm) / arm.customers, arm.customers - 1) for arm in (sent, controls)]
    squared_error = sum(part for part, _ in parts)
    if not squared_error:
        return None
    freedom = squared_error**2 / sum(part**2 / below for part, below in parts)
    estimate = sent.net_minor / sent.customers - controls.net_minor / controls.customers
    half = float(stdtrit(freedom, _UPPER)) * sqrt(squared_error)
    return Interval(estimate, estimate - half, estimate + half)


def _variance(arm: Arm) -> float:
    """Sample variance of the net per customer; exact up to the division."""
    count = arm.customers
    return (count * arm.yy - arm.net_minor**2) / (count * (count - 1))
