"""The embedded servers: they keep data through stop and kill, and nothing outlives its owner."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic
from redis import Redis

from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis, process
from streams.adapters.embedded.guard import is_alive
from streams.adapters.embedded.java import find_java, read_java_version
from streams.adapters.embedded.kafka_properties import FIXED
from streams.adapters.embedded.redis import find_redis_server, read_redis_version
from streams.errors import Transient, UsageError
from tests.waiting import wait_until

OWNER_PROGRAM = """
import sys, time
from pathlib import Path
from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
kafka = EmbeddedKafka.start(Path(sys.argv[1]) / "kafka")
redis = EmbeddedRedis.start(Path(sys.argv[1]) / "redis")
print(kafka.pid, redis.pid, flush=True)
time.sleep(600)
"""


def create_topic(bootstrap_servers: str, topic: str) -> None:
    """One partition, waited for."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()


def publish_in_transaction(
    bootstrap_servers: str, topic: str, value: bytes, *, commit: bool
) -> None:
    """One record in a transaction that commits or aborts."""
    producer = Producer(
        {"bootstrap.servers": bootstrap_servers, "transactional.id": f"{topic}-writer"}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def fetch_committed(bootstrap_servers: str, topic: str) -> list[bytes | None]:
    """All committed values, up to the end of the partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"{topic}-reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes | None] = []
    while (message := consumer.poll(30)) is not None:
        error = message.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            break
        values.append(message.value())
    else:
        pytest.fail("the end of the partition did not come within 30 s")
    consumer.close()
    return values


def test_the_broker_shows_committed_records_only(kafka: str, namespace: str) -> None:
    topic = f"{namespace}.embedded"
    create_topic(kafka, topic)
    publish_in_transaction(kafka, topic, b"kept", commit=True)
    publish_in_transaction(kafka, topic, b"aborted", commit=False)
    publish_in_transaction(kafka, topic, b"kept too", commit=True)
    assert fetch_committed(kafka, topic) == [b"kept", b"kept too"]


def test_the_broker_creates_no_topic_by_itself(kafka: str, namespace: str) -> None:
    misspelt = f"{namespace}.misspelt"
    errors: list[KafkaError | None] = []
    producer = Producer(
        {"bootstrap.servers": kafka, "topic.metadata.propagation.max.ms": 0}  # do not wait for it
    )
    producer.produce(misspelt, b"lost", on_delivery=lambda error, _message: errors.append(error))
    producer.flush(30)
    unknown = {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART}
    assert [error is not None and error.code() in unknown for error in errors] == [True]


def test_the_broker_keeps_its_data_through_stop_and_kill(private_kafka: EmbeddedKafka) -> None:
    address = private_kafka.bootstrap_servers
    create_topic(address, "history")
    publish_in_transaction(address, "history", b"before the stop", commit=True)
    private_kafka.restart()
    publish_in_transaction(address, "history", b"before the kill", commit=True)
    private_kafka.kill()
    assert not private_kafka.is_running
    private_kafka.restart()
    assert private_kafka.bootstrap_servers == address
    # A commit is acknowledged before its marker is written; after a kill the coordinator does that.
    both = [b"before the stop", b"before the kill"]
    wait_until(lambda: fetch_committed(address, "history") == both, 30, "both commits show")


def test_the_broker_knows_every_setting_we_give_it(kafka: str) -> None:
    resource = ConfigResource(ConfigResource.Type.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": kafka})
    known = admin.describe_configs([resource])[resource].result()
    assert {name: known[name].value for name in FIXED} == FIXED


def test_nothing_outlives_a_killed_owner(server_dir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER_PROGRAM, str(server_dir)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        server_pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(server_pids) == 2
        assert all(map(is_alive, server_pids))
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, server_pids)), 30, "both servers are gone")

    with EmbeddedRedis.start(server_dir / "redis") as again:
        assert again.is_running


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a child to its parent")
def test_no_server_outlives_a_killed_guard(private_redis: EmbeddedRedis) -> None:
    server_pid = private_redis.pid
    stat_line = Path(f"/proc/{server_pid}/stat").read_text()
    guard_pid = int(stat_line.rpartition(")")[2].split()[1])
    os.kill(guard_pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(server_pid), 10, "the server is gone")
    assert not private_redis.is_running


def test_two_servers_never_share_a_folder(
    private_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOCK_WAIT_S", 0.1)
    with pytest.raises(UsageError, match="in use by another server"):
        EmbeddedRedis.start(private_redis.data_dir)


def test_a_server_that_cannot_start_says_why(server_dir: Path) -> None:
    with pytest.raises(Transient, match=r"(?s)maxmemory-policy.*RFM_REDIS_URL"):
        EmbeddedRedis.start(server_dir, maxmemory_policy="nonsense")


def test_a_taken_port_is_said(private_redis: EmbeddedRedis, server_dir: Path) -> None:
    port = int(private_redis.url.rpartition(":")[2].removesuffix("/0"))
    with pytest.raises(Transient, match="in use"):
        EmbeddedRedis.start(server_dir / "other", port=port)
    with pytest.raises(Transient, match="in use"):
        EmbeddedKafka.start(server_dir / "broker", port=port)


def test_redis_keeps_acknowledged_writes_through_kill(private_redis: EmbeddedRedis) -> None:
    with Redis.from_url(private_redis.url) as client:
        client.set("customer", "C1")
        private_redis.kill()
        private_redis.restart()
        assert client.get("customer") == b"C1"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_redis_without_append_only_file_comes_back_empty(server_dir: Path) -> None:
    with (
        EmbeddedRedis.start(server_dir, appendonly=False) as server,
        Redis.from_url(server.url) as client,
    ):
        client.set("customer", "C1")
        server.kill()
        server.restart()
        assert client.get("customer") is None


@pytest.mark.parametrize("appendonly", [True, False])
def test_an_older_snapshot_of_redis_can_be_put_back(server_dir: Path, *, appendonly: bool) -> None:
    with (
        EmbeddedRedis.start(server_dir / "redis", appendonly=appendonly) as server,
        Redis.from_url(server.url) as client,
    ):
        client.set("position", "1")
        older = server.snapshot(server_dir / "older.rdb")
        client.set("position", "2")
        client.set("customer", "C1")
        server.restore(older)
        assert (client.get("position"), client.get("customer")) == (b"1", None)
        # What is written after it is as durable as before.
        client.set("position", "3")
        server.kill()
        server.restart()
        assert client.get("position") == (b"3" if appendonly else b"1")


def put_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, script: str) -> Path:
    """Make `name` an executable of our own, and the only program on the PATH."""
    program = folder / name
    program.write_text(f"#!{shutil.which('sh')}\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return program


def test_an_old_java_on_the_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = put_on_path(monkeypatch, tmp_path, "java", "echo 'openjdk version \"1.8.0_402\"' >&2")
    assert read_java_version(str(old)) == 8
    found = find_java()
    assert found != old
    assert (read_java_version(str(found)) or 0) >= 17


def test_a_new_java_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = put_on_path(monkeypatch, tmp_path, "java", "echo 'openjdk version \"21.0.2\"' >&2")
    assert find_java() == new


def test_an_old_redis_on_the_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = put_on_path(monkeypatch, tmp_path, "redis-server", "echo 'Redis server v=6.0.16 sha=0'")
    assert read_redis_version(str(old)) == (6, 0)
    assert find_redis_server() != old


def test_a_new_redis_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = put_on_path(monkeypatch, tmp_path, "redis-server", "echo 'Redis server v=7.2.4 sha=0'")
    assert find_redis_server() == new
