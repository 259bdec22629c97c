"""A marketing tool on confluent-kafka: starts from today, then applies every change exactly once.

    python examples/subscribers/on_confluent_kafka.py lists.db localhost:9092

Kill it whenever you like and start it again. A namespace is a third argument.
"""

import sys

from from_today import consumer_of, read, require_same_partitions, start_from_today
from segment_lists import SegmentLists


def main(path: str, servers: str, namespace: str = "") -> None:
    """Follow `segment-changes` for ever."""
    prefix = f"{namespace}." if namespace else ""
    changes = f"{prefix}segment-changes"
    lists = SegmentLists(path)
    if not lists.positions():
        start_from_today(lists, servers, changes, f"{prefix}customer-segments")
    require_same_partitions(servers, changes, lists.positions())
    # The positions of the file are the only ones: they move with the effects, in one transaction.
    for message in read(consumer_of(servers), changes, lists.positions()):
        if not message.error():
            lists.apply(message.partition(), message.offset(), message.value())


if __name__ == "__main__":
    main(*sys.argv[1:])
