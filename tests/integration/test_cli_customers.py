"""Commands over decided customers, on a real broker and a real Redis.

One shop for all tests, under the event clock: it is decided once, up to NOW, and only read then.
"""

import csv
import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from confluent_kafka import Producer

from streams.adapters.kafka.config import producer_config
from streams.bootstrap import build_decider, build_store, names_of
from streams.codec.journal import encode_input
from streams.core.inputs import (
    CartUpdated,
    CustomerErased,
    CustomerEvent,
    CustomerUpdated,
    Item,
    OrderCancelled,
    OrderPlaced,
    ReturnRegistered,
    Tick,
)
from streams.core.values import DAY_MS
from streams.insights.topic_reader import TopicReader
from streams.settings import Settings, load_settings
from tests.command_line import Ran, Unmeasured, decide_all, run_command
from tests.waiting import wait_until

# 2024-03-01T00:00:00Z
NOW_MS = 1_709_251_200_000
CUSTOMERS = ["anna", "bert", "dora", "zoë", "😀"]


def event(number: int, customer: str, days_ago: float) -> dict[str, Any]:
    at_ms = NOW_MS - round(days_ago * DAY_MS)
    return {
        "event_id": f"e{number}",
        "customer_id": customer,
        "occurred_at_ms": at_ms,
        "received_at_ms": at_ms,
        "identity": number,
        "source": "test",
    }


def order(number: int, customer: str, days_ago: float, total_minor: int) -> OrderPlaced:
    return OrderPlaced(
        **event(number, customer, days_ago), order_id=f"o{number}", total_minor=total_minor
    )


EVENTS: list[CustomerEvent] = [
    order(1, "anna", 50, 10_000),
    CustomerUpdated(
        **event(2, "anna", 49), attributes={"email": "anna@example.org", "language": "de"}
    ),
    order(3, "anna", 20, 2_550),
    ReturnRegistered(**event(4, "anna", 10), return_id="r4", order_id="o3", amount_minor=50),
    CartUpdated(**event(5, "anna", 0.01), cart_id="k", value_minor=999, items=[Item("sku-1", 2)]),
    order(6, "bert", 5, 100),
    OrderCancelled(**event(7, "bert", 4), order_id="o6"),
    CartUpdated(**event(8, "carl", 3), cart_id="k", value_minor=1, items=[Item("s", 1)]),
    ReturnRegistered(**event(9, "dora", 3), return_id="r9", amount_minor=125),
    order(10, "emil", 3, 100),
    CustomerErased(**event(11, "emil", 2)),
    order(12, "zoë", 95, 30_000),
    order(13, "😀", 400, 100),
]


@pytest.fixture(scope="module")
def environment(kafka: str, redis_url: str) -> dict[str, str]:
    """The shop's settings, under a namespace of its own."""
    return {
        "RFM_NAMESPACE": f"t{uuid.uuid4().hex[:10]}",
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_PARTITIONS": "2",
        "RFM_CLOCK": "event",
        "RFM_CONSENT_UNKNOWN": '{"email": "allow"}',
    }


