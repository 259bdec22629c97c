"""The same set of events gives the same facts, in any order and repeated at will."""

import random
from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from streams.codec.state import decode_state, encode_state
from streams.core.facts import facts_at
from streams.core.inputs import CustomerEvent
from tests.core.story import DAY, HOUR, T0, Story, rules
from tests.properties.lives import facts_events, spans
from tests.properties.naive import naive_facts
from tests.properties.profiles import tried

RULES = rules()
NOW = T0
KEPT = 830 * DAY
lives = facts_events(NOW, NOW - KEPT + 8 * DAY)


def told(events: list[CustomerEvent], every_ms: int = 0) -> Story:
    """A life in this order of arrival, all of it within the window of identities."""
    story = Story(RULES)
    for index, event in enumerate(deepcopy(events)):
        event.received_at_ms = NOW + index * every_ms
        story.replay(event)
    return story


@tried(300)
@given(lives, st.randoms(use_true_random=False), spans(800 * DAY))
def test_facts_equal_a_naive_recomputation_in_any_order(
    events: list[CustomerEvent], shuffle: random.Random, later_ms: int
) -> None:
    arrival = events + shuffle.sample(events, k=shuffle.randint(0, len(events)))
    shuffle.shuffle(arrival)
    story = told(arrival, every_ms=HOUR)
    for now_ms in (story.now_ms, NOW + later_ms):
        assert facts_at(story.state, now_ms, RULES.window_ms) == naive_facts(
            events, now_ms, RULES.window_ms
        )


@tried(150)
@given(lives, st.randoms(use_true_random=False))
def test_any_order_ends_in_the_same_segment(
    events: list[CustomerEvent], shuffle: random.Random
) -> None:
    one = told(events)
    shuffled = list(events)
    shuffle.shuffle(shuffled)
    other = told(shuffled)
    segments = [story.state.memberships.get("rfm") for story in (one, other)]
    assert len({member.segment if member else None for member in segments}) == 1
    assert one.state.orders == other.state.orders
    assert one.state.returns == other.state.returns
    for story in (one, other):
        assert [c.sequence for c in story.changes] == list(range(1, len(story.changes) + 1))


@tried(100)
@given(lives)
def test_a_state_survives_its_bytes(events: list[CustomerEvent]) -> None:
    story = told(events)
    value = encode_state(story.state)
    again = decode_state(story.state.customer_id, value)
    assert again == story.state
    assert list(again.seen) == list(story.state.seen), "oldest first"
    assert encode_state(again) == value
