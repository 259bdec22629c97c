"""One line per customer at one instant: pure, from a state and the rules it is judged by.

The same function serves `export`, `inspect` and `replay`, so that their files can be compared.
"""

from typing import NamedTuple

from schemas.currencies import MINOR_DIGITS
from streams.codec.text import format_instant, format_money
from streams.core.classification import is_gone
from streams.core.facts import Facts, facts_at
from streams.core.rules import RFM, Rules
from streams.core.schemes.scheme import Answer, Scores, View
from streams.core.state import NO_MEMBERSHIP, CustomerState


class MembershipAt(NamedTuple):
    """Where a customer stands in one scheme at an instant.

    `segment` and `previous` as in `Membership`: the flags of a flag scheme are joined by `|`.
    `since_ms` is None where that is not decided yet.
    """

    scheme: str
    segment: str | None
    previous: str | None
    since_ms: int | None


class CustomerRow(NamedTuple):
    """One line of customers.csv; its fields but the last are the first columns, in order.

    Times are RFC 3339 in UTC with milliseconds, money is decimal text with the currency's digits,
    scores are 1 to 5. `rfm_since` is None too where the rules changed and the customer was not
    decided under them yet. `memberships` are those of the schemes beside `rfm`, in the order of the
    rules; each has three columns more (`columns_of`).
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
    memberships: tuple[MembershipAt, ...] = ()


COLUMNS = CustomerRow._fields[:-1]


def columns_of(schemes: tuple[str, ...]) -> tuple[str, ...]:
    """All columns where these schemes run beside `rfm`, in order."""
    return COLUMNS + tuple(
        f"{scheme}_{part}" for scheme in schemes for part in ("segment", "previous", "since")
    )


def further_schemes(rules: Rules) -> tuple[str, ...]:
    """Names of the schemes beside `rfm`, in the order of the rules."""
    return tuple(scheme.name for scheme in rules.schemes if scheme.name != RFM)


class Standing(NamedTuple):
    """Where a customer stands at an instant. `since_ms` is None where that is not decided yet.

    Scores, segment and the next change (by the clock alone) are those of scheme `rfm`;
    `memberships` are of all schemes, in the order of the rules.
    """

    facts: Facts
    scores: Scores | None
    segment: str | None
    previous: str | None
    since_ms: int | None
    next_change_ms: int | None
    memberships: tuple[MembershipAt, ...] = ()


def has_history(state: CustomerState) -> bool:
    """Whether any order, return or cancellation is known, folded ones included."""
    return bool(state.orders or state.returns or state.cancellations or state.folded)


def standing_at(state: CustomerState, rules: Rules, at_ms: int) -> Standing:
    """Facts, scores and segments at `at_ms`, with no event after those in the state.

    `at_ms` is milliseconds since 1970, not before the partition's time as of the state: an earlier
    instant cannot be told from a state. `rules` are under the snapshot in force.
    """
    found = {scheme.name: _decided(state, scheme.name) for scheme in rules.schemes}
    # Nothing changes by the clock before the next due instant; from there on, one change at a time.
    due_ms = state.next_due_ms
    while due_ms is not None and due_ms <= at_ms:
        _, answers = _judge(state, rules, due_ms, found, by_clock=True)
        due_ms = _until(answers)
    facts, answers = _judge(state, rules, at_ms, found, by_clock=False)
    own, answer = found[RFM], answers[RFM]
    return Standing(
        facts,
        answer.scores,
        own.segment,
        own.previous,
        own.since_ms,
        answer.until_ms,
        tuple(found.values()),
    )


def customer_row(state: CustomerState, rules: Rules, at_ms: int) -> CustomerRow | None:
    """The customer's line at `at_ms`; None without any order, return or cancellation.

    So a customer of whom only carts or attributes are known, and one who was erased, have none.
    `at_ms` and `rules` as in `standing_at`.
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
        tuple(one for one in standing.memberships if one.scheme != RFM),
    )


def next_segment(
    state: CustomerState, rules: Rules, standing: Standing
) -> tuple[int, str | None] | None:
    """The next change of the `rfm` segment if nothing but time happens: when, and to what.

    None where it never changes.
    """
    due_ms = standing.next_change_ms
    found = {one.scheme: one for one in standing.memberships}
    while due_ms is not None:
        _, answers = _judge(state, rules, due_ms, found, by_clock=True)
        answer = answers[RFM]
        if answer.segment != standing.segment:
            return due_ms, answer.segment
        due_ms = answer.until_ms
    return None


def facts_under(state: CustomerState, rules: Rules, at_ms: int) -> Facts:
    """Facts at `at_ms` over the windows of the rules."""
    return facts_at(
        state,
        at_ms,
        rules.window_ms,
        value_window_ms=rules.value_window_ms,
        count_zero_value_orders=rules.count_zero_value_orders,
    )


def _decided(state: CustomerState, scheme: str) -> MembershipAt:
    known = state.memberships.get(scheme, NO_MEMBERSHIP)
    if state.erased_at_ms is not None and known.segment is None:
        # The state keeps what the erasure ended, beside the number of that change; nobody is told.
        return MembershipAt(scheme, None, None, None)
    since_ms = known.since_ms if known.sequence else None
    return MembershipAt(scheme, known.segment, known.previous, since_ms)


def _judge(
    state: CustomerState,
    rules: Rules,
    at_ms: int,
    found: dict[str, MembershipAt],
    *,
    by_clock: bool,
) -> tuple[Facts, dict[str, Answer]]:
    """Facts and answers at `at_ms`, as the machine asks for them; moves what is `found` so far."""
    facts = facts_under(state, rules, at_ms)
    answers: dict[str, Answer] = {}
    if is_gone(state):
        return facts, {scheme.name: Answer(None, None) for scheme in rules.schemes}
    view = View(state, facts, at_ms)
    for scheme in rules.schemes:
        name = scheme.name
        answer = answers[name] = scheme.classify(view)
        known = found[name]
        if answer.segment != known.segment and (
            by_clock or not _is_held(state, name, answer.segment)
        ):
            since_ms = max(at_ms, known.since_ms or 0) if by_clock else None
            known = found[name] = MembershipAt(name, answer.segment, known.segment, since_ms)
        view.segments[name] = known.segment
    return facts, answers


def _is_held(state: CustomerState, scheme: str, segment: str | None) -> bool:
    """Whether moved limits say so and the change waits for further snapshots to agree."""
    held = state.held.get(scheme)
    return held is not None and held.segment == segment


def _until(answers: dict[str, Answer]) -> int | None:
    ends = [one.until_ms for one in answers.values() if one.until_ms is not None]
    return min(ends, default=None)


def _instant(at_ms: int | None) -> str | None:
    return format_instant(at_ms) if at_ms is not None else None
