"""Published changes read back: one customer's history, and the flow between two instants."""

import json

import pytest

from streams.errors import BrokenInvariant
from streams.insights.flows import FlagFlow, FlowFold, Transition
from streams.insights.segment_history import (
    Published,
    SegmentChange,
    decode_change,
    histories,
    segment_text,
)

FROM_MS, TO_MS = 1_709_251_200_000, 1_711_929_600_000
# Before the first instant, at it, between both, at the second, behind it.
DAYS = ["2024-02-01", "2024-03-01", "2024-03-20", "2024-04-01", "2024-04-02"]


def change(
    customer: str,
    sequence: int,
    day: str,
    current: Published,
    previous: Published = None,
    scheme: str = "rfm",
) -> SegmentChange:
    """A change as it stands in the topic, decided at the beginning of a day."""
    body = {
        "event_id": f"{customer}-{scheme}-{sequence}",
        "type": "segment.changed",
        "schema_version": 1,
        "customer_id": customer,
        "scheme": scheme,
        "previous": previous,
        "current": current,
        "scores": None,
        "facts": {"order_count": 1},
        "cause": {"kind": "clock", "event_id": None, "event_type": None},
        "effective_at": "2020-01-01T00:00:00.000Z",
        "decided_at": f"{day}T00:00:00.000Z",
        "sequence": sequence,
        "rules_version": 1,
        "snapshot": 17,
    }
    return decode_change(json.dumps(body).encode())


def flow(*changes: SegmentChange, scheme: str = "rfm") -> FlowFold:
    fold = FlowFold(scheme, FROM_MS, TO_MS)
    for one in changes:
        fold.take(one)
    return fold


def moved(fold: FlowFold) -> dict[tuple[str | None, str | None], int]:
    return {(one.before, one.after): one.customers for one in fold.transitions([]) if one.customers}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (DAYS[0], {("A", "A"): 1}),
        (DAYS[1], {("A", "A"): 1}),
        (DAYS[2], {(None, "A"): 1}),
        (DAYS[3], {(None, "A"): 1}),
        (DAYS[4], {}),
    ],
)
def test_an_instant_sees_what_was_decided_at_or_before_it(
    day: str, expected: dict[tuple[str | None, str | None], int]
) -> None:
    assert moved(flow(change("c", 1, day, "A"))) == expected


def test_the_last_change_before_each_instant_counts() -> None:
    fold = flow(
        change("c", 1, DAYS[0], "A"),
        change("c", 2, DAYS[0], "B", "A"),
        change("c", 3, DAYS[2], "C", "B"),
        change("c", 4, DAYS[3], "D", "C"),
        change("c", 5, DAYS[4], "E", "D"),
        change("c", 1, DAYS[2], "X", scheme="value"),
    )
    assert moved(fold) == {("B", "D"): 1}
    assert (fold.customer_count, fold.change_count) == (1, 5)


def test_where_earlier_changes_are_gone_the_first_one_left_tells_where_they_led() -> None:
    assert moved(flow(change("c", 9, DAYS[2], "B", "A"))) == {("A", "B"): 1}
    assert moved(flow(change("c", 9, DAYS[4], "B", "A"))) == {("A", "A"): 1}


def test_rows_follow_the_rules_and_add_up() -> None:
    fold = flow(
        change("a", 1, DAYS[0], "Best"),
        change("b", 1, DAYS[0], "Best"),
        change("b", 2, DAYS[2], "Worst", "Best"),
        change("c", 1, DAYS[2], "Best"),
        change("d", 1, DAYS[0], "Older Name"),
        change("d", 2, DAYS[2], None, "Older Name"),
    )
    found = fold.transitions(["Best", "Worst"])
    assert list(dict.fromkeys(one.before for one in found)) == ["Best", "Worst", "Older Name", None]
    assert found[:4] == [
        Transition("Best", "Best", 1, 2),
        Transition("Best", "Worst", 1, 2),
        Transition("Best", "Older Name", 0, 2),
        Transition("Best", None, 0, 2),
    ]
    assert Transition("Older Name", None, 1, 1) in found
    assert Transition(None, "Best", 1, 1) in found
    # Nobody is known to have been nowhere all the time.
    assert (None, None) not in {(one.before, one.after) for one in found}
    assert sum(one.customers for one in found) == fold.customer_count == 4


def test_flags_are_told_one_by_one() -> None:
    fold = flow(
        change("a", 1, DAYS[0], ["Bulk", "Loud"], scheme="behaviour"),
        change("a", 2, DAYS[2], ["Bulk"], ["Bulk", "Loud"], scheme="behaviour"),
        change("b", 1, DAYS[2], ["Bulk"], scheme="behaviour"),
        change("c", 1, DAYS[0], [], scheme="behaviour"),
        scheme="behaviour",
    )
    assert fold.is_flags
    assert fold.flag_flows(["Loud", "Bulk", "Never"]) == [
        FlagFlow("Loud", before=1, kept=0, gained=0, lost=1, after=0),
        FlagFlow("Bulk", before=1, kept=1, gained=1, lost=0, after=2),
        FlagFlow("Never", before=0, kept=0, gained=0, lost=0, after=0),
    ]
    assert flow(change("c", 1, DAYS[0], [], scheme="behaviour"), scheme="behaviour").is_flags
    assert not flow(change("c", 1, DAYS[0], "A")).is_flags


def test_a_history_is_ordered_by_scheme_and_sequence_and_says_what_is_gone() -> None:
    found = histories(
        [
            change("c", 4, DAYS[1], "B", "A"),
            change("c", 1, DAYS[0], "VIP", scheme="loyalty"),
            change("c", 3, DAYS[0], "A"),
        ]
    )
    assert [(one.scheme, one.missing) for one in found] == [("loyalty", 0), ("rfm", 2)]
    assert [one.sequence for one in found[1].changes] == [3, 4]
    assert found[1].changes[0].snapshot == 17


def test_segments_of_the_topic_read_as_states_hold_them() -> None:
    assert [segment_text(one) for one in ("A", None, [], ["x", "y"])] == ["A", None, None, "x|y"]
    with pytest.raises(BrokenInvariant, match="cannot be read"):
        decode_change(b'{"customer_id": "c"}')
