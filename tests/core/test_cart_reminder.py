"""Campaign `cart_reminder`: three steps from a cart's latest change, by clock or event."""

import json

import pytest

from streams.core.campaigns import carts
from streams.core.inputs import Foreign, Item
from streams.core.outputs import ActionCancelled, ActionRequested
from tests.core.story import DAY, HOUR, MINUTE, T0, Story, rules, rules_document

FIRST, SECOND, LAST = T0 + HOUR, T0 + 24 * HOUR, T0 + 72 * HOUR
ALL = [
    ("cart_reminder", "first", FIRST),
    ("cart_reminder", "second", SECOND),
    ("cart_reminder", "last", LAST),
]


def test_three_steps_by_the_clock_alone() -> None:
    story = Story()
    items = [Item("S-1", 2.0, 9_990_000, name="Tea")]
    event = story.cart(T0, items=items, value_minor=1_998, foreign=Foreign("GBP", 1_700))
    story.pass_time(T0 + 30 * DAY)
    assert story.requested == ALL
    first = story.said(ActionRequested)[0]
    assert first.cart is not None
    assert (first.cart.cart_id, first.cart.items, first.cart.value_minor) == (
        "K-1",
        tuple(items),
        1_998,
    )
    assert first.cart.foreign == ("GBP", 1_700)
    assert first.cause == ("clock", event.event_id, "cart.updated")
    assert (first.due_at_ms, first.valid_until_ms) == (FIRST, FIRST + 12 * HOUR)
    assert first.channels == ("email",)
    last = story.said(ActionRequested)[2]
    assert last.voucher is not None
    assert (last.voucher.name, last.voucher.key) == ("free_delivery", last.action_id)
    assert last.voucher.expires_at_ms == last.decided_at_ms + 14 * DAY
    assert first.voucher is None


def test_three_steps_by_the_shops_own_event() -> None:
    story = Story()
    story.cart(T0)
    event = story.abandon(T0 + 20 * MINUTE)
    story.pass_time(T0 + 30 * DAY)
    assert story.requested == ALL, "offsets count from the change, not from the event"
    assert story.said(ActionRequested)[0].cause == ("event", event.event_id, "cart.abandoned")


def test_an_abandoned_cart_that_was_never_updated_counts_from_the_event() -> None:
    story = Story()
    story.abandon(T0)
    story.pass_time(T0 + 30 * DAY)
    assert story.requested == ALL


def test_one_per_cart_and_change_whoever_says_it_first() -> None:
    story = Story()
    story.cart(T0)
    story.abandon(T0 + 20 * MINUTE)
    story.abandon(T0 + 30 * MINUTE)
    story.abandon(T0 + 2 * HOUR)
    story.pass_time(T0 + 30 * DAY)
    assert story.requested == ALL
    assert story.suppressed == []


def test_a_change_ends_the_run_and_starts_the_clock_anew() -> None:
    story = Story()
    story.cart(T0)
    story.cart(T0 + 2 * HOUR, value_minor=3_000)
    assert story.requested == ALL[:1]
    assert story.cancelled == ["cart_changed"], "the first reminder may not be sent yet"
    story.pass_time(T0 + 30 * DAY)
    assert [at for _, _, at in story.requested[1:]] == [at + 2 * HOUR for _, _, at in ALL]
    ids = [one.action_id for one in story.said(ActionRequested)]
    assert len(set(ids)) == 4
    assert story.said(ActionCancelled)[0].action_id == ids[0]


def test_two_changes_at_one_instant_have_actions_of_their_own() -> None:
    story = Story()
    story.cart(T0, event_id="a")
    story.cart(T0, event_id="b", received_ms=T0 + 2 * HOUR)
    ids = [one.action_id for one in story.said(ActionRequested)]
    assert len(set(ids)) == len(ids) == 2


def test_an_action_no_longer_valid_is_not_called_off() -> None:
    story = Story()
    story.cart(T0)
    story.cart(FIRST + 12 * HOUR)
    assert story.requested == ALL[:1]
    assert story.cancelled == []


