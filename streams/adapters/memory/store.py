"""`StateStore` in memory, with the same guard as the one in Redis."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice

from streams.ports import Outcome, PositionChanged, StoredPosition, StoreWrite, check_generation


@dataclass(slots=True)
class _Shelf:
    """One partition of the store."""

    position: StoredPosition
    states: dict[str, bytes] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    population: dict[str, bytes] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)


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
            write.snapshot_record or shelf.position.snapshot_record,
        )
        shelf.population |= write.population
        return Outcome.APPLIED

    def wipe(self, partition: int) -> None:
        """Remove a partition."""
        self._shelves.pop(partition, None)

    def scan(self, partition: int) -> Iterable[tuple[str, bytes]]:
        """All customers of a partition."""
        shelf = self._shelves.get(partition)
        return list(shelf.states.items()) if shelf is not None else []

    def scan_page(
        self, partition: int, cursor: int, count: int
    ) -> tuple[int, list[tuple[str, bytes]]]:
        """`count` customers from a cursor on, which is a number of customers passed over."""
        shelf = self._shelves.get(partition)
        if shelf is None:
            return 0, []
        # States are replaced and added, never removed, so their places stay.
        if len(shelf.places) < len(shelf.states):
            shelf.places.extend(islice(shelf.states, len(shelf.places), None))
        page = [(key, shelf.states[key]) for key in shelf.places[cursor : cursor + count]]
        following = cursor + len(page)
        return following if following < len(shelf.places) else 0, page

    def population(self, partition: int) -> dict[str, bytes]:
        """The records about the whole partition by name."""
        shelf = self._shelves.get(partition)
        return dict(shelf.population) if shelf is not None else {}

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
