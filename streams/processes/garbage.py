"""Python's cyclic garbage collector, kept out of the batches.

A batch makes tens of thousands of objects that live for a moment, and hundreds of thousands stay
in the cache, none of them in a cycle. The automatic collector would walk them again and again, which
cost half of the throughput when measured; looking only through the young ones after each batch
still cost 7 %. So what a batch leaves is set aside unseen, and everything is looked through seldom.
"""

import gc

from streams.ports import Clock

# A pass through everything takes 2.5 s with a full cache of 200,000 customers, in which nothing is
# decided. Cycles come from errors and their tracebacks, a few hundred objects an hour at the worst: what
# six hours of them hold is less than one batch.
FULL_EVERY_S = 6 * 3600.0
# So long it waits for a moment in which nothing is to be done.
PATIENCE_S = 18 * 3600.0


class GarbageCollection:
    """Call `after_cycle` between cycles."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_at_s = clock.monotonic_s() + FULL_EVERY_S
        gc.disable()

    def after_cycle(self, records: int) -> None:
        """Set aside what a batch left behind; now and then look through everything."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._full_at_s + (PATIENCE_S if records else 0.0):
            gc.unfreeze()
            gc.collect()
            self._full_at_s = self._clock.monotonic_s() + FULL_EVERY_S
        if records:
            gc.freeze()
