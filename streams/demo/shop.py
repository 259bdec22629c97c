"""The shop of the demo: a population at once, newcomers every month, and no end."""

import heapq
from collections.abc import Iterator
from typing import Final

from streams.core.values import DAY_MS
from streams.files.events import Event
from streams.simulation.faults import Faults, with_faults
from streams.simulation.messages import ShopEvent
from streams.simulation.shop import simulate

CUSTOMERS: Final = 1_000
"""Enough for every segment, few enough that a single customer's change is still to be seen."""
_WAVE_MS: Final = 30 * DAY_MS
_NEWCOMERS: Final = CUSTOMERS // 25
# Nobody watches for longer: an hour at a day per second.
_LIFE_MS: Final = 3_650 * DAY_MS
# Not late ones: a time mark says that everything before it is there.
_FAULTS: Final = Faults(duplicate_share=0.005, bad_share=0.003)


def open_shop(seed: int, start_ms: int) -> Iterator[Event]:
    """Events for the public topics in order of time, from `start_ms` (ms since 1970, UTC) on.

    The same arguments give the same events. Some come twice and some are unusable, as in life.
    """
    for event in with_faults(_merged(seed, start_ms), seed, _FAULTS):
        yield Event(event.topic, event.customer_id, event.value, event.occurred_at_ms)


def _merged(seed: int, start_ms: int) -> Iterator[ShopEvent]:
    """Merge the first population with a wave of newcomers for each month, opened when it comes."""
    heap: list[tuple[int, int, ShopEvent, Iterator[ShopEvent]]] = []
    wave = 0

    def push(number: int, events: Iterator[ShopEvent]) -> None:
        if (event := next(events, None)) is not None:
            heapq.heappush(heap, (event.occurred_at_ms, number, event, events))

    while True:
        opens_ms = start_ms + wave * _WAVE_MS
        if not heap or heap[0][0] >= opens_ms:
            customers = _NEWCOMERS if wave else CUSTOMERS
            push(wave, simulate(seed + wave, customers, opens_ms, opens_ms + _LIFE_MS))
            wave += 1
            continue
        _, number, event, events = heapq.heappop(heap)
        yield event
        push(number, events)


class Till:
    """Hands the shop's events out as time passes."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._next = next(events, None)

    def take_until(self, until_ms: int) -> list[Event]:
        """Give the events before `until_ms` that were not given yet."""
        taken = []
        while self._next is not None and self._next.occurred_at_ms < until_ms:
            taken.append(self._next)
            self._next = next(self._events, None)
        return taken
