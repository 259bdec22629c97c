"""Finds the customers of a partition who do not yet stand under the present rules and limits.

They are named in journaled chunks, so that deciding them anew is part of the history. The walk
through the store itself is not: after a crash it begins again, and passes over who is done.
"""

from streams.codec.state import decode_head
from streams.core.inputs import Sweep
from streams.ports import StateStore

# Deciding 500 customers anew takes some 30 ms, the longest a live event waits behind them.
CHUNK = 500
# While live records wait sweeping goes on all the same, this rarely.
PATIENCE_S = 1.0


class Sweeper:
    """One walk through a partition's customers towards (rules version, limits number)."""

    def __init__(self, partition: int, target: tuple[int, int], store: StateStore) -> None:
        self.target = target
        self.latest_s = 0.0
        self._partition = partition
        self._store = store
        self._cursor = 0

    def next_chunk(self, now_ms: int, now_s: float) -> Sweep:
        """The next customers to be decided anew; `done` with the last of them.

        A page in which everybody is done already makes an empty chunk, which need not be journaled.
        """
        cursor, page = self._store.scan_page(self._partition, self._cursor, CHUNK)
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
