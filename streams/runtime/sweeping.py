"""Finds the customers of a partition who do not yet stand under the present rules and limits.

They are named in journaled chunks, so that deciding them anew is part of the history. The walk
through the store itself is not: after a crash it begins again, and passes over who is done.
"""

from streams.codec.state import decode_head
from streams.core.inputs import Sweep
from streams.ports import StateStore

# Deciding 300 customers anew under all schemes takes some 100 ms, the longest a live event waits
# behind them; 25 are as quick as a batch of live events.
LARGEST, SMALLEST = 300, 25
# Live events that have waited longer come first: whoever keeps up reads them within a cycle or two.
BEHIND_MS = 400
# Late in a sweep most customers are done already, above all where many new ones come. Passing over a
# page of them costs a tenth of deciding them; so many are passed over for one chunk.
MOST_PAGES = 8
# While they wait, sweeping goes on all the same, after this; the rarer the longer they have waited,
# within a bound: clocks that differ by seconds look like events that have waited.
PATIENCE_S, MOST_PATIENCE_S = 0.2, 1.0


class Pace:
    """How much is swept at a time: half where live events wait, a little more where they do not."""

    def __init__(self) -> None:
        self.size = LARGEST
        self.pause_s = 0.0
        self._next_s = 0.0

    def see(self, waited_ms: int) -> None:
        """Take notice of how long the oldest live event of a batch has waited."""
        if waited_ms > BEHIND_MS:
            self.size = max(SMALLEST, self.size // 2)
            self.pause_s = min(PATIENCE_S * (waited_ms / BEHIND_MS) ** 2, MOST_PATIENCE_S)
        else:
            self.size, self.pause_s = min(LARGEST, self.size + SMALLEST), 0.0

    def is_due(self, now_s: float) -> bool:
        """Whether it is time for the next chunk."""
        return now_s >= self._next_s + self.pause_s

    def swept(self, now_s: float, count: int, per_s: int) -> None:
        """A chunk of so many customers was planned, of at most `per_s` in a second."""
        self._next_s = now_s + count / per_s


class Sweeper:
    """One walk through a partition's customers towards (rules version, limits number)."""

    def __init__(self, partition: int, target: tuple[int, int], store: StateStore) -> None:
        self.target = target
        self.latest_s = 0.0
        self._partition = partition
        self._store = store
        self._cursor = 0

    def next_chunk(self, now_ms: int, now_s: float, size: int) -> Sweep:
        """About `size` next customers to be decided anew; `done` with the last of them.

        It is empty, and need not be journaled, where everybody in many pages is done already.
        """
        behind: list[str] = []
        for _ in range(MOST_PAGES):
            self._cursor, page = self._store.scan_page(self._partition, self._cursor, size)
            behind += [key for key, value in page if self._is_behind(value)]
            # Half of it will do: with another page it would be half as much again.
            if self._cursor == 0 or 2 * len(behind) >= size:
                break
        self.latest_s = now_s
        version, number = self.target
        return Sweep(
            received_at_ms=now_ms,
            rules_version=version,
            limits_number=number,
            customers=behind,
            done=self._cursor == 0,
        )

    def _is_behind(self, value: bytes) -> bool:
        head = decode_head(value)
        return (head.rules_version, head.limits_number) != self.target
