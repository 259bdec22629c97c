"""A partition that is started the moment it is assigned is read from where it was started."""

import uuid

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.adapters.kafka.config import Config, producer_config
from streams.adapters.kafka.membership import GroupMember
from tests.soak.harness import wait_until

PARTITIONS = 6
RECORDS = 20
# Assigned at OFFSET_END, most of the six partitions were skipped in the first round.
ROUNDS = 6


def test_no_record_is_skipped_at_the_start(kafka: str, namespace: str) -> None:
    """Given records; when members join and start at once; then each first record is the first."""
    base: Config = {"bootstrap.servers": kafka}
    admin = AdminClient(base)
    topic = f"{namespace}.parking"
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result()
    wait_until(lambda: has_leaders(admin, topic), 30, "leaders")
    producer = Producer(producer_config(base))
    for number in range(PARTITIONS):
        for _ in range(RECORDS):
            producer.produce(topic, b"x", partition=number)
    producer.flush(30)

    firsts = [_first_offsets(base, topic) for _ in range(ROUNDS)]

    assert firsts == [dict.fromkeys(range(PARTITIONS), 0)] * ROUNDS


def _first_offsets(base: Config, topic: str) -> dict[int, int]:
    """The first offset that a new member reads of each partition, started at 0."""
    member = GroupMember(base, topic, f"g-{uuid.uuid4().hex}", "a")
    first: dict[int, int] = {}
    ended: set[int] = set()

    def read() -> bool:
        polled = member.poll(1_000, 0.01)
        for number in polled.gained:
            member.start(number, 0)
        for number, records in polled.records.items():
            first.setdefault(number, records[0].offset)
        ended.update(polled.at_end)
        return len(ended) == PARTITIONS

    wait_until(read, 30, f"the end of {topic}")
    member.close()
    return first


def has_leaders(admin: AdminClient, topic: str) -> bool:
    """Whether every partition of a topic is led by somebody."""
    found = admin.list_topics(timeout=5).topics
    return topic in found and all(one.leader >= 0 for one in found[topic].partitions.values())
