"""`rfm-streams run` as real processes on a real broker and a real Redis."""

import json
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer

from streams.adapters.embedded.ports import find_free_port
from streams.adapters.kafka.config import producer_config, reader_config
from tests.integration.running import Run, fetch, gone_within, running
from tests.waiting import wait_until

WAIT_S = 60.0


@pytest.fixture
def environment(kafka: str, redis_url: str, namespace: str) -> dict[str, str]:
    """Settings of a run of this test's own."""
    return {
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_NAMESPACE": namespace,
        "RFM_PARTITIONS": "4",
        "RFM_METRICS_PORT": "0",
        "RFM_LOG_FORMAT": "json",
    }


def publish_orders(kafka: str, namespace: str, first: int, count: int) -> None:
    """One order of each of `count` new customers."""
    producer = Producer(producer_config({"bootstrap.servers": kafka}))
    for number in range(first, first + count):
        order = {
            "type": "order.placed",
            "event_id": f"order-{number}",
            "customer_id": f"customer-{number}",
            "occurred_at": datetime.now(UTC).isoformat(),
            "order_id": f"order-{number}",
            "currency": "EUR",
            "total": "50.00",
            "items": [{"sku": "mug", "quantity": 1, "unit_price": "50.00"}],
        }
        producer.produce(f"{namespace}.shop.orders", json.dumps(order))
    assert producer.flush(WAIT_S) == 0


