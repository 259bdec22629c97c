"""`StateStore` in memory, with the same guard as the one in Redis."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

from streams.ports import Outcome, PositionChanged, StoredPosition, StoreWrite, check_generation


@dataclass(slots=True)
class _Shelf:
    """One partition of the store."""

    position: StoredPosition
    states: dict[str, bytes] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)


class MemoryStateStore:
    """States by partition; `generation` names the journal they belong to."""

    def __init__(self, generation: str) -> None:
        self._generation = generation
        self._shelves: dict[int, _Shelf] = {}

    def position(self, partition: int) -> StoredPosition | None:
        """Where a partition stands."""
        shelf = self._shelves.get(partition)
        if shelf is None:
            return None
        check_generation(shelf.position.generation, self._generation, partition)
        return shelf.position

    def load(self, partition: int, base: int, ids: Sequence[str]) -> list[bytes | None]:
        """States by id, if the position is `base`."""
        shelf = self._at(partition, base)
        return [shelf.states.get(customer_id) for customer_id in ids]

    def load_timers(
        self, partition: int, base: int, after: tuple[int, str] | None, limit: int
    ) -> list[tuple[int, str]]:
        """Timers behind `after`, in order, if the position is `base`."""
        timers = ((due_ms, key) for key, due_ms in self._at(partition, base).timers.items())
        return nsmallest(limit, (one for one in timers if after is None or one > after))

    def apply(self, write: StoreWrite) -> Outcome:
        """Write if the guard allows."""
        shelf = self._shelves.get(write.partition)
        if shelf is None:
            if write.base != 0:
                return Outcome.BEHIND
            shelf = _Shelf(StoredPosition(self._generation, 0, None, None))
        refused = guard(shelf.position, self._generation, write)
        if refused is not None:
            return refused
        self._shelves[write.partition] = shelf
        shelf.states.update(write.states)
        for customer_id, due_ms in write.timers:
            if due_ms is None:
                shelf.timers.pop(customer_id, None)
            else:
                shelf.timers[customer_id] = due_ms
        shelf.position = StoredPosition(
            self._generation,
            write.new,
            write.partition_record or shelf.position.partition_record,
            write.rules_record or shelf.position.rules_record,
        )
        return Outcome.APPLIED

    def wipe(self, partition: int) -> None:
        """Remove a partition."""
        self._shelves.pop(partition, None)

    def scan(self, partition: int) -> Iterable[tuple[str, bytes]]:
        """All customers of a partition."""
        shelf = self._shelves.get(partition)
        return list(shelf.states.items()) if shelf is not None else []

    def count_timers(self, partition: int, until_ms: int) -> tuple[int, int]:
        """Timers in all, and those due."""
        shelf = self._shelves.get(partition)
        timers = shelf.timers.values() if shelf is not None else ()
        return len(timers), sum(due_ms <= until_ms for due_ms in timers)

    def _at(self, partition: int, base: int) -> _Shelf:
        shelf = self._shelves.get(partition)
        if shelf is None:
            if base == 0:
                return _Shelf(StoredPosition(self._generation, 0, None, None))
            raise PositionChanged(f"the store holds nothing of partition {partition}")
        if shelf.position.offset != base:
            raise PositionChanged(f"the store is at {shelf.position.offset}, expected {base}")
        return shelf


def guard(stored: StoredPosition, generation: str, write: StoreWrite) -> Outcome | None:
    """What the guard says against a write, None where it may go on (architecture.md, Redis)."""
    if stored.generation != generation:
        return Outcome.FOREIGN
    if stored.offset == write.new:
        return Outcome.ALREADY
    if stored.offset > write.new:
        return Outcome.NOT_OWNER
    if stored.offset < write.base:
        return Outcome.BEHIND
    return None
