"""Facts behind all schemes: what counts, since when and until when, in any order of arrival."""

import itertools
from collections.abc import Callable

import pytest

from streams.core.facts import Facts
from streams.core.inputs import Foreign
from tests.core.story import DAY, T0, Story, rules

WINDOW = 730 * DAY


def test_an_order_is_in_the_window_until_just_before_its_span_is_over() -> None:
    story = Story()
    story.order(T0, 4_200)
    inside, outside = story.facts(T0 + WINDOW - 1), story.facts(T0 + WINDOW)
    assert (inside.order_count, inside.monetary_minor, inside.gross_minor) == (1, 4_200, 4_200)
    assert inside.next_expiry_ms == T0 + WINDOW
    assert (outside.order_count, outside.monetary_minor, outside.gross_minor) == (0, 0, 0)
    assert outside.next_expiry_ms is None
    assert outside.last_order_at_ms == T0, "recency looks at the latest order ever"
    assert (outside.lifetime_order_count, outside.lifetime_monetary_minor) == (1, 4_200)


def test_a_partial_return_lowers_its_order_and_no_other_instant() -> None:
    story = Story()
    story.order(T0, 10_000, order_id="o")
    story.give_back(T0 + 300 * DAY, 4_000, "o")
    facts = story.facts()
    assert (facts.order_count, facts.monetary_minor) == (1, 6_000)
    assert (facts.gross_minor, facts.returned_minor) == (10_000, 4_000)
    assert facts.return_rate == 0.4
    gone = story.facts(T0 + WINDOW)
    assert (gone.monetary_minor, gone.returned_minor, gone.return_rate) == (0, 0, None)


def test_a_fully_returned_order_rolls_recency_back() -> None:
    story = Story()
    story.order(T0, 5_000, order_id="first")
    story.order(T0 + 40 * DAY, 3_000, order_id="second")
    story.give_back(T0 + 50 * DAY, 2_999, "second")
    assert story.facts().last_order_at_ms == T0 + 40 * DAY
    story.give_back(T0 + 51 * DAY, 1, "second")
    facts = story.facts()
    assert facts.last_order_at_ms == T0
    assert (facts.order_count, facts.monetary_minor) == (1, 5_000)
    assert (facts.gross_minor, facts.returned_minor) == (8_000, 3_000)


def test_returning_more_than_the_order_takes_nothing_from_other_orders() -> None:
    story = Story()
    story.order(T0, 5_000, order_id="first")
    story.order(T0, 3_000, order_id="second")
    story.give_back(T0 + DAY, 9_000, "second")
    facts = story.facts()
    assert (facts.monetary_minor, facts.returned_minor) == (5_000, 3_000)
    assert facts.lifetime_monetary_minor == 5_000


def test_full_return_is_judged_in_the_currency_of_the_order() -> None:
    # Rates moved: all 100 pounds came back, but they are worth less in euros now.
    story = Story()
    story.order(T0, 12_000, order_id="o", foreign=Foreign("GBP", 10_000))
    story.give_back(T0 + DAY, 11_000, "o", foreign=Foreign("GBP", 10_000))
    facts = story.facts()
    assert (facts.order_count, facts.last_order_at_ms, facts.monetary_minor) == (0, None, 0)
    assert facts.returned_minor == 12_000


def test_a_part_in_the_orders_currency_leaves_it_counting_whatever_the_rates_say() -> None:
    story = Story()
    story.order(T0, 12_000, order_id="o", foreign=Foreign("GBP", 10_000))
    story.give_back(T0 + DAY, 12_500, "o", foreign=Foreign("GBP", 9_999))
    facts = story.facts()
    assert (facts.order_count, facts.last_order_at_ms, facts.monetary_minor) == (1, T0, 0)


def test_amounts_too_small_for_the_base_currency_still_return_an_order() -> None:
    story = Story()
    story.order(T0, 0, order_id="o", foreign=Foreign("IDR", 50))
    story.give_back(T0 + DAY, 0, "o", foreign=Foreign("IDR", 50))
    assert story.facts().order_count == 0


def test_returns_in_a_third_currency_are_judged_in_the_base_currency() -> None:
    story = Story()
    story.order(T0, 12_000, order_id="o", foreign=Foreign("GBP", 10_000))
    story.give_back(T0 + DAY, 11_999, "o", foreign=Foreign("USD", 13_000))
    assert story.facts().order_count == 1
    story.give_back(T0 + DAY, 1, "o", foreign=Foreign("GBP", 1))
    assert story.facts().order_count == 0


def test_a_return_without_order_lowers_money_at_its_own_instant_only() -> None:
    story = Story()
    story.order(T0, 5_000)
    story.give_back(T0 + 10 * DAY, 7_000)
    facts = story.facts()
    assert (facts.order_count, facts.last_order_at_ms, facts.monetary_minor) == (1, T0, -2_000)
    assert (facts.net_minor, facts.returned_minor, facts.return_rate) == (5_000, 7_000, 1.4)
    after_order = story.facts(T0 + WINDOW)
    assert (after_order.monetary_minor, after_order.next_expiry_ms) == (
        -7_000,
        T0 + 10 * DAY + WINDOW,
    )
    assert story.facts(T0 + 10 * DAY + WINDOW).monetary_minor == 0


