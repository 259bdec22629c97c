"""Every record that was fetched is received, in order, or the stage begins anew."""

import pytest

from streams.adapters.memory import SimulatedClock
from streams.deliver.handover import RECEIVED_WITHIN_S, Handover
from streams.errors import Transient


def test_what_comes_through_in_order_is_well_whatever_its_offsets() -> None:
    handover = Handover(SimulatedClock())
    # Markers of transactions and what was aborted leave gaps that the client never handed on.
    handover.fetched(0, [3, 4, 9])
    handover.fetched(1, [1])
    handover.fetched(0, [11])
    assert all(handover.received(0, offset) for offset in (3, 4, 9))
    assert handover.received(1, 1)
    assert handover.received(0, 11)
    handover.check()


@pytest.mark.parametrize("received", [[4], [3, 9], [3, 4, 4], [3, 4, 9, 10]])
def test_a_record_that_is_passed_over_or_comes_from_nowhere_ends_it(received: list[int]) -> None:
    handover = Handover(SimulatedClock())
    handover.fetched(0, [3, 4, 9])
    taken = [handover.received(0, offset) for offset in received]
    assert taken == [True] * (len(received) - 1) + [False]
    # Nothing behind the gap is taken, or its position would be committed.
    handover.fetched(0, [20])
    assert not handover.received(0, 20)
    with pytest.raises(Transient, match="passed a record over"):
        handover.check()


def test_a_record_that_never_comes_ends_it_too() -> None:
    clock = SimulatedClock()
    handover = Handover(clock)
    handover.fetched(0, [3])
    clock.sleep(RECEIVED_WITHIN_S - 1)
    handover.check()
    clock.sleep(2)
    with pytest.raises(Transient, match="offset 3 of partition 0 never came"):
        handover.check()


def test_after_a_change_of_hands_everything_comes_again() -> None:
    handover = Handover(SimulatedClock())
    handover.fetched(0, [3, 4])
    handover.begin_anew()
    handover.fetched(0, [3])
    assert handover.received(0, 3)
    handover.check()
