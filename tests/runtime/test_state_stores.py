"""One behaviour for every `StateStore`: in memory, in a real Redis and in a real Redis Cluster."""

from collections.abc import Callable, Iterator

import pytest

from streams.adapters.memory import MemoryStateStore
from streams.adapters.redis import Keys, RedisStateStore
from streams.adapters.redis.store import connect
from streams.errors import ForeignStore
from streams.ports import Outcome, PositionChanged, StateStore, StoreWrite

# Opens the same store again, for a journal generation.
Opens = Callable[[str], StateStore]


@pytest.fixture(params=["memory", "redis_url", "redis_cluster_url"])
def opens(request: pytest.FixtureRequest) -> Iterator[Opens]:
    if request.param == "memory":
        shared = MemoryStateStore("g1")

        def in_memory(generation: str) -> StateStore:
            other = MemoryStateStore(generation)
            other._shelves = shared._shelves
            return other

        yield in_memory
        return
    client = connect(request.getfixturevalue(request.param))
    keys = Keys(request.getfixturevalue("namespace"))
    yield lambda generation: RedisStateStore(client, keys, generation)
    for partition in range(2):
        client.delete(*keys.partition(partition))
    client.close()


@pytest.fixture
def store(opens: Opens) -> StateStore:
    return opens("g1")


def write(
    base: int,
    new: int,
    states: dict[str, bytes] | None = None,
    timers: dict[str, int | None] | None = None,
    partition: int = 0,
    record: bytes | None = b"p",
    rules: bytes | None = None,
) -> StoreWrite:
    return StoreWrite(
        partition,
        base,
        new,
        list((states or {}).items()),
        list((timers or {}).items()),
        record,
        rules,
    )


def test_nothing_is_stored_at_first(store: StateStore) -> None:
    assert store.position(0) is None
    assert store.load(0, 0, ["a", "b"]) == [None, None]
    assert store.load(0, 0, []) == []
    assert store.load_timers(0, 0, None, 10) == []
    assert list(store.scan(0)) == []
    assert store.count_timers(0, 10**15) == (0, 0)


def test_a_write_is_there_with_its_position(store: StateStore) -> None:
    states = {"a": b"1", "ü \x00": b"\x00\xff"}
    assert store.apply(write(0, 5, states, {"a": 7}, rules=b"r")) is Outcome.APPLIED
    assert store.position(0) == ("g1", 5, b"p", b"r", None)
    assert store.load(0, 5, ["ü \x00", "b", "a"]) == [b"\x00\xff", None, b"1"]
    assert dict(store.scan(0)) == states
    assert store.position(1) is None, "partitions are apart"


def test_records_that_are_not_given_stay(store: StateStore) -> None:
    store.apply(write(0, 5, record=b"p1", rules=b"r1"))
    store.apply(write(5, 6, record=None, rules=None))
    assert store.position(0) == ("g1", 6, b"p1", b"r1", None)


@pytest.mark.parametrize(
    ("base", "new", "outcome"),
    [
        (10, 20, Outcome.APPLIED),  # base = stored
        (5, 20, Outcome.APPLIED),  # base < stored < new: a part of it was recovered
        (10, 11, Outcome.APPLIED),
        (5, 10, Outcome.ALREADY),  # a client's retry
        (9, 10, Outcome.ALREADY),
        (5, 9, Outcome.NOT_OWNER),  # somebody else goes on from there
        (11, 20, Outcome.BEHIND),  # the store fell back
    ],
)
def test_every_answer_of_the_guard(
    store: StateStore, base: int, new: int, outcome: Outcome
) -> None:
    store.apply(write(0, 10, {"a": b"old"}, {"a": 1}, record=b"old"))
    assert store.apply(write(base, new, {"a": b"new"}, {"a": 2}, record=b"new")) is outcome
    at, value = (new, b"new") if outcome is Outcome.APPLIED else (10, b"old")
    assert store.position(0) == ("g1", at, value, None, None)
    assert store.load(0, at, ["a"]) == [value]
    assert store.load_timers(0, at, None, 9) == [(2 if value == b"new" else 1, "a")]


def test_an_empty_store_is_behind(store: StateStore) -> None:
    assert store.apply(write(3, 5, {"a": b"1"})) is Outcome.BEHIND
    assert store.position(0) is None
    assert store.apply(write(0, 5, {"a": b"1"})) is Outcome.APPLIED


def test_another_generation_is_refused(opens: Opens) -> None:
    opens("g1").apply(write(0, 5, {"a": b"1"}))
    other = opens("g2")
    assert other.apply(write(5, 6, {"a": b"2"})) is Outcome.FOREIGN
    assert other.apply(write(0, 5, {"a": b"2"})) is Outcome.FOREIGN
    with pytest.raises(ForeignStore, match="redis rebuild"):
        other.position(0)
    assert opens("g1").load(0, 5, ["a"]) == [b"1"]


@pytest.mark.parametrize("base", [0, 4, 6])
def test_nothing_is_read_at_another_position(store: StateStore, base: int) -> None:
    store.apply(write(0, 5, {"a": b"1"}, {"a": 1}))
    with pytest.raises(PositionChanged):
        store.load(0, base, ["a"])
    with pytest.raises(PositionChanged):
        store.load_timers(0, base, None, 1)


def test_a_wiped_store_is_at_no_position(store: StateStore) -> None:
    store.apply(write(0, 5, {"a": b"1"}, {"a": 1}))
    store.apply(write(0, 5, {"b": b"1"}, partition=1))
    store.wipe(0)
    assert store.position(0) is None
    assert (list(store.scan(0)), store.count_timers(0, 9)) == ([], (0, 0))
    with pytest.raises(PositionChanged):
        store.load(0, 5, ["a"])
    assert store.load(1, 5, ["b"]) == [b"1"]


def test_timers_are_set_moved_and_removed(store: StateStore) -> None:
    store.apply(write(0, 1, timers={"a": 10, "b": 20, "c": 30}))
    store.apply(write(1, 2, timers={"a": 40, "b": None, "x": None}))
    assert store.load_timers(0, 2, None, 10) == [(30, "c"), (40, "a")]
    assert [store.count_timers(0, at) for at in (29, 30, 40)] == [(2, 0), (2, 1), (2, 2)]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_timers_are_paged_in_order_through_many_equal_instants(
    store: StateStore, limit: int
) -> None:
    due_ms = 1_767_225_600_123
    timers: dict[str, int | None] = {f"C-{index}": due_ms for index in range(23)}
    timers |= {"é": due_ms, "A": due_ms + 1, "zz": due_ms - 1, "": due_ms}
    store.apply(write(0, 1, timers=timers))
    paged: list[tuple[int, str]] = []
    while page := store.load_timers(0, 1, paged[-1] if paged else None, limit):
        assert len(page) <= limit
        paged += page
    assert paged == sorted((due or 0, key) for key, due in timers.items())


def test_a_large_write_and_a_large_read(store: StateStore) -> None:
    states = {f"C-{index}": str(index).encode() for index in range(2_501)}
    timers: dict[str, int | None] = {key: index for index, key in enumerate(states)}
    assert store.apply(write(0, 9, states, timers)) is Outcome.APPLIED
    ids = [*states, "nobody"]
    assert store.load(0, 9, ids) == [*states.values(), None]
    assert dict(store.scan(0)) == states
    assert store.count_timers(0, 2_000) == (2_501, 2_001)
    store.apply(write(9, 10, timers=dict.fromkeys(states)))
    assert store.load_timers(0, 10, None, 10) == []
