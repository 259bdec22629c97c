"""Where an assigned partition waits, fetching nothing, until its owner knows where to begin."""

from confluent_kafka import Consumer, KafkaException, TopicPartition

_TIMEOUT_S = 5.0
_ATTEMPTS = 3


def park(consumer: Consumer, partitions: list[TopicPartition]) -> None:
    """Assign the partitions at their ends, paused.

    At the ends as plain numbers, asked for here: assigned at OFFSET_END the client asks by itself,
    and an answer that comes after a seek moves the position back to the end, so that all between is
    skipped without a word (librdkafka 2.16; tests/soak/test_parking.py shows it).
    Any other number may lie before the oldest record, and a fetch before the pause would fail.
    """
    taken = [TopicPartition(one.topic, one.partition, _end(consumer, one)) for one in partitions]
    consumer.incremental_assign(taken)
    if taken:
        consumer.pause(taken)


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    for _ in range(_ATTEMPTS):
        try:
            _, end = consumer.get_watermark_offsets(partition, timeout=_TIMEOUT_S, cached=False)
        except KafkaException:
            continue
        return int(end)
    # The broker went away in the middle of the rebalance. From 0 nothing can be skipped; where the
    # oldest records are gone the seek that follows fails until the next assignment.
    return 0
