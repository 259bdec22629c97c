"""Time alone changes segments, at the exact instant; the next due instant is honest."""

from streams.core.rules import RFM
from streams.core.schemes.scheme import View
from tests.core.story import DAY, T0, Story, rules


def classify_at(story: Story, at_ms: int) -> str | None:
    view = View(story.state, story.facts(at_ms), at_ms)
    return story.rules.scheme(RFM).classify(view).segment


def lives() -> list[Story]:
    rich, regular, refunded, returning = Story(), Story(), Story(), Story()
    for index in range(12):
        rich.order(T0 + index * 20 * DAY, 12_345)
    for index in range(5):
        regular.order(T0 + index * 50 * DAY, 6_000)
    refunded.order(T0, 30_000)
    refunded.give_back(T0 + 100 * DAY, 25_000)
    returning.order(T0, 30_000)
    returning.order(T0 + 400 * DAY, 30_000)
    returning.give_back(T0 + 401 * DAY, 40_000)
    return [rich, regular, refunded, returning]


def test_walking_by_due_instants_alone_equals_classifying_at_every_instant() -> None:
    for story in lives():
        told_before = len(story.changes)
        start_ms, segment = story.now_ms, story.segment
        walked: list[tuple[int, str | None]] = []
        while (due_ms := story.state.next_due_ms) is not None:
            assert classify_at(story, due_ms - 1) == segment, "no change is missed before it"
            story.pass_time(due_ms)
            segment = story.segment
            assert classify_at(story, due_ms) == segment
            walked.append((due_ms, segment))
        assert walked, "at least recency passes"
        assert walked[-1][0] <= start_ms + 2 * 365 * DAY
        for change in story.changes[told_before:]:
            assert change.cause.kind == "clock"
            assert change.effective_at_ms == change.decided_at_ms
            assert classify_at(story, change.effective_at_ms - 1) == change.previous
        # Between two due instants nothing changes: look at every limit's own grid as well.
        for day in range(800):
            for at_ms in (start_ms + day * DAY - 1, start_ms + day * DAY, start_ms + day * DAY + 1):
                if at_ms < start_ms:
                    continue
                held = [segment for due_ms, segment in walked if due_ms <= at_ms]
                known = held[-1] if held else classify_at(story, start_ms)
                assert classify_at(story, at_ms) == known


def test_a_jump_fires_every_overdue_timer_with_its_own_instant() -> None:
    slow, fast = Story(rules(campaigns=[])), Story(rules(campaigns=[]))
    for story in (slow, fast):
        story.order(T0, 30_000)
        story.order(T0 + DAY, 30_000)
    slow.pass_time(T0 + 900 * DAY)
    fast.pass_time(T0 + 900 * DAY, jump=True)
    assert fast.fired == slow.fired
    assert [(c.event_id, c.current, c.effective_at_ms) for c in fast.changes] == [
        (c.event_id, c.current, c.effective_at_ms) for c in slow.changes
    ]
    assert {c.decided_at_ms for c in fast.changes[1:] if c.cause.kind == "clock"} == {
        T0 + 900 * DAY
    }


def test_a_customer_without_counting_orders_has_no_timer() -> None:
    story = Story()
    story.order(T0, 1_000, order_id="o")
    story.give_back(T0 + DAY, 1_000, "o")
    assert (story.segment, story.state.next_due_ms) == (None, None)


def test_after_everything_has_passed_there_is_no_timer() -> None:
    story = Story()
    story.order(T0)
    story.give_back(T0 + 5 * DAY, 100)
    story.pass_time(T0 + 735 * DAY)
    assert story.state.next_due_ms is None
    assert story.fired[-1] == T0 + 735 * DAY
