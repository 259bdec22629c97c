"""The positions that go with a generation: those of whoever reads topics that do not move."""

from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import TOPICS
from streams.adapters.kafka.config import reader_config
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.errors import Transient
from streams.repartition.topics import TIMEOUT_S

# Whose positions, and in which topics.
CARRIED: Final[dict[str, tuple[str, ...]]] = {
    "intake": tuple(topic.name for topic in TOPICS if topic.role == "public"),
    "deliver": ("marketing.actions",),
    "retry": ("dead-letters",),
}


def read_positions(
    base: dict[str, Any], names: Names, topics: dict[str, int], role: str
) -> list[TopicPartition]:
    """The committed positions of a role's group, notes included; `topics` are those there are."""
    asked = [
        TopicPartition(name, number)
        for name in map(names.topic, CARRIED[role])
        for number in range(topics.get(name, 0))
    ]
    if not asked:
        return []
    return [
        TopicPartition(one.topic, one.partition, one.offset, one.metadata or "")
        for one in fetch_committed(base, names, role, asked)
    ]


def fetch_committed(
    base: dict[str, Any], names: Names, role: str, asked: list[TopicPartition]
) -> list[TopicPartition]:
    """What a role's group has committed of these places; waits for transactions under way."""
    consumer = Consumer({**reader_config(base), "group.id": names.group(role)})
    try:
        found = consumer.committed(asked, timeout=TIMEOUT_S)
    except KafkaException as error:
        raise Transient(f"positions of {role}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    if any(one.error is not None for one in found):
        raise Transient(f"positions of {role}: the broker does not know them all just now")
    return [one for one in found if one.offset >= 0]


def send_positions(
    base: dict[str, Any],
    names: Names,
    role: str,
    producer: TransactionalProducer,
    positions: list[TopicPartition],
) -> None:
    """Give a role's group these positions, with the open transaction of `producer`."""
    if not positions:
        return
    member = Consumer({**reader_config(base), "group.id": names.group(role)})
    try:
        producer.send_positions(positions, member.consumer_group_metadata())
    finally:
        member.close()
