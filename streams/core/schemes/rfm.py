"""Scheme `rfm`: recency, frequency and monetary value scored by fixed limits, then a map of cells."""

from bisect import bisect_right

from streams.core.facts import Facts
from streams.core.rules import Rules
from streams.core.schemes.scheme import Scores

NAME = "rfm"


def score(facts: Facts, rules: Rules, now_ms: int) -> Scores | None:
    """Scores 1 to 5 (segments.md, Scoring); None without any counting order.

    R: a span of d holds while now < last order + d, so at exactly d it is over. F and M: one more
    than the number of limits reached.
    """
    if facts.last_order_at_ms is None:
        return None
    return Scores(
        5 - bisect_right(rules.recency_limits_ms, now_ms - facts.last_order_at_ms),
        1 + bisect_right(rules.frequency_limits, facts.order_count),
        1 + bisect_right(rules.monetary_limits_minor, facts.monetary_minor),
    )


def classify(scores: Scores | None, rules: Rules) -> str | None:
    """The segment of these scores in the map; None where there are none."""
    if scores is None:
        return None
    return rules.rfm_cells[(scores.r - 1) * 25 + (scores.f - 1) * 5 + scores.m - 1]


def next_change_ms(facts: Facts, rules: Rules, now_ms: int) -> int | None:
    """The next instant after `now_ms` at which the answer can change by the clock alone."""
    last = facts.last_order_at_ms
    if last is None:
        # Returns may still leave the window, but without an order there is nothing to score.
        return None
    index = bisect_right(rules.recency_limits_ms, now_ms - last)
    if index == len(rules.recency_limits_ms):
        return facts.next_expiry_ms
    due = last + rules.recency_limits_ms[index]
    expiry = facts.next_expiry_ms
    return due if expiry is None or due < expiry else expiry
