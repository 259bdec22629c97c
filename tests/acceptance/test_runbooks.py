"""Each fault of the runbooks made on purpose, on real servers.

The alert comes, the page's commands show why, and what the page says heals it. The alerts are those
of deploy/prometheus/alerts.yml with shorter waits.
"""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests import servers
from tests.acceptance.monitored import WAIT_S, Monitored, hastened, monitored
from tests.waiting import wait_until

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def installation() -> Iterator[Monitored]:
    """Servers and a Prometheus for all tests here; each leaves them well."""
    folder = Path(tempfile.mkdtemp(prefix="private-", dir=servers.run_dir()))
    with monitored(folder, hastened()) as shop:
        yield shop
    shutil.rmtree(folder)


@pytest.fixture
def shop(installation: Monitored) -> Iterator[Monitored]:
    """The installation at work, with some customers, and nothing wrong with it."""
    with installation.started():
        installation.publish_orders(20)
        installation.wait_until_well()
        yield installation


def test_a_broker_that_is_down(shop: Monitored) -> None:
    shop.kafka.kill()
    shop.wait_for_alert("RfmKafkaUnreachable")
    said = shop.follow("kafka-unreachable", "Diagnosis")
    assert said["rfm-streams status"].startswith("1\n")
    assert shop.kafka.bootstrap_servers in said["rfm-streams status"]
    health = said["curl -s localhost:9102/health/ready"]
    assert health.startswith("503\n")
    assert "Kafka does not answer at" in health
    # Mitigation: the broker is started again, and nothing else is done.
    shop.kafka.restart()
    shop.publish_orders(20)
    shop.wait_until_well()


def test_a_redis_that_is_down(shop: Monitored) -> None:
    shop.redis.kill()
    shop.publish_orders(20)
    shop.wait_for_alert("RfmRedisUnreachable", "RfmOffsetNotMoving", "RfmNotReady")
    assert shop.metric("rfm_lag_records", topic="rfm.journal") >= 20
    assert shop.metric("rfm_lag_seconds", topic="rfm.journal") > 0
    said = shop.follow("redis-unreachable", "Diagnosis")
    assert said["rfm-streams status"].startswith("1\n")
    assert "Redis" in said["rfm-streams status"]
    assert "Redis does not answer" in said["curl -s localhost:9102/health/ready"]
    assert (
        "being recovered"
        in shop.follow("not-ready", "Diagnosis")["curl -s localhost:9102/health/ready"]
    )
    shop.redis.restart()
    shop.wait_until_well()


def test_a_redis_that_was_emptied(shop: Monitored) -> None:
    with redis.Redis.from_url(shop.redis.url) as client:
        client.flushall()
    shop.publish_orders(5)
    shop.wait_for_alert("RfmStoreGuardRefusals")
    assert shop.metric("rfm_store_guard_outcomes_total", outcome="moved") > 0
    assert "Redis is not where its owner left it" in "\n".join(shop.run.err)
    assert shop.follow("store-guard-refusals", "Diagnosis")["rfm-streams status"].startswith("0\n")
    # It heals by itself, and what the page offers to who doubts it is safe.
    shop.wait_until_well()
    assert [ran.code for ran in shop.mend("store-guard-refusals")] == [0]
    shop.wait_until_well()


def test_a_worker_that_is_stuck(shop: Monitored) -> None:
    worker = shop.worker("decide")
    worker.send_signal(signal.SIGSTOP)
    shop.publish_orders(5)
    shop.wait_for_alert("RfmProcessDown", "RfmNoGroupMembers")
    assert shop.metric("rfm_group_members", group="decide") == 0
    assert shop.metric("rfm_group_members", group="intake") == 1
    said = shop.follow("no-group-members", "Diagnosis")["rfm-streams status"]
    assert "rfm.decide" in said
    assert "nobody" in said or "empty" in said
    shop.follow("process-down", "Diagnosis")
    # Mitigation: it is killed, and what supervises it starts it again.
    worker.kill()
    shop.wait_until_well()


def test_a_flood_of_poison(installation: Monitored) -> None:
    shop = installation
    with shop.started():
        shop.publish_orders(20)
        shop.wait_until_well()
        before = shop.customers
        shop.publish_orders(200, currency="USD")
        shop.wait_for_alert("RfmDeadLetters")
        assert shop.metric("rfm_dead_letters_total", reason="no_exchange_rate") >= 200
        said = shop.follow("dead-letters", "Diagnosis")
        assert said["rfm-streams dead-letters list"].count("no_exchange_rate") == 50
        assert said["rfm-streams dead-letters list --limit 1000 --json"].count("USD") >= 200
        assert len(shop.command("export").out.splitlines()) - 1 == before
    # Mitigation: the setting, a restart of the processes, and the letters once more.
    with shop.started(RFM_EXCHANGE_RATES='{"USD": {"2020-01-01": "0.9"}}'):
        assert [ran.code for ran in shop.mend("dead-letters")] == [0]
        shop.wait_until_well()


def test_a_process_that_starts_over_and_over(shop: Monitored) -> None:
    for _ in range(3):
        address = shop.address("decide")
        worker = shop.worker("decide")
        worker.kill()
        wait_until(
            lambda: shop.has_come_back("decide", worker.pid),  # noqa: B023 - called in this round
            WAIT_S,
            f"another process answers at {address}",
        )
    shop.wait_for_alert("RfmProcessRestarts")
    wait_until(
        lambda: shop.metric("rfm_process_restarts_total", reason="killed") == 3,
        WAIT_S,
        "the reasons are counted",
    )
    assert "started again" in "\n".join(shop.run.err)
    shop.follow("process-restarts", "Diagnosis")
    shop.wait_until_well()
