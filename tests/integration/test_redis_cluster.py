"""A Redis Cluster that fails over, moves slots and loses writes: nothing is believed that is not so.

The behaviour of the store itself is shown by tests/runtime/test_state_stores.py, on a cluster too.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from streams.adapters.embedded import EmbeddedRedis
from streams.adapters.embedded.ports import find_free_port
from streams.adapters.redis import Keys, RedisStateStore
from streams.adapters.redis.cluster import parse_cluster_url
from streams.adapters.redis.recipients import MAX_CONNECTIONS, connect_async
from streams.adapters.redis.sent import RedisSentMemory
from streams.adapters.redis.store import connect
from streams.deliver.ports import Mark
from streams.errors import BrokenInvariant, Transient, UsageError
from streams.ports import Outcome, PositionChanged, StoreWrite
from streams.processes.startup import check_redis
from streams.settings import load_settings
from tests import servers
from tests.redis_cluster import HASTY_MS, READY_S, RedisCluster, direct, port_of
from tests.waiting import wait_until

MANY = 3_000
STATES = [(f"c{number}", b"%d" % number) for number in range(MANY)]


@pytest.fixture(scope="module")
def running() -> Iterator[RedisCluster]:
    """A cluster of this module's own, with one master more, which has no slots."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=servers.run_dir()))
    with RedisCluster.start(folder, node_timeout_ms=HASTY_MS, spares=1) as cluster:
        yield cluster
    shutil.rmtree(folder)


@pytest.fixture
def cluster(running: RedisCluster) -> RedisCluster:
    """The same, whole again after whatever the test before did to it."""
    running.heal()
    return running


@pytest.fixture
def keys(namespace: str) -> Keys:
    return Keys(namespace)


@pytest.fixture
def store(cluster: RedisCluster, keys: Keys) -> RedisStateStore:
    return RedisStateStore(connect(cluster.url), keys, "g1")


def slot_of(partition: int) -> int:
    """The slot of a partition's keys, in any namespace."""
    return key_slot(str(partition).encode())


def write(
    base: int, new: int, states: list[tuple[str, bytes]] | None = None, partition: int = 0
) -> StoreWrite:
    return StoreWrite(partition, base, new, states or [], [("c1", 7)], b"p", b"r")


def stored_offset(node: EmbeddedRedis, keys: Keys, partition: int = 0) -> int:
    """Where one node has a partition, whether it serves it or follows."""
    with direct(node) as client:
        client.execute_command("READONLY")
        return int(client.hget(keys.partition(partition).position, "offset") or 0)


def answer(store: RedisStateStore, partition: int = 0) -> int:
    """The partition's position, once its new master is found."""
    found: list[int] = []

    def asked() -> bool:
        try:
            position = store.position(partition)
        except Transient:
            return False
        found.append(position.offset if position is not None else 0)
        return True

    wait_until(asked, READY_S, "the cluster answers")
    return found[0]


