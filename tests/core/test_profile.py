"""Attributes and consent: last writer wins, by the shop's time, in any order of arrival."""

import itertools
from dataclasses import replace

import pytest

from streams.core import profile
from streams.core.inputs import CustomerUpdated, DeliveryReported
from streams.core.outputs import NotTaken
from tests.core.story import DAY, T0, Story


def test_the_latest_attribute_wins_in_any_order() -> None:
    updates = [
        (T0, "a", {"city": "Bonn", "vip": True}),
        (T0 + DAY, "b", {"city": None}),
        (T0 + DAY, "c", {"vip": False, "interests": ["tea"]}),
    ]
    for arrival in itertools.permutations(updates):
        story = Story()
        for at_ms, event_id, attributes in arrival:
            story.take(
                CustomerUpdated,
                at_ms,
                event_id=event_id,
                attributes=attributes,
                received_ms=T0 + 2 * DAY,
            )
        found = {name: one.value for name, one in story.state.attributes.items()}
        assert found == {"city": None, "vip": False, "interests": ["tea"]}


def test_attributes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "MAX_ATTRIBUTES", 2)
    story = Story()
    event = story.take(CustomerUpdated, T0, attributes={"a": 1.0, "b": 2.0, "c": 3.0, "d": None})
    assert isinstance(event, CustomerUpdated)
    [not_taken] = [one for one in story.outputs if isinstance(one, NotTaken)]
    assert not_taken.event == replace(event, attributes={"c": 3.0, "d": None})
    assert (not_taken.reason, not_taken.field) == ("too_many_attributes", "attributes.c")
    assert not_taken.message == (
        "the customer has 2 attributes, removed ones included, and there is no room for 2 more"
    )
    story.take(CustomerUpdated, T0 + 1, attributes={"a": 9.0})
    assert {name: one.value for name, one in story.state.attributes.items()} == {"a": 9.0, "b": 2.0}
    assert len([one for one in story.outputs if isinstance(one, NotTaken)]) == 1


@pytest.mark.parametrize("reverse", [False, True])
def test_the_latest_consent_wins(reverse: bool) -> None:
    story = Story()
    told = [(T0, True), (T0 + DAY, False)]
    for at_ms, granted in reversed(told) if reverse else told:
        story.consent(at_ms, granted=granted, received_ms=T0 + 2 * DAY)
    assert story.state.consents["email"].granted is False


@pytest.mark.parametrize("outcome", ["unsubscribed", "complained", "bounced"])
def test_a_delivery_that_was_unwelcome_withdraws_consent(outcome: str) -> None:
    story = Story()
    story.consent(T0, granted=True)
    story.take(DeliveryReported, T0 + 1, action_id="a", channel="email", outcome=outcome)
    assert story.state.consents["email"].granted is False
    story.consent(T0 + 2, granted=True)
    assert story.state.consents["email"].granted is True


@pytest.mark.parametrize("outcome", ["sent", "failed", "opened", "clicked"])
def test_other_outcomes_leave_consent_alone(outcome: str) -> None:
    story = Story()
    story.consent(T0, granted=True)
    story.take(DeliveryReported, T0 + 1, action_id="a", channel="email", outcome=outcome)
    assert story.state.consents["email"].granted is True
