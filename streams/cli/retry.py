"""Sends dead letters again, and remembers which: both in one transaction.

The memory is the metadata of a position in `dead-letters` of a consumer group of its own. It is part
of the transaction that sends the records, so it says neither too much nor too little. The broker
keeps it for a week without a retry (`offsets.retention.minutes`); intake knows events for as long.
"""

from collections.abc import Callable, Iterable, Iterator

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import TOPICS
from streams.adapters.kafka.config import reader_config
from streams.adapters.kafka.refusals import failure_of
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.bootstrap import names_of
from streams.errors import RfmError, Transient, UnknownOutcome, UsageError
from streams.insights.dead_letters import DeadLetter, decode_retried, encode_retried
from streams.settings import Settings

ROLE = "retry"
ATTEMPT_HEADER = "rfm-attempt"
_PARTITION = 0
_TIMEOUT_S = 10.0
# Well within the transaction timeout of 15 s.
_MAX_RECORDS = 1_000
_MAX_BYTES = 16 * 1024 * 1024


class Retries:
    """Which dead letters were sent again."""

    def __init__(self, settings: Settings) -> None:
        names = names_of(settings)
        self.topic = names.topic("dead-letters")
        self.base = settings.kafka_config()
        self.config = {**reader_config(self.base), "group.id": names.group(ROLE)}
        self.transactional_id = names.transactional_id(ROLE, "all")

    def load(self) -> set[int]:
        """Offsets that were sent again, as far as they are remembered."""
        consumer = Consumer(self.config)
        try:
            return self.load_with(consumer)
        finally:
            consumer.close()

    def load_with(self, consumer: Consumer) -> set[int]:
        """The same over a connection that is there."""
        try:
            (found,) = consumer.committed(
                [TopicPartition(self.topic, _PARTITION)], timeout=_TIMEOUT_S
            )
        except KafkaException as error:
            raise failure_of("what was sent again", error.args[0]) from error
        return decode_retried(found.metadata)

    def first_kept(self, consumer: Consumer) -> int:
        """The first dead letter that is still there; what was before needs no memory."""
        try:
            first, _ = consumer.get_watermark_offsets(
                TopicPartition(self.topic, _PARTITION), timeout=_TIMEOUT_S, cached=False
            )
        except KafkaException as error:
            raise failure_of(f"ends of {self.topic}", error.args[0]) from error
        return int(first)


def send_again(
    settings: Settings,
    retries: Retries,
    letters: Iterable[DeadLetter],
    mended: bytes | None,
    advance: Callable[[int], None],
) -> int:
    """Publish `letters` to where they came from, `mended` instead of the value where given.

    Returns how many. Raises `Transient` or `UnknownOutcome` with what was sent until then; whoever
    runs it at the same time is fenced.
    """
    targets = targets_of(settings)
    sent = 0
    # The producer first: its start ends what an earlier call left open, so that the memory is whole.
    producer = TransactionalProducer(retries.base, retries.transactional_id)
    consumer = Consumer(retries.config)
    try:
        remembered = retries.load_with(consumer)
        first = retries.first_kept(consumer)
        for batch in _batches(letters):
            remembered.update(letter.offset for letter in batch)
            position = TopicPartition(
                retries.topic, _PARTITION, batch[-1].offset + 1, encode_retried(remembered, first)
            )
            producer.begin()
            for letter in batch:
                _publish(producer, letter, mended, targets)
            producer.send_positions([position], consumer.consumer_group_metadata())
            producer.commit()
            sent += len(batch)
            advance(len(batch))
    except UnknownOutcome as error:
        raise Transient(
            f"{error}; {sent} were sent, of the next it is not known. Run it again: what was sent "
            "is remembered"
        ) from error
    except RfmError:
        producer.abort()
        raise
    finally:
        consumer.close()
        producer.close()
    return sent


def _batches(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    batch: list[DeadLetter] = []
    size = 0
    for letter in letters:
        batch.append(letter)
        size += len(letter.value or b"")
        if len(batch) >= _MAX_RECORDS or size >= _MAX_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _publish(
    producer: TransactionalProducer,
    letter: DeadLetter,
    mended: bytes | None,
    targets: dict[str, str],
) -> None:
    name = letter.about.get("topic", "")
    target = targets.get(name)
    if target is None:
        raise UsageError(
            f"dead letter {letter.offset} came from topic {name!r}, which is none of ours: it "
            "cannot be sent again"
        )
    headers = [(header, raw or b"") for header, raw in letter.headers if header != ATTEMPT_HEADER]
    headers.append((ATTEMPT_HEADER, str(letter.attempt + 1).encode()))
    value = mended if mended is not None else letter.value or b""
    producer.publish(target, letter.key, value, headers, None)


def targets_of(settings: Settings) -> dict[str, str]:
    """Topics on the broker by what `dlq.topic` may say: the table's name, or that on the broker."""
    names = names_of(settings)
    public = [topic.name for topic in TOPICS if topic.role == "public"]
    return {
        **{names.topic(name): names.topic(name) for name in public},
        **{name: names.topic(name) for name in public},
    }
