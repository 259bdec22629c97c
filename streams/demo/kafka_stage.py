"""The demo on Kafka and Redis: publishes as a shop does, reads the outputs as a subscriber does."""

from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.topics import TOPIC_BY_NAME
from streams.adapters.kafka.config import reader_config
from streams.adapters.kafka.publisher import Publisher
from streams.bootstrap import names_of, topic_partitions
from streams.codec.outputs import ACTIONS, DEAD_LETTERS, SEGMENT_CHANGES
from streams.demo.board import Board
from streams.demo.processors import Processors
from streams.demo.stages import Link
from streams.errors import Transient
from streams.files.events import Event
from streams.settings import Settings

_PARTITION_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - the client's public name
_MESSAGES: Final = 2_000
_REASON_HEADER: Final = "dlq.reason"


class KafkaStage:
    """`Stage` on the topics that the settings name. Close it after use."""

    title = "embedded Apache Kafka and Redis"

    def __init__(
        self, settings: Settings, processors: Processors, check: Callable[[], None]
    ) -> None:
        """Connect; `check` raises where something that it needs has ended."""
        base, names = settings.kafka_config(), names_of(settings)
        self._check = check
        self._processors = processors
        self._publisher = Publisher(base, names)
        counts = topic_partitions(settings)
        self._topics = {
            names.topic(name): name for name in (SEGMENT_CHANGES, ACTIONS, DEAD_LETTERS)
        }
        self._consumer = Consumer(reader_config(base))
        self._consumer.assign(
            [
                TopicPartition(topic, partition, 0)
                for topic, name in self._topics.items()
                for partition in range(counts.get(name, TOPIC_BY_NAME[name].partitions))
            ]
        )

    @property
    def links(self) -> Sequence[Link]:
        """Where the processors can be looked at."""
        return self._processors.links()

    def publish(self, events: Sequence[Event], until_ms: int) -> None:
        """Send events, and a time mark to every partition of every public topic."""
        self._check()
        for _ in self._publisher.publish_all(events, rate=None, backfill=False):
            pass
        self._publisher.mark(until_ms)
        self._publisher.finish()

    def collect(self, board: Board) -> None:
        """Put what was committed since the last time on the board."""
        self._check()
        try:
            while messages := self._consumer.consume(_MESSAGES, 0.0):
                for message in messages:
                    error = message.error()
                    if error is not None:
                        if error.code() != _PARTITION_EOF:
                            raise Transient(f"reading {message.topic()}: {error.str()}")
                        continue
                    topic = self._topics[message.topic() or ""]
                    if topic == DEAD_LETTERS:
                        board.refuse(_reason_of(message))
                    else:
                        board.take(topic, message.value() or b"")
        except KafkaException as error:
            raise Transient(f"reading the outputs: {error.args[0].str()}") from error

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()


def _reason_of(letter: Message) -> str:
    reason = dict(letter.headers() or []).get(_REASON_HEADER) or b""
    return reason if isinstance(reason, str) else reason.decode()
