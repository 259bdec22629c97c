"""The comparison itself: it must notice each kind of difference, and nothing else."""

import msgspec

from streams.codec.outputs import ACTIONS, SEGMENT_CHANGES
from streams.codec.partition import PartitionRecord
from streams.codec.state import encode_state
from streams.core.state import CustomerState, Membership
from tests.soak.oracle import (
    Outcome,
    Said,
    Share,
    compare,
    compare_present,
    compare_shares,
    find_gaps,
)


def _change(customer_id: str, sequence: int) -> Said:
    body = {"customer_id": customer_id, "scheme": "rfm", "sequence": sequence}
    headers = (("ce_id", f"{customer_id}-{sequence}".encode()), ("ce_type", b"segment.changed"))
    return Said(customer_id.encode(), msgspec.json.encode(body), headers)


FIRST, SECOND, OTHER = _change("a", 1), _change("a", 2), _change("b", 1)
WANTED = Outcome({SEGMENT_CHANGES: [FIRST, SECOND, OTHER], ACTIONS: []})


def _complaints(*said: Said) -> str:
    return "\n".join(compare(WANTED, {SEGMENT_CHANGES: list(said), ACTIONS: []}))


def test_the_same_is_no_difference() -> None:
    """Customers may come in any order among each other."""
    assert _complaints(OTHER, FIRST, SECOND) == ""


def test_what_is_missing_is_told() -> None:
    """One message less."""
    assert "missing (1): segment.changed of a" in _complaints(FIRST, OTHER)


def test_what_came_twice_is_told() -> None:
    """One message again."""
    found = _complaints(FIRST, SECOND, SECOND, OTHER)
    assert "too much (1)" in found
    assert "an id twice (1): a-2" in found
    assert "sequence (1)" in found


def test_a_customer_in_the_wrong_order_is_told() -> None:
    """The same messages, two of one customer exchanged."""
    assert "out of order for" in _complaints(SECOND, FIRST, OTHER)


def test_gaps_are_found_without_an_oracle() -> None:
    """1, 3 is a gap, and so is a start at 2."""
    assert find_gaps([FIRST, _change("a", 3)]) != []
    assert find_gaps([SECOND]) != []
    assert find_gaps([FIRST, SECOND, OTHER]) == []


def test_each_part_of_a_partition_is_compared() -> None:
    """States, timers, rules and position."""
    share = Share({"a": b"1"}, {"a": 5}, b"rules", PartitionRecord(9, 100, 1))
    others = [
        Share({"a": b"2"}, share.timers, share.rules, share.record),
        Share({}, share.timers, share.rules, share.record),
        Share({"a": b"1", "b": b"1"}, share.timers, share.rules, share.record),
        Share(share.states, {"a": 6}, share.rules, share.record),
        Share(share.states, {}, share.rules, share.record),
        Share(share.states, share.timers, b"other", share.record),
        Share(share.states, share.timers, share.rules, PartitionRecord(8, 100, 1)),
        Share(share.states, share.timers, share.rules, None),
    ]

    assert compare_shares("Redis", {0: share}, {0: share}) == []
    assert [len(compare_shares("Redis", {0: share}, {0: one})) for one in others] == [1] * len(
        others
    )
    assert compare_shares("Redis", {0: share}, {}) != []


def _present(customer_id: str, segment: str | None, sequence: int) -> Said:
    body = {
        "customer_id": customer_id,
        "segments": {"rfm": {"segment": segment, "since": "", "sequence": sequence}},
    }
    return Said(customer_id.encode(), msgspec.json.encode(body), ())


def test_present_segments_are_compared_with_the_oracle_and_with_the_states() -> None:
    """Given who has a segment, and who has none any more; then each difference is told."""
    states = {
        "a": encode_state(CustomerState("a", memberships={"rfm": Membership("VIP", None, 1, 2)})),
        "b": encode_state(CustomerState("b", memberships={"rfm": Membership(None, "VIP", 1, 3)})),
    }
    shares = {0: Share(states)}
    right = {b"a": _present("a", "VIP", 2)}
    assert compare_present(right, right, shares) == []
    for wrong in (
        {},
        {b"a": _present("a", "VIP", 1)},
        {b"a": _present("a", "Lost", 2)},
        {**right, b"b": _present("b", "VIP", 2)},
    ):
        found = "\n".join(compare_present(right, wrong, shares))
        assert found.count("customer-segments") == 2, "by the oracle and by the states"
        # both wrong in the same way is noticed by the states
        assert "by the states" in "\n".join(compare_present(wrong, wrong, shares))