def test_the_url_of_a_cluster_names_nodes_login_and_options() -> None:
    nodes, options = parse_cluster_url(
        "rediss+cluster://shop:p%40ss@a:7000,b.example,[::1]:7002/0?ssl_check_hostname=false"
    )
    assert nodes == [("a", 7000), ("b.example", 6379), ("::1", 7002)]
    assert options == {
        "username": "shop",
        "password": "p@ss",
        "ssl": True,
        "ssl_check_hostname": False,
    }
    assert parse_cluster_url("redis+cluster://a").options == {"ssl": False}


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("redis+cluster://", "HOST:PORT"),
        ("redis+cluster://shop:hush@a:1,:2", "HOST:PORT"),
        ("redis+cluster://shop:hush@a:1,b:2/3", "database 0"),
        ("redis+cluster://shop:hush@a:1?read_from_replica=yes", "read_from_replica"),
        ("redis+cluster://shop:hush@a:one", "port that is a number"),
        ("redis+cluster://shop:hu/hush@a:1,b:2", "%2F for /"),
        ("redis+cluster://shop:1/hush@a:1,b:2", "%2F for /"),
        ("redis+cluster://shop:hush?x@a:1", "%2F for /"),
        ("redis://a:1", r"redis\+cluster://"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        parse_cluster_url(url)
    assert "hush" not in str(caught.value)


def test_a_dead_first_node_is_no_problem(cluster: RedisCluster, keys: Keys) -> None:
    living = port_of(cluster.nodes[4])
    url = f"redis+cluster://127.0.0.1:{find_free_port()},127.0.0.1:{living}"
    for _ in range(4):  # whom it asks first is drawn
        assert RedisStateStore(connect(url), keys, "g1").position(0) is None
    with pytest.raises(Transient, match="does not answer"):
        connect(f"redis+cluster://127.0.0.1:{find_free_port()}")


def test_each_kind_of_url_tells_that_the_other_is_meant(
    cluster: RedisCluster, keys: Keys, private_redis: EmbeddedRedis
) -> None:
    with pytest.raises(UsageError, match=r"no cluster: write redis://"):
        connect(private_redis.url.replace("redis://", "redis+cluster://"))
    strange = next(node for node in cluster.nodes if node not in cluster.shard(slot_of(0)))
    with pytest.raises(UsageError, match=r"write redis\+cluster://"):
        RedisStateStore(connect(strange.url), keys, "g1").position(0)


@pytest.mark.parametrize("follows", [False, True], ids=["a master", "a replica"])
def test_any_node_that_evicts_is_refused(
    cluster: RedisCluster, store: RedisStateStore, *, follows: bool
) -> None:
    store.check()
    master, replicas = cluster.shard(slot_of(2))
    node = replicas[0] if follows else master
    cluster.ask(node, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(BrokenInvariant, match=f"{port_of(node)} has .*allkeys-lru"):
            store.check()
    finally:
        cluster.ask(node, "CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_a_new_master_that_evicts_is_refused_before_it_is_used(
    cluster: RedisCluster, keys: Keys
) -> None:
    """Given a replica away at the check, as a new one would be; when it is master; it is asked."""
    (away,) = cluster.shard(slot_of(0)).replicas
    away.kill()
    store = RedisStateStore(connect(cluster.url), keys, "g1")
    store.check()
    assert store.apply(write(0, 1)) is Outcome.APPLIED
    cluster.heal()
    cluster.ask(away, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        assert cluster.fail_over(slot_of(0)) is away
        store.apply(write(1, 2))  # which tells its client where the slot is now
        with pytest.raises(BrokenInvariant, match="allkeys-lru"):
            store.apply(write(2, 3))
    finally:
        cluster.ask(away, "CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_a_failover_that_loses_writes_is_noticed_and_mended(
    cluster: RedisCluster, keys: Keys, store: RedisStateStore
) -> None:
    """Given writes that no replica got; when it takes over; then neither reads nor writes pass."""
    assert store.apply(write(0, 5, [("a", b"1")])) is Outcome.APPLIED
    old, (replica,) = cluster.shard(slot_of(0))
    wait_until(lambda: stored_offset(replica, keys) == 5, READY_S, "the replica has it")
    with cluster.cut_off(slot_of(0)):
        assert store.apply(write(5, 9, [("a", b"2")])) is Outcome.APPLIED
        old.kill()
    assert cluster.wait_for_takeover(slot_of(0), old) is replica
    assert answer(store) == 5
    with pytest.raises(PositionChanged):
        store.load(0, 9, ["a"])
    with pytest.raises(PositionChanged):
        store.load_timers(0, 9, None, 10)
    assert store.apply(write(9, 12, [("b", b"3")])) is Outcome.BEHIND
    # As recovery does, with what rfm.state has.
    assert store.apply(write(5, 12, [("a", b"2"), ("b", b"3")])) is Outcome.APPLIED
    assert store.apply(write(5, 12, [("a", b"2"), ("b", b"3")])) is Outcome.ALREADY
    assert store.load(0, 12, ["a", "b"]) == [b"2", b"3"]
    cluster.heal()
    assert port_of(old) in {port_of(node) for node in cluster.shard(slot_of(0)).replicas}
    wait_until(lambda: stored_offset(old, keys) == 12, READY_S, "the old master follows")


def test_a_walk_through_the_customers_survives_a_failover(
    cluster: RedisCluster, store: RedisStateStore
) -> None:
    """Given a walk half done; when a replica goes on; then nobody is left out or told twice."""
    assert store.apply(write(0, 1, STATES)) is Outcome.APPLIED
    cursor, page = store.scan_page(0, 0, 500)
    walk = store.scan(0)
    seen = [next(walk) for _ in range(MANY // 2)]
    cluster.fail_over(slot_of(0))
    with pytest.raises(PositionChanged, match="another server"):
        store.scan_page(0, cursor, 500)
    seen += walk
    assert sorted(seen) == sorted(STATES)
    found = dict(page[:0])
    cursor = -1
    while cursor:
        cursor, page = store.scan_page(0, max(cursor, 0), 500)
        found.update(page)
    assert found == dict(STATES)


def test_a_walk_through_the_customers_survives_a_restart(
    private_redis: EmbeddedRedis, keys: Keys
) -> None:
    """The same for one server, whose next life has another order of things."""
    store = RedisStateStore(connect(private_redis.url), keys, "g1")
    assert store.apply(write(0, 1, STATES)) is Outcome.APPLIED
    cursor, _ = store.scan_page(0, 0, 500)
    walk = store.scan(0)
    seen = [next(walk) for _ in range(MANY // 2)]
    private_redis.restart()
    assert sorted([*seen, *walk]) == sorted(STATES)
    with pytest.raises(PositionChanged, match="another server"):
        store.scan_page(0, cursor, 500)


def test_a_slot_on_its_way_to_a_new_master_waits_and_is_whole_then(
    cluster: RedisCluster, keys: Keys, store: RedisStateStore
) -> None:
    """Given a slot half moved to a master that has none yet; then nothing is read or written by half."""
    (spare,), slot = cluster.spares, slot_of(1)
    assert store.apply(write(0, 5, [("a", b"1")], partition=1)) is Outcome.APPLIED
    source = cluster.begin_move(slot, spare)
    for _ in range(2):
        assert cluster.move_keys(slot, source, spare, 1) == 1
        with pytest.raises(Transient):
            store.load(1, 5, ["a"])
        with pytest.raises(Transient):
            store.apply(write(5, 6, [("a", b"2")], partition=1))
    while cluster.move_keys(slot, source, spare, 100):
        pass
    # One key can be asked for now, where the old master points to the new one.
    position = store.position(1)
    assert position is not None
    assert position.offset == 5

    async def ask() -> object:
        client = connect_async(cluster.url)
        try:
            return await client.execute_command("HGET", keys.partition(1).position, "offset")
        finally:
            await client.aclose()

    assert asyncio.run(ask()) == b"5"
    cluster.end_move(slot, source, spare)
    assert answer(store, 1) == 5
    assert store.apply(write(5, 6, [("a", b"2")], partition=1)) is Outcome.APPLIED
    assert store.load(1, 6, ["a"]) == [b"2"]
    store.wipe(1)
    assert store.position(1) is None
    cluster.move_slot(slot, source)


def test_a_master_without_replicas_takes_no_write_where_it_is_told_so(
    cluster: RedisCluster, store: RedisStateStore
) -> None:
    master = cluster.shard(slot_of(0)).master
    cluster.ask(master, "CONFIG", "SET", "min-replicas-to-write", 2)
    try:
        with pytest.raises(Transient, match="min-replicas-to-write"):
            store.apply(write(0, 5, [("a", b"1")]))
    finally:
        cluster.ask(master, "CONFIG", "SET", "min-replicas-to-write", 0)
    assert store.position(0) is None, "it wrote by half"
    assert store.apply(write(0, 5, [("a", b"1")])) is Outcome.APPLIED


def test_a_master_that_is_gone_concerns_only_its_partitions_and_the_probe(
    cluster: RedisCluster, namespace: str, store: RedisStateStore
) -> None:
    """Given a server that knows no script; when another is killed; then the first still serves."""
    settings = load_settings(None, redis_url=cluster.url, namespace=namespace)
    check_redis(settings)
    partitions = range(20)
    gone = cluster.shard(slot_of(0)).master
    there = next(one for one in partitions if cluster.shard(slot_of(one)).master is not gone)
    assert store.apply(write(0, 1, partition=there)) is Outcome.APPLIED
    cluster.ask(cluster.shard(slot_of(there)).master, "SCRIPT", "FLUSH")
    gone.kill()
    assert store.load(there, 1, ["nobody"]) == [None]
    with pytest.raises(Transient, match="RFM_REDIS_URL"):
        check_redis(settings)
    with pytest.raises(Transient):
        store.position(0)
    cluster.wait_for_takeover(slot_of(0), gone)
    check_redis(settings)
    assert answer(store) == 0


def test_the_delivery_stage_finds_the_new_master(cluster: RedisCluster, keys: Keys) -> None:
    """Given marks; when their master is killed; then asking fails for a while, and goes on."""
    crowd = [f"a{number}" for number in range(10 * MAX_CONNECTIONS)]

    async def go() -> list[Mark]:
        client = connect_async(cluster.url)
        memory = RedisSentMemory(client, keys, 60)
        try:
            await asyncio.gather(*map(memory.begin, crowd))
            assert set(await asyncio.gather(*map(memory.mark, crowd))) == {Mark.BEGUN}
            slot = key_slot(keys.sent(crowd[0]).encode())
            old = cluster.shard(slot).master
            old.kill()
            with pytest.raises(Transient):
                await memory.mark(crowd[0])
            await asyncio.to_thread(cluster.wait_for_takeover, slot, old)
            await asyncio.gather(*map(memory.finish, crowd), return_exceptions=True)
            for one in crowd:
                await memory.finish(one)
            return list(await asyncio.gather(*map(memory.mark, crowd)))
        finally:
            await client.aclose()

    assert set(asyncio.run(go())) == {Mark.DONE}
