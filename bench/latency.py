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
    publisher.start()
    found = watch_changes(settings, publisher)
    publisher.join()
    latencies = sorted(latency for at_ms, latency in found if at_ms >= begin_ms)
    return Latency(
        latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100], len(latencies)
    )


def watch_changes(settings: Settings, publisher: Thread) -> list[tuple[float, float]]:
    """Instants (ms since 1970) and latencies (ms) of first changes, until all is quiet again."""
    topic = names_of(settings).topic("segment-changes")
    consumer = Consumer({**reader_config(settings.kafka_config()), "fetch.wait.max.ms": 10})
    consumer.assign([TopicPartition(topic, one, 0) for one in range(settings.partitions)])
    decode = msgspec.json.Decoder(_Change).decode
    latencies: list[tuple[float, float]] = []
    quiet_since_s = time.monotonic()
    while publisher.is_alive() or time.monotonic() - quiet_since_s < _QUIET_S:
        messages = consumer.consume(1_000, 0.005)
        now_ms = time.time_ns() / 1e6
        for message in messages:
            value = message.value()
            if message.error() is not None or value is None:
                continue
            quiet_since_s = time.monotonic()
            change = decode(value)
            at_ms = parse_instant_ms(change.effective_at)
            is_first = change.previous is None and change.cause.kind == "event"
            if is_first and change.scheme == "rfm":
                latencies.append((at_ms, now_ms - at_ms))
    consumer.close()
    return latencies
