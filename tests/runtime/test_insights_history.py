"""The history of one customer is what folding the whole partition says about that customer."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.core.inputs import CartUpdated, Input, Item, OrderPlaced, RulesApplied, Tick
from streams.core.values import DAY_MS, HOUR_MS
from streams.insights.customers import standing_at
from streams.insights.history import Entry, HistoryFold
from streams.rules.files import rules_text
from streams.settings import load_settings
from tests.runtime.oracle import fold

START_MS = 1_600_000_000_000
RULES_TEXT = rules_text(load_settings(consent_unknown={"email": "allow"}))


def rules(version: int = 1) -> RulesApplied:
    return RulesApplied(received_at_ms=START_MS, version=version, rules=RULES_TEXT)


def record(number: int, kind: int, customer: str, hours: int, late_hours: int) -> Input:
    received_at_ms = START_MS + hours * HOUR_MS
    if kind == 0:
        return Tick(received_at_ms=received_at_ms, continuous=bool(late_hours))
    shared: dict[str, Any] = {
        "event_id": f"e{number}",
        "customer_id": customer,
        "occurred_at_ms": received_at_ms - late_hours * HOUR_MS,
        "received_at_ms": received_at_ms,
        "identity": number // 2,  # every second one is a duplicate
    }
    if kind == 1:
        return OrderPlaced(
            **shared,
            source="shop.orders",
            order_id=f"o{number}",
            total_minor=9_000,
        )
    return CartUpdated(
        **shared,
        source="shop.carts",
        cart_id="k",
        value_minor=100,
        items=[Item("sku", 1)],
    )


records = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from("ab"), st.integers(0, 24 * 400), st.integers(0, 6)
    ),
    max_size=25,
)


@given(records)
def test_the_history_of_one_is_their_share_of_the_whole(
    drawn: list[tuple[int, str, int, int]],
) -> None:
    journal = [rules()] + [record(number, *one) for number, one in enumerate(drawn)]
    whole = fold(journal)
    history, entries = HistoryFold("a"), list[Entry]()
    for offset, one in enumerate(journal):
        entries += history.take(offset, one)

    said = [output for entry in entries for output in entry.outputs]
    assert said == [one for one in whole.outputs if getattr(one, "customer_id", None) == "a"]
    if "a" in whole.states:
        assert history.state == whole.states["a"]
        assert whole.rules is not None
        assert standing_at(whole.states["a"], whole.rules, whole.time_ms).segment == (
            entries[-1].standing.segment if entries else None
        )
    assert history.time_ms == whole.time_ms


def test_an_entry_tells_event_scores_and_what_came_of_it() -> None:
    """Given an order and then nothing but time, the fall to At Risk has the clock as its cause."""
    journal = [rules(), record(2, 1, "a", 1, 0), Tick(received_at_ms=START_MS + 92 * DAY_MS)]
    history = HistoryFold("a")
    first, *later = [entry for i, one in enumerate(journal) for entry in history.take(i, one)]
    assert (first.event_type, first.offset, first.note) == ("order.placed", 1, "applied")
    assert first.standing.segment == "Potential Loyalists"
    assert [(entry.event_type, entry.standing.segment) for entry in later][-1] == (
        "clock",
        "At Risk",
    )
    assert later[-1].at_ms == START_MS + HOUR_MS + 90 * DAY_MS
    kinds = [type(output).__name__ for entry in later for output in entry.outputs]
    assert kinds[-2:] == ["SegmentChanged", "ActionRequested"]
