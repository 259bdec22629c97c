"""One broker, one Redis and one Redis Cluster for a whole test run, however many xdist workers.

The first worker that needs a server starts it under a lock and leaves its address in the run's
folder; the others read it there. The servers are owned by the run's *anchor*, a process that the
pytest controller starts and that ends with it: so nothing counts references, and nothing is left
behind when the controller itself is killed.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
from tests import containers
from tests.redis_cluster import RedisCluster

RUN_DIR_VARIABLE = "RFM_TEST_RUN_DIR"
ANCHOR_VARIABLE = "RFM_TEST_ANCHOR_PID"
BACKEND_VARIABLE = "RFM_TEST_BACKEND"
REDIS_VARIABLE = "RFM_TEST_REDIS"
ANCHOR_PROGRAM = "import sys; sys.stdin.read()"  # ends when the controller closes its end, or dies


@dataclass(frozen=True, slots=True)
class Shared:
    """Where a server of this run answers, and its container if it is in one."""

    address: str
    container_id: str | None = None


class TestRun:
    """What the pytest controller holds for the run."""

    __test__ = False

    def __init__(self) -> None:
        self._dir = Path(tempfile.mkdtemp(prefix="rfm-tests-"))
        self._anchor = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", ANCHOR_PROGRAM],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        os.environ[RUN_DIR_VARIABLE] = str(self._dir)
        os.environ[ANCHOR_VARIABLE] = str(self._anchor.pid)

    def end(self) -> None:
        """End every server of the run and remove its data."""
        for address in self._dir.glob("*.json"):
            container_id = json.loads(address.read_text())["container_id"]
            if container_id is not None:
                containers.remove_container(container_id)
        self._anchor.communicate()
        for lock in self._dir.glob("*/*.lock"):  # held by each server's guard until it is gone
            with locked(lock):
                pass
        shutil.rmtree(self._dir)
        del os.environ[RUN_DIR_VARIABLE], os.environ[ANCHOR_VARIABLE]


def run_dir() -> Path:
    """Give the run's folder."""
    return Path(os.environ[RUN_DIR_VARIABLE])


def uses_containers() -> bool:
    """Whether RFM_TEST_BACKEND asks for containers. Fails the tests where it cannot have them."""
    backend = os.environ.get(BACKEND_VARIABLE, "embedded")
    if backend not in {"embedded", "containers"}:
        pytest.fail(f"{BACKEND_VARIABLE} is {backend!r}: use embedded or containers")
    if backend == "containers" and (reason := containers.docker_skip_reason()) is not None:
        pytest.fail(f"{BACKEND_VARIABLE}=containers, but {reason}")
    return backend == "containers"


def shared_kafka() -> str:
    """Bootstrap servers of the run's broker, started if this is the first call of the run."""
    return _shared("kafka", _start_kafka).address


def shared_redis() -> str:
    """URL of the run's Redis, started if this is the first call of the run."""
    if uses_redis_cluster():
        return shared_redis_cluster()
    return _shared("redis", _start_redis).address


def uses_redis_cluster() -> bool:
    """Whether RFM_TEST_REDIS asks for a cluster wherever a test takes the shared Redis."""
    kind = os.environ.get(REDIS_VARIABLE, "single")
    if kind not in {"single", "cluster"}:
        pytest.fail(f"{REDIS_VARIABLE} is {kind!r}: use single or cluster")
    return kind == "cluster"


def shared_redis_cluster() -> str:
    """URL of the run's Redis Cluster, always embedded, started if this is the first call."""
    return _shared("redis-cluster", _start_redis_cluster).address


def _start_kafka() -> Shared:
    if uses_containers():
        container, address = containers.start_kafka_container()
        return Shared(address, container.get_container_id())
    owner_pid = int(os.environ[ANCHOR_VARIABLE])
    kafka = EmbeddedKafka.start(run_dir() / "kafka", owner_pid=owner_pid)
    _STARTED_HERE.append(kafka)
    return Shared(kafka.bootstrap_servers)


def _start_redis() -> Shared:
    if uses_containers():
        container, address = containers.start_redis_container()
        return Shared(address, container.get_container_id())
    owner_pid = int(os.environ[ANCHOR_VARIABLE])
    redis = EmbeddedRedis.start(run_dir() / "redis", owner_pid=owner_pid)
    _STARTED_HERE.append(redis)
    return Shared(redis.url)


def _start_redis_cluster() -> Shared:
    cluster = RedisCluster.start(run_dir(), owner_pid=int(os.environ[ANCHOR_VARIABLE]))
    _STARTED_HERE.extend(cluster.nodes)
    return Shared(cluster.url)


# Kept so that their process handles are not collected (and warned about) in the middle of the run.
_STARTED_HERE: list[EmbeddedKafka | EmbeddedRedis] = []


def _shared(name: str, start: Callable[[], Shared]) -> Shared:
    state = run_dir() / f"{name}.json"
    with locked(run_dir() / f"{name}.starting"):
        if state.exists():
            return Shared(**json.loads(state.read_text()))
        shared = start()
        state.write_text(
            json.dumps({"address": shared.address, "container_id": shared.container_id})
        )
        return shared


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that this file stands for, among all workers of the run."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
