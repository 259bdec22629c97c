"""One transactional producer, with the client's errors sorted by what they mean for us."""

from collections.abc import Callable, Mapping
from typing import NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.adapters.kafka.config import MAX_MESSAGE_BYTES, Config, transactional_config
from streams.adapters.kafka.refusals import failure_of, is_refusal
from streams.errors import BrokenInvariant, Fenced, Transient, UnknownOutcome
from streams.ports import Headers

# Longer than the broker's own transaction timeout is of no use.
_TIMEOUT_S = 15.0
_FENCED = {
    KafkaError._FENCED,  # noqa: SLF001 - the client's public names of internal errors
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
}
# librdkafka's queue is full: serve callbacks and try again, at most this often.
_QUEUE_FULL_RETRIES = 1_000


class TransactionalProducer:
    """Transactions in a row under one transactional id; the newest process of that id wins."""

    def __init__(self, base: Config, transactional_id: str) -> None:
        self._base = base
        self._id = transactional_id
        self._receipts: dict[int, int] = {}
        self._failure: KafkaError | None = None
        self.broker_time_ms = 0
        self._producer = self._started()

    def begin(self) -> None:
        """Open a transaction."""
        self._receipts = {}
        self._failure = None
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            _sort(error, "begin")

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int | None,
    ) -> None:
        """Add a record; by its key where `partition` is None."""
        self._produce(topic, key, value, [*headers] or None, partition, None)

    def publish_tracked(self, topic: str, key: bytes | None, value: bytes, partition: int) -> None:
        """Add a record whose offset `commit` tells."""
        self._produce(topic, key, value, None, partition, self._delivered)

    def send_positions(self, positions: list[TopicPartition], membership: object) -> None:
        """Add consumer positions under the membership of the poll that read the records."""
        try:
            self._producer.send_offsets_to_transaction(positions, membership, _TIMEOUT_S)
        except KafkaException as error:
            _sort(error, "send positions")

    def commit(self) -> Mapping[int, int]:
        """Commit; offsets of tracked records by partition."""
        try:
            self._producer.commit_transaction(_TIMEOUT_S)
        except (KafkaException, SystemError) as raised:
            error = _client_error(raised)
            cause: KafkaError = error.args[0]
            if cause.retriable() or cause.code() == KafkaError._TIMED_OUT:  # noqa: SLF001
                raise UnknownOutcome(f"commit: {cause.str()}") from error
            _sort(error, "commit")
        if self._failure is not None:
            raise BrokenInvariant(f"a committed record was not delivered: {self._failure.str()}")
        return self._receipts

    def abort(self) -> None:
        """Abort; any failure to do so leaves the outcome open."""
        try:
            self._producer.abort_transaction(_TIMEOUT_S)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() in _FENCED:
                _sort(error, "abort")
            raise UnknownOutcome(f"abort: {cause.str()}") from error

    def flush(self) -> None:
        """Wait until what was published is reported; the bound is a transaction's."""
        self._serve(self._producer.flush, _TIMEOUT_S)

    def renew(self) -> None:
        """A new producer: its start ends whatever the old one left open."""
        old, self._producer = self._producer, self._started()
        old.purge(in_flight=True, blocking=False)

    def close(self) -> None:
        """Drop what is queued; an open transaction is aborted by the next life or the broker."""
        self._producer.purge(in_flight=True, blocking=False)

    def _started(self) -> Producer:
        producer = Producer(transactional_config(self._base, self._id))
        try:
            producer.init_transactions(_TIMEOUT_S)
        except KafkaException as error:
            _sort(error, f"start of transactional id {self._id}")
        return producer

    def _serve(self, call: Callable[[float], int], timeout_s: float) -> None:
        """Run callbacks for a while; a producer fenced meanwhile says so here."""
        try:
            call(timeout_s)
        except (KafkaException, SystemError) as error:
            _sort(_client_error(error), "delivery reports")

    def _produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, str | bytes | None]] | None,
        partition: int | None,
        told: Callable[[KafkaError | None, Message], None] | None,
    ) -> None:
        for _ in range(_QUEUE_FULL_RETRIES):
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    -1 if partition is None else partition,
                    on_delivery=told,
                    headers=headers,
                )
            except BufferError:
                self._serve(self._producer.poll, 0.05)
            except KafkaException as error:
                _sort(error, f"publish to {topic}")
            else:
                return
        raise Transient(f"publish to {topic}: the client's queue stayed full")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is not None or partition is None or offset is None:
            self._failure = error
            return
        self._receipts[partition] = offset
        self.broker_time_ms = message.timestamp()[1]


def _client_error(error: KafkaException | SystemError) -> KafkaException:
    """The client's own error: a fatal one that strikes while a callback runs comes wrapped."""
    if isinstance(error, KafkaException):
        return error
    if isinstance(error.__cause__, KafkaException):
        return error.__cause__
    raise error


def _sort(error: KafkaException, doing: str) -> NoReturn:
    """Raise what the error means: fenced, to be aborted, or fatal."""
    cause: KafkaError = error.args[0]
    # Before the fatal ones: the client takes some of these for fatal.
    if is_refusal(cause):
        raise failure_of(doing, cause) from error
    if cause.code() in _FENCED:
        raise Fenced(f"{doing}: another process took over: {cause.str()}") from error
    if cause.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        # It would be as large when tried again, for ever and without a word.
        raise BrokenInvariant(
            f"{doing}: a record is larger than topics take, {MAX_MESSAGE_BYTES} bytes; `rfm-streams "
            "topics describe` shows a topic that takes less"
        ) from error
    if cause.fatal():
        raise BrokenInvariant(f"{doing}: {cause.name()}: {cause.str()}") from error
    # Some errors that need an abort carry no flag at all, so everything else is aborted as well.
    raise Transient(f"{doing}: {cause.name()}: {cause.str()}") from error
