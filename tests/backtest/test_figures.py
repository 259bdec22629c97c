"""Every figure of a ledger written by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from streams.backtest.figures import Findings, OnlyOne, Share, Week
from streams.backtest.ledger import (
    Action,
    Cancellation,
    Ledger,
    Merger,
    Purchase,
    Row,
    Suppression,
)
from streams.backtest.rule_sets import RuleSet
from streams.core.values import DAY_MS, HOUR_MS

# A Monday, 2026-01-05.
T0 = 1_767_571_200_000
WEEK = 7 * DAY_MS
FAR = T0 + 100 * DAY_MS


def action(number: int, customer: str, at_ms: int, **changes: Any) -> Action:
    """An action of campaign `hello` in the first rule set."""
    one = Action(0, f"a{number}", customer, "hello", "first", at_ms, at_ms, "text", "", False)
    return one._replace(**changes)


@contextmanager
def findings(
    *rows: Row, known_ms: int = FAR, sets: tuple[tuple[str, ...], ...] = (("hello",),)
) -> Iterator[Findings]:
    """What the rows amount to; `sets` are the names of each rule set's campaigns."""
    names = ("campaigns", "against")[: len(sets)]
    rule_sets = [
        RuleSet(name, "", "", "", some, {}) for name, some in zip(names, sets, strict=True)
    ]
    with Ledger() as ledger:
        ledger.add_all(rows)
        yield Findings(ledger.load(), rule_sets, known_ms)


@pytest.mark.parametrize(
    ("after_ms", "bought"),
    [(0, 0), (1, 1), (WEEK, 1), (WEEK + 1, 0), (-DAY_MS, 0)],
)
def test_a_purchase_lies_within_seven_days_after_the_action(after_ms: int, bought: int) -> None:
    with findings(action(1, "C", T0), Purchase("C", 0, T0 + after_ms, 500)) as found:
        one = found.figures()[0]["hello"]
        (followed,) = found.followed()
    assert one.sent_share == Share(1, bought)
    assert (one.orders_after, one.net_after_minor) == (bought, 500 * bought)
    assert (followed.orders, followed.net_minor) == (bought, 500 * bought)


def test_actions_that_history_does_not_follow_are_in_no_share() -> None:
    """Given an action less than seven days before history ends, then nobody knows what followed."""
    rows: list[Row] = [
        action(1, "C", T0),
        action(2, "D", T0 + 1),
        Purchase("C", 0, T0 + DAY_MS, 100),
        Purchase("D", 0, T0 + DAY_MS, 100),
    ]
    with findings(*rows, known_ms=T0 + WEEK) as found:
        one = found.figures()[0]["hello"]
        followed = {row.customer_id: (row.orders, row.net_minor) for row in found.followed()}
    assert (one.sent, one.customers) == (2, 2)
    assert one.sent_share == Share(1, 1)
    assert one.net_after_minor == 100
    assert followed == {"C": (1, 100), "D": (None, None)}


def test_an_order_after_two_actions_is_one_order() -> None:
    rows: list[Row] = [
        action(1, "C", T0),
        action(2, "C", T0 + DAY_MS, step="second"),
        Purchase("C", 0, T0 + 2 * DAY_MS, 700),
        Purchase("C", 1, T0 + WEEK + HOUR_MS, 300),
    ]
    with findings(*rows) as found:
        one = found.figures()[0]["hello"]
        nets = [row.net_minor for row in found.followed()]
    assert (one.sent, one.customers, one.sent_share) == (2, 1, Share(2, 2))
    assert (one.orders_after, one.net_after_minor) == (2, 1000)
    assert nets == [700, 1000]


def test_controls_stand_beside_what_is_sent() -> None:
    rows: list[Row] = [
        action(1, "C", T0),
        action(2, "D", T0, is_control=True),
        action(3, "E", T0, is_control=True),
        Purchase("D", 0, T0 + 1, 100),
        Cancellation(0, "a1", "order_placed", T0 + 5),
        Suppression(0, "s1", "F", "hello", "first", "capped", "", T0),
        Suppression(0, "s2", "F", "hello", "first", "capped", "", T0),
        Suppression(0, "s3", "F", "hello", "first", "condition", "", T0),
    ]
    with findings(*rows) as found:
        one = found.figures()[0]["hello"]
        assert found.customers_addressed() == [1]
        called_off = [row.called_off for row in found.followed()]
    assert (one.sent, one.customers, one.controls, one.called_off) == (1, 1, 2, 1)
    assert (one.sent_share, one.control_share) == (Share(1, 0), Share(2, 1))
    assert (one.orders_after, one.net_after_minor) == (0, 0)
    assert one.suppressed == {"capped": 2, "condition": 1}
    assert called_off == ["order_placed", "", ""]