@pytest.fixture(scope="module")
def settings(environment: dict[str, str]) -> Settings:
    """The same as the program reads it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return load_settings()


@pytest.fixture(scope="module")
def shop(environment: dict[str, str], settings: Settings) -> dict[str, str]:
    """Topics created, rules journaled, events decided up to NOW; gives the environment."""
    for command in (("topics", "create"), ("rules", "apply")):
        ran = run_command(environment, *command)
        assert ran.code == 0, ran.err
    publish(settings, EVENTS)
    decide_all(settings)
    return environment


def publish(settings: Settings, events: list[CustomerEvent]) -> None:
    """Journal events in order of time, then let every partition reach NOW."""
    producer = Producer(producer_config(settings.kafka_config()))
    journal = names_of(settings).topic("rfm.journal")
    for one in sorted(events, key=lambda one: one.received_at_ms):
        producer.produce(journal, encode_input(one), one.customer_id.encode())
    for number in range(settings.partitions):
        tick = encode_input(Tick(received_at_ms=NOW_MS, continuous=True))
        producer.produce(journal, tick, partition=number)
    assert producer.flush(30) == 0


def rows_of(ran: Ran) -> dict[str, dict[str, str]]:
    assert ran.code == 0, ran.err
    return {row["customer_id"]: row for row in csv.DictReader(io.StringIO(ran.out))}


def test_export_lists_every_customer_with_a_history_in_order(shop: dict[str, str]) -> None:
    rows = rows_of(run_command(shop, "export"))
    assert list(rows) == sorted(CUSTOMERS)
    assert rows["anna"] == {
        "customer_id": "anna",
        "last_order_at": "2024-02-10T00:00:00.000Z",
        "order_count": "2",
        "monetary": "125.00",
        "currency": "EUR",
        "r": "5",
        "f": "2",
        "m": "2",
        "rfm_segment": "Potential Loyalists",
        "lifetime_order_count": "2",
        "lifetime_monetary": "125.00",
        "rfm_previous": "",
        "rfm_since": "2024-01-11T00:00:00.000Z",
        "loyalty_segment": "Loyal Customer",
        "loyalty_previous": "One Time Buyer",
        "loyalty_since": "2024-02-10T00:00:00.000Z",
    }
    assert (rows["bert"]["rfm_segment"], rows["bert"]["rfm_previous"]) == (
        "",
        "Potential Loyalists",
    )
    assert (rows["dora"]["monetary"], rows["dora"]["r"]) == ("-1.25", "")
    # Five days ago, 90 days after the only order.
    assert (rows["zoë"]["rfm_segment"], rows["zoë"]["rfm_since"]) == (
        "At Risk",
        "2024-02-25T00:00:00.000Z",
    )
    assert (rows["😀"]["rfm_segment"], rows["😀"]["r"]) == ("Lost Customers", "1")


def test_export_computes_forward_and_refuses_the_past(shop: dict[str, str]) -> None:
    later = rows_of(run_command(shop, "export", "--at", "2024-06-01T00:00:00+02:00"))
    assert (later["anna"]["rfm_segment"], later["anna"]["rfm_since"]) == (
        "At Risk",
        "2024-05-10T00:00:00.000Z",
    )
    past = run_command(shop, "export", "--at", "2024-02-29T00:00:00Z")
    assert (past.code, past.out) == (2, "")
    assert "lies before the time of partition" in past.err
    assert past.err.count("\n") == 1


def test_export_writes_files_by_their_names(shop: dict[str, str], tmp_path: Path) -> None:
    lines, table = tmp_path / "c.jsonl", tmp_path / "c.parquet"
    for out in (lines, table):
        ran = run_command(shop, "export", "--out", str(out))
        assert (ran.code, ran.out) == (0, ""), ran.err
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert [row["customer_id"] for row in rows] == sorted(CUSTOMERS)
    with duckdb.connect(":memory:") as connection:
        sums = connection.execute(f"SELECT sum(monetary), count(*) FROM '{table}'").fetchall()
    assert [(str(total), count) for total, count in sums] == [("424.75", 5)]


def test_inspect_shows_the_standing_and_hides_what_is_personal(shop: dict[str, str]) -> None:
    ran = run_command(shop, "inspect", "anna", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found["segment"], found["scores"]) == (
        "Potential Loyalists",
        {"r": 5, "f": 2, "m": 2},
    )
    assert found["next_segment"] == {"at": "2024-05-10T00:00:00.000Z", "segment": "At Risk"}
    assert [one["state"] for one in found["orders"]] == ["counts", "counts"]
    assert found["orders"][1]["returned"] == "0.50"
    due = [one["what"] for one in found["due"]]
    assert due[0] == "cart k counts as abandoned"
    assert {"R falls from 5 to 4", "a calendar or date may start a campaign"} <= set(due)
    assert found["next_due_at"] == found["due"][0]["at"] == "2024-03-01T00:45:36.000Z"
    assert found["attributes"]["language"] == "de"
    assert "anna@example.org" not in ran.out
    shown = run_command(shop, "inspect", "anna", "--show-personal")
    assert "email: anna@example.org" in shown.out
    assert "segment" in shown.out


def test_an_unknown_customer_is_said(shop: dict[str, str]) -> None:
    for command in ("inspect", "explain"):
        ran = run_command(shop, command, "Anna")
        assert (ran.code, ran.out) == (2, "")
        assert "'Anna'" in ran.err


def test_explain_tells_events_changes_and_actions_in_order(
    shop: dict[str, str], settings: Settings
) -> None:
    ran = run_command(shop, "explain", "zoë", "--json")
    assert ran.code == 0, ran.err
    entries = [json.loads(line) for line in ran.out.splitlines()]
    assert (entries[0]["what"], entries[0]["segment"]) == ("order.placed", "Potential Loyalists")
    assert (entries[-1]["what"], entries[-1]["segment"]) == ("clock", "At Risk")
    said = [output for one in entries[1:] for output in one["outputs"]]
    (change,) = [one for one in said if one["type"] == "segment.changed"]
    assert (change["previous"], change["cause"]["kind"]) == ("Potential Loyalists", "clock")
    # It became true at midnight; the action waited for the end of quiet hours, and for the caps.
    (action,) = [one for one in said if one.get("campaign") == "win_back_at_risk"]
    assert action["type"] == "action.requested"
    assert action["decided_at"] > change["effective_at"]
    assert action["rule"].startswith("win_back_at_risk version 1, step offer: starts by enters At")
    # What explain computes is what was published.
    assert action["action_id"] in published_ids(settings, "marketing.actions")
    assert change["event_id"] in published_ids(settings, "segment-changes")

    people = run_command(shop, "explain", "bert")
    assert "order.cancelled" in people.out
    assert "segment rfm: Potential Loyalists -> none (cause event order.cancelled e7" in people.out


def published_ids(settings: Settings, topic: str) -> set[str]:
    reader = TopicReader(settings.kafka_config(), names_of(settings).topic(topic))
    found: set[str] = set()
    try:
        for number in range(settings.partitions):
            bounds = reader.bounds(number)
            for message in reader.read(number, bounds.start, bounds.end):
                value = json.loads(message.value() or b"{}")
                found.add(value.get("action_id") or value["event_id"])
    finally:
        reader.close()
    return found


def test_status_counts_no_lag_and_every_timer(shop: dict[str, str]) -> None:
    ran = run_command(shop, "status", "--json")
    assert ran.code == 0, ran.err
    status = json.loads(ran.out)
    partitions = status["partitions"]
    assert [one["lag"] for one in partitions] == [0, 0]
    assert [one["store"] for one in partitions] == ["current", "current"]
    assert {one["time"] for one in partitions} == {"2024-03-01T00:00:00.000Z"}
    assert {one["rules_version"] for one in partitions} == {1}
    assert sum(one["timers_overdue"] for one in partitions) == 0
    assert sum(one["timers"] for one in partitions) >= 3
    assert status["dead_letters"] == 0
    assert {one["topic"].split(".", 1)[1] for one in status["intake"]} >= {"shop.orders"}
    people = run_command(shop, "status")
    assert people.code == 0
    assert "dead letters  0" in people.out


def test_rules_show_says_where_the_files_differ(shop: dict[str, str]) -> None:
    same = run_command(shop, "rules", "show")
    assert (same.code, same.err) == (0, "")
    assert "campaign win_back_lost" in same.out
    changed = {**shop, "RFM_MONETARY_LIMITS": "[100, 250, 500, 1234]"}
    shown = run_command(changed, "rules", "show")
    assert "rules apply" in shown.err
    assert "+      123400" in shown.out
    dry = run_command(changed, "rules", "apply", "--dry-run")
    assert "dry run: this would be version 2" in dry.err
    again = run_command(shop, "rules", "apply")
    assert "rules version 1 says the same" in again.err


def test_topics_are_described(shop: dict[str, str]) -> None:
    ran = run_command(shop, "topics", "describe", "--json")
    found = {one["name"].split(".", 1)[1]: one for one in json.loads(ran.out)}
    assert found["rfm.journal.g1"]["partitions"] == 2
    assert [one["differences"] for one in found.values()] == [[]] * len(found)
    created = run_command(shop, "topics", "create")
    assert created.out.count("existed") == len(found)


@pytest.fixture
def mended(shop: dict[str, str]) -> Iterator[None]:
    """Leaves Redis as it was found, whatever the test does to it."""
    yield
    assert run_command(shop, "redis", "rebuild", "--now", "--yes").code == 0


@pytest.mark.usefixtures("mended")
def test_an_empty_redis_is_refused_and_rebuilt_as_it_was(
    shop: dict[str, str], settings: Settings
) -> None:
    before = run_command(shop, "export")
    wiped = run_command(shop, "redis", "rebuild", "--yes")
    assert (wiped.code, "2 partitions wiped" in wiped.err) == (0, True)

    refused = run_command(shop, "export")
    assert (refused.code, refused.out) == (1, "")
    assert "partition 0 is being rebuilt" in refused.err
    partial = run_command(shop, "export", "--partial")
    assert (partial.code, partial.out.count("\n")) == (0, 1)
    assert partial.err.count("partial: partition") == 2
    assert {
        one["store"] for one in json.loads(run_command(shop, "status", "--json").out)["partitions"]
    } == {"empty"}

    one = run_command(shop, "redis", "rebuild", "--partition", "1", "--now", "--yes")
    assert (one.code, "customers rebuilt" in one.err) == (0, True)
    assert build_store(settings).position(0) is None
    run_command(shop, "redis", "rebuild", "--now", "--yes")
    after = run_command(shop, "export")
    assert (after.code, after.out) == (0, before.out)


@pytest.mark.usefixtures("mended")
def test_a_running_decider_rebuilds_what_was_wiped(
    shop: dict[str, str], settings: Settings
) -> None:
    before = run_command(shop, "export").out
    decider = build_decider(settings, "test", Unmeasured())
    store = build_store(settings)

    def is_stored() -> bool:
        decider.cycle.run_once()
        return decider.cycle.is_ready and all(
            store.position(number) is not None for number in range(settings.partitions)
        )

    try:
        wait_until(lambda: is_stored() and bool(decider.cycle.partitions), 60, "a decider owns all")
        assert run_command(shop, "redis", "rebuild", "--yes").code == 0
        wait_until(is_stored, 60, "the decider has rebuilt Redis")
    finally:
        decider.close()
    assert run_command(shop, "export").out == before
