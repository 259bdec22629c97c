"""What processes and commands write tells nobody's data and no secret, and says where it happened."""

import json
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Producer

from streams.adapters.embedded import EmbeddedRedis
from streams.adapters.embedded.ports import find_free_port
from streams.adapters.kafka.config import producer_config
from tests import servers
from tests.command_line import run_command
from tests.integration.running import Run, fetch, running
from tests.waiting import wait_until

WAIT_S = 60.0
SECRETS = ("hush-redis", "hush-kafka", "hush-more")
ATTRIBUTES: dict[str, Any] = {
    "email": "zq7@example.org",
    "phone": "+49 30 7707707",
    "first_name": "Zqfirst",
    "language": "rm-zqlang",
    "time_zone": "Pacific/Chatham",
    "country": "LI",
    "region": "Zqregion",
    "postal_code": "ZQ-90807",
    "birth_date": "1977-07-17",
    "gender": "zqgender",
    "household": "zqhousehold",
    "marital_status": "zqmarital",
    "income_band": "zqincome",
    "education": "zqeducation",
    "interests": ["zqinterest"],
    "values": ["zqvalue"],
    "lifestyle": ["zqlifestyle"],
    "leave_reason": "zqleave",
    "zqname": "zqown",
}
CUSTOMER, OTHER = "zq-customer-1", "zq-customer-2"


@pytest.fixture(scope="module")
def store() -> Iterator[EmbeddedRedis]:
    """A Redis that asks a user of ours for a password."""
    folder = Path(tempfile.mkdtemp(prefix="private-", dir=servers.run_dir()))
    with EmbeddedRedis.start(folder) as server:
        with redis.Redis.from_url(server.url) as client:
            client.acl_setuser(
                "shop", enabled=True, passwords=["+hush-redis"], keys=["*"], commands=["+@all"]
            )
        yield server
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def environment(kafka: str, store: EmbeddedRedis) -> dict[str, str]:
    """Settings with a secret wherever one can stand; the topics are there."""
    namespace = f"t{uuid.uuid4().hex[:10]}"
    settings = {
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_KAFKA_PASSWORD": "hush-kafka",
        "RFM_KAFKA": '{"ssl.key.password": "hush-more"}',
        "RFM_REDIS_URL": store.url.replace("//", "//shop:hush-redis@"),
        "RFM_NAMESPACE": namespace,
        "RFM_PARTITIONS": "2",
        "RFM_METRICS_PORT": "0",
        "RFM_LOG_FORMAT": "json",
        "RFM_LOG_LEVEL": "info",
    }
    assert run_command(settings, "topics", "create").code == 0
    return settings


def event(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    """An event of the customer, now."""
    return {
        "type": kind,
        "event_id": f"zq-event-{number}",
        "customer_id": CUSTOMER,
        "occurred_at": datetime.now(UTC).isoformat(),
        **fields,
    }


def order(number: int, **changed: Any) -> dict[str, Any]:
    """An order of the customer."""
    item = {"sku": "zq-sku", "quantity": 1, "unit_price": "77.13", "name": "Zqproduct"}
    fields = {"order_id": f"zq-order-{number}", "currency": "EUR", "total": "77.13"}
    return event("order.placed", number, **{**fields, "items": [item], **changed})


def inbound() -> Iterator[tuple[str, bytes]]:
    """Every kind of event, and records that cannot be used, each with somebody's data."""
    good = [
        ("shop.customers", event("customer.updated", 1, attributes=ATTRIBUTES)),
        (
            "shop.customers",
            event("consent.changed", 2, channel="email", granted=True, source="zqsource"),
        ),
        ("shop.orders", order(3)),
        (
            "shop.carts",
            event("cart.updated", 4, cart_id="zq-cart", currency="EUR", value="5.00", items=[]),
        ),
        ("shop.customers", event("customer.merged", 5, into_customer_id=OTHER)),
        (
            "shop.customers",
            event("customer.merged", 6, customer_id=OTHER, into_customer_id=CUSTOMER),
        ),
        ("shop.customers", event("customer.erased", 7)),
    ]
    bad = [
        ("shop.orders", order(8, total="zqtotal")),
        ("shop.orders", order(9, currency="zqcurrency")),
        ("shop.orders", order(10, customer_id={"zqfield": "zqinner"})),
        ("shop.customers", event("zq.type", 11)),
        ("shop.customers", event("customer.updated", 12, attributes={"email": "zqbroken"})),
        ("shop.customers", event("customer.updated", 13, attributes={"birth_date": "zqborn"})),
    ]
    for topic, one in [*good, *bad]:
        yield topic, json.dumps(one).encode()
    yield "shop.orders", b'{"customer_id": "zq-customer-1", "note": "zqnote"'
    yield "shop.orders", b"zqplain \xff"


def private_words() -> set[str]:
    """Every value that was sent, ids and the names of own attributes included."""
    words = {CUSTOMER, OTHER, "77.13", "Zqproduct", "zqname", "zqsource"}
    for value in ATTRIBUTES.values():
        words |= set(value) if isinstance(value, list) else {value}
    words |= set(
        re.findall(
            rb"zq[\w.-]*".decode(), b"\n".join(v for _, v in inbound()).decode(errors="replace")
        )
    )
    return words


def publish(environment: dict[str, str]) -> int:
    """Send everything; the number of records."""
    servers = {"bootstrap.servers": environment["RFM_KAFKA_BOOTSTRAP_SERVERS"]}
    producer = Producer(producer_config(servers))
    records = list(inbound())
    for topic, value in records:
        producer.produce(f"{environment['RFM_NAMESPACE']}.{topic}", value, CUSTOMER.encode())
    assert producer.flush(WAIT_S) == 0
    return len(records)


def told_by(run: Run) -> list[dict[str, Any]]:
    """The log's lines; each must be JSON."""
    return [json.loads(line) for line in list(run.err)]


def complain_about(text: str, where: str) -> None:
    """Fail where a text has anybody's data or a secret."""
    for word in sorted(private_words()):
        assert not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text), f"{where} tells {word}"
    for secret in SECRETS:
        assert secret not in text, f"{where} tells {secret}"


