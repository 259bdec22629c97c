"""Tells the controller that a broker is gone, before that broker starts again.

Why: the metadata still say that the broker lives and leads its partitions. Started on that, it loads
its transactions at once and goes on writing the markers of those that were being committed; then the
old session ends, the broker is fenced for a moment, and Kafka 4.3.0 takes the leaderless partitions
for deleted ones ("Couldn't find leader endpoint ... can be skipped"). The transaction counts as
complete, its marker is never written, and read_committed readers wait for it for ever. Seen in about
every second kill right after a commit, with default settings too.

So the controller runs alone first, until it has fenced the broker. After an orderly end it would
know, had the broker handed over its partitions, but a lone one must not: it hands them to nobody and
loses the markers of what it still ends (kafka_properties.py, controlled.shutdown.enable).
"""

import time
from pathlib import Path

from streams.adapters.embedded.kafka_properties import format_controller_properties
from streams.adapters.embedded.process import ServerProcess

METADATA_FOLDER = "__cluster_metadata-0"
FENCED = "Fencing broker 1 "
TIMEOUT_S = 60
# A broker killed before it ever registered is never fenced; nothing is open then either.
ACTIVE = "Performing controller activation"
GRACE_AFTER_ACTIVE_S = 5


def needs_fencing(data_dir: Path) -> bool:
    """Whether a broker ran on this data before."""
    return (data_dir / "log" / METADATA_FOLDER).exists()


def fence_broker(
    java_command: list[str],
    data_dir: Path,
    controller_port: int,
    *,
    dropped_variables: tuple[str, ...],
    owner_pid: int | None,
) -> None:
    """Run the controller alone until the broker is fenced. Raises Transient where it cannot."""
    properties = data_dir / "controller.properties"
    properties.write_text(format_controller_properties(data_dir, controller_port))
    log = data_dir / "kafka-controller.log"
    log.unlink(missing_ok=True)
    process = ServerProcess.start(
        "kafka-controller",
        [
            *java_command,
            "-Xmx128m",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.controller=info",
            *["kafka.Kafka", str(properties)],
        ],
        data_dir,
        dropped_variables=dropped_variables,
        owner_pid=owner_pid,
    )
    process.wait_until_ready(_FencingProbe(log, data_dir / "log" / METADATA_FOLDER), TIMEOUT_S)
    process.stop()


class _FencingProbe:
    """Asks whether the controller has fenced the broker and has that on disk."""

    def __init__(self, log: Path, metadata: Path) -> None:
        self._log = log
        self._metadata = metadata
        self._active_at_s = 0.0
        self._bytes_when_fenced: int | None = None

    def __call__(self) -> bool:
        text = self._log.read_text(errors="replace")
        if self._bytes_when_fenced is not None:
            # Decided is not written: the next growth is this record, or one behind it.
            return self._metadata_bytes() > self._bytes_when_fenced
        if FENCED in text:
            self._bytes_when_fenced = self._metadata_bytes()
        if not self._active_at_s and ACTIVE in text:
            self._active_at_s = time.monotonic()
        return self._active_at_s > 0 and time.monotonic() > self._active_at_s + GRACE_AFTER_ACTIVE_S

    def _metadata_bytes(self) -> int:
        return sum(segment.stat().st_size for segment in self._metadata.glob("*.log"))
