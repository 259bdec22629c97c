"""Latency from an event to the segment change it causes, at a steady rate, through both stages.

The orders occur when they are published, and each is told by its customer's first segment change,
so the difference to the moment a subscriber has it is the whole way: producer, intake, decide,
subscriber.
"""

import time
from dataclasses import dataclass
from threading import Thread

import msgspec
from confluent_kafka import Consumer, TopicPartition

from bench.load import Load, publish_steady
from schemas.fields import parse_instant_ms
from streams.adapters.kafka.config import reader_config
from streams.bootstrap import names_of
from streams.settings import Settings

# What comes in while the processes start is warm-up.
WARM_UP_S = 15.0
_QUIET_S = 3.0
# Whoever is told within this of its order did not wait for a process to start.
_LIVE_MS = 500.0
_LOOK_S = 0.5
_TIMEOUT_S = 10.0


class _Cause(msgspec.Struct):
    kind: str


class _Change(msgspec.Struct):
    scheme: str
    effective_at: str
    previous: str | list[str] | None
    cause: _Cause


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds at two quantiles, and how many changes they come from."""

    p50_ms: float
    p99_ms: float
    changes: int


def measure_latency(settings: Settings, rate: float, seconds: float) -> Latency:
    """Publish at `rate` and watch the segment changes."""
    topic = names_of(settings).topic("shop.orders")
    events = int(rate * (seconds + WARM_UP_S))
    # As many customers as events: most orders are a first order, and cause a change.
    load = Load(events=events, customers=events, seed=7)
    publisher = Thread(
        target=publish_steady, args=(settings.kafka_bootstrap_servers, topic, load, rate)
    )
    begin_ms = time.time_ns() // 1_000_000 + int(WARM_UP_S * 1000)
    watcher = ChangeWatcher(settings)
    publisher.start()
    watcher.watch(publisher)
    publisher.join()
    latencies = sorted(latency for at_ms, latency in watcher.found if at_ms >= begin_ms)
    return Latency(
        latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100], len(latencies)
    )


class ChangeWatcher:
    """Follows the segment changes that are published from its making on.

    `found` holds instants (ms since 1970) of orders and latencies (ms) of their customers' first
    changes, in order of arrival; another thread may read it meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self.found: list[tuple[float, float]] = []
        topic = names_of(settings).topic("segment-changes")
        self._consumer = Consumer(
            {**reader_config(settings.kafka_config()), "fetch.wait.max.ms": 10}
        )
        # What is there already is not read: a million old changes would be in the way of new ones,
        # and their reader's delay would be told as the system's.
        self._consumer.assign(
            [self._end_of(TopicPartition(topic, one)) for one in range(settings.partitions)]
        )

    def _end_of(self, place: TopicPartition) -> TopicPartition:
        _, end = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)
        return TopicPartition(place.topic, place.partition, end)

    def watch(self, publisher: Thread) -> None:
        """Watch until the publisher has ended and all is quiet again, then close."""
        decode = msgspec.json.Decoder(_Change).decode
        quiet_since_s = time.monotonic()
        while publisher.is_alive() or time.monotonic() - quiet_since_s < _QUIET_S:
            messages = self._consumer.consume(1_000, 0.005)
            now_ms = time.time_ns() / 1e6
            for message in messages:
                value = message.value()
                if message.error() is not None or value is None:
                    continue
                quiet_since_s = time.monotonic()
                change = decode(value)
                is_first = change.previous is None and change.cause.kind == "event"
                if is_first and change.scheme == "rfm":
                    at_ms = parse_instant_ms(change.effective_at)
                    self.found.append((at_ms, now_ms - at_ms))
        self._consumer.close()

    def wait_until_live(self, longest_s: float) -> None:
        """Wait until events are told as they come; `TimeoutError` where they are not in time."""
        deadline_s = time.monotonic() + longest_s
        while not self.found or self.found[-1][1] > _LIVE_MS:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"live events were not caught up with within {longest_s:g} s")
            time.sleep(_LOOK_S)
