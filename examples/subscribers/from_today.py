"""How a new subscriber starts: with who is where today, without 90 days of changes."""

import sys
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from segment_lists import SegmentLists


def consumer_of(
    servers: str, isolation: str = "read_committed", group: str = "segment-lists"
) -> Consumer:
    """A consumer whose positions are ours to keep."""
    return Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            # Without it you act on decisions that were taken back.
            "isolation.level": isolation,
            "enable.auto.commit": False,
            # Changes that were deleted before they were read must not be passed over in silence.
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            # What the client mends by itself, such as a broker that restarts, is told and no more.
            "error_cb": lambda error: print(error, file=sys.stderr),
        }
    )


def read(consumer: Consumer, topic: str, positions: dict[int, int]) -> Iterator[Message]:
    """Messages from these positions on; one with an error says that an end was reached."""
    consumer.assign([TopicPartition(topic, number, at) for number, at in positions.items()])
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error() and message.error().code() != KafkaError._PARTITION_EOF:
            raise KafkaException(message.error())
        yield message


def start_from_today(lists: SegmentLists, servers: str, changes: str, present: str) -> None:
    """Fill the lists from the topic `present`, and say where to follow the topic `changes` from."""
    committed, everything = consumer_of(servers), consumer_of(servers, "read_uncommitted")
    # In this order. What is committed before these positions stands before those ends, which count
    # what is being committed just now, too; what comes behind is recognised by its sequence.
    follow_from = _ends(committed, changes)
    until = _ends(everything, present)
    customers: dict[str, bytes] = {}
    for message in read(committed, present, dict.fromkeys(until, 0)):
        number, key, value = message.partition(), message.key(), message.value()
        if message.error():
            # Ends of transactions have offsets too: only the end that is told says how far we are.
            if message.offset() >= until.get(number, 0):
                until.pop(number, None)
            if not until:
                break
        elif value is None:
            customers.pop(key.decode(), None)
        else:
            customers[key.decode()] = value
    committed.close()
    everything.close()
    lists.start(customers, follow_from)


def require_same_partitions(servers: str, topic: str, known: dict[int, int]) -> None:
    """End where the topic has been given more partitions since the lists were begun."""
    consumer = consumer_of(servers)
    there = consumer.list_topics(topic, 30).topics[topic].partitions
    consumer.close()
    if set(there) != set(known):
        sys.exit(
            f"{topic} has {len(there)} partitions, not {len(known)}: remove the file, start anew"
        )


def tell_group(servers: str, group: str, topic: str, lists: SegmentLists) -> None:
    """On the first start tell Kafka what the file says, for clients that ask there (Faust)."""
    consumer = consumer_of(servers, group=group)
    known = consumer.committed([TopicPartition(topic, n) for n in lists.positions()], 30)
    if all(one.offset < 0 for one in known):
        said = [TopicPartition(topic, n, at) for n, at in lists.positions().items()]
        consumer.commit(offsets=said, asynchronous=False)
    consumer.close()


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    numbers = consumer.list_topics(topic, 30).topics[topic].partitions
    found = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), 30) for n in numbers}
    return {number: end for number, (_, end) in found.items()}
