"""Fixtures for tests that need a real broker and a real Redis.

`kafka` and `redis_url` are shared by the whole run: a test keeps to its own `namespace` and leaves
them alive and unflushed. `private_kafka` and `private_redis` belong to one test, which may kill,
flush and restore them. RFM_TEST_BACKEND=containers puts the shared ones in containers,
RFM_TEST_REDIS=cluster gives a Redis Cluster for `redis_url`. Where the broker cannot be fetched these
tests fail; they do not skip.
"""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
from tests import servers

_RUN = pytest.StashKey[servers.TestRun]()


def pytest_configure(config: pytest.Config) -> None:
    """Open the run in the controller or only process; xdist workers inherit its variables."""
    if not hasattr(config, "workerinput"):
        config.stash[_RUN] = servers.TestRun()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what any worker started, in the controller."""
    if _RUN in config.stash:
        config.stash[_RUN].end()


@pytest.fixture(scope="session")
def kafka() -> str:
    """Bootstrap servers of the run's shared broker."""
    return servers.shared_kafka()


@pytest.fixture(scope="session")
def redis_url() -> str:
    """URL of the run's shared Redis, which RFM_TEST_REDIS can make a cluster."""
    return servers.shared_redis()


@pytest.fixture(scope="session")
def redis_cluster_url() -> str:
    """URL of the run's shared Redis Cluster."""
    return servers.shared_redis_cluster()


@pytest.fixture
def namespace() -> str:
    """Give a short prefix of this test's own for topics, groups, transactional ids and keys."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def server_dir() -> Iterator[Path]:
    """Give a folder for servers' data, removed at once: pytest's own keeps those of three runs."""
    folder = Path(tempfile.mkdtemp(prefix="private-", dir=servers.run_dir()))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def private_kafka(server_dir: Path) -> Iterator[EmbeddedKafka]:
    """Give a broker of this test's own, always embedded, to be stopped, killed and restarted."""
    with EmbeddedKafka.start(server_dir / "kafka") as broker:
        yield broker


@pytest.fixture
def private_redis(server_dir: Path) -> Iterator[EmbeddedRedis]:
    """Give a Redis of this test's own, always embedded, to be killed, flushed and restored."""
    with EmbeddedRedis.start(server_dir / "redis") as server:
        yield server
