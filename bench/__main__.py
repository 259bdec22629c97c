"""`make bench`: throughput, latency and memory on this machine, peers beside us, in one run.

    python -m bench [--events N] [--latency-seconds S] [--sweep-customers N] [--without-peers]

Starts a broker and a Redis of its own, prints one table, and leaves nothing running. Nothing is
asserted: a goal that is missed is shown as missed.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import stamina
from redis import Redis
from rich.console import Console
from rich.table import Table

from bench.campaigns import COUNTS, write_campaigns
from bench.latency import measure_latency
from bench.load import Load, publish_flat_out
from bench.peers.run import PEERS, fetch_tallies, prepare, run_peer
from bench.rebalancing import DECIDERS, measure_rebalancing
from bench.rebalancing import PARTITIONS as MANY_PARTITIONS
from bench.sweep import measure_sweep
from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
from streams.bootstrap import ensure_rules, ensure_topics, names_of
from streams.repartition.moving import Repartition
from streams.settings import Settings, load_settings

PARTITIONS = 4
CUSTOMERS = 100_000
ORDERS_PER_CUSTOMER = 5
MEMORY_CUSTOMERS = 20_000
RATE = 2_000
_COMMAND = Path(sys.executable).with_name("rfm-streams")
_SETTLE_S = 1.0
# Younger than what campaigns still act on.
_RECENT_MS = 2 * 3_600_000


class Bench:
    """One run on one broker and one Redis."""

    def __init__(self, kafka: EmbeddedKafka, redis: EmbeddedRedis, console: Console) -> None:
        self._kafka = kafka
        self._redis = redis
        self._console = console
        self.rows: list[tuple[str, str, str]] = []
        self._shown = 0

    def throughput(self, events: int) -> dict[str, float]:
        """Raw consume, intake, decide and both at once, on the same events."""
        settings = self._installation("t")
        topic = names_of(settings).topic("shop.orders")
        self._say(f"publishing {events} orders")
        load = Load(events=events, customers=CUSTOMERS)
        publish_flat_out(self._kafka.bootstrap_servers, topic, load, _now_ms())
        found: dict[str, float] = {}
        for side in ("raw", "intake", "decide"):
            result = self._side(settings, side, "--events", str(events))
            found[side] = result["events_per_s"]
            detail = f"{result['resident_mb']:.0f} MB, {result['cpu_us_per_event']:.1f} us CPU each"
            self.rows.append((f"{side}, one process", f"{found[side]:,.0f} events/s", detail))
        rebuilt = self._side(settings, "rebuild")
        self.rows.append(
            (
                "rebuild of an empty Redis (goal 50,000)",
                f"{rebuilt['customers_per_s']:,.0f} customers/s",
                f"{rebuilt['customers']} customers",
            )
        )
        return found

    def end_to_end(self, events: int) -> None:
        """Intake and decide side by side, from the public topic to the last commit."""
        settings = self._installation("e")
        topic = names_of(settings).topic("shop.orders")
        load = Load(events=events, customers=CUSTOMERS, seed=2)
        publish_flat_out(self._kafka.bootstrap_servers, topic, load, _now_ms())
        self._say("end to end")
        began_s = time.perf_counter()
        intake = self._start(settings, "intake", "--events", str(events))
        decide = self._start(settings, "decide", "--events", str(events))
        for process in (intake, decide):
            process.communicate()
        seconds = time.perf_counter() - began_s
        self.rows.append(
            ("end to end, two processes", f"{events / seconds:,.0f} events/s", "start-up included")
        )

    def latency(self, seconds: float) -> None:
        """Event to segment change at a steady rate."""
        settings = self._installation("l")
        self._say(f"latency at {RATE} events/s for {seconds:g} s")
        environment = self._environment(settings)
        process = subprocess.Popen(
            [str(_COMMAND), "run"], env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            result = measure_latency(settings, RATE, seconds)
        finally:
            process.terminate()
            process.wait(30)
        self.rows.append(
            (
                f"event to segment change at {RATE}/s (goal p99 < 500 ms)",
                f"p50 {result.p50_ms:.0f} ms, p99 {result.p99_ms:.0f} ms",
                f"{result.changes} changes",
            )
        )

    def rebalancing(self) -> None:
        """Event to segment change while workers join, leave, are restarted and die."""
        settings = self._installation("r", partitions=MANY_PARTITIONS)
        self._say(f"{DECIDERS} deciders at {RATE} events/s, {MANY_PARTITIONS} partitions")

        def start(role: str, name: str) -> "subprocess.Popen[bytes]":
            # Whoever is started as the fourth gives its share away when it is stopped; the others
            # come back under their names.
            environment = {
                **self._environment(settings),
                "RFM_INSTANCE": name,
                "RFM_LEAVE_ON_STOP": "true" if name == "d" else "false",
            }
            return subprocess.Popen(
                [str(_COMMAND), "run", role], env=environment, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip

        for phase in measure_rebalancing(settings, RATE, start, self._say):
            self.rows.append(
                (
                    f"event to segment change at {RATE}/s, {DECIDERS} deciders: {phase.name}",
                    f"p50 {phase.p50_ms:.0f} ms, p99 {phase.p99_ms:.0f} ms",
                    f"worst {phase.worst_ms:.0f} ms, {phase.changes} changes",
                )
            )

    def repartition(self, customers: int) -> None:
        """Everybody into twice as many partitions, and taken in there by one decider."""
        settings = self._installation("n")
        topic = names_of(settings).topic("shop.orders")
        load = Load(events=customers, customers=customers, seed=17, in_turn=True)
        publish_flat_out(self._kafka.bootstrap_servers, topic, load, _now_ms())
        others = {**self._environment(settings), "RFM_LEAVE_ON_STOP": "true"}
        # Each partition's journal begins with the rules, and that of the next generation likewise.
        for side, records in (("intake", customers), ("decide", customers + PARTITIONS)):
            self._side(settings, side, "--events", str(records), environment=others)
        self._say(f"repartition of {customers} customers")
        began_s = time.perf_counter()
        with closing(Repartition(settings, 2 * PARTITIONS)) as repartition:
            repartition.run()
        seconds = time.perf_counter() - began_s
        moved = settings.model_copy(update={"generation": 2, "partitions": 2 * PARTITIONS})
        others = {**self._environment(moved), "RFM_GENERATION": "2"}
        everybody = str(customers + 2 * PARTITIONS)
        taken = self._side(moved, "decide", "--events", everybody, environment=others)
        self.rows += [
            (
                f"repartition, {PARTITIONS} to {2 * PARTITIONS} partitions",
                f"{customers / seconds:,.0f} customers/s",
                f"{customers} customers in {seconds:.1f} s, checks included",
            ),
            (
                "decide takes in those who were moved, one process",
                f"{taken['events_per_s']:,.0f} customers/s",
                f"{taken['resident_mb']:.0f} MB",
            ),
        ]

    def memory(self) -> None:
        """Redis bytes for a customer with five orders, timers included."""
        settings = self._installation("m")
        events = MEMORY_CUSTOMERS * ORDERS_PER_CUSTOMER
        client = Redis.from_url(self._redis.url)
        before: Any = client.info("memory")
        topic = names_of(settings).topic("shop.orders")
        load = Load(events=events, customers=MEMORY_CUSTOMERS, seed=3)
        publish_flat_out(self._kafka.bootstrap_servers, topic, load, _now_ms())
        for side in ("intake", "decide"):
            self._side(settings, side, "--events", str(events))
        time.sleep(_SETTLE_S)
        after: Any = client.info("memory")
        each = (after["used_memory"] - before["used_memory"]) / MEMORY_CUSTOMERS
        self.rows.append(
            (
                "Redis, a customer with five orders on average (goal 1,024)",
                f"{each:,.0f} bytes",
                f"{MEMORY_CUSTOMERS} customers, used_memory difference",
            )
        )

    def schemes(self, events: int, folder: Path) -> None:
        """Decide with `rfm` alone, with the default schemes, and with all; without campaigns."""
        alone = 0.0
        for schemes in ("rfm", "starter", "full"):
            rules_dir = write_campaigns(folder / schemes, 0)
            settings = self._installation(f"s{schemes}", schemes=schemes, rules_dir=rules_dir)
            load = Load(events=events, customers=CUSTOMERS)
            topic = names_of(settings).topic("shop.orders")
            publish_flat_out(self._kafka.bootstrap_servers, topic, load, _now_ms())
            self._side(settings, "intake", "--events", str(events))
            rate = self._side(settings, "decide", "--events", str(events))["events_per_s"]
            alone = alone or rate
            self.rows.append(
                (
                    f"decide, schemes {schemes} (goal: full at least half of rfm)",
                    f"{rate:,.0f} events/s",
                    f"{rate / alone:.2f} of rfm alone",
                )
            )

    def campaigns(self, events: int, folder: Path) -> None:
        """Decide with all schemes and 10, 50 and 200 campaigns that may write to everybody."""
        fewest = 0.0
        for number in COUNTS:
            settings = self._installation(
                f"c{number}",
                schemes="full",
                rules_dir=write_campaigns(folder / str(number), number),
                consent_unknown={"email": "allow"},
            )
            load = Load(events=events, customers=CUSTOMERS)
            topic = names_of(settings).topic("shop.orders")
            # Recent enough to start campaigns.
            publish_flat_out(
                self._kafka.bootstrap_servers, topic, load, _now_ms(), spread_ms=_RECENT_MS
            )
            self._side(settings, "intake", "--events", str(events))
            result = self._side(settings, "decide", "--events", str(events))
            cost_us = result["cpu_us_per_event"]
            fewest = fewest or cost_us
            self.rows.append(
                (
                    f"decide, all schemes, {number} campaigns (goal: 200 at most 2.00)",
                    f"{result['events_per_s']:,.0f} events/s",
                    f"{cost_us:.0f} us CPU each, {cost_us / fewest:.2f} of {COUNTS[0]}",
                )
            )

    def sweep(self, customers: int) -> None:
        """Decide everybody anew while orders go on."""
        settings = self._installation("w", schemes="full")
        topic = names_of(settings).topic("shop.orders")
        self._say(f"publishing an order of each of {customers} customers")
        load = Load(events=customers, customers=customers, seed=5, in_turn=True)
        publish_flat_out(self._kafka.bootstrap_servers, topic, load, _now_ms())
        for side in ("intake", "decide"):
            self._side(settings, side, "--events", str(customers))
        environment = self._environment(settings)
        process = subprocess.Popen(
            [str(_COMMAND), "run"], env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._say(f"sweep of {customers} customers at {RATE} events/s")
        moved = {**environment, "RFM_SLEEPER_WEEKS": "27"}

        def apply_rules() -> None:
            subprocess.run([str(_COMMAND), "rules", "apply"], env=moved, check=True)

        try:
            result = measure_sweep(settings, RATE, load, apply_rules)
        except TimeoutError as error:
            self.rows.append((f"sweep of {customers:,} customers", "not finished", str(error)))
            return
        finally:
            process.terminate()
            process.wait(30)
        self.rows += [
            (
                f"sweep of {customers:,} customers, all schemes, at {RATE} live events/s",
                f"{result.seconds:,.0f} s",
                f"{customers / result.seconds:,.0f} customers/s",
            ),
            (
                "live event to segment change meanwhile (goal p99 < 1,000 ms)",
                f"p50 {result.p50_ms:.0f} ms, p99 {result.p99_ms:.0f} ms",
                f"{result.changes} changes",
            ),
        ]

    def peers(self, events: int, ours: dict[str, float]) -> None:
        """The peers on the same kind of topic."""
        settings = self._installation("p")
        topic = names_of(settings).topic("shop.orders")
        load = Load(events=events, customers=CUSTOMERS, seed=1)
        publish_flat_out(self._kafka.bootstrap_servers, topic, load, _now_ms())
        tallies = fetch_tallies(self._kafka.bootstrap_servers, topic, events)
        for peer in PEERS:
            self._say(f"peer {peer}")
            prepare(peer)
            result = run_peer(peer, self._kafka.bootstrap_servers, topic, tallies)
            rate = float(result["events_per_s"])
            ratio = f"decide is {ours['decide'] / rate:.2f} times that"
            self.rows.append((f"{peer}: count, sum, last date", f"{rate:,.0f} events/s", ratio))

    def _installation(
        self, namespace: str, schemes: str = "rfm", partitions: int = PARTITIONS, **others: Any
    ) -> Settings:
        # By default what the peers do is compared with the one scheme that is always there.
        settings = load_settings(
            **others,
            namespace=namespace,
            schemes=schemes,
            kafka_bootstrap_servers=self._kafka.bootstrap_servers,
            redis_url=self._redis.url,
            partitions=partitions,
            metrics_port=0,
        )
        ensure_topics(settings)
        ensure_rules(settings)
        return settings

    def _environment(self, settings: Settings) -> dict[str, str]:
        return {
            **os.environ,
            "RFM_NAMESPACE": settings.namespace,
            "RFM_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "RFM_REDIS_URL": settings.redis_url.get_secret_value(),
            "RFM_PARTITIONS": str(settings.partitions),
            "RFM_SCHEMES": settings.schemes,
            "RFM_METRICS_PORT": "0",
        }

    def _start(
        self, settings: Settings, *arguments: str, environment: dict[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "bench.sides", *arguments],
            env=environment or self._environment(settings),
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parent.parent,
        )

    def _side(
        self, settings: Settings, *arguments: str, environment: dict[str, str] | None = None
    ) -> dict[str, Any]:
        self._say(" ".join(arguments))
        process = self._start(settings, *arguments, environment=environment)
        out, _ = process.communicate()
        if process.returncode:
            sys.exit(f"{arguments[0]} ended with {process.returncode}")
        found: dict[str, Any] = msgspec.json.decode(out.splitlines()[-1])
        return found

    def _say(self, text: str) -> None:
        # A whole run takes half an hour: what is found so far is shown while it goes on.
        for row in self.rows[self._shown :]:
            self._console.print(": ".join(row))
        self._shown = len(self.rows)
        self._console.print(f"... {text}", style="dim")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--latency-seconds", type=float, default=20.0)
    parser.add_argument("--sweep-customers", type=int, default=1_000_000, help="0 for no sweep")
    parser.add_argument("--without-peers", action="store_true")
    given = parser.parse_args()
    # A new topic without a leader yet is asked again, which is nobody's result.
    stamina.instrumentation.set_on_retry_hooks([])
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="rfm-bench-") as folder,
        EmbeddedKafka.start(Path(folder) / "kafka") as kafka,
        EmbeddedRedis.start(Path(folder) / "redis", appendonly=False) as redis,
    ):
        bench = Bench(kafka, redis, console)
        bench.memory()
        ours = bench.throughput(given.events)
        bench.end_to_end(given.events)
        bench.latency(given.latency_seconds)
        bench.rebalancing()
        bench.repartition(CUSTOMERS)
        bench.schemes(given.events, Path(folder) / "schemes")
        bench.campaigns(given.events, Path(folder) / "campaigns")
        if given.sweep_customers:
            bench.sweep(given.sweep_customers)
        if not given.without_peers:
            bench.peers(given.events, ours)
    table = Table(
        title=f"rfm-streams on {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    for column in ("what", "result", "detail"):
        table.add_column(column)
    for row in bench.rows:
        table.add_row(*row)
    Console().print(table)
    Console().print(
        f"{given.events} orders of {CUSTOMERS} customers, 36-character ids, {PARTITIONS} partitions; "
        "one embedded broker (512 MB heap, serial GC) and one Redis on this machine; "
        "Redis without append-only file; intake goal 30,000 events/s, decide goal twice Quix"
    )


if __name__ == "__main__":
    main()
