"""The collector stays out of the batches, and cycles are found all the same."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from streams.adapters.memory import SimulatedClock
from streams.processes.garbage import FULL_EVERY_S, PATIENCE_S, GarbageCollection


class Knot:
    """An object that only the cyclic collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_batches_are_set_aside_and_cycles_freed_now_and_then() -> None:
    clock = SimulatedClock()
    garbage = GarbageCollection(clock)
    assert not gc.isenabled()
    knot = weakref.ref(Knot())
    garbage.after_cycle(1)
    assert knot() is not None
    assert gc.get_freeze_count() > 0
    clock.sleep(FULL_EVERY_S)
    garbage.after_cycle(1)
    assert knot() is not None, "it takes seconds, and something is to be done"
    garbage.after_cycle(0)
    assert knot() is None


def test_where_there_is_always_something_to_do_it_waits_no_longer_than_a_day() -> None:
    clock = SimulatedClock()
    garbage = GarbageCollection(clock)
    knot = weakref.ref(Knot())
    garbage.after_cycle(1)
    clock.sleep(FULL_EVERY_S + PATIENCE_S)
    garbage.after_cycle(1)
    assert knot() is None
    again = weakref.ref(Knot())
    garbage.after_cycle(0)
    assert again() is not None, "not in every idle moment"
