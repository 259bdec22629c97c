"""Python's cyclic garbage collector, kept out of the batches.

A batch makes tens of thousands of objects that live for a moment, and hundreds of thousands stay
in the cache, none of them in a cycle. The automatic collector would walk them again and again, which
cost half of the throughput when measured; looking only through the young ones after each batch
still cost 7 %. So what a batch leaves is set aside unseen, and everything is looked through seldom.
"""

import gc

from streams.ports import Clock

# A pass through everything takes some 0.3 s with a full cache. Cycles come from errors and their
# tracebacks, a few hundred objects an hour at the worst.
FULL_EVERY_S = 600.0


class GarbageCollection:
    """Call `after_cycle` between cycles."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_at_s = clock.monotonic_s() + FULL_EVERY_S
        gc.disable()

    def after_cycle(self, records: int) -> None:
        """Set aside what a batch left behind; now and then look through everything."""
        if self._clock.monotonic_s() >= self._full_at_s:
            self._full_at_s = self._clock.monotonic_s() + FULL_EVERY_S
            gc.unfreeze()
            gc.collect()
        if records:
            gc.freeze()
