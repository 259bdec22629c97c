"""Check docker-compose.yml for real: up, load, kill everything, compare, down.

`make compose-check` runs it. Orders come from this host without pause meanwhile. Every customer
places one, so after everything the journal holds each order once, each customer has one segment
change (sequence 1), and Redis holds each customer. Exit code 0 when all of that is so; what differs
is printed otherwise.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from redis import Redis
from rich.console import Console

from streams.adapters.embedded.ports import find_free_port

ROOT = Path(__file__).resolve().parents[2]
LASTING = ("kafka", "redis", "intake", "decide")
HEALTHY_TIMEOUT_S = 240
SETTLE_TIMEOUT_S = 180
DOWN_S = 3.0
PAUSE_BETWEEN_ORDERS_S = 0.005
# Process 1 of the container is Docker's init; its children are our program.
KILL_PROGRAM = """
import os
for pid in open("/proc/1/task/1/children").read().split():
    os.kill(int(pid), 9)
"""

Counted = TypeVar("Counted", str, tuple[str, int])

console = Console(stderr=True)


class CheckFailedError(Exception):
    """What differs, in one line."""


class Compose:
    """The project under its own name and host ports, so that it meets no other one."""

    def __init__(self) -> None:
        self.project = f"rfm-check-{uuid.uuid4().hex[:6]}"
        self.kafka_port, self.redis_port = find_free_port(), find_free_port()
        self._environment = {
            **os.environ,
            "RFM_HOST_KAFKA_PORT": str(self.kafka_port),
            "RFM_HOST_REDIS_PORT": str(self.redis_port),
            "RFM_HOST_INTAKE_PORT": str(find_free_port()),
            "RFM_HOST_DECIDE_PORT": str(find_free_port()),
        }

    def run(self, *arguments: str) -> str:
        """One docker-compose command; its output. Raises CheckFailedError with its last line."""
        command = ["docker-compose", "-p", self.project, "-f", str(ROOT / "docker-compose.yml")]
        return _run([*command, *arguments], self._environment)

    def container(self, service: str) -> str:
        """Give the container's id."""
        return self.run("ps", "-q", service).strip()

    def inspect(self, service: str, template: str) -> str:
        """One value of the container's description, by a Go template."""
        return docker("inspect", "--format", template, self.container(service))

    def wait_healthy(self, services: Iterable[str] = LASTING) -> None:
        """Until every service's health check passes."""
        for service in services:
            wait_until(
                lambda service=service: (  # type: ignore[misc]
                    self.inspect(service, "{{.State.Running}} {{.State.Health.Status}}")
                    == "true healthy"
                ),
                HEALTHY_TIMEOUT_S,
                f"{service} is healthy",
            )


class Shop:
    """Publishes one order per customer from this host, until told to stop."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "delivery.timeout.ms": 300_000,  # longer than any container is away
                "log_level": 0,  # refused connections are part of the plan
            }
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish_orders)
        self.customers: list[str] = []
        self.failures: list[str] = []

    def open(self) -> None:
        """Start publishing in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait until the broker has acknowledged everything."""
        self._stop.set()
        self._thread.join()
        left = self._producer.flush(300)
        if left or self.failures:
            message = f"{left} orders unacknowledged, failed: {self.failures[:3]}"
            raise CheckFailedError(message)

    def _publish_orders(self) -> None:
        while not self._stop.wait(PAUSE_BETWEEN_ORDERS_S):
            customer = f"customer-{len(self.customers):07d}"
            order = {
                "type": "order.placed",
                "event_id": str(uuid.uuid4()),
                "customer_id": customer,
                "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "order_id": f"order-of-{customer}",
                "currency": "EUR",
                "total": "120.00",
                "items": [{"sku": "A-1", "quantity": 1, "unit_price": "120.00"}],
            }
            self._producer.produce(
                "shop.orders", json.dumps(order), customer, on_delivery=self._on_delivery
            )
            self._producer.poll(0)
            self.customers.append(customer)

    def _on_delivery(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self.failures.append(error.str())


def main() -> int:
    """Run the whole check; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the containers running")
    keep = parser.parse_args().keep
    compose = Compose()
    try:
        check(compose)
    except CheckFailedError as failure:
        console.print(f"[red]FAILED[/red] {failure}", soft_wrap=True)
        console.print(compose.run("logs", "--tail", "30"), markup=False, highlight=False)
        return 1
    finally:
        if not keep:
            compose.run("down", "-v", "--remove-orphans", "-t", "10")
    console.print("[green]passed[/green]")
    return 0


