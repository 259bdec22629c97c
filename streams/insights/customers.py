"""One line per customer at one instant: pure, from a state and the rules it is judged by.

The same function serves `export`, `inspect` and `replay`, so that their files can be compared.
"""

from typing import NamedTuple

from schemas.currencies import MINOR_DIGITS
from streams.codec.text import format_instant, format_money
from streams.core.facts import Facts, facts_at
from streams.core.rules import Rules
from streams.core.schemes import rfm
from streams.core.schemes.scheme import Scores
from streams.core.state import NO_MEMBERSHIP, CustomerState


class CustomerRow(NamedTuple):
    """One line of customers.csv; its fields are the columns, in order.

    Times are RFC 3339 in UTC with milliseconds, money is decimal text with the currency's digits,
    scores are 1 to 5. `rfm_since` is None too where the rules changed and the customer was not
    decided under them yet.
    """

    customer_id: str
    last_order_at: str | None
    order_count: int
    monetary: str
    currency: str
    r: int | None
    f: int | None
    m: int | None
    rfm_segment: str | None
    lifetime_order_count: int
    lifetime_monetary: str
    rfm_previous: str | None
    rfm_since: str | None


COLUMNS = CustomerRow._fields


class Standing(NamedTuple):
    """Where a customer stands at an instant. `since_ms` is None where that is not decided yet."""

    facts: Facts
    scores: Scores | None
    segment: str | None
    previous: str | None
    since_ms: int | None
    next_change_ms: int | None


def has_history(state: CustomerState) -> bool:
    """Whether any order, return or cancellation is known, folded ones included."""
    return bool(state.orders or state.returns or state.cancellations or state.folded)


def standing_at(state: CustomerState, rules: Rules, at_ms: int) -> Standing:
    """Facts, scores and segment at `at_ms`, with no event after those in the state.

    `at_ms` is milliseconds since 1970, not before the partition's time as of the state: an earlier
    instant cannot be told from a state.
    """
    known = state.memberships.get(rfm.NAME, NO_MEMBERSHIP)
    segment, previous = known.segment, known.previous
    since_ms: int | None = known.since_ms if known.sequence else None
    # Nothing changes by the clock before the next due instant; from there on, one change at a time.
    due_ms = state.next_due_ms
    while due_ms is not None and due_ms <= at_ms:
        facts, scores = _judge(state, rules, due_ms)
        reached = rfm.classify(scores, rules)
        if reached != segment:
            segment, previous, since_ms = reached, segment, max(due_ms, since_ms or 0)
        due_ms = rfm.next_change_ms(facts, rules, due_ms)
    facts, scores = _judge(state, rules, at_ms)
    reached = rfm.classify(scores, rules)
    if reached != segment:
        segment, previous, since_ms = reached, segment, None
    return Standing(
        facts, scores, segment, previous, since_ms, rfm.next_change_ms(facts, rules, at_ms)
    )


def customer_row(state: CustomerState, rules: Rules, at_ms: int) -> CustomerRow | None:
    """The customer's line at `at_ms`; None without any order, return or cancellation.

    So a customer of whom only carts or attributes are known, and one who was erased, have none.
    `at_ms` as in `standing_at`.
    """
    if not has_history(state):
        return None
    standing = standing_at(state, rules, at_ms)
    facts, scores = standing.facts, standing.scores
    digits = MINOR_DIGITS[rules.base_currency]
    return CustomerRow(
        state.customer_id,
        _instant(facts.last_order_at_ms),
        facts.order_count,
        format_money(facts.monetary_minor, digits),
        rules.base_currency,
        scores.r if scores else None,
        scores.f if scores else None,
        scores.m if scores else None,
        standing.segment,
        facts.lifetime_order_count,
        format_money(facts.lifetime_monetary_minor, digits),
        standing.previous,
        _instant(standing.since_ms),
    )


def next_segment(
    state: CustomerState, rules: Rules, standing: Standing
) -> tuple[int, str | None] | None:
    """The next change of segment if nothing but time happens: when, and to what; None if never."""
    due_ms = standing.next_change_ms
    while due_ms is not None:
        facts, scores = _judge(state, rules, due_ms)
        reached = rfm.classify(scores, rules)
        if reached != standing.segment:
            return due_ms, reached
        due_ms = rfm.next_change_ms(facts, rules, due_ms)
    return None


def _judge(state: CustomerState, rules: Rules, at_ms: int) -> tuple[Facts, Scores | None]:
    facts = facts_at(
        state, at_ms, rules.window_ms, count_zero_value_orders=rules.count_zero_value_orders
    )
    return facts, rfm.score(facts, rules, at_ms)


def _instant(at_ms: int | None) -> str | None:
    return format_instant(at_ms) if at_ms is not None else None
