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
# While they wait, sweeping goes on all the same, after this; the rarer the longer they have waited.
PATIENCE_S = 0.2


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
            self.pause_s = PATIENCE_S * (waited_ms / BEHIND_MS) ** 2
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

        A page in which everybody is done already makes an empty chunk, which need not be journaled.
        """
        cursor, page = self._store.scan_page(self._partition, self._cursor, size)
        self._cursor = cursor
        behind = [key for key, value in page if self._is_behind(value)]
        self.latest_s = now_s
        version, number = self.target
        return Sweep(
            received_at_ms=now_ms,
            rules_version=version,
            limits_number=number,
            customers=behind,
            done=cursor == 0,
        )

    def _is_behind(self, value: bytes) -> bool:
        head = decode_head(value)
        return (head.rules_version, head.limits_number) != self.target
