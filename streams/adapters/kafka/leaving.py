"""How a static member leaves its group, which closing alone never does.

Whoever unsubscribes gives its partitions up and leaves; both happen while it still polls. One that
closes at once keeps its place until the session times out (librdkafka 2.16;
tests/integration/test_leaving.py shows both).
"""

import time
from collections.abc import Collection
from typing import Final

from confluent_kafka import Consumer, KafkaException

# The group answers within milliseconds. Where it does not, the session's time-out does the same.
_PATIENCE_S: Final = 2.0
_POLL_S: Final = 0.05


def leave(consumer: Consumer, owned: Collection[object]) -> None:
    """Leave the group; `owned` is what the consumer's callbacks keep of its partitions."""
    deadline_s = time.monotonic() + _PATIENCE_S
    try:
        consumer.unsubscribe()
        consumer.consume(1, _POLL_S)
        while owned and time.monotonic() < deadline_s:
            consumer.consume(1, _POLL_S)
        # The farewell is sent behind the last callback.
        consumer.consume(1, _POLL_S)
    except KafkaException:
        return  # the broker is away, and misses this member by itself
