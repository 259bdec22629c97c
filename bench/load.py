"""The benchmark's load: orders of `order.placed` for one topic, flat out or at a steady rate.

    python -m bench.load --bootstrap 127.0.0.1:9092 --topic shop.orders --events 200000
    python -m bench.load --bootstrap 127.0.0.1:9092 --topic shop.orders --rate 2000 --seconds 60

Flat out, `occurred_at` is spread evenly over the 100 days before now; at a steady rate it is now,
so that whoever reads the result can tell the latency. The same seed gives the same customers and
orders.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from random import Random
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.errors import RfmError, Transient, UsageError
from streams.simulation.messages import draw_id, encode_instant, encode_money

DEFAULT_CUSTOMERS: Final = 100_000
DEFAULT_PARTITIONS: Final = 4
DEFAULT_RATE: Final = 2_000
SPREAD_MS: Final = 100 * 24 * 3_600_000

# At a steady rate this long lies between two small batches; it is the load's own share of latency.
_BEAT_S: Final = 0.002
_FLUSH_S: Final = 60
_LEAST_MINOR: Final = 500
_MOST_MINOR: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to publish: `customers` distinct 36-character ids, drawn evenly by `seed`.

    With `in_turn` every customer orders once before anybody orders twice.
    """

    events: int
    in_turn: bool = False
    customers: int = DEFAULT_CUSTOMERS
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published. `behind_ms` is how far a steady load ever fell behind its schedule."""

    events: int
    seconds: float
    events_per_s: float
    bytes_per_event: float
    behind_ms: float = 0.0


def plan_orders(load: Load, instants: Callable[[int], int]) -> Iterator[tuple[bytes, bytes]]:
    """Give key (the customer) and value of each order; `instants(i)` is its `occurred_at` in ms.

    About 254 bytes each. The ids are drawn before this returns, so that no order waits for them.
    """
    rng = Random(load.seed)
    customers = [draw_id(rng) for _ in range(load.customers)]
    return _plan(load, rng, customers, instants)


def _plan(
    load: Load, rng: Random, customers: list[str], instants: Callable[[int], int]
) -> Iterator[tuple[bytes, bytes]]:
    for number in range(load.events):
        drawn = number % load.customers if load.in_turn else int(rng.random() * load.customers)
        customer = customers[drawn]
        total = encode_money(rng.randint(_LEAST_MINOR, _MOST_MINOR))
        yield (
            customer.encode(),
            (
                f'{{"event_id":"{load.seed}-{number}","type":"order.placed",'
                f'"customer_id":"{customer}","occurred_at":"{encode_instant(instants(number))}",'
                f'"order_id":"o{load.seed}-{number}","currency":"EUR","total":"{total}",'
                f'"items":[{{"sku":"s{number % 500}","quantity":1,"unit_price":"{total}"}}]}}'
            ).encode(),
        )


def create_topic(bootstrap: str, topic: str, partitions: int = DEFAULT_PARTITIONS) -> None:
    """Create `topic` on a broker of one node. Raises UsageError where it exists already."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    made = admin.create_topics([NewTopic(topic, partitions, replication_factor=1)])[topic]
    try:
        made.result(timeout=30)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            raise UsageError(f"topic {topic} exists: a measurement needs a fresh one") from error
        raise Transient(f"the broker at {bootstrap} did not create {topic}: {error}") from error