def test_a_merged_customer_buys_under_the_new_name() -> None:
    """Given C became D and D became E, then what E bought followed an action to C."""
    rows: list[Row] = [
        action(1, "C", T0),
        Merger("C", "D"),
        Merger("D", "E"),
        Purchase("E", 0, T0 + 1, 100),
    ]
    with findings(*rows) as found:
        assert found.figures()[0]["hello"].sent_share == Share(1, 1)


def test_the_base_rate_counts_all_customers_known_at_the_days_of_the_actions() -> None:
    """Given four known at the first day of whom one buys, five at the second of whom two buy.

    Two actions stand on the first day, one on the second: (2 x 1/4 + 2/5) / 3 is 30 %.
    """
    first, second = T0, T0 + 20 * DAY_MS
    rows: list[Row] = [
        *(Purchase(name, 0, first - 50 * DAY_MS, 1) for name in "ABCD"),
        # Buys within the seven days after the first midnight, and is one buyer for two orders.
        Purchase("A", 1, first + HOUR_MS, 1),
        Purchase("A", 2, first + WEEK, 1),
        # Known only after the first midnight: neither known nor a buyer then.
        Purchase("E", 0, first + 2 * HOUR_MS, 1),
        Purchase("B", 1, first + WEEK + 1, 1),
        Purchase("C", 1, second + 1, 1),
        Purchase("E", 1, second + WEEK, 1),
        action(1, "A", first + 9 * HOUR_MS),
        action(2, "B", first + 23 * HOUR_MS),
        action(3, "B", second),
        # A control's day has no weight of its own.
        action(4, "B", second + DAY_MS, is_control=True),
    ]
    with findings(*rows) as found:
        assert found.figures()[0]["hello"].base_percent == 30.0


def test_campaigns_that_did_nothing_are_told_too() -> None:
    with findings(sets=(("hello", "silent"), ("hello",))) as found:
        first, second = found.figures()
        assert [*found.followed(), *found.suppressions(), *found.weeks()] == []
        assert found.customers_addressed() == found.customers_of_one_only() == [0, 0]
    assert (list(first), list(second)) == (["hello", "silent"], ["hello"])
    silent = first["silent"]
    assert (silent.sent, silent.sent_share.percent, silent.base_percent) == (0, None, None)


def test_customers_of_one_set_only_are_those_whom_the_other_sends_nothing() -> None:
    """Given B addressed by both, C in the second set's control group, D by the second alone."""
    rows: list[Row] = [
        action(1, "B", T0),
        action(1, "B", T0, set_no=1),
        action(2, "C", T0 + 1, campaign="other"),
        action(3, "C", T0),
        action(3, "C", T0, set_no=1, is_control=True),
        action(4, "D", T0, set_no=1),
    ]
    with findings(*rows, sets=(("hello", "other"), ("hello",))) as found:
        assert list(found.only_one()) == [
            OnlyOne(0, "C", 2, "hello|other", T0),
            OnlyOne(1, "D", 1, "hello", T0),
        ]
        assert found.customers_of_one_only() == [1, 1]
        assert found.customers_addressed() == [2, 2]


def test_weeks_begin_on_monday() -> None:
    rows: list[Row] = [
        action(1, "B", T0 - 1),
        action(2, "B", T0),
        action(3, "B", T0 + WEEK - 1),
        action(4, "B", T0, is_control=True),
        action(5, "B", T0 + WEEK, set_no=1),
    ]
    with findings(*rows, sets=(("hello",), ("hello",))) as found:
        assert found.weeks() == [
            Week(0, "hello", T0 - WEEK, 1),
            Week(0, "hello", T0, 2),
            Week(1, "hello", T0 + WEEK, 1),
        ]


def test_texts_of_a_shop_come_back_as_they_were() -> None:
    """Given ids and details with commas, quotes and line breaks, then rows are whole."""
    odd = 'a,"b"\nc'
    rows: list[Row] = [
        action(1, odd, T0),
        Purchase(odd, 0, T0 + 1, 100),
        Suppression(0, "s1", odd, "hello", "first", "capped", odd, T0),
    ]
    with findings(*rows) as found:
        (followed,) = found.followed()
        (held,) = found.suppressions()
    assert (followed.customer_id, followed.orders) == (odd, 1)
    assert (held.customer_id, held.detail) == (odd, odd)
