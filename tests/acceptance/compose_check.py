"""Check docker-compose.yml for real: up, publish from this host, kill everything, compare, down.

`make compose-check` runs it. A file of orders goes in by `rfm-streams publish`; then orders come
without pause while every container is killed and started in turn, the program in each is killed
from within, and Kafka is restarted in good order. Judged from outside, by what was published:

- the journal, read with read_committed, holds each order exactly once;
- `export` gives each customer's order count and money, to the cent;
- `segment-changes` has each customer's sequence 1, 2, 3 ... without gap or repetition, and its last
  segment is the exported one;
- `customer-segments`, compacted or not, ends in the exported segment of each customer;
- the receiver acted on each requested action once, and each has the outcome `sent`;
- `status --json`: nothing left to do, Redis current, no dead letter.

The same again after `down` and `up` on the kept volumes. Exit code 0 when all of that is so.
"""

import argparse
import csv
import json
import random
import re
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from streams.codec.journal import decode_input
from streams.core.inputs import OrderPlaced
from tests.acceptance.compose_project import (
    LASTING,
    ROOT,
    CheckFailedError,
    Compose,
    console,
    docker,
    say,
    step,
    wait_until,
)

SETTLE_TIMEOUT_S = 300
DOWN_S = 3.0
# Each service is left alone so long before the next one goes: transactions are under way again.
WELL_S = 4.0
FILE_ORDERS = 2_000
# So many that segments still change at the end, a few orders each.
CUSTOMERS = 5_000
# Deliver sends ten actions a second; so few that they come more slowly.
CONSENTING = 50
PAUSE_BETWEEN_ORDERS_S = 0.01
# Process 1 of each container is Docker's init; its children are the program.
_ACTED = re.compile(r"signature ok: .* key (\S+)")
KILL_PROGRAM = "kill -9 $(cat /proc/1/task/1/children)"


@dataclass
class Published:
    """What went in: the orders' event ids, and each customer's amounts in cents."""

    event_ids: list[str] = field(default_factory=list)
    amounts_minor: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    # What receivers printed that are gone.
    acted: list[str] = field(default_factory=list)

    def order(self, dice: random.Random, age: timedelta) -> tuple[str, str]:
        """Give one more order by a random customer: the key and the event's JSON."""
        customer_id = f"customer-{dice.randrange(CUSTOMERS):05d}"
        amount_minor = dice.randrange(100, 30_000)
        number = len(self.event_ids)
        event_id = f"event-{number:07d}"
        self.event_ids.append(event_id)
        self.amounts_minor[customer_id].append(amount_minor)
        event = {
            "type": "order.placed",
            "event_id": event_id,
            "customer_id": customer_id,
            "occurred_at": (datetime.now(UTC) - age).isoformat(timespec="milliseconds"),
            "order_id": f"order-{number:07d}",
            "currency": "EUR",
            "total": f"{amount_minor / 100:.2f}",
            "items": [{"sku": "A-1", "quantity": 1, "unit_price": f"{amount_minor / 100:.2f}"}],
        }
        return customer_id, json.dumps(event)


