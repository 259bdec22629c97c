"""The settings of the embedded broker, with their reasons."""

from collections.abc import Mapping
from pathlib import Path

MIB = 1_048_576
# 12 MiB records in public topics and dead letters, and the batch's own overhead above them.
MAX_MESSAGE_BYTES = 13 * MIB

FIXED = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENTS",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,CLIENTS:PLAINTEXT",
    # Topics have one table; a misspelt name must fail, not appear.
    "auto.create.topics.enable": "false",
    "delete.topic.enable": "true",
    "message.max.bytes": str(MAX_MESSAGE_BYTES),
    "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
    # One node holds the only copy of everything.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Fewer internal partitions, a faster start: defaults are 50 each.
    "offsets.topic.num.partitions": "10",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    # A member that joins alone need not wait for others.
    "group.initial.rebalance.delay.ms": "0",
    # Lets tests see a dead member go in a second; the default floor is 6 s.
    "group.min.session.timeout.ms": "1000",
    # A dead worker's open transaction freezes its readers until it is aborted.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # A lone broker that is fenced while transactions commit loses their markers (kafka_fencing.py),
    # so a busy machine must never look like a dead broker. The default is 9 s.
    "broker.session.timeout.ms": "60000",
    # A lone broker that hands over its partitions hands them to nobody, and for a moment goes on
    # ending transactions whose partitions then have no leader: their markers are lost as well.
    "controlled.shutdown.enable": "false",
    # Sized for two cores and 512 MB of heap; the cleaner's default buffer alone is 128 MB.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    "log.cleaner.dedupe.buffer.size": str(16 * MIB),
    "log.index.size.max.bytes": str(2 * MIB),
}


def format_properties(
    data_dir: Path, port: int, *, controller_port: int, own: Mapping[str, str]
) -> str:
    """Give the text of server.properties for a broker on 127.0.0.1:`port`; `own` win over ours."""
    properties = {
        **FIXED,
        "listeners": f"CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"CLIENTS://127.0.0.1:{port}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "log.dirs": str(data_dir / "log"),
        **own,
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def format_controller_properties(data_dir: Path, controller_port: int) -> str:
    """Give the text of a properties file for the controller alone, on the same data."""
    properties = {
        "process.roles": "controller",
        "node.id": FIXED["node.id"],
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CONTROLLER://127.0.0.1:{controller_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "log.dirs": str(data_dir / "log"),
        # No broker is there to be fenced by mistake: the sooner the better.
        "broker.heartbeat.interval.ms": "100",
        "broker.session.timeout.ms": "300",
        # The log grows every 100 ms, which shows that what came before is written.
        "metadata.max.idle.interval.ms": "100",
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())
