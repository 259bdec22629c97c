"""A small installation as real processes on real servers, watched by a real Prometheus."""

import json
import re
import shlex
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from confluent_kafka import Producer

from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
from streams.adapters.embedded.ports import find_free_port
from streams.adapters.kafka.config import producer_config
from tests.command_line import Ran, run_command
from tests.contract.documents import blocks, program_calls
from tests.integration.running import Run, fetch, running
from tests.operations.monitoring import RUNBOOKS
from tests.prometheus import ALERTS, Prometheus, prometheus
from tests.waiting import wait_until

# What takes minutes in service takes seconds here: `for`, and the windows of rates.
HASTE = 10
WAIT_S = 90.0
# A client's call that hangs for ever is ended by the watchdog after 90 s, and then there is a start.
HEALED_S = 200.0
# A reminder that comes within seconds.
CAMPAIGN = """
name: cart_reminder
version: 1
priority: 10
channels: [email]
trigger: {event: cart.abandoned}
max_start_delay: 4h
steps:
  - {name: first, after: 2s, template: cart_reminder_first, valid_for: 10m}
"""
# Commands of others that stand in the pages; ours are run.
OTHERS = {"docker-compose", "ps", "redis-cli", "timedatectl", "chronyc", "date"}
# The ports of docker-compose.yml, which the pages name.
PORTS = {"9101": "intake", "9102": "decide"}


def hastened() -> dict[str, Any]:
    """The alert rules with every span of time so much shorter; what they ask for is the same."""
    rules: dict[str, Any] = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[(\d+)m\]", _shortened, rule["expr"])
            if "for" in rule:
                rule["for"] = f"{int(rule['for'].removesuffix('m')) * 60 // HASTE}s"
    return rules


def _shortened(window: re.Match[str]) -> str:
    return f"[{int(window[1]) * 60 // HASTE}s]"


