"""Limits proposed from how customers order, and the settings file that they make."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.cli.suggested_settings import describe_suggestion, suggestion_text
from streams.core.state import CustomerState
from streams.core.values import DAY_MS
from streams.insights.suggestions import Habits, ScoreShare, Suggestion
from streams.settings import load_settings
from tests.insights.customers import NOW_MS, facts, shopper

WINDOW_MS = 730 * DAY_MS


def suggest(states: Sequence[CustomerState], window_ms: int = WINDOW_MS) -> Suggestion:
    habits = Habits()
    for state in states:
        habits.add(state, facts(state), NOW_MS, window_ms)
    return habits.suggest(window_ms)


def buyers() -> list[CustomerState]:
    """Twenty customers of two to five orders, 10 days apart and one pause of 60, and 60 of one."""
    often = [
        shopper(
            f"often-{number}",
            [(5 + 10 * place, 2_000) for place in range(2 + number % 4)] + [(200, 2_000)],
        )
        for number in range(20)
    ]
    return often + [shopper(f"once-{number}", [(100, 1_000)]) for number in range(60)]


def test_limits_follow_orders_gaps_and_counts() -> None:
    found = suggest(buyers())
    # 60 single orders of 10.00 and 90 of 20.00: the median is 20.00.
    assert (found.buyers, found.orders, found.gaps, found.repeat_buyers) == (80, 150, 70, 20)
    assert found.median_order_minor == 2_000
    assert found.monetary_minor == [2_000, 4_000, 8_000, 16_000]
    # 50 gaps of 10 days, and 20 of 155 to 185 days, five of each.
    assert found.recency_days == [10, 155, 175, 185]
    assert found.window_days is None
    # Repeat buyers have 3, 4, 5 and 6 orders, five each.
    assert found.frequency == [2, 5, 6, 7]
    assert found.shares == [
        ScoreShare(5, r=2_500, f=0, m=0),
        ScoreShare(4, r=7_500, f=625, m=1_875),
        ScoreShare(3, r=0, f=625, m=625),
        ScoreShare(2, r=0, f=1_250, m=0),
        ScoreShare(1, r=0, f=7_500, m=7_500),
    ]


def test_equal_gaps_and_counts_still_give_rising_limits() -> None:
    found = suggest([shopper(f"c{number}", [(1, 900), (2, 900)]) for number in range(25)])
    assert (found.recency_days, found.frequency) == ([1, 2, 3, 4], [2, 3, 4, 5])


def test_a_gap_longer_than_the_window_asks_for_a_longer_window() -> None:
    pauses = [shopper(f"c{number}", [(10, 900), (741, 900)]) for number in range(20)]
    found = suggest(pauses)
    assert found.recency_days == [731, 732, 733, 734]
    assert found.window_days == 1_095
    assert suggest(pauses, 735 * DAY_MS).window_days is None


def test_too_little_gives_no_limits_and_says_what_is_missing() -> None:
    found = suggest([shopper(f"c{number}", [(10, 900), (20, 900)]) for number in range(9)])
    assert (found.recency_days, found.frequency, found.monetary_minor) == (None, None, None)
    assert found.shares[0] == ScoreShare(5, None, None, None)
    text = suggestion_text(found, "EUR")
    assert "9 gaps between orders are too few, 20 needed" in text
    assert "9 repeat buyers in the window are too few" in text
    assert "18 orders in the window are too few" in text
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == []
    free = suggest([shopper(f"c{number}", [(10, 0)]) for number in range(30)])
    assert free.monetary_minor is None
    assert "worth nothing" in suggestion_text(free, "EUR")


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_customers_makes_no_difference(random: Random) -> None:
    shuffled = buyers()
    random.shuffle(shuffled)
    assert suggest(shuffled) == suggest(buyers())


@settings(max_examples=30)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 1_500), st.integers(1, 90_000)), min_size=1, max_size=6),
        min_size=20,
        max_size=60,
    )
)
def test_whatever_is_suggested_can_be_set(lives: list[list[tuple[int, int]]]) -> None:
    """Limits rise, the window exceeds those of R, and every buyer has one score of each."""
    found = suggest([shopper(f"c{number}", orders) for number, orders in enumerate(lives)])
    lines = tomllib.loads(suggestion_text(found, "EUR"))
    for name in ("recency_limits_days", "frequency_limits", "monetary_limits"):
        limits = lines.get(name, [1])
        assert limits == sorted(set(limits))
    assert lines.get("window_days", 730) > lines.get("recency_limits_days", [0])[-1]
    for shares in zip(*(one[1:] for one in found.shares), strict=True):
        known = [one for one in shares if one is not None]
        # Each share is rounded by itself.
        assert not known or abs(sum(known) - 10_000) <= len(known)


def test_the_lines_are_a_settings_file(tmp_path: Path) -> None:
    found = suggest(buyers())._replace(window_days=1_095)
    file = tmp_path / "shop.toml"
    text = suggestion_text(found, "EUR")
    file.write_text(text, encoding="utf-8")
    taken = load_settings(file)
    assert [int(one) for one in taken.recency_limits_days] == [10, 155, 175, 185]
    assert [int(one) for one in taken.frequency_limits] == [2, 5, 6, 7]
    assert [str(one) for one in taken.monetary_limits] == ["20.0", "40.0", "80.0", "160.0"]
    assert taken.window_days == 1_095
    assert "the gaps that 50, 75, 90 and 95 % of 70 between orders do not exceed" in text
    assert "#     5   25.0    0.0    0.0" in text


def test_the_document_says_money_as_text_and_shares_as_numbers() -> None:
    found = describe_suggestion(suggest(buyers()), "EUR")
    assert found["monetary_limits"] == ["20.00", "40.00", "80.00", "160.00"]
    assert found["shares"][0] == {"score": 5, "r": 0.25, "f": 0.0, "m": 0.0}
