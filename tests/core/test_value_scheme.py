"""Scheme `value`: class limits from the snapshot, its own window, and who has no class."""

from typing import Any

import pytest

from streams.core.state import Folded, Remnant
from tests.core.story import DAY, T0
from tests.properties.customers import YEAR, ask, bought, compiled, customer, gave_back, snapshot

UNDER = compiled("value", snapshot())


@pytest.mark.parametrize(
    ("net_minor", "segment"),
    [
        (30_001, "A"),
        (30_000, "A"),
        (29_999, "B"),
        (10_000, "B"),
        (9_999, "C"),
        (1, "C"),
        (0, "C"),
    ],
)
def test_the_limits_are_the_least_values_of_their_classes(net_minor: int, segment: str) -> None:
    assert ask(UNDER, customer([bought(T0, net_minor)])).segment == segment


def test_nothing_left_is_c_whatever_the_limits() -> None:
    scheme = compiled("value", snapshot(value_limits_minor=[-5, -50]))
    for back, segment in ((999, "A"), (1_000, "C"), (1_001, "C")):
        state = customer([bought(T0, 1_000)], [gave_back(T0, back)])
        assert ask(scheme, state).segment == segment


def test_nobody_has_a_class_without_enough_population() -> None:
    state = customer([bought(T0, 10**9)])
    too_little = [
        None,
        snapshot(customers=499),
        snapshot(history_ms=180 * DAY - 1),
        snapshot(value_limits_minor=[]),
    ]
    for base in too_little:
        assert ask(compiled("value", base), state) == (None, None, None)
        assert ask(UNDER.under(base), state) == (None, None, None)
    just = snapshot(customers=500, history_ms=180 * DAY)
    assert ask(compiled("value", just), state).segment == "A"


def test_an_order_leaves_its_own_window_to_the_millisecond() -> None:
    state = customer([bought(T0, 30_000)])
    assert ask(UNDER, state, T0 + YEAR - 1) == ("A", T0 + YEAR, None)
    assert ask(UNDER, state, T0 + YEAR) == (None, None, None)


def test_the_class_falls_when_the_oldest_order_leaves() -> None:
    state = customer([bought(T0, 20_000), bought(T0 + 9 * DAY, 10_000)])
    assert ask(UNDER, state, T0 + 9 * DAY) == ("A", T0 + YEAR, None)
    assert ask(UNDER, state, T0 + YEAR) == ("B", T0 + 9 * DAY + YEAR, None)


def test_a_return_leaves_the_window_too() -> None:
    state = customer([bought(T0 + DAY, 30_000)], [gave_back(T0, 1)])
    assert ask(UNDER, state, T0 + DAY) == ("B", T0 + YEAR, None)
    assert ask(UNDER, state, T0 + YEAR).segment == "A"


def test_a_return_alone_is_no_class() -> None:
    assert ask(UNDER, customer([], [gave_back(T0, 100)])) == (None, None, None)
    cancelled = customer([bought(T0, 90_000, cancelled=True)])
    assert ask(UNDER, cancelled) == (None, None, None)


def test_folded_orders_in_the_window_count() -> None:
    folded = Folded(5, 10**6, {1: Remnant(T0 - DAY, 20_000, counts=True)})
    assert ask(UNDER, customer([bought(T0, 10_000)], folded=folded)).segment == "A"


def test_what_it_says_of_itself() -> None:
    assert UNDER.segments == ("A", "B", "C")
    assert (UNDER.is_ranked, UNDER.is_flags, UNDER.uses_population) == (True, False, True)
    assert compiled("value", hold_ms=DAY).hold_ms == DAY


@pytest.mark.parametrize(
    "changes",
    [
        {"shares_percent": [95, 80]},
        {"shares_percent": [80, 80]},
        {"shares_percent": [0, 80]},
        {"shares_percent": [80, 100]},
        {"shares_percent": [80]},
        {"window_ms": 0},
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"shares_percent|window_ms|not enough values"):
        compiled("value", **changes)
