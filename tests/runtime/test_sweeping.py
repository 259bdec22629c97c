"""How much is decided anew at a time: less while live events wait, and never nothing for long."""

from streams.adapters.memory import MemoryStateStore
from streams.codec.state import encode_state
from streams.core.state import CustomerState
from streams.ports import StoreWrite
from streams.runtime.sweeping import (
    BEHIND_MS,
    LARGEST,
    MOST_PAGES,
    MOST_PATIENCE_S,
    SMALLEST,
    Pace,
    Sweeper,
)

OLD, NEW = (1, 0), (2, 0)


def stored(standings: list[tuple[int, int]]) -> MemoryStateStore:
    """A partition with customers C-0, C-1 and so on, decided by these rules and limits."""
    store = MemoryStateStore("g1")
    states = [
        (
            f"C-{number:05}",
            encode_state(
                CustomerState(f"C-{number:05}", rules_version=version, limits_number=limits)
            ),
        )
        for number, (version, limits) in enumerate(standings)
    ]
    store.apply(StoreWrite(0, 0, 1, states, [], b"p", None))
    return store


def swept(sweeper: Sweeper, size: int) -> list[list[str]]:
    chunks = []
    while not (chunk := sweeper.next_chunk(0, 0.0, size)).done:
        chunks.append(chunk.customers)
    return [*chunks, chunk.customers]


def test_everybody_who_stands_under_something_older_is_named_once() -> None:
    store = stored([OLD, NEW, (2, 1), OLD] * 100)
    chunks = swept(Sweeper(0, NEW, store), 30)
    named = [customer for chunk in chunks for customer in chunk]
    assert sorted(named) == [f"C-{number:05}" for number in range(400) if number % 4 != 1]


def test_who_is_done_is_passed_over_for_those_behind() -> None:
    """Given a page of customers who are done; when one is behind it; then one chunk reaches both."""
    store = stored([NEW] * 50 + [OLD] * 25)
    assert len(Sweeper(0, NEW, store).next_chunk(0, 0.0, 25).customers) == 25


def test_one_chunk_passes_over_so_many_and_no_more() -> None:
    store = stored([NEW] * (25 * MOST_PAGES) + [OLD] * 25)
    chunks = swept(Sweeper(0, NEW, store), 25)
    assert chunks[0] == []
    assert sum(map(len, chunks)) == 25


def test_a_chunk_is_never_more_than_half_as_large_again() -> None:
    store = stored([NEW, NEW, OLD] * 100 + [OLD] * 300)
    assert max(map(len, swept(Sweeper(0, NEW, store), 40))) <= 60


def test_the_pace_follows_how_long_live_events_wait() -> None:
    pace = Pace()
    assert pace.size == LARGEST
    pace.swept(10.0, 0, 1)
    assert pace.is_due(10.0)
    pace.see(BEHIND_MS + 1)
    assert pace.size == LARGEST // 2
    assert not pace.is_due(10.0)
    brief_s = pace.pause_s
    pace.see(2 * BEHIND_MS)
    assert 3 * brief_s < pace.pause_s < MOST_PATIENCE_S
    # Clocks that differ look like this all day: the sweep must come to its end all the same.
    pace.see(100 * BEHIND_MS)
    assert pace.pause_s == MOST_PATIENCE_S
    for _ in range(10):
        pace.see(BEHIND_MS + 1)
    assert pace.size == SMALLEST
    for _ in range(20):
        pace.see(0)
    assert (pace.size, pace.pause_s) == (LARGEST, 0.0)


def test_no_more_is_swept_than_so_many_a_second() -> None:
    pace = Pace()
    pace.swept(10.0, 300, 1000)
    assert not pace.is_due(10.29)
    assert pace.is_due(10.31)
