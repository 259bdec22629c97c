"""What the client says of a transaction, sorted by what it means for us; on a real broker."""

import pytest

from streams.adapters.kafka.config import MAX_MESSAGE_BYTES
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.errors import BrokenInvariant


def test_a_record_that_no_topic_takes_stops_the_process(kafka: str, namespace: str) -> None:
    """Tried again it would be as large, and its partition would stand still without a word."""
    producer = TransactionalProducer({"bootstrap.servers": kafka}, f"{namespace}-large")
    try:
        producer.begin()
        with pytest.raises(BrokenInvariant, match=f"larger than topics take, {MAX_MESSAGE_BYTES}"):
            producer.publish(f"{namespace}.any", b"k", b"x" * MAX_MESSAGE_BYTES, (), 0)
    finally:
        producer.close()