class Changes:
    """Segment changes as a subscriber reads them."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self._consumer = Consumer(
            {
                **reader_config({"bootstrap.servers": kafka}),
                "group.id": f"{namespace}.test",
                "enable.partition.eof": False,
            }
        )
        self._consumer.subscribe([f"{namespace}.segment-changes"])
        self.read: list[tuple[str, str, int]] = []

    def __len__(self) -> int:
        """Number of changes read so far, after reading what there is."""
        for message in self._consumer.consume(1_000, 0.2):
            assert message.error() is None
            value = json.loads(message.value() or b"")
            if value["scheme"] != "rfm":
                continue
            self.read.append((value["customer_id"], value["current"], value["sequence"]))
        return len(self.read)

    def close(self) -> None:
        self._consumer.close()


def expect_first_changes(changes: Changes, customers: int) -> None:
    """Exactly one first change of each customer."""
    wait_until(lambda: len(changes) >= customers, WAIT_S, f"{customers} segment changes came")
    assert sorted(changes.read) == sorted(
        (f"customer-{number}", "Potential Loyalists", 1) for number in range(customers)
    )


def test_orders_become_segment_changes_and_everything_ends_in_order(
    kafka: str, namespace: str, environment: dict[str, str], tmp_path: Path
) -> None:
    with running(["intake", "decide", "--workers", "2"], environment, tmp_path) as run:
        run.wait_ready("intake main-0", "decide main-0", "decide main-1")
        changes = Changes(kafka, namespace)
        publish_orders(kafka, namespace, 0, 200)
        expect_first_changes(changes, 200)
        changes.close()

        deciders = ("decide main-0", "decide main-1")
        wait_until(
            lambda: sum(run.metric(one, "rfm_timers_pending") for one in deciders) == 200,
            WAIT_S,
            "every customer's timer is counted",
        )
        assert sum(run.metric(one, "rfm_partitions_owned") for one in deciders) == 4
        assert (
            sum(
                run.metric(
                    one,
                    "rfm_segment_changes_total",
                    scheme="rfm",
                    cause="event",
                    segment="Potential Loyalists",
                )
                for one in deciders
            )
            == 200
        )
        assert sum(run.metric(one, "rfm_event_to_commit_seconds_count") for one in deciders) == 200
        for one in deciders:
            assert run.metric(one, "rfm_store_guard_outcomes_total", outcome="applied") > 0
            assert run.metric(one, "rfm_store_lag_offsets") == 0
            assert abs(run.metric(one, "rfm_clock_difference_seconds")) < 5
        assert run.metric("intake main-0", "rfm_records_total") == 200
        assert run.metric("intake main-0", "rfm_event_to_journal_seconds_count") == 200
        wait_until(
            lambda: sum(run.metric(one, "rfm_lag_records") for one in run.addresses()) == 0,
            WAIT_S,
            "everything is read",
        )
        assert run.metric("intake main-0", "rfm_position_offset", topic="shop.orders") == 200
        assert sum(run.metric(one, "rfm_position_offset") for one in deciders) >= 200
        wait_until(
            lambda: run.metric("intake main-0", "rfm_group_members", group="decide") == 2,
            WAIT_S,
            "intake sees both members of decide",
        )
        # Nobody ever ran deliver here, so nobody misses it.
        shown = fetch(run.addresses()["intake main-0"], "/metrics")[1]
        assert 'rfm_group_members{group="decide"}' in shown
        assert 'group="deliver"' not in shown
        for one in run.addresses():
            assert run.metric(one, "rfm_dependency_up", dependency="kafka") == 1
            assert run.metric(one, "rfm_dependency_up", dependency="redis") == 1
        assert fetch(run.addresses()["intake main-0"], "/health/live") == (
            200,
            '{"status": "ok", "role": "intake", "reasons": []}\n',
        )
        assert fetch(run.addresses()["intake main-0"], "/")[0] == 404
        workers = run.children()
        assert len(workers) == 3
        assert run.end() == 0
        assert gone_within(workers, 1)
    assert len(run.out) == 3  # the addresses and nothing else
    assert re.search(r"customer-\d", "\n".join(run.err)) is None
    # No worker had to be killed, none hung until its deadline.
    assert not run.logged("ending the hard way, which is safe")
    assert not run.logged("a worker missed its deadline and is killed")
    assert len(run.logged("stopped")) == 3


def test_a_killed_worker_comes_back_under_its_name_and_decides_on(
    kafka: str, namespace: str, environment: dict[str, str], tmp_path: Path
) -> None:
    with running(["--workers", "2"], environment, tmp_path) as run:
        run.wait_ready("intake main-0", "decide main-0", "decide main-1")
        changes = Changes(kafka, namespace)
        publish_orders(kafka, namespace, 0, 50)
        expect_first_changes(changes, 50)
        before = run.addresses()["decide main-0"]
        victim = _worker_at(run, before)
        victim.kill()
        wait_until(
            lambda: run.addresses()["decide main-0"] != before, WAIT_S, "the worker came back"
        )
        run.wait_ready("decide main-0")
        publish_orders(kafka, namespace, 50, 50)
        expect_first_changes(changes, 100)
        changes.close()
        assert run.metric("decide main-0", "rfm_process_restarts_total", reason="killed") == 1
        (line,) = run.logged("a worker ended by itself and is started again")
        assert (line["name"], line["reason"]) == ("main-0", "killed")
        assert run.end(signal.SIGINT) == 0


def _worker_at(run: Run, address: str) -> psutil.Process:
    port = int(address.rpartition(":")[2])
    return next(
        child
        for child in run.children()
        if any(
            one.status == psutil.CONN_LISTEN and one.laddr.port == port
            for one in child.net_connections("tcp")
        )
    )


def test_workers_end_with_a_killed_supervisor(environment: dict[str, str], tmp_path: Path) -> None:
    with running(["--workers", "2"], environment, tmp_path) as run:
        run.wait_ready("intake main-0", "decide main-0", "decide main-1")
        workers = run.children()
        assert run.end(signal.SIGKILL) == -signal.SIGKILL
        assert gone_within(workers, 20)


def test_a_second_process_of_one_name_takes_over_and_the_first_says_so(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with running(["decide"], environment, tmp_path) as first:
        first.wait_ready("decide main-0")
        assert first.children() == []  # a single role runs in that very process
        with running(["decide"], environment, tmp_path) as second:
            assert first.wait(WAIT_S) == 4
            assert len(first.logged("fenced: another process took over, this one ends")) == 1
            second.wait_ready("decide main-0")
            assert second.end() == 0


def test_two_signals_end_a_run_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    with running(["--workers", "2"], environment, tmp_path) as run:
        run.wait_ready("intake main-0", "decide main-0", "decide main-1")
        workers = run.children()
        for worker in workers:
            os.kill(worker.pid, signal.SIGSTOP)  # these cannot end in order
        run.process.send_signal(signal.SIGTERM)
        wait_until(lambda: bool(run.logged("stopping")), WAIT_S, "the first signal was taken")
        assert run.end(signal.SIGTERM, timeout_s=5) == 128 + signal.SIGTERM
        assert gone_within(workers, 5)


@pytest.mark.parametrize(
    ("arguments", "changed", "said"),
    [
        ([], {"RFM_PARTITIONS": "many"}, "RFM_PARTITIONS"),
        ([], {"RFM_REDIS_URL": "nonsense"}, "RFM_REDIS_URL"),
        ([], {"RFM_KAFKA": '{"no.such.setting": "1"}'}, "RFM_KAFKA"),
        ([], {"RFM_RULES_DIR": "/nowhere"}, "/nowhere"),
        (["deliver"], {}, "deliver"),
        (["--workers", "0"], {}, "--workers"),
        (["--intake-workers", "2"], {"RFM_CLOCK": "event"}, "--intake-workers"),
    ],
)
def test_bad_settings_and_arguments_are_one_line(
    arguments: list[str],
    changed: dict[str, str],
    said: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    with running(arguments, environment | changed, tmp_path) as run:
        assert run.wait(WAIT_S) == 2
    (line,) = run.err
    assert said in line


def test_a_taken_port_is_said_in_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    with running(["decide"], environment, tmp_path) as first:
        wait_until(lambda: bool(first.addresses()), WAIT_S, "the first run listens")
        port = first.addresses()["decide main-0"].rpartition(":")[2]
        taken = environment | {"RFM_METRICS_PORT": port}
        with running(["decide"], taken, tmp_path) as second:
            assert second.wait(WAIT_S) == 2
        (line,) = second.err
        assert "RFM_METRICS_PORT" in line


def test_a_run_waits_for_kafka_and_stops_waiting_when_told(
    environment: dict[str, str], tmp_path: Path
) -> None:
    nowhere = {"RFM_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{find_free_port()}"}
    with running(["decide"], environment | nowhere, tmp_path) as run:
        wait_until(lambda: bool(run.logged("trying again")), WAIT_S, "it says that it waits")
        (address,) = run.addresses().values()
        status, body = fetch(address, "/health/ready")
        assert status == 503
        assert "starting" in body
        assert fetch(address, "/health/live")[0] == 200
        assert run.end(timeout_s=5) == 0
    cause = run.logged("trying again")[0]["cause"]
    assert "RFM_KAFKA_BOOTSTRAP_SERVERS" in cause


def test_a_worker_that_finds_another_journals_redis_ends_the_run(
    kafka: str, namespace: str, environment: dict[str, str], tmp_path: Path
) -> None:
    with running(["--workers", "2"], environment, tmp_path) as run:
        run.wait_ready("intake main-0", "decide main-0", "decide main-1")
        changes = Changes(kafka, namespace)
        publish_orders(kafka, namespace, 0, 50)
        expect_first_changes(changes, 50)
        changes.close()
        assert run.end() == 0
    # The same Redis keys under the next generation: a broken invariant, for a person to decide.
    with running(["--workers", "2"], environment | {"RFM_GENERATION": "2"}, tmp_path) as run:
        assert run.wait(WAIT_S) == 3
    assert run.logged("a worker needs a person; the run ends")
    (first, *_) = run.logged("stopped: going on could lose or double a decision")
    assert "redis rebuild" in first["cause"]