class _Sender:
    """A producer that publishes each record once and remembers the first failure."""

    def __init__(self, bootstrap: str, topic: str, linger_ms: int) -> None:
        self._topic = topic
        self._failure: KafkaError | None = None
        self.events = 0
        self.bytes = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                # Java's partitioner; librdkafka's default would place customers elsewhere.
                "partitioner": "murmur2_random",
                # The count must be exact, so a retry must not publish twice.
                "enable.idempotence": True,
                "linger.ms": linger_ms,
                "batch.num.messages": 10_000,
                "batch.size": 1_000_000,
                "queue.buffering.max.messages": 500_000,
                # One call back for each record would cost more than the record.
                "delivery.report.only.error": True,
            }
        )

    def send(self, key: bytes, value: bytes) -> None:
        """Put one record into the client's queue, waiting while it is full."""
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._failed)
            except BufferError:
                self.serve(0.05)
                continue
            self.events += 1
            self.bytes += len(value)
            return

    def serve(self, seconds: float = 0.0) -> None:
        """Let the client report. Raises Transient where a record was not delivered."""
        self._producer.poll(seconds)
        if self._failure is not None:
            raise Transient(f"the load was not published whole: {self._failure}")

    def flush(self) -> None:
        """Wait until the broker has acknowledged everything. Raises Transient otherwise."""
        left = self._producer.flush(_FLUSH_S)
        self.serve()
        if left:
            raise Transient(f"{left} records were not delivered within {_FLUSH_S} s")

    def _failed(self, error: KafkaError | None, _: Message) -> None:
        self._failure = self._failure or error

    def report(self, seconds: float, behind_s: float = 0.0) -> Published:
        """Sum up what was sent within `seconds`."""
        return Published(
            events=self.events,
            seconds=round(seconds, 3),
            events_per_s=round(self.events / seconds, 1),
            bytes_per_event=round(self.bytes / self.events, 1),
            behind_ms=round(behind_s * 1000, 1),
        )


def publish_flat_out(
    bootstrap: str, topic: str, load: Load, until_ms: int, spread_ms: int = SPREAD_MS
) -> Published:
    """Publish the whole load as fast as one process can; the last order occurs at `until_ms`.

    Returns once the broker has acknowledged every record. Raises Transient otherwise.
    """
    sender = _Sender(bootstrap, topic, linger_ms=20)
    begin_ms = until_ms - spread_ms
    begun = time.perf_counter()
    orders = plan_orders(load, lambda number: begin_ms + spread_ms * (number + 1) // load.events)
    for number, (key, value) in enumerate(orders):
        sender.send(key, value)
        if number % 1000 == 0:
            sender.serve()
    sender.flush()
    return sender.report(time.perf_counter() - begun)


def publish_steady(
    bootstrap: str,
    topic: str,
    load: Load,
    rate: float,
    until: Callable[[], bool] = lambda: False,
) -> Published:
    """Publish the load at `rate` events per second with `occurred_at` = now; ends early on `until`.

    The schedule is fixed by the start, so a stall is made up for and not hidden; `behind_ms` says
    how long the worst one was. Raises Transient where a record was not delivered.
    """
    sender = _Sender(bootstrap, topic, linger_ms=0)
    orders = plan_orders(load, lambda _: time.time_ns() // 1_000_000)
    begun = time.perf_counter()
    behind_s = 0.0
    while sender.events < load.events and not until():
        passed_s = time.perf_counter() - begun
        due = min(load.events, int(passed_s * rate) + 1)
        behind_s = max(behind_s, passed_s - sender.events / rate)
        for _ in range(due - sender.events):
            sender.send(*next(orders))
        sender.serve()
        time.sleep(_BEAT_S)
    sender.flush()
    return sender.report(time.perf_counter() - begun, behind_s)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; `--rate` chooses the steady load."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--events", type=int, help="flat out: how many (default 200000)")
    parser.add_argument("--rate", type=float, help=f"events/s, usually {DEFAULT_RATE}")
    parser.add_argument("--seconds", type=float, default=60, help="at a rate: for how long")
    parser.add_argument("--customers", type=int, default=DEFAULT_CUSTOMERS)
    parser.add_argument("--partitions", type=int, default=DEFAULT_PARTITIONS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--existing", action="store_true", help="the topic is there already")
    options = parser.parse_args(arguments)
    if options.rate is not None and not options.rate > 0:
        parser.error("--rate must be above 0")
    if options.events is None:
        options.events = int(options.rate * options.seconds) if options.rate else 200_000
    if min(options.events, options.customers, options.partitions) < 1:
        parser.error("--events, --customers, --partitions and rate x seconds must be at least 1")
    return options


def main(arguments: list[str]) -> int:
    """Publish what the command line says and print one line of JSON."""
    options = parse_arguments(arguments)
    load = Load(events=options.events, customers=options.customers, seed=options.seed)
    try:
        if not options.existing:
            create_topic(options.bootstrap, options.topic, options.partitions)
        if options.rate:
            done = publish_steady(options.bootstrap, options.topic, load, options.rate)
        else:
            now_ms = time.time_ns() // 1_000_000
            done = publish_flat_out(options.bootstrap, options.topic, load, now_ms)
    except RfmError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(asdict(done)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
