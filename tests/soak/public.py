"""Events of a shop for the public topics: as JSON, by the contracts."""

import threading
import time
from collections import Counter

import msgspec
from confluent_kafka import Producer

from streams.adapters.kafka.config import producer_config
from streams.bootstrap import names_of
from streams.settings import Settings
from streams.simulation.faults import Faults
from streams.simulation.messages import ShopEvent, encode_instant
from streams.simulation.shop import simulate

_FOREVER_MS = 20 * 365 * 86_400_000
_FAULTS = Faults(duplicate_share=0.03, late_share=0.02)


class Publisher:
    """Sends events to the public topics and counts their ids as the broker acknowledges them."""

    def __init__(self, settings: Settings) -> None:
        self._names = names_of(settings)
        self._producer = Producer(
            {
                **producer_config(settings.kafka_config()),
                "enable.idempotence": True,
                "message.timeout.ms": 120_000,
                "linger.ms": 5,
            }
        )
        self.published: Counter[str] = Counter()
        self._failed: list[str] = []

    def publish(self, event: ShopEvent) -> None:
        """Send one event, keyed by customer."""
        self._producer.produce(
            self._names.topic(event.topic),
            event.value,
            event.customer_id.encode(),
            on_delivery=lambda error, _message: (
                self._failed.append(str(error)) if error is not None else None
            ),
        )
        self._producer.poll(0)
        self.published[msgspec.json.decode(event.value)["event_id"]] += 1

    def flush(self) -> None:
        """Wait until the broker has everything."""
        self._producer.flush(120)
        assert not self._failed, f"not published: {self._failed[:3]}"
        assert not len(self._producer), "the broker did not take everything in two minutes"


class Load:
    """A busy shop in the background: simulated events, stamped with the present, at a steady rate."""

    def __init__(self, settings: Settings, seed: int, customers: int, rate: float) -> None:
        self._publisher = Publisher(settings)
        self._events = simulate(seed, customers, 0, _FOREVER_MS, faults=_FAULTS)
        self._interval_s = 1 / rate
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> Counter[str]:
        """Stop, wait until the broker has everything; ids of all events with their counts."""
        self._ending.set()
        self._thread.join()
        self._publisher.flush()
        return self._publisher.published

    def _run(self) -> None:
        due_s = time.monotonic()
        for event in self._events:
            due_s += self._interval_s
            if self._ending.wait(max(0.0, due_s - time.monotonic())):
                return
            body = msgspec.json.decode(event.value)
            now_ms = time.time_ns() // 1_000_000
            body["occurred_at"] = encode_instant(now_ms)
            self._publisher.publish(
                event._replace(value=msgspec.json.encode(body), occurred_at_ms=now_ms)
            )


def shop_events(seed: int, customers: int, days: float) -> list[ShopEvent]:
    """What a simulated shop says in its last days up to now, duplicates and disorder included."""
    now_ms = time.time_ns() // 1_000_000
    return list(simulate(seed, customers, now_ms - int(days * 86_400_000), now_ms, faults=_FAULTS))


def publish_events(settings: Settings, seed: int, count: int) -> Counter[str]:
    """Publish the last `count` events of a small shop; returns their ids with counts."""
    publisher = Publisher(settings)
    for event in shop_events(seed, 40, 30)[-count:]:
        publisher.publish(event)
    publisher.flush()
    return publisher.published
