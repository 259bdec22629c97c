"""How complete the data of the customers is."""

import pytest

from streams.core.inputs import AttributeValue
from streams.core.state import Attribute, Consent, CustomerState
from streams.insights import coverage
from streams.insights.coverage import ConsentCount, Coverage, channels_of
from tests.insights.customers import rules


def customer(
    name: str,
    attributes: dict[str, AttributeValue] | None = None,
    consents: dict[str, bool] | None = None,
) -> CustomerState:
    state = CustomerState(name)
    for key, value in (attributes or {}).items():
        state.attributes[key] = Attribute(value, 1, "e")
    for key, granted in (consents or {}).items():
        state.consents[key] = Consent(granted, 1, "e")
    return state


def counted(*states: CustomerState, channels: tuple[str, ...] = ()) -> Coverage:
    found = Coverage(channels)
    for state in states:
        found.add(state)
    return found


def test_an_attribute_that_was_taken_away_is_not_known() -> None:
    found = counted(
        customer("a", {"country": "DE", "age": 0, "vegan": False}),
        customer("b", {"country": "FR", "age": None}),
        customer("c"),
    )
    assert found.customers == 3
    assert found.attributes() == [("country", 2), ("age", 1), ("vegan", 1)]


def test_who_never_said_yes_or_no_is_unknown() -> None:
    found = counted(
        customer("a", consents={"email": True, "sms": False}),
        customer("b", consents={"email": False}),
        customer("c"),
        channels=("email", "post"),
    )
    assert found.consents() == [
        ConsentCount("email", granted=1, withdrawn=1, unknown=1),
        ConsentCount("post", granted=0, withdrawn=0, unknown=3),
        ConsentCount("sms", granted=0, withdrawn=1, unknown=2),
    ]


def test_values_put_into_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "MAX_NAMES", 2)
    found = counted(customer("a", {"x": 1, "y": 1}), customer("b", {"x": 1, "z": 1}))
    assert (found.attributes(), found.names_left_out) == ([("x", 2), ("y", 1)], True)
    assert not counted(customer("a", {"x": 1, "y": 1})).names_left_out


def test_channels_are_those_of_the_campaigns_that_need_consent() -> None:
    assert "email" in channels_of(rules())
    assert "webhook" not in channels_of(rules())
