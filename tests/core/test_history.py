"""What is kept of a history, what it shrinks to, and what can still be changed then."""

import pytest

from streams.core import history
from tests.core.story import DAY, T0, Story, rules

KEPT = 830 * DAY  # the window and its margin


def buyer(count: int, first_ms: int = T0, every_ms: int = DAY, total: int = 1_000) -> Story:
    story = Story()
    for index in range(count):
        story.order(first_ms + index * every_ms, total, order_id=f"o{index:04}")
    return story


def test_the_thirteen_latest_orders_stay_whole_however_old() -> None:
    story = buyer(15)
    story.pass_time(T0 + 2 * KEPT)
    story.give_back(T0 + 2 * KEPT, 1, "o0014")
    assert sorted(story.state.orders) == [f"o{index:04}" for index in range(2, 15)]
    facts = story.facts()
    assert (facts.lifetime_order_count, facts.lifetime_monetary_minor) == (15, 14_999)
    assert facts.last_order_at_ms == T0 + 14 * DAY


def test_an_order_is_whole_until_the_kept_history_ends() -> None:
    story = buyer(14)
    story.cart(T0 + KEPT - 1)
    assert "o0000" in story.state.orders
    story.cart(T0 + KEPT)
    assert "o0000" not in story.state.orders
    assert story.state.folded is not None
    assert len(story.state.folded.remnants) == 1


def test_orders_beyond_the_bound_shrink_and_go_on_counting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "MAX_WHOLE_ORDERS", 20)
    story = buyer(30)
    assert len(story.state.orders) == 20
    facts = story.facts()
    assert (facts.order_count, facts.monetary_minor) == (30, 30_000)
    assert facts.next_expiry_ms == T0 + 730 * DAY
    assert story.facts(T0 + 730 * DAY).order_count == 29


def test_a_shrunk_order_can_be_returned_and_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_WHOLE_ORDERS", 20)
    story = buyer(30)
    at_ms = T0 + 40 * DAY
    story.give_back(at_ms, 400, "o0001")
    assert (story.facts().order_count, story.facts().monetary_minor) == (30, 29_600)
    story.give_back(at_ms, 600, "o0001")
    assert (story.facts().order_count, story.facts().monetary_minor) == (29, 29_000)
    story.cancel(at_ms, "o0002")
    assert (story.facts().order_count, story.facts().monetary_minor) == (28, 28_000)
    assert story.state.beyond_history_count == 3
    assert not story.state.returns
    assert not story.state.cancellations


def test_a_new_version_of_a_shrunk_order_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_WHOLE_ORDERS", 20)
    story = buyer(30)
    before = story.facts()
    story.order(T0 + 29 * DAY, 99_999, order_id="o0000")
    assert story.notes[-1] == "superseded"
    assert story.facts() == before
    assert story.state.beyond_history_count == 1


def test_remnants_beyond_the_bound_become_lifetime_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_WHOLE_ORDERS", 15)
    monkeypatch.setattr(history, "MAX_REMNANTS", 4)
    story = buyer(25)
    folded = story.state.folded
    assert folded is not None
    assert (len(folded.remnants), folded.order_count, folded.net_minor) == (4, 6, 6_000)
    facts = story.facts()
    assert (facts.order_count, facts.lifetime_order_count) == (19, 25)
    assert facts.lifetime_monetary_minor == 25_000


def test_remnants_of_value_zero_follow_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_WHOLE_ORDERS", 13)
    for counted, known in ((14, rules()), (13, rules(count_zero_value_orders=False))):
        story = Story(known)
        story.order(T0, 0)
        for index in range(13):
            story.order(T0 + (index + 1) * DAY)
        assert story.facts().order_count == counted


def test_returns_without_order_become_a_lifetime_sum_when_they_are_old() -> None:
    story = buyer(1, total=5_000)
    story.give_back(T0 + DAY, 700)
    story.cart(T0 + KEPT)
    assert len(story.state.returns) == 1
    story.cart(T0 + DAY + KEPT)
    assert not story.state.returns
    facts = story.facts()
    assert (facts.monetary_minor, facts.lifetime_monetary_minor) == (0, 4_300)


def test_waiting_returns_have_a_bound_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_RETURNS", 3)
    story = buyer(1, total=5_000)
    story.give_back(T0 + DAY, 1, "o0000")
    for index in range(5):
        story.give_back(T0 + (index + 2) * DAY, 100)
    assert len(story.state.returns) == 4, "three that wait and the one of a known order"
    assert story.facts().lifetime_monetary_minor == 5_000 - 1 - 500


def test_cancellations_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_CANCELLATIONS", 3)
    story = Story()
    for index in range(5):
        story.cancel(T0 + index * DAY, f"o{index}")
    assert sorted(story.state.cancellations) == ["o2", "o3", "o4"]


def test_a_late_order_older_than_the_kept_history_changes_lifetime_totals_only() -> None:
    story = buyer(13, first_ms=T0 + KEPT)
    before = story.facts()
    story.order(T0, 777, order_id="old", received_ms=T0 + 2 * KEPT)
    facts = story.facts(before.last_order_at_ms)
    assert facts._replace(
        lifetime_order_count=facts.lifetime_order_count - 1,
        lifetime_monetary_minor=facts.lifetime_monetary_minor - 777,
    ) == story.facts(before.last_order_at_ms)._replace(
        lifetime_order_count=13, lifetime_monetary_minor=13_000
    )
    assert "old" not in story.state.orders
    story.order(T0, 777, order_id="old", event_id="again", received_ms=T0 + 2 * KEPT)
    assert story.facts().lifetime_order_count == 14


def test_overdue_timers_see_the_window_as_it_was_at_their_instant() -> None:
    # Nothing came for five years: time jumps. A return inside the window at a due instant counts
    # there, although it is far older than the kept history by the time the timer is fired.
    def told(*, jump: bool) -> list[tuple[int, int, int, float | None]]:
        story = Story()
        for index in range(14):
            story.order(T0 + index * DAY, 10_000, order_id=f"o{index}")
        story.give_back(T0 + 20 * DAY, 35_000)
        story.give_back(T0 + 20 * DAY, 9_000, "o0")
        story.pass_time(T0 + 5 * 365 * DAY, jump=jump)
        return [
            (c.effective_at_ms, c.facts.order_count, c.facts.monetary_minor, c.facts.return_rate)
            for c in story.changes
        ]

    assert told(jump=True) == told(jump=False)
