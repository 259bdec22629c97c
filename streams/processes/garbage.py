"""Python's cyclic garbage collector, kept out of the batches.

A batch makes tens of thousands of objects that live for a moment, and hundreds of thousands stay
in the cache. The automatic collector would walk them again and again, which cost half of the
throughput when measured. So it is off; the young are looked through between batches, when little
is alive.
"""

import gc

from streams.ports import Clock

# Start-up allocates modules and rules until about here.
WARM_AFTER = 50
IDLE_CYCLES = 500
# A pass through all that survived since the warm-up takes some 0.3 s with a full cache.
FULL_EVERY_S = 600.0


class GarbageCollection:
    """Call `after_cycle` between cycles."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cycles = 0
        self._idle = 0
        self._full_at_s = clock.monotonic_s() + FULL_EVERY_S
        gc.disable()

    def after_cycle(self, records: int) -> None:
        """Collect what a batch left behind; everything only in a quiet moment, and seldom."""
        self._cycles += 1
        self._idle = 0 if records else self._idle + 1
        if self._cycles == WARM_AFTER:
            gc.collect()
            gc.freeze()
        elif records or self._idle % IDLE_CYCLES == 0:
            gc.collect(0)
        if self._idle and self._clock.monotonic_s() >= self._full_at_s:
            self._full_at_s = self._clock.monotonic_s() + FULL_EVERY_S
            gc.collect()