@dataclass(slots=True)
class Monitored:
    """Kafka, Redis, `rfm-streams run` with one worker of each role, Prometheus."""

    folder: Path
    kafka: EmbeddedKafka
    redis: EmbeddedRedis
    port: int
    run: Run = field(init=False)
    prometheus: Prometheus = field(init=False)
    overrides: dict[str, str] = field(default_factory=dict)
    customers: int = 0

    @property
    def environment(self) -> dict[str, str]:
        """Settings of the processes and of the commands beside them."""
        return {
            "RFM_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "RFM_REDIS_URL": self.redis.url,
            "RFM_PARTITIONS": "2",
            "RFM_METRICS_PORT": str(self.port),
            "RFM_LOG_FORMAT": "json",
            "RFM_RULES_DIR": str(self.folder / "rules"),
            "RFM_CART_ABANDONED_AFTER_MINUTES": "0.02",
            "RFM_CONSENT_UNKNOWN": '{"email": "after_purchase"}',
            **self.overrides,
        }

    def address(self, role: str) -> str:
        """Where metrics and health of a role are, the same for all its lives."""
        return f"127.0.0.1:{self.port + ('intake', 'decide').index(role)}"

    def worker(self, role: str) -> psutil.Process:
        """The process of a role."""
        port = int(self.address(role).rpartition(":")[2])
        return next(
            child
            for child in self.run.children()
            if any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == port
                for one in child.net_connections("tcp")
            )
        )

    def has_come_back(self, role: str, before: int) -> bool:
        """Whether a process other than `before` is ready in its place."""
        if fetch(f"http://{self.address(role)}", "/health/ready")[0] != 200:
            return False
        return self.worker(role).pid != before

    def publish(self, events: list[dict[str, Any]], topic: str = "shop.orders") -> None:
        """Publish events as a shop would."""
        producer = Producer(
            producer_config({"bootstrap.servers": self.kafka.bootstrap_servers, "log_level": 0})
        )
        for event in events:
            producer.produce(topic, json.dumps(event), str(event.get("customer_id", "")))
        assert producer.flush(WAIT_S) == 0

    def publish_orders(self, count: int, currency: str = "EUR") -> None:
        """One order of each of so many new customers."""
        self.publish([order(self.customers + number, currency) for number in range(count)])
        self.customers += count

    def command(self, *arguments: str) -> Ran:
        """One command of ours, as whoever is on call types it."""
        return run_command(self.environment, *arguments)

    def follow(self, page: str, section: str) -> dict[str, str]:
        """Carry out the commands of a section of a runbook; output and complaints of each."""
        text = (RUNBOOKS / f"{page}.md").read_text(encoding="utf-8")
        part = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
        said: dict[str, str] = {}
        for block in blocks(part, "sh"):
            for line in block.splitlines():
                words = shlex.split(line)
                if words[0] == "rfm-streams":
                    ran = self.command(*words[1:])
                    said[line] = f"{ran.code}\n{ran.out}{ran.err}"
                elif words[0] == "curl":
                    port, _, path = words[-1].removeprefix("localhost:").partition("/")
                    status, body = fetch(f"http://{self.address(PORTS[port])}", f"/{path}")
                    said[line] = f"{status}\n{body}"
                else:
                    assert words[0] in OTHERS, f"{page}: who runs {line}?"
        assert said, f"{page} has no command of ours under {section}"
        return said

    def mend(self, page: str) -> list[Ran]:
        """Run the commands of ours that a page names under Mitigation, where they stand alone."""
        text = (RUNBOOKS / f"{page}.md").read_text(encoding="utf-8")
        part = text.partition("## Mitigation\n")[2]
        calls = [call for call in program_calls(part) if "--yes" in call]
        assert calls, f"{page} names no command to mend anything"
        return [self.command(*call) for call in calls]

    def wait_for_alert(self, *names: str) -> None:
        """Until these fire."""
        wait_until(
            lambda: set(names) <= self.prometheus.firing(), WAIT_S, f"{names} fire in Prometheus"
        )

    def wait_until_well(self) -> None:
        """Until nothing is left to do, no alert fires, and every customer is in Redis."""
        try:
            # Twice: what intake commits while the status is read is seen nowhere for a moment.
            for _ in range(2):
                wait_until(self._is_done, HEALED_S, "nothing is left to do")
            wait_until(lambda: not self.prometheus.firing(), HEALED_S, "no alert fires")
        except pytest.fail.Exception:
            print(self.prometheus.firing(), self.command("status"), *self.run.err[-40:], sep="\n")
            raise
        rows = self.command("export").out.splitlines()
        assert len(rows) - 1 == self.customers

    def _is_done(self) -> bool:
        ran = self.command("status", "--json")
        if ran.code != 0:
            return False
        status = json.loads(ran.out)
        return not any(one["lag"] for one in status["intake"]) and all(
            one["lag"] == 0 and one["store"] == "current" for one in status["partitions"]
        )

    @contextmanager
    def started(self, **overrides: str) -> Iterator[None]:
        """The processes, running with these settings until the end of the block."""
        self.overrides = dict(overrides)
        with running([], self.environment, self.folder) as self.run:
            self.run.wait_ready("intake main-0", "decide main-0")
            yield
            assert self.run.end() == 0

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric as Prometheus has it now."""
        wanted = ", ".join(f'{label}="{value}"' for label, value in labels.items())
        return sum(float(one["value"][1]) for one in self.prometheus.query(f"{name}{{{wanted}}}"))


def order(number: int, currency: str = "EUR", **changed: Any) -> dict[str, Any]:
    """The first order of customer `number`, placed a minute ago."""
    return {
        "type": "order.placed",
        "event_id": f"order-{number}",
        "customer_id": f"customer-{number}",
        "occurred_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "order_id": f"order-{number}",
        "currency": currency,
        "total": "50.00",
        "items": [{"sku": "mug", "quantity": 1, "unit_price": "50.00"}],
        **changed,
    }


@contextmanager
def monitored(folder: Path, rules: Mapping[str, Any]) -> Iterator[Monitored]:
    """Servers of its own and a Prometheus; the processes are started by `started`."""
    with ExitStack() as stack:
        kafka = stack.enter_context(EmbeddedKafka.start(folder / "kafka"))
        redis = stack.enter_context(EmbeddedRedis.start(folder / "redis"))
        (folder / "rules" / "campaigns").mkdir(parents=True)
        (folder / "rules" / "campaigns" / "cart_reminder.yaml").write_text(CAMPAIGN)
        shop = Monitored(folder, kafka, redis, _two_free_ports())
        targets = {f"rfm-{role}": [shop.address(role)] for role in ("intake", "decide")}
        shop.prometheus = stack.enter_context(prometheus(folder / "prometheus", targets, rules))
        yield shop


def _two_free_ports() -> int:
    """The first of two neighbours."""
    for _ in range(100):
        port = find_free_port()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
        return port
    raise AssertionError("no two free ports side by side")