def check(compose: Compose) -> None:
    """Up, load, kill and start each container, a death from within, compare."""
    say("bringing everything up")
    compose.run("up", "-d")
    compose.wait_healthy()
    bootstrap_servers = f"localhost:{compose.kafka_port}"
    shop = Shop(bootstrap_servers)
    shop.open()
    try:
        for service in LASTING:
            say(f"killing and starting {service}")
            docker("kill", compose.container(service))
            time.sleep(DOWN_S)
            docker("start", compose.container(service))
            compose.wait_healthy()
        for service in ("intake", "decide"):
            die_within(compose, service)
    finally:
        shop.close()
    say(f"comparing {len(shop.customers)} customers")
    compare_journal(bootstrap_servers, shop.customers)
    compare_changes(bootstrap_servers, shop.customers)
    compare_redis(f"redis://localhost:{compose.redis_port}/0", shop.customers)


def die_within(compose: Compose, service: str) -> None:
    """SIGKILL the program inside the container; Docker must start it again by itself."""
    say(f"killing the program inside {service}")
    starts = int(compose.inspect(service, "{{.RestartCount}}"))
    docker("exec", compose.container(service), "python", "-c", KILL_PROGRAM, may_fail=True)
    wait_until(
        lambda: int(compose.inspect(service, "{{.RestartCount}}")) > starts,
        60,
        f"Docker restarts {service}",
    )
    compose.wait_healthy()


def compare_journal(bootstrap_servers: str, customers: list[str]) -> None:
    """Each customer's only order stands in the journal once."""
    wanted = Counter(customers)

    def count() -> Counter[str]:
        keys = (message.key() for message in fetch_all(bootstrap_servers, "rfm.journal.g1"))
        names = (key.decode() if isinstance(key, bytes) else str(key) for key in keys)
        return Counter(name for name in names if name in wanted)

    settle(count, wanted, "orders in the journal")


def compare_changes(bootstrap_servers: str, customers: list[str]) -> None:
    """Each customer has one segment change of scheme rfm: the first."""
    wanted = Counter((customer, 1) for customer in customers)

    def count() -> Counter[tuple[str, int]]:
        values = (message.value() for message in fetch_all(bootstrap_servers, "segment-changes"))
        changes = [json.loads(value) for value in values if value]
        return Counter(
            (change["customer_id"], change["sequence"])
            for change in changes
            if change["scheme"] == "rfm"
        )

    settle(count, wanted, "segment changes")


def compare_redis(url: str, customers: list[str]) -> None:
    """Each customer's state stands in Redis once."""
    wanted = Counter(customers)

    def count() -> Counter[str]:
        found: Counter[str] = Counter()
        with Redis.from_url(url, decode_responses=False) as client:
            for key in client.scan_iter("*:customers"):
                fields = (field.decode() for field in client.hkeys(key))
                found.update(name for name in fields if name in wanted)
        return found

    settle(count, wanted, "customers in Redis")


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
                raise CheckFailedError(f"{topic} cannot be read to its end")  # noqa: EM102, TRY003
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name
                open_partitions.discard(message.partition())
        return records
    finally:
        consumer.close()


def settle(count: Callable[[], Counter[Counted]], wanted: Counter[Counted], what: str) -> None:
    """Wait until the counts are as wanted; a surplus fails at once, a lack after the time."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while (found := count()) != wanted:
        surplus, lack = found - wanted, wanted - found
        if surplus or time.monotonic() > deadline:
            message = (
                f"{what}: {found.total()} found, {wanted.total()} wanted; "
                f"too many {list(surplus)[:3]}, missing {list(lack)[:3]}"
            )
            raise CheckFailedError(message)
        time.sleep(2)
    say(f"{found.total()} {what}: as wanted")


def wait_until(is_true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return once `is_true()`; CheckFailedError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            message = f"waited {timeout_s:g} s in vain until {what}"
            raise CheckFailedError(message)
        time.sleep(0.5)


def docker(*arguments: str, may_fail: bool = False) -> str:
    """One docker command; its output."""
    return _run(["docker", *arguments], dict(os.environ), may_fail=may_fail)


def say(text: str) -> None:
    """One line of progress."""
    console.print(text, highlight=False)


def _run(command: list[str], environment: dict[str, str], *, may_fail: bool = False) -> str:
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if run.returncode and not may_fail:
        message = f"{' '.join(command)}: {run.stderr.strip()[-500:]}"
        raise CheckFailedError(message)
    return run.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