def test_a_run_logs_where_it_stands_and_nobodys_data(
    environment: dict[str, str], store: EmbeddedRedis, tmp_path: Path
) -> None:
    with running([], environment, tmp_path) as run:
        run.wait_ready("intake main-0", "decide main-0")
        sent = publish(environment)
        wait_until(
            lambda: (
                run.metric("intake main-0", "rfm_records_total") == sent
                and run.metric("decide main-0", "rfm_lag_records") == 0
                and run.metric("decide main-0", "rfm_states_written_total") > 0
            ),
            WAIT_S,
            "all records are decided",
        )
        assert run.metric("intake main-0", "rfm_dead_letters_total") == 8
        # A partition whose store is lost, so that lines about trouble are among them.
        with redis.Redis.from_url(store.url) as client:
            client.flushdb()
        publish(environment)
        moved = "Redis is not where its owner left it; its partition recovers"
        wait_until(lambda: bool(run.logged(moved)), WAIT_S, "the loss of the store is told")
        for worker, address in run.addresses().items():
            for path in ("/metrics", "/health/ready"):
                complain_about(fetch(address, path)[1], f"{path} of {worker}")
        assert run.end() == 0
        lines = told_by(run)
    complain_about("\n".join([*run.out, *run.err]), "the log")
    for line in lines:
        assert {"event", "level", "timestamp"} <= line.keys()
        assert line["level"] != "debug"
    of_workers = [line for line in lines if line["event"] in (moved, "partition recovered")]
    assert of_workers
    for line in of_workers:
        assert (line["role"], line["instance"]) == ("decide", "main-0")
        assert isinstance(line["partition"], int)
        assert isinstance(line["offset"], int)


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "--json"],
        ["check-settings"],
        ["topics", "describe"],
        ["dead-letters", "list"],
        ["rules", "show"],
        ["--help"],
        ["run", "--help"],
    ],
    ids=" ".join,
)
def test_commands_tell_no_secret(environment: dict[str, str], arguments: list[str]) -> None:
    ran = run_command(environment, *arguments)
    assert ran.code in (0, 2), ran.err  # without rules yet some have nothing to say
    assert ran.out + ran.err
    for secret in SECRETS:
        assert secret not in ran.out + ran.err


@pytest.mark.parametrize(
    "wrong",
    [
        {"RFM_REDIS_URL": "redis://shop:hush-redis@127.0.0.1:{port}/0"},
        {"RFM_REDIS_URL": "redis://shop:hush-more@{redis}"},
        {"RFM_REDIS_URL": "redis+cluster://shop:hush-redis@127.0.0.1:{port},127.0.0.1:{port}"},
        {"RFM_REDIS_URL": "redis+cluster://shop:hush-more@{redis}"},
        {"RFM_REDIS_URL": "redis+cluster://shop:hush-redis@127.0.0.1:port"},
        {"RFM_REDIS_URL": "hush-redis://nonsense"},
        {"RFM_REDIS_URL": "redis://shop:hush-redis@127.0.0.1:port/0"},
        {"RFM_KAFKA": '{"ssl.key.password": "hush-more", "no.such.setting": "hush-kafka"}'},
        {"RFM_KAFKA": "hush-more is no JSON"},
        {"RFM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:{port}"},
        {"RFM_PARTITIONS": "none"},
    ],
    ids=lambda wrong: " ".join(f"{name}={value}" for name, value in wrong.items()),
)
def test_errors_tell_no_secret(
    environment: dict[str, str], store: EmbeddedRedis, wrong: dict[str, str]
) -> None:
    address = store.url.removeprefix("redis://")
    changed = {
        name: value.replace("{port}", str(find_free_port())).replace("{redis}", address)
        for name, value in wrong.items()
    }
    ran = run_command(environment | changed, "status")
    assert ran.code in (1, 2)
    assert ran.err.startswith("rfm-streams: ")
    for secret in SECRETS:
        assert secret not in ran.out + ran.err


def test_a_refused_login_is_logged_without_the_password(
    environment: dict[str, str], tmp_path: Path
) -> None:
    refused = environment["RFM_REDIS_URL"].replace("hush-redis", "hush-more")
    with running(["decide"], environment | {"RFM_REDIS_URL": refused}, tmp_path) as run:
        assert run.wait(WAIT_S) == 2
        assert "RFM_REDIS_URL" in run.logged("cannot run")[0]["cause"]
    for secret in SECRETS:
        assert secret not in "\n".join([*run.out, *run.err])
