"""What a segment change says, and what duplicates, late, replaced and erased events do to it."""

from streams.core import machine
from tests.core.story import DAY, HOUR, T0, Story, rules


def chained(story: Story) -> None:
    """Every story's changes form one chain without gaps."""
    changes = story.changes
    assert [c.sequence for c in changes] == list(range(1, len(changes) + 1))
    assert [c.previous for c in changes] == [None, *(c.current for c in changes)][: len(changes)]
    effective = [c.effective_at_ms for c in changes]
    assert effective == sorted(effective)
    assert len({c.event_id for c in changes}) == len(changes)
    assert all(c.previous != c.current for c in changes)


def test_the_first_order_enters_with_its_event_as_cause() -> None:
    story = Story()
    event = story.order(T0, 10_000, received_ms=T0 + 400)
    (change,) = story.changes
    assert (change.previous, change.current, change.sequence) == (None, "Potential Loyalists", 1)
    assert change.cause == ("event", event.event_id, "order.placed")
    assert (change.effective_at_ms, change.decided_at_ms) == (T0, T0 + 400)
    assert change.scores is not None
    assert (change.scores.r, change.scores.f, change.scores.m) == (5, 1, 2)
    assert (change.facts.order_count, change.facts.monetary_minor) == (1, 10_000)
    assert change.rules_version == 1


def test_a_long_life_is_one_chain() -> None:
    story = Story()
    for index in range(8):
        story.order(T0 + index * 60 * DAY, 20_000, order_id=f"o{index}")
    for index in range(8):
        story.cancel(T0 + 600 * DAY + index * DAY, f"o{index}")
    story.order(T0 + 700 * DAY)
    story.erase(T0 + 701 * DAY)
    story.order(T0 + 702 * DAY)
    story.pass_time(T0 + 2_000 * DAY)
    chained(story)
    assert [c.cause.kind for c in story.changes].count("erasure") == 1
    assert {c.current for c in story.changes} >= {None, "Loyal Customers", "Lost Customers"}


def test_a_change_by_a_late_event_never_goes_before_the_change_already_said() -> None:
    story = Story()
    story.order(T0, 60_000)
    story.pass_time(T0 + 100 * DAY)
    assert story.segment == "At Risk"
    story.order(T0 + 80 * DAY, received_ms=T0 + 101 * DAY)
    change = story.changes[-1]
    assert change.current == "Potential Loyalists"
    assert (change.effective_at_ms, change.decided_at_ms) == (T0 + 90 * DAY, T0 + 101 * DAY)
    chained(story)


def test_a_backfilled_event_says_so_and_its_timers_act_normally() -> None:
    story = Story()
    story.order(T0, received_ms=T0 + 89 * DAY, backfill=True)
    assert [c.cause.kind for c in story.changes] == ["backfill"]
    story.pass_time(T0 + 90 * DAY)
    assert [c.cause.kind for c in story.changes] == ["backfill", "clock"]
    assert story.requested == [("win_back_at_risk", "offer", T0 + 90 * DAY)]


def test_a_backfilled_customer_who_is_already_at_risk_gets_no_campaign() -> None:
    story = Story()
    story.order(T0, received_ms=T0 + 100 * DAY, backfill=True)
    assert story.segment == "At Risk"
    assert not story.said_anything_to_do


def test_a_backfilled_cart_starts_nothing_even_if_it_is_overdue_already() -> None:
    for backfill, told in ((True, 0), (False, 1)):
        story = Story()
        story.cart(T0, received_ms=T0 + 2 * HOUR, backfill=backfill)
        assert len(story.requested) == told
    pending = Story()
    pending.cart(T0, backfill=True)
    pending.pass_time(T0 + HOUR)
    assert pending.requested == [("cart_reminder", "first", T0 + HOUR)]


def test_a_duplicate_changes_nothing_at_all() -> None:
    story = Story()
    event = story.order(T0, 10_000)
    told = len(story.outputs)
    story.replay(event)
    assert story.notes == ["applied", "duplicate"]
    assert len(story.outputs) == told
    assert story.facts().order_count == 1


def test_a_duplicate_after_the_window_of_identities_is_known_by_its_order() -> None:
    story = Story()
    event = story.order(T0, 10_000, order_id="o")
    story.order(T0 + 8 * DAY, 1_000)
    assert len(story.state.seen) == 1, "identities are kept for a week"
    event.received_at_ms = T0 + 9 * DAY
    story.replay(event)
    assert story.notes[-1] == "superseded"
    assert story.facts().order_count == 2


