"""The owner's timers of one partition: the near end of the store's sorted set, as a heap.

Only timers up to a horizon are held; what lies beyond stays in the store until it comes near. So
memory is bounded, and no timer at or before the horizon is ever missing.
"""

from heapq import heapify, heappop, heappush
from typing import Protocol

# (due, customer): 50,000 are about 10 MB, and one refill reads that in some 100 ms.
REFILL = 50_000
# Room for timers set since the last refill, stale ones included.
MAX_HELD = 4 * REFILL

Timer = tuple[int, str]


class LoadsTimers(Protocol):
    """Reads timers of this partition behind `after`, in order."""

    def __call__(self, after: Timer | None, limit: int) -> list[Timer]: ...


class TimerHeap:
    """Timers in (due, customer) order. Stale entries are harmless: the state knows its due instant."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        # The greatest timer loaded; None before the first load.
        self._horizon: Timer | None = None
        self._complete = False

    def reset(self) -> None:
        """Forget everything, as after an abort; the store knows."""
        self._heap = []
        self._horizon = None
        self._complete = False

    def refill(self, until_ms: int, load: LoadsTimers) -> None:
        """Load until the horizon lies behind `until_ms`, or one refill's worth is held."""
        while not self._complete and not self._covers(until_ms) and len(self._heap) < REFILL:
            loaded = load(self._horizon, REFILL)
            self._complete = len(loaded) < REFILL
            if loaded:
                self._horizon = loaded[-1]
                self._heap.extend(loaded)
                heapify(self._heap)

    def _covers(self, until_ms: int) -> bool:
        return self._complete or (self._horizon is not None and self._horizon[0] > until_ms)

    def push(self, due_ms: int, customer_id: str) -> None:
        """A timer was set; beyond the horizon the store alone keeps it."""
        timer = (due_ms, customer_id)
        if self._complete or (self._horizon is not None and timer <= self._horizon):
            heappush(self._heap, timer)
            if len(self._heap) > MAX_HELD:
                self._trim()

    def _trim(self) -> None:
        """Keep the near end. What was set again and again leaves its old entries behind here."""
        self._heap = sorted(set(self._heap))[:REFILL]
        self._horizon = self._heap[-1]
        self._complete = False

    def pop_due(self, until_ms: int) -> Timer | None:
        """The first timer due at or before `until_ms`, taken out."""
        if self._heap and self._heap[0][0] <= until_ms:
            return heappop(self._heap)
        return None

    def is_ready(self, until_ms: int) -> bool:
        """True where every timer due by `until_ms` that is left is held here."""
        return self._covers(until_ms)

    def due_customers(self, until_ms: int, limit: int) -> list[str]:
        """Customers of up to `limit` timers due by `until_ms`, without taking them out."""
        if not self._heap or self._heap[0][0] > until_ms:
            return []
        due = sorted(timer for timer in self._heap if timer[0] <= until_ms)
        return [customer_id for _, customer_id in due[:limit]]

    @property
    def first_due_ms(self) -> int | None:
        """Due instant of the first timer held."""
        return self._heap[0][0] if self._heap else None

    def __len__(self) -> int:
        return len(self._heap)
