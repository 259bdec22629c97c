"""Client settings, each with its reason. Measured figures: docs/decisions."""

from typing import Any

Config = dict[str, Any]

# librdkafka's own default of 5 minutes lets a dead worker's partitions idle that long; a cycle takes
# well under a second.
SESSION_TIMEOUT_MS = 10_000
MAX_POLL_INTERVAL_MS = 60_000
# An open transaction holds back every read_committed reader of its partitions.
TRANSACTION_TIMEOUT_MS = 15_000
MAX_MESSAGE_BYTES = 12 * 1024 * 1024
# What a process reads ahead.
QUEUED_KIB = 64 * 1024
# The client wants a group, and asks who coordinates it, even where none is joined.
READER_GROUP = "rfm.reader"


def consumer_config(base: Config, group: str, instance: str) -> Config:
    """A member of a consumer group that reads committed records only."""
    return {
        **base,
        "group.id": group,
        # Static membership: a restart within the session timeout moves no partition.
        "group.instance.id": instance,
        "partition.assignment.strategy": "cooperative-sticky",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": SESSION_TIMEOUT_MS * 3 // 10,
        "max.poll.interval.ms": MAX_POLL_INTERVAL_MS,
        "enable.partition.eof": True,
        **_FETCH,
    }


def reader_config(base: Config, *, committed: bool = True) -> Config:
    """A reader outside any group, of explicit partitions and offsets."""
    return {
        **base,
        "group.id": READER_GROUP,
        "isolation.level": "read_committed" if committed else "read_uncommitted",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        **_FETCH,
    }


def producer_config(base: Config) -> Config:
    """What every producer of ours has in common."""
    return {
        **base,
        # Java's partitioner: the same customer, the same partition, whatever the client.
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 512 * 1024,
        "batch.num.messages": 50_000,
    }


def transactional_config(base: Config, transactional_id: str) -> Config:
    """A transactional producer with short back-offs.

    With the defaults two transactions in a row cost about 100 ms each: the coordinator answers
    CONCURRENT_TRANSACTIONS and the client waits its general back-off.
    """
    return {
        **producer_config(base),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "retry.backoff.ms": 1,
        "retry.backoff.max.ms": 10,
        "linger.ms": 50,
    }


# One fetch of 4 MiB feeds some 15,000 records; the queue bounds memory per process.
_FETCH: Config = {
    "fetch.wait.max.ms": 50,
    "fetch.error.backoff.ms": 50,
    "max.partition.fetch.bytes": 4 * 1024 * 1024,
    "fetch.message.max.bytes": MAX_MESSAGE_BYTES + 4096,
    "queued.max.messages.kbytes": QUEUED_KIB,
    "fetch.queue.backoff.ms": 20,
}