def test_one_event_id_of_two_types_is_two_events() -> None:
    story = Story()
    story.order(T0, 10_000, order_id="o", event_id="same")
    story.cancel(T0, "o", event_id="same")
    assert story.notes == ["applied", "applied"]


def test_identities_are_bounded() -> None:
    story = Story()
    for index in range(machine.MAX_SEEN + 5):
        machine._remember(story.state.seen, index, T0, story.rules)
    assert len(story.state.seen) == machine.MAX_SEEN
    assert min(story.state.seen) == 5


def test_erasure_ends_segments_forgets_everything_and_ignores_what_was_before() -> None:
    story = Story()
    story.order(T0, 50_000, order_id="o")
    story.consent(T0, granted=True)
    story.cart(T0 + DAY)
    story.erase(T0 + 2 * DAY)
    change = story.changes[-1]
    assert (change.current, change.previous, change.cause.kind) == (
        None,
        "Potential Loyalists",
        "erasure",
    )
    assert change.cause.event_type == "customer.erased"
    state = story.state
    assert not (state.orders or state.returns or state.carts or state.runs or state.starts)
    assert not (state.consents or state.attributes or state.cancellations)
    assert (state.folded, state.next_due_ms, state.last_event_at_ms) == (None, None, 0)
    story.order(T0 + 2 * DAY, 50_000, received_ms=T0 + 3 * DAY)
    assert story.notes[-1] == "before_erasure"
    assert not state.orders
    story.order(T0 + 2 * DAY + 1, 1_000, received_ms=T0 + 3 * DAY)
    assert (story.changes[-1].previous, story.changes[-1].sequence) == (None, 3)
    assert story.facts().lifetime_monetary_minor == 1_000
    chained(story)


def test_an_erasure_that_comes_late_spares_what_occurred_after_it() -> None:
    story = Story()
    story.order(T0, 5_000, order_id="old")
    story.cancel(T0 + DAY, "again")
    story.give_back(T0 + DAY, 900, "again")
    story.order(T0 + 3 * DAY, 1_000, order_id="again")
    story.order(T0 + 4 * DAY, 2_000, order_id="new")
    story.erase(T0 + 2 * DAY, received_ms=T0 + 5 * DAY)
    facts = story.facts()
    assert (facts.order_count, facts.monetary_minor, facts.lifetime_order_count) == (2, 3_000, 2)


def test_a_second_older_erasure_changes_nothing() -> None:
    story = Story()
    story.erase(T0 + 2 * DAY)
    story.order(T0 + 3 * DAY)
    story.erase(T0 + DAY, received_ms=T0 + 4 * DAY)
    assert story.notes[-1] == "before_erasure"
    assert story.state.erased_at_ms == T0 + 2 * DAY
    assert story.facts().order_count == 1


def test_erasing_somebody_unknown_says_nothing() -> None:
    story = Story()
    story.erase(T0)
    assert story.outputs == []


def test_changed_rules_are_adopted_with_the_next_event_and_say_so() -> None:
    story = Story()
    story.order(T0, 10_000)
    story.order(T0 + DAY, 10_000)
    story.rules = rules(2, frequency_limits=[1, 2, 6, 10])
    story.cart(T0 + 2 * DAY)
    change = story.changes[-1]
    assert (change.current, change.cause) == ("Loyal Customers", ("rules", None, None))
    assert (change.effective_at_ms, change.rules_version) == (T0 + 2 * DAY, 2)
    chained(story)


def test_what_the_clock_changes_after_new_rules_is_still_by_the_clock() -> None:
    story = Story()
    story.order(T0)
    story.rules = rules(2)
    story.pass_time(T0 + 90 * DAY)
    assert [c.cause.kind for c in story.changes] == ["event", "clock"]
    assert story.changes[-1].effective_at_ms == T0 + 90 * DAY
    assert story.requested == [("win_back_at_risk", "offer", T0 + 90 * DAY)]


def test_a_change_by_rules_found_at_a_timer_is_not_taken_for_the_clock() -> None:
    story = Story()
    story.order(T0)
    story.rules = rules(2, recency_limits_ms=[10 * DAY, 20 * DAY, 180 * DAY, 365 * DAY])
    story.pass_time(T0 + 30 * DAY)
    assert [c.cause.kind for c in story.changes] == ["event", "rules"]
    assert story.segment == "At Risk"
    assert not story.said_anything_to_do


def test_new_rules_move_the_timers_of_a_customer_who_only_has_a_cart() -> None:
    story = Story()
    story.cart(T0)
    story.rules = rules(2, cart_abandoned_after_ms=10 * HOUR)
    event = story.cart(T0 + HOUR // 2, "K-2")
    story.replay(event)
    assert story.state.next_due_ms == T0 + 10 * HOUR