class Shop:
    """Publishes orders from this host, until told to stop."""

    def __init__(self, bootstrap_servers: str, published: Published, dice: random.Random) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "delivery.timeout.ms": 600_000,  # longer than any container is away
                "log_level": 0,  # refused connections are part of the plan
            }
        )
        self._published = published
        self._dice = dice
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish_orders)
        self._failures: list[str] = []

    def open(self) -> None:
        """Start publishing in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait until the broker has acknowledged everything."""
        self._stop.set()
        self._thread.join()
        left = self._producer.flush(300)
        if left or self._failures:
            message = f"{left} orders unacknowledged, failed: {self._failures[:3]}"
            raise CheckFailedError(message)

    def _publish_orders(self) -> None:
        while not self._stop.wait(PAUSE_BETWEEN_ORDERS_S):
            key, event = self._published.order(self._dice, timedelta())
            self._producer.produce("shop.orders", event, key, on_delivery=self._on_delivery)
            self._producer.poll(0)

    def _on_delivery(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failures.append(error.str())


def main() -> int:
    """Run the whole check; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the containers running")
    parser.add_argument("--kafka-kills", type=int, default=3, help="how often Kafka is killed")
    arguments = parser.parse_args()
    compose = Compose("trial")
    say(f"project {compose.project}")
    try:
        check(compose, arguments.kafka_kills)
    except CheckFailedError as failure:
        console.print(f"[red]FAILED[/red] {failure}", soft_wrap=True)
        logs = compose.run("logs", "--no-color", "--tail", "30")
        console.print(logs, markup=False, highlight=False, soft_wrap=True)
        return 1
    finally:
        if not arguments.keep:
            compose.run("down", "-v", "--remove-orphans", "-t", "10")
    say("[green]passed[/green]")
    return 0


def check(compose: Compose, kafka_kills: int) -> None:
    """Up, load, kill and start each container, deaths from within, compare; twice."""
    published, dice = Published(), random.Random(7)
    with step("up with empty volumes, until all are healthy"):
        compose.run("up", "-d")
        compose.wait_healthy()
    with step(f"rules with a campaign, consent of {CONSENTING} customers"):
        compose.rfm_streams("rules", "apply", RFM_RULES_DIR=str(ROOT / "examples/first_steps"))
        publish_consents(compose)
    with step(f"rfm-streams publish: {FILE_ORDERS} orders from a file"):
        publish_file(compose, published, dice)
    compare(compose, published)
    shop = Shop(compose.bootstrap_servers, published, dice)
    shop.open()
    try:
        for service in ("kafka",) * (kafka_kills - 1) + LASTING:
            kill_and_start(compose, service)
        for service in LASTING:
            die_within(compose, service)
        with step("kafka: docker restart, in good order"):
            docker("restart", "--time", "60", compose.container("kafka"))
            compose.wait_healthy()
        with step("topics: started once more, finds everything there"):
            docker("start", "--attach", compose.container("topics"))
        time.sleep(WELL_S)
    finally:
        shop.close()
    compare(compose, published)
    with step("down without -v, up again, until all are healthy"):
        published.acted += acted_on(compose)
        compose.run("down")
        compose.run("up", "-d")
        compose.wait_healthy()
    with step(f"rfm-streams publish: {FILE_ORDERS} more orders"):
        publish_file(compose, published, dice)
    compare(compose, published)


def publish_file(compose: Compose, published: Published, dice: random.Random) -> None:
    """Publish orders of the last 300 days from a JSON Lines file."""
    events = [
        published.order(dice, timedelta(seconds=dice.randrange(60, 300 * 86_400)))[1]
        for _ in range(FILE_ORDERS)
    ]
    publish_lines(compose, events)


def publish_consents(compose: Compose) -> None:
    """Let some customers be written to, and say where."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    events = []
    for number in range(CONSENTING):
        common = {"customer_id": f"customer-{number:05d}", "occurred_at": now}
        consent = {"type": "consent.changed", "channel": "email", "granted": True}
        update = {"type": "customer.updated", "attributes": {"email": f"{number}@customer.example"}}
        events += [
            json.dumps({**consent, **common, "event_id": f"consent-{number}"}),
            json.dumps({**update, **common, "event_id": f"update-{number}"}),
        ]
    publish_lines(compose, events)
    wait_until(lambda: not unfinished(compose), SETTLE_TIMEOUT_S, "consents are decided")


def publish_lines(compose: Compose, events: list[str]) -> None:
    """Publish events from a JSON Lines file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        file.write_text("".join(f"{event}\n" for event in events))
        compose.rfm_streams("publish", str(file))


def kill_and_start(compose: Compose, service: str) -> None:
    """`docker kill`, after which Docker leaves it down, and `docker start`."""
    time.sleep(WELL_S)
    with step(f"{service}: docker kill, docker start, until all are healthy"):
        docker("kill", compose.container(service))
        time.sleep(DOWN_S)
        if compose.inspect(service, "{{.State.Running}}") != "false":
            message = f"{service} runs although it was killed"
            raise CheckFailedError(message)
        docker("start", compose.container(service))
        compose.wait_healthy()


def die_within(compose: Compose, service: str) -> None:
    """SIGKILL the program inside the container; Docker must start it again by itself."""
    time.sleep(WELL_S)
    with step(f"{service}: its program killed, until Docker restarted it and all are healthy"):
        container = compose.container(service)
        starts = int(compose.inspect(service, "{{.RestartCount}}"))
        # The container ends with its program, and this command, too, at times.
        docker("exec", "--user", "0", container, "sh", "-c", KILL_PROGRAM, may_fail=True)
        wait_until(
            lambda: int(compose.inspect(service, "{{.RestartCount}}")) > starts,
            60,
            f"Docker restarts {service}",
        )
        compose.wait_healthy()


def compare(compose: Compose, published: Published) -> None:
    """Everything that came out against what went in."""
    with step(f"all {len(published.event_ids)} orders decided and in Redis"):
        wait_until(lambda: not unfinished(compose), SETTLE_TIMEOUT_S, "nothing is left to do")
    compare_journal(compose.bootstrap_servers, published)
    segments = compare_export(compose, published)
    compare_changes(compose.bootstrap_servers, segments)
    compare_present(compose.bootstrap_servers, segments)
    compare_deliveries(compose, published)


def unfinished(compose: Compose) -> list[str]:
    """What `status` says is still to be done; raises CheckFailedError for dead letters."""
    status: dict[str, Any] = json.loads(compose.rfm_streams("status", "--json"))
    if status["dead_letters"]:
        message = f"{status['dead_letters']} dead letters"
        raise CheckFailedError(message)
    waiting = [f"intake {one['topic']}" for one in status["intake"] if one["lag"]]
    return waiting + [
        f"partition {one['partition']}"
        for one in status["partitions"]
        if one["lag"] or one["store"] != "current"
    ]


def compare_journal(bootstrap_servers: str, published: Published) -> None:
    """Each published order stands in the journal once."""
    inputs = [
        decode_input(value)
        for message in fetch_all(bootstrap_servers, "rfm.journal.g1")
        if (value := message.value()) is not None
    ]
    found = Counter(one.event_id for one in inputs if isinstance(one, OrderPlaced))
    expect_equal(found, Counter(published.event_ids), "orders in the journal")


def compare_export(compose: Compose, published: Published) -> dict[str, str]:
    """Each customer's count and money; gives the exported segments by customer."""
    rows = list(csv.DictReader(compose.rfm_streams("export").splitlines()))
    found = Counter((row["customer_id"], row["order_count"], row["monetary"]) for row in rows)
    wanted = Counter(
        (customer_id, str(len(amounts)), f"{sum(amounts) / 100:.2f}")
        for customer_id, amounts in published.amounts_minor.items()
    )
    expect_equal(found, wanted, "customers exported, with order count and money")
    return {row["customer_id"]: row["rfm_segment"] for row in rows}


def compare_changes(bootstrap_servers: str, segments: dict[str, str]) -> None:
    """Each customer's changes are numbered without gaps and end in the exported segment."""
    changes: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for message in fetch_all(bootstrap_servers, "segment-changes"):
        change = json.loads(message.value() or b"{}")
        if change.get("scheme") == "rfm":
            changes[change["customer_id"]].append((change["sequence"], change["current"]))
    numbers = Counter((customer, number) for customer in changes for number, _ in changes[customer])
    wanted = Counter(
        (customer, number)
        for customer in segments
        for number in range(1, len(changes[customer]) + 1)
    )
    expect_equal(numbers, wanted, "segment changes, numbered without gaps")
    last = Counter((customer, max(found)[1]) for customer, found in changes.items() if found)
    expect_equal(last, Counter(segments.items()), "last segment changes, as exported")


def compare_present(bootstrap_servers: str, segments: dict[str, str]) -> None:
    """The latest record of each customer names the exported segment."""
    latest: dict[bytes | None, bytes | None] = {}
    for message in fetch_all(bootstrap_servers, "customer-segments"):
        latest[message.key()] = message.value()
    present = [json.loads(value) for value in latest.values() if value is not None]
    found = Counter((one["customer_id"], one["segments"]["rfm"]["segment"]) for one in present)
    expect_equal(found, Counter(segments.items()), "present segments, as exported")


def compare_deliveries(compose: Compose, published: Published) -> None:
    """Each requested action was acted on once under its key, and its outcome is `sent`."""
    requested = Counter(
        action["idempotency_key"]
        for action in map(json.loads, values(compose, "marketing.actions"))
        if action["type"] == "action.requested"
    )

    def sent() -> set[str]:
        reported = map(json.loads, values(compose, "marketing.deliveries"))
        return {one["action_id"] for one in reported if one["outcome"] == "sent"}

    with step(f"{requested.total()} actions are delivered"):
        wait_until(lambda: sent() >= requested.keys(), SETTLE_TIMEOUT_S, "all actions are sent")
    expect_equal(Counter(published.acted + acted_on(compose)), requested, "webhooks acted on")


def acted_on(compose: Compose) -> list[str]:
    """The keys on which the receiver acted in its life."""
    lines = compose.run("logs", "--no-color", "receiver")
    if "refused" in lines:
        raise CheckFailedError("the receiver refused a signature")
    return _ACTED.findall(lines)


def values(compose: Compose, topic: str) -> list[bytes]:
    """Every committed value of a topic."""
    return [message.value() or b"" for message in fetch_all(compose.bootstrap_servers, topic)]


def expect_equal(found: Counter[Any], wanted: Counter[Any], what: str) -> None:
    """Raise CheckFailedError with a few examples where two multisets differ."""
    if found != wanted:
        surplus, lack = found - wanted, wanted - found
        message = (
            f"{what}: {found.total()} found, {wanted.total()} wanted; "
            f"too many {list(surplus)[:3]}, missing {list(lack)[:3]}"
        )
        raise CheckFailedError(message)
    say(f"{found.total()} {what}: as published")


def fetch_all(bootstrap_servers: str, topic: str) -> list[Message]:
    """Every committed record of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"compose-check-{uuid.uuid4()}",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        open_partitions, records = set(partitions), []
        while open_partitions:
            message = consumer.poll(60)
            if message is None:
                raise CheckFailedError(f"{topic} cannot be read to its end")
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
        return records
    finally:
        consumer.close()


if __name__ == "__main__":
    sys.exit(main())
