"""Scheme `frequency`: orders in its window, silence, and folded orders."""

from typing import Any

import pytest

from streams.core.state import Folded, Remnant
from tests.core.story import DAY, T0
from tests.properties.customers import YEAR, ask, bought, compiled, customer, gave_back, view_of

SCHEME = compiled("frequency")


@pytest.mark.parametrize(
    ("count", "segment"),
    [(1, "Occasional"), (3, "Occasional"), (4, "Frequent"), (5, "Frequent")],
)
def test_frequent_from_four_orders_a_year(count: int, segment: str) -> None:
    assert ask(SCHEME, customer(bought(T0 - n) for n in range(count))).segment == segment


def test_until_the_fourth_latest_order_leaves_the_window() -> None:
    state = customer(bought(T0 + n * DAY) for n in range(5))
    leaves = T0 + DAY + YEAR
    assert ask(SCHEME, state, T0 + 5 * DAY) == ("Frequent", leaves, None)
    assert ask(SCHEME, state, leaves - 1) == ("Frequent", leaves, None)
    assert ask(SCHEME, state, leaves) == ("Occasional", T0 + 4 * DAY + YEAR, None)


def test_inactive_after_a_year_of_silence() -> None:
    state = customer([bought(T0), bought(T0 - 900 * DAY)])
    assert ask(SCHEME, state, T0 + YEAR - 1) == ("Occasional", T0 + YEAR, None)
    assert ask(SCHEME, state, T0 + YEAR) == ("Inactive", None, None)
    assert ask(SCHEME, state, T0 + YEAR + 1) == ("Inactive", None, None)


def test_silence_goes_before_frequency() -> None:
    scheme = compiled("frequency", inactive_ms=90 * DAY)
    state = customer(bought(T0 - n) for n in range(4))
    assert ask(scheme, state, T0 + 90 * DAY - 1) == ("Frequent", T0 + 90 * DAY, None)
    assert ask(scheme, state, T0 + 90 * DAY) == ("Inactive", None, None)


def test_who_never_bought_has_no_rhythm() -> None:
    assert ask(SCHEME, customer()) == (None, None, None)
    assert ask(SCHEME, customer([bought(cancelled=True)], [gave_back(T0, 1)])).segment is None
    assert ask(SCHEME, customer(folded=Folded(2, 100))) == ("Inactive", None, None)


def test_folded_orders_count_to_the_millisecond() -> None:
    remnants = {
        1: Remnant(T0 - 3, 100, counts=True),
        2: Remnant(T0 - 2, 0, counts=False),
        3: Remnant(T0 - 1, 0, counts=True),
    }
    state = customer([bought(T0), bought(T0 - 4)], folded=Folded(7, 0, remnants))
    assert ask(SCHEME, state) == ("Frequent", T0 - 4 + YEAR, None)
    assert ask(SCHEME, state, T0 - 4 + YEAR).segment == "Occasional"
    without_zero = view_of(state, T0, zero_value_orders_count=False)
    assert SCHEME.classify(without_zero).segment == "Occasional"


def test_what_it_says_of_itself() -> None:
    assert SCHEME.segments == ("Frequent", "Occasional", "Inactive")
    assert (SCHEME.is_ranked, SCHEME.is_flags, SCHEME.uses_population) == (True, False, False)
    assert SCHEME.under(None) is SCHEME


@pytest.mark.parametrize("changes", [{"window_ms": 0}, {"inactive_ms": 0}, {"frequent_orders": 1}])
def test_impossible_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        compiled("frequency", **changes)
