"""An Apache Kafka broker of our own: KRaft, one node, 127.0.0.1 only, no Docker, no root."""

import base64
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.adapters.embedded.jars import load_broker_jars
from streams.adapters.embedded.java import find_java
from streams.adapters.embedded.kafka_fencing import fence_broker, needs_fencing
from streams.adapters.embedded.kafka_properties import format_properties
from streams.adapters.embedded.ports import find_free_port
from streams.adapters.embedded.process import ServerProcess
from streams.errors import Transient

START_TIMEOUT_S = 90
PORT_ATTEMPTS = 3
CLUSTER_ID = re.compile(r"^cluster\.id=(.+)$", re.MULTILINE)
# One short-lived JVM per folder and one small broker: a fast start is worth more than peak speed.
JVM_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
# Options that a person's environment holds for other programs would change this one.
JVM_VARIABLES = ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class EmbeddedKafka:
    """A running broker. `start` it, use `bootstrap_servers`, `stop` it or leave the `with` block.

    The broker ends when the owning process ends, however that happens.
    """

    def __init__(
        self,
        data_dir: Path,
        java_command: list[str],
        *,
        port: int,
        controller_port: int,
        heap_mb: int,
        owner_pid: int | None,
        properties: Mapping[str, str],
        client: Mapping[str, str],
    ) -> None:
        self._data_dir = data_dir
        self._java_command = java_command
        self._port = port
        self._controller_port = controller_port
        self._heap_mb = heap_mb
        self._owner_pid = owner_pid
        self._properties = properties
        self._client = client
        self._process = self._launch()

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        port: int = 0,
        heap_mb: int = 512,
        owner_pid: int | None = None,
        properties: Mapping[str, str] = _NONE,
        client: Mapping[str, str] = _NONE,
    ) -> Self:
        """Start a broker on the data in `data_dir`, formatting it the first time.

        `port` 0 takes a free one. `owner_pid` names the process with which the broker ends
        (default: this one). `properties` win over those of kafka_properties.py, whose listeners are
        CLIENTS and CONTROLLER; `client` are settings by which a client then sees every topic.
        The first start of a user fetches the broker (about 44 MB).
        Raises Transient where it does not come up or cannot be fetched, with the reason and its
        last log lines; UsageError where the folder is in use or a part is not installed.
        """
        class_path = ":".join(map(str, load_broker_jars()))
        java_command = [str(find_java()), *JVM_OPTIONS, "-cp", class_path]
        for attempts_left in reversed(range(1 if port else PORT_ATTEMPTS)):
            try:
                return cls(
                    data_dir.absolute(),
                    java_command,
                    port=port or find_free_port(),
                    controller_port=find_free_port(),
                    heap_mb=heap_mb,
                    owner_pid=owner_pid,
                    properties=properties,
                    client=client,
                )
            except Transient as error:
                if not attempts_left or "in use" not in str(error):
                    raise
        raise AssertionError  # the loop returns or raises

    @property
    def bootstrap_servers(self) -> str:
        """For `bootstrap.servers` of any client on this machine."""
        return f"127.0.0.1:{self._port}"

    @property
    def data_dir(self) -> Path:
        """Where the broker keeps its data and its log file kafka.log."""
        return self._data_dir

    @property
    def pid(self) -> int:
        """The broker's process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the broker's process has not ended."""
        return self._process.is_running

    def stop(self) -> None:
        """End the broker in its own order. Its data stays; `restart` continues on it."""
        self._process.stop()

    def kill(self) -> None:
        """SIGKILL the broker. Its data stays; `restart` continues on it."""
        self._process.kill()

    def restart(self) -> Self:
        """Start again on the same data and port, stopping first what still runs."""
        self.stop()
        self._process = self._launch()
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self) -> ServerProcess:
        data_dir = self._data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        properties = data_dir / "server.properties"
        properties.write_text(
            format_properties(
                data_dir, self._port, controller_port=self._controller_port, own=self._properties
            )
        )
        # Passwords of the broker's own users may stand in it.
        properties.chmod(0o600)
        if load_cluster_id(data_dir) is None:
            self._format_storage(properties)
        elif needs_fencing(data_dir):
            fence_broker(
                self._java_command,
                data_dir,
                self._controller_port,
                dropped_variables=JVM_VARIABLES,
                owner_pid=self._owner_pid,
            )
        options = [f"-Xmx{self._heap_mb}m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        process = self._run("kafka", [*options, "kafka.Kafka", str(properties)])
        probe = BrokerProbe(self.bootstrap_servers, load_cluster_id(data_dir), self._client)
        process.wait_until_ready(probe, START_TIMEOUT_S)
        return process

    def _format_storage(self, properties: Path) -> None:
        """Write the storage's identity once, as Kafka demands before the first start."""
        arguments = [
            *["-Xmx128m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"],
            *["kafka.tools.StorageTool", "format", "--ignore-formatted"],
            *[f"--cluster-id={create_cluster_id()}", "--config", str(properties)],
        ]
        self._run("kafka-format", arguments).wait_until_ended(START_TIMEOUT_S)

    def _run(self, name: str, arguments: list[str]) -> ServerProcess:
        return ServerProcess.start(
            name,
            [*self._java_command, *arguments],
            self._data_dir,
            dropped_variables=JVM_VARIABLES,
            owner_pid=self._owner_pid,
        )


class BrokerProbe:
    """Asks a broker whether it answers and every partition it shows has its leader back.

    `cluster_id`, where given, must be the broker's: on a taken port it is another that answers.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        cluster_id: str | None = None,
        client: Mapping[str, str] = _NONE,
    ) -> None:
        self._cluster_id = cluster_id
        self._admin = AdminClient(
            {
                **client,
                "bootstrap.servers": bootstrap_servers,
                "log_level": 0,  # refused connections are what we wait through
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 200,
            }
        )

    def __call__(self) -> bool:
        """Ask once; at most a second."""
        try:
            metadata = self._admin.list_topics(timeout=1)
        except KafkaException:
            return False
        if self._cluster_id not in {None, metadata.cluster_id}:
            return False
        topics = metadata.topics.values()
        partitions = (partition for topic in topics for partition in topic.partitions.values())
        return bool(metadata.brokers) and all(partition.leader >= 0 for partition in partitions)


def load_cluster_id(data_dir: Path) -> str | None:
    """Give the cluster id in a formatted folder, None where it is not formatted."""
    identity = data_dir / "log" / "meta.properties"
    match = CLUSTER_ID.search(identity.read_text()) if identity.exists() else None
    return match and match.group(1)


def create_cluster_id() -> str:
    """Give a new id as Kafka writes them: 16 random bytes in URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