def test_an_order_of_the_cart_ends_its_run_and_no_other() -> None:
    story = Story()
    story.cart(T0, "K-1")
    story.cart(T0, "K-2")
    story.pass_time(T0 + 2 * HOUR)
    story.order(T0 + 2 * HOUR, cart_id="K-1")
    story.pass_time(T0 + 80 * HOUR)
    told = [(one.cart and one.cart.cart_id, one.step) for one in story.said(ActionRequested)]
    assert told == [("K-1", "first"), ("K-2", "first"), ("K-2", "second"), ("K-2", "last")]
    assert story.cancelled == ["order_placed"]


def test_an_order_without_cart_ends_all() -> None:
    story = Story()
    story.cart(T0, "K-1")
    story.cart(T0, "K-2")
    story.order(T0 + 2 * HOUR)
    story.pass_time(T0 + 80 * HOUR)
    assert len(story.requested) == 2
    assert story.cancelled == ["order_placed", "order_placed"]
    assert story.suppressed == []


def test_a_cart_older_than_the_newest_order_starts_nothing() -> None:
    story = Story()
    story.cart(T0, "K-1")
    story.order(T0 + 10 * MINUTE, cart_id="K-other")
    story.pass_time(T0 + 10 * DAY)
    assert not story.said_anything_to_do


def test_an_order_that_comes_before_its_carts_event() -> None:
    for happened in ("cart", "abandon"):
        story = Story()
        story.order(T0 + MINUTE, cart_id="K-1")
        getattr(story, happened)(T0, received_ms=T0 + 2 * MINUTE)
        story.pass_time(T0 + 10 * DAY)
        assert not story.said_anything_to_do


def test_a_cart_changed_after_the_order_starts_again() -> None:
    story = Story()
    story.order(T0 - HOUR)
    story.cart(T0)
    story.pass_time(T0 + 80 * HOUR)
    assert story.requested == ALL


def test_the_same_change_twice_is_one() -> None:
    story = Story()
    event = story.cart(T0)
    story.pass_time(T0 + 2 * HOUR)
    story.replay(event)
    story.cart(T0, event_id=event.event_id, received_ms=T0 + 2 * HOUR)
    story.cart(T0 - HOUR, received_ms=T0 + 2 * HOUR)
    story.pass_time(T0 + 80 * HOUR)
    assert story.notes == ["applied", "duplicate", "duplicate", "superseded"]
    assert story.requested == ALL


def test_an_emptied_cart_ends_the_run() -> None:
    story = Story()
    story.cart(T0)
    story.cart(T0 + 2 * HOUR, items=[], value_minor=0)
    story.abandon(T0 + 3 * HOUR)
    story.pass_time(T0 + 10 * DAY)
    assert story.requested == ALL[:1]
    assert story.cancelled == ["cart_changed"]


def test_a_cart_update_older_than_the_greatest_age_starts_nothing_and_says_so() -> None:
    for happened in ("cart", "abandon"):
        in_time, late = Story(), Story()
        getattr(in_time, happened)(T0, received_ms=T0 + 4 * HOUR)
        assert in_time.requested == [("cart_reminder", "first", T0 + 4 * HOUR)]
        getattr(late, happened)(T0, received_ms=T0 + 4 * HOUR + 1)
        late.pass_time(T0 + 10 * DAY)
        assert late.requested == []
        assert late.suppressed == [("cart_reminder", "first", "late_event")]


def test_a_start_later_than_allowed_is_suppressed_as_late() -> None:
    for late_ms, suppressed in ((4 * HOUR, []), (4 * HOUR + 1, ["late_start"])):
        story = Story()
        story.cart(T0)
        story.pass_time(FIRST + late_ms, jump=True)
        assert [reason for _, _, reason in story.suppressed] == suppressed
        story.pass_time(T0 + 10 * DAY)
        assert len(story.requested) == (0 if suppressed else 3)