def test_a_waiting_return_moves_to_its_order_when_that_comes() -> None:
    story = Story()
    story.order(T0, 9_000, order_id="known")
    story.give_back(T0 + 60 * DAY, 4_000, "late")
    waiting = story.facts()
    assert (waiting.order_count, waiting.monetary_minor) == (1, 5_000)
    story.order(T0 + 30 * DAY, 4_000, order_id="late", received_ms=T0 + 61 * DAY)
    moved = story.facts()
    assert (moved.order_count, moved.monetary_minor) == (1, 9_000)
    assert (moved.last_order_at_ms, moved.gross_minor, moved.returned_minor) == (T0, 13_000, 4_000)


def test_a_corrected_return_moves_from_one_order_to_the_other() -> None:
    story = Story()
    story.order(T0, 5_000, order_id="a")
    story.order(T0, 5_000, order_id="b")
    story.give_back(T0 + DAY, 5_000, "a", return_id="r")
    story.give_back(T0 + 2 * DAY, 1_000, "b", return_id="r")
    facts = story.facts()
    assert (facts.order_count, facts.monetary_minor, facts.returned_minor) == (2, 9_000, 1_000)


@pytest.mark.parametrize("cancelled_first", [False, True])
def test_a_cancelled_order_counts_for_nothing(cancelled_first: bool) -> None:
    story = Story()
    story.order(T0, 2_000, order_id="kept")
    tell: list[Callable[[], object]] = [
        lambda: story.order(T0 + DAY, 5_000, order_id="o", received_ms=T0 + 3 * DAY),
        lambda: story.cancel(T0 + 2 * DAY, "o", received_ms=T0 + 3 * DAY),
    ]
    for one in reversed(tell) if cancelled_first else tell:
        one()
    facts = story.facts()
    assert (facts.order_count, facts.monetary_minor, facts.gross_minor) == (1, 2_000, 2_000)
    assert facts.last_order_at_ms == T0


def test_a_return_of_a_cancelled_order_takes_nothing() -> None:
    story = Story()
    story.order(T0, 2_000, order_id="kept")
    story.order(T0, 5_000, order_id="o")
    story.cancel(T0 + DAY, "o")
    story.give_back(T0 + DAY, 5_000, "o")
    facts = story.facts()
    assert (facts.monetary_minor, facts.returned_minor, facts.lifetime_monetary_minor) == (
        2_000,
        0,
        2_000,
    )


def test_orders_of_value_zero_count_unless_the_rules_say_no() -> None:
    for counts, known in ((1, rules()), (0, rules(count_zero_value_orders=False))):
        story = Story(known)
        story.order(T0, 0)
        facts = story.facts()
        assert (facts.order_count, facts.lifetime_order_count) == (counts, counts)
        assert facts.last_order_at_ms == (T0 if counts else None)
        assert facts.return_rate is None


def test_the_greatest_instant_then_event_id_wins_among_versions_of_an_order() -> None:
    versions = [(T0, "a", 100), (T0, "b", 200), (T0 + DAY, "a2", 300)]
    for arrival in itertools.permutations(versions):
        story = Story()
        for at_ms, event_id, total in arrival:
            story.order(at_ms, total, order_id="o", event_id=event_id, received_ms=T0 + 2 * DAY)
        facts = story.facts()
        assert (facts.order_count, facts.monetary_minor) == (1, 300)
        assert facts.last_order_at_ms == T0 + DAY
        expected = [
            "applied" if one == max(arrival[: i + 1]) else "superseded"
            for i, one in enumerate(arrival)
        ]
        assert story.notes == expected


def test_a_new_version_of_an_order_keeps_its_returns_and_its_cancellation() -> None:
    story = Story()
    story.order(T0, 5_000, order_id="o")
    story.give_back(T0 + DAY, 1_000, "o")
    story.order(T0 + 2 * DAY, 4_000, order_id="o")
    assert story.facts().monetary_minor == 3_000
    story.cancel(T0 + 3 * DAY, "o")
    story.order(T0 + 4 * DAY, 6_000, order_id="o")
    assert story.facts().order_count == 0


def facts_with(net_minor: int, count: int, returned_minor: int = 0, gross: int = 0) -> Facts:
    return Facts(None, count, net_minor, net_minor, gross, returned_minor, count, net_minor, None)


@pytest.mark.parametrize(
    ("net", "count", "average"),
    [(0, 0, None), (10, 4, 2), (14, 4, 4), (6, 4, 2), (7, 2, 4), (5, 2, 2), (10, 3, 3), (11, 3, 4)],
)
def test_the_average_is_rounded_half_to_even(net: int, count: int, average: int | None) -> None:
    assert facts_with(net, count).average_order_value_minor == average


def test_the_return_rate_has_four_decimals() -> None:
    assert facts_with(0, 1, 1, 3).return_rate == 0.3333
    assert facts_with(0, 1, 2, 3).return_rate == 0.6667
    assert facts_with(0, 1, 5, 0).return_rate is None
