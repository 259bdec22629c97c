"""Topics of either generation: which there are, and away with those that nobody lives in."""

import time
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.errors import Transient

TIMEOUT_S: Final = 10.0
_GONE_S: Final = 30.0
_AGAIN_S: Final = 0.1


def list_topics(admin: AdminClient) -> dict[str, int]:
    """Partition counts by physical name; `Transient` where the broker does not answer."""
    try:
        topics = admin.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        raise Transient(f"listing topics: {error.args[0].str()}") from error
    return {name: len(topic.partitions) for name, topic in topics.items()}


def delete_topics(admin: AdminClient, names: list[str]) -> None:
    """Delete topics, and wait until they are gone; `Transient` where that takes too long."""
    if not names:
        return
    for name, future in admin.delete_topics(names, operation_timeout=_GONE_S).items():
        try:
            future.result()
        except KafkaException as error:
            raise Transient(f"deleting {name}: {error.args[0].str()}") from error
    deadline_s = time.monotonic() + _GONE_S
    while list_topics(admin).keys() & set(names):
        if time.monotonic() > deadline_s:
            raise Transient(f"{', '.join(names)} are still there after {_GONE_S:g} s")
        time.sleep(_AGAIN_S)
