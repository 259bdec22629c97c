"""Reads a partition of a topic from one offset to its end as of now, committed records only."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.adapters.kafka.config import Config, reader_config
from streams.adapters.kafka.refusals import failure_of
from streams.errors import Transient

_TIMEOUT_S = 10.0
_PARTITION_EOF = KafkaError._PARTITION_EOF  # noqa: SLF001 - the client's public name
# Several fetches' worth; more is no faster.
_MESSAGES = 5_000

Progress = Callable[[int], None]


class Bounds(NamedTuple):
    """The first offset that is left of a partition, and the one behind its last."""

    start: int
    end: int


class TopicReader:
    """Reads partitions of one topic, outside any group. Close it after use."""

    def __init__(self, base: Config, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(reader_config(base))

    def bounds(self, partition: int) -> Bounds:
        """What there is; raises `Transient` where the broker does not answer."""
        try:
            start, end = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=_TIMEOUT_S, cached=False
            )
        except KafkaException as error:
            raise failure_of(f"ends of {self._topic}", error.args[0]) from error
        return Bounds(int(start), int(end))

    def read(
        self, partition: int, start: int, end: int, progress: Progress = lambda position: None
    ) -> Iterator[Message]:
        """Committed records from `start` up to, not including, `end`, or as far as committed.

        An open transaction ends the reading early: nothing behind it is committed yet. `progress`
        is told the position now and then.
        """
        position = start
        if start < end:
            self._consumer.assign([TopicPartition(self._topic, partition, start)])
        while position < end:
            messages = self._fetch()
            at_end = False
            for message in messages:
                offset = message.offset() or 0
                error = message.error()
                if error is not None:
                    if error.code() != _PARTITION_EOF:
                        raise failure_of(f"reading {self._topic}", error)
                    position, at_end = max(position, offset), True
                    continue
                if offset >= end:
                    position = end
                    break
                position = offset + 1
                yield message
            progress(min(position, end))
            if at_end:
                break

    def _fetch(self) -> list[Message]:
        try:
            messages = self._consumer.consume(_MESSAGES, _POLL_S)
            if not messages:
                messages = self._consumer.consume(1, _TIMEOUT_S)
        except KafkaException as error:
            raise failure_of(f"reading {self._topic}", error.args[0]) from error
        if not messages:
            raise Transient(f"reading {self._topic}: no answer within {_TIMEOUT_S:g} s")
        return messages

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


# `consume` waits this long for the whole number of messages, so it is what a small topic costs.
_POLL_S = 0.1