def test_a_cart_that_times_out_while_nothing_runs_is_still_answered_for() -> None:
    # The partition slept for two months: the cart is not forgotten before its own timer.
    story = Story()
    story.order(T0 - 30 * DAY + HOUR // 2)
    story.cart(T0)
    story.pass_time(T0 + 60 * DAY, jump=True)
    assert story.suppressed[0] == ("cart_reminder", "first", "late_start")


def test_a_step_past_its_validity_is_suppressed_and_the_next_one_goes_on() -> None:
    story = Story()
    story.cart(T0)
    story.pass_time(FIRST)
    story.pass_time(SECOND + 24 * HOUR, jump=True)
    assert story.suppressed == [("cart_reminder", "second", "expired")]
    story.pass_time(LAST)
    assert [step for _, step, _ in story.requested] == ["first", "last"]


def test_consent_counts_at_the_instant_of_firing() -> None:
    story = Story()
    story.cart(T0)
    story.consent(T0 + 2 * HOUR, granted=False)
    story.consent(T0 + 30 * HOUR, granted=True)
    story.pass_time(T0 + 10 * DAY)
    assert [step for _, step, _ in story.requested] == ["first", "last"]
    assert story.suppressed == [("cart_reminder", "second", "no_consent")]


@pytest.mark.parametrize(
    ("policy", "ordered", "asked"),
    [
        ({}, False, 0),
        ({"email": "deny"}, True, 0),
        ({"email": "after_purchase"}, False, 0),
        ({"email": "after_purchase"}, True, 3),
        ({"email": "allow"}, False, 3),
    ],
)
def test_who_never_said_anything_is_reached_by_policy(
    policy: dict[str, str], ordered: bool, asked: int
) -> None:
    story = Story(rules(consent_unknown=policy))
    if ordered:
        story.order(T0 - DAY)
    story.cart(T0)
    story.pass_time(T0 + 10 * DAY)
    assert len(story.requested) == asked
    assert len(story.suppressed) == 3 - asked


def test_the_oldest_of_too_many_carts_is_forgotten_even_if_it_is_the_one_that_came() -> None:
    story = Story()
    for index in range(carts.MAX_CARTS):
        story.cart(T0 + (index + 1) * MINUTE, f"K-{index}")
    story.cart(T0, "K-old", received_ms=T0 + HOUR // 2)
    assert story.notes[-1] == "superseded"
    assert "K-old" not in story.state.carts
    story.cart(T0 + HOUR // 2, "K-new")
    assert "K-0" not in story.state.carts
    assert len(story.state.carts) == carts.MAX_CARTS


def test_a_run_whose_cart_is_gone_says_so() -> None:
    story = Story()
    story.cart(T0)
    story.pass_time(FIRST)
    for index in range(carts.MAX_CARTS):
        story.cart(T0 + 2 * HOUR, f"K-new-{index}", items=[], value_minor=0)
    story.pass_time(SECOND)
    assert story.suppressed == [("cart_reminder", "second", "cart_gone")]


def test_old_carts_are_forgotten_when_nothing_needs_them() -> None:
    story = Story()
    story.cart(T0)
    story.pass_time(T0 + 29 * DAY)
    story.consent(T0 + 30 * DAY - 1, granted=True)
    assert story.state.carts
    story.consent(T0 + 30 * DAY, granted=True)
    assert not story.state.carts


def test_the_same_life_gives_the_same_ids() -> None:
    def ids() -> list[str]:
        story = Story()
        story.cart(T0)
        story.cart(T0 + 30 * HOUR)
        story.order(T0 + 60 * HOUR)
        story.pass_time(T0 + 400 * DAY)
        return [one.action_id for one in story.said(ActionRequested)] + [
            one.event_id for one in story.said(ActionCancelled)
        ]

    assert ids() == ids()
    assert len(set(ids())) == len(ids())


def test_a_trigger_says_which_causes_start_it() -> None:
    campaigns = json.loads(rules_document())["campaigns"]
    campaigns[0]["triggers"][0]["causes"] = ["event"]
    story = Story(rules(campaigns=campaigns))
    story.cart(T0)
    story.pass_time(T0 + 2 * HOUR)
    assert story.requested == []
    story.abandon(T0 + 3 * HOUR, "K-2")
    story.pass_time(T0 + 4 * HOUR)
    assert len(story.requested) == 1
