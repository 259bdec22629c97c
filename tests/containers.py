"""Kafka and Redis in containers, through testcontainers, with the images of docker-compose.yml."""

import functools
import gc
import warnings
from typing import cast

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from streams.adapters.embedded.kafka import BrokerProbe
from streams.adapters.embedded.ports import find_free_port
from tests.waiting import wait_until

KAFKA_IMAGE = "apache/kafka:4.3.0"
REDIS_IMAGE = "redis:7.2-alpine"
START_TIMEOUT_S = 120


@functools.cache
def docker_skip_reason() -> str | None:
    """Why containers cannot be used here; None where they can. The one reason to skip."""
    client = _connect()
    if client is None:
        return "no Docker daemon answers"
    try:
        client.ping()
        for image in (KAFKA_IMAGE, REDIS_IMAGE):
            client.images.get(image)
    except ImageNotFound:
        return f"Docker has no image {image}: pull it first"
    except (DockerException, OSError):
        return "no Docker daemon answers"
    finally:
        client.close()
    return None


def _connect() -> docker.DockerClient | None:
    try:
        return docker.from_env()
    except DockerException:
        pass
    # Refused, docker-py leaves its socket to the garbage collector, whose warning would fail
    # whichever test it strikes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return None


def start_kafka_container() -> tuple[DockerContainer, str]:
    """Start a one-node broker with the embedded broker's settings; give its bootstrap servers.

    The host port is chosen first, because the broker must advertise it. The broker also speaks to
    itself (it asks its transaction coordinator whether offsets belong to an open transaction), and
    inside the container the host's port does not exist: hence a listener of its own.
    """
    port = find_free_port()
    container = DockerContainer(KAFKA_IMAGE).with_envs(
        KAFKA_NODE_ID="1",
        KAFKA_PROCESS_ROLES="broker,controller",
        KAFKA_LISTENERS="INSIDE://:19092,OUTSIDE://:9092,CONTROLLER://:9093",
        KAFKA_ADVERTISED_LISTENERS=f"INSIDE://localhost:19092,OUTSIDE://127.0.0.1:{port}",
        KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
        KAFKA_INTER_BROKER_LISTENER_NAME="INSIDE",
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=(
            "CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT"
        ),
        KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
        KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
        KAFKA_MESSAGE_MAX_BYTES=str(13 * 1_048_576),
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
        KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="10",
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
        KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS="4",
        KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR="1",
        KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR="1",
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
        KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS="1000",
        KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS="1000",
    )
    _start(container, 9092, port)
    bootstrap_servers = f"127.0.0.1:{port}"
    wait_until(BrokerProbe(bootstrap_servers), START_TIMEOUT_S, "the Kafka container answers")
    return container, bootstrap_servers


def start_redis_container() -> tuple[DockerContainer, str]:
    """Start a Redis with the settings of docker-compose.yml; give its URL."""
    port = find_free_port()
    container = DockerContainer(REDIS_IMAGE).with_command(
        "redis-server --protected-mode no --appendonly yes --maxmemory-policy noeviction"
    )
    _start(container, 6379, port)
    return container, f"redis://127.0.0.1:{port}/0"


def remove_container(container_id: str) -> None:
    """End a container at once and drop its data."""
    client = docker.from_env()
    try:
        client.containers.get(container_id).remove(force=True, v=True)
    finally:
        client.close()


def _start(container: DockerContainer, container_port: int, port: int) -> None:
    # with_bind_ports binds every address of the host; docker-py knows (address, port).
    ports: dict[str, object] = {f"{container_port}/tcp": ("127.0.0.1", port)}
    container.ports.update(cast("dict[str, int]", ports))
    # The reaper image is one more download; where it is absent we remove our containers ourselves.
    client = docker.from_env()
    try:
        client.images.get(testcontainers_config.ryuk_image)
    except ImageNotFound:
        testcontainers_config.ryuk_disabled = True
    finally:
        client.close()
    container.start()
