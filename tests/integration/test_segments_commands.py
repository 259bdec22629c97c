"""`segments` and `thresholds` over decided customers, on a real broker and a real Redis.

One shop for all tests, under the event clock: it is decided once, up to NOW, and only read then. Its
limits come from a snapshot that stands in the journal before the first event.
"""

import csv
import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streams.adapters.kafka.config import producer_config
from streams.bootstrap import names_of
from streams.codec.journal import encode_input
from streams.core.inputs import (
    ConsentChanged,
    CustomerErased,
    CustomerEvent,
    CustomerUpdated,
    OrderCancelled,
    OrderPlaced,
    ServiceContacted,
    SnapshotTaken,
    Tick,
)
from streams.core.population.snapshot import Snapshot
from streams.core.values import DAY_MS
from streams.settings import Settings, load_settings
from tests.command_line import Ran, decide_all, run_command

# 2024-03-01T00:00:00Z
NOW_MS = 1_709_251_200_000
ROOT = Path(__file__).parents[2]
# A boundary in 228 years: no snapshot is taken beside the one given.
NEVER_HOURS = "2000000"
SNAPSHOT = Snapshot(
    number=17,
    as_of_ms=NOW_MS,
    customers=500,
    buyers=600,
    repeat_buyers=100,
    repeat_orders=350,
    history_ms=400 * DAY_MS,
    percentiles={
        "frequency": [1] * 99,
        "monetary_minor": [25_000] * 99,
        "lifetime_orders": [6] * 99,
        "lifetime_net_minor": [50_000] * 99,
    },
    thirds={"frequency": [1, 2]},
    value_limits_minor=[20_000, 13_000],
)


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
    order(1, "zoë", 95, 30_000),
    order(2, "anna", 50, 10_000),
    CustomerUpdated(**event(3, "anna", 49), attributes={"country": "DE", "age": 30}),
    CustomerUpdated(**event(4, "anna", 48), attributes={"age": None}),
    ConsentChanged(**event(5, "anna", 47), channel="email", granted=True),
    order(6, "anna", 20, 2_500),
    # Contacts that cost more than a tenth of what anna brings: 3 times 50.00.
    *(
        ServiceContacted(
            **event(number, "anna", 15 - number), contact_id=f"s{number}", channel="phone",
            cost_minor=5_000,
        )
        for number in (7, 8, 9)
    ),
    order(10, "bert", 5, 100),
    OrderCancelled(**event(11, "bert", 4), order_id="o10"),
    CustomerUpdated(**event(12, "carl", 3), attributes={"country": "FR"}),
    ConsentChanged(**event(13, "carl", 3), channel="email", granted=False),
    order(14, "emil", 3, 100),
    CustomerErased(**event(15, "emil", 2)),
]  # fmt: skip


@pytest.fixture(scope="module")
def environment(kafka: str, redis_url: str) -> dict[str, str]:
    """The shop's settings, under a namespace of its own."""
    return {
        "RFM_NAMESPACE": f"t{uuid.uuid4().hex[:10]}",
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_PARTITIONS": "2",
        "RFM_CLOCK": "event",
        "RFM_SCHEMES": "rfm,loyalty,value,lifecycle,behaviour",
        "RFM_SNAPSHOT_EVERY_HOURS": NEVER_HOURS,
    }


@pytest.fixture(scope="module")
def shop(environment: dict[str, str]) -> dict[str, str]:
    """Topics created, rules and snapshot journaled, events decided up to NOW; the environment."""
    for command in (("topics", "create"), ("rules", "apply")):
        ran = run_command(environment, *command)
        assert ran.code == 0, ran.err
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = load_settings()
    publish(settings)
    decide_all(settings)
    return environment


def publish(settings: Settings) -> None:
    """Journal the snapshot, then the events in order of time, and let both partitions reach NOW."""
    producer = Producer(producer_config(settings.kafka_config()))
    journal = names_of(settings).topic("rfm.journal")
    for number in range(settings.partitions):
        taken = SnapshotTaken(received_at_ms=0, snapshot=SNAPSHOT)
        producer.produce(journal, encode_input(taken), partition=number)
    for one in EVENTS:
        producer.produce(journal, encode_input(one), one.customer_id.encode())
    for number in range(settings.partitions):
        tick = encode_input(Tick(received_at_ms=NOW_MS, continuous=True))
        producer.produce(journal, tick, partition=number)
    assert producer.flush(30) == 0


def document(ran: Ran) -> Any:
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def lines(ran: Ran) -> list[list[str]]:
    """Cells of a table, as it is printed for programs."""
    assert ran.code == 0, ran.err
    return [line.split("\t") for line in ran.out.splitlines()]


def test_segments_counts_members_and_revenue_of_every_scheme(shop: dict[str, str]) -> None:
    ran = run_command(shop, "segments", "--json")
    found = document(ran)
    assert (found["as_of"], found["currency"], found["customers"]) == (
        "2024-03-01T00:00:00.000Z",
        "EUR",
        4,
    )
    assert (found["rules_version"], found["snapshot"]) == (1, 17)
    schemes = {one["scheme"]: one for one in found["schemes"]}
    assert list(schemes) == ["rfm", "loyalty", "value", "lifecycle", "behaviour"]
    members = {
        name: {each["segment"]: each["members"] for each in one["segments"] if each["members"]}
        for name, one in schemes.items()
    }
    # anna and zoë bought, bert's order was cancelled, carl never bought, emil was erased.
    assert members == {
        "rfm": {"Potential Loyalists": 1, "At Risk": 1, None: 2},
        "loyalty": {"Loyal Customer": 1, "One Time Buyer": 1, None: 2},
        "value": {"A": 1, "C": 1, None: 2},
        "lifecycle": {"Prospect": 2, "Slipping": 1, "Active": 1},
        "behaviour": {"Service Demander": 1, None: 3},
    }
    at_risk = next(one for one in schemes["rfm"]["segments"] if one["segment"] == "At Risk")
    assert at_risk == {
        "segment": "At Risk",
        "members": 1,
        "member_share": 0.5,
        "net_revenue": "300.00",
        "net_share": 0.7059,
    }
    assert schemes["behaviour"]["flags"]
    assert (
        "scheme rfm: nobody has the segment Champions, Loyal Customers, Lost Customers"
        in found["warnings"]
    )
    assert ran.err.count("warning: ") == len(found["warnings"])


def test_segments_of_one_scheme_as_a_table(shop: dict[str, str]) -> None:
    ran = run_command(shop, "segments", "--scheme", "value")
    assert lines(ran) == [
        ["scheme", "segment", "members", "members %", "net revenue EUR", "revenue %"],
        ["value", "A", "1", "50.0", "300.00", "70.6"],
        ["value", "B", "0", "0.0", "0.00", "0.0"],
        ["value", "C", "1", "50.0", "125.00", "29.4"],
        ["value", "none", "2", "", "0.00", ""],
    ]
    assert ran.err == "rfm-streams: warning: scheme value: nobody has the segment B\n"


def test_history_tells_each_schemes_changes_in_order(shop: dict[str, str]) -> None:
    ran = run_command(shop, "segments", "history", "zoë", "--json")
    assert ran.code == 0, ran.err
    found = [json.loads(line) for line in ran.out.splitlines()]
    told = [(one["scheme"], one["sequence"], one["previous"], one["current"]) for one in found]
    assert told == [
        ("lifecycle", 1, None, "New Buyer"),
        ("lifecycle", 2, "New Buyer", "Slipping"),
        ("loyalty", 1, None, "One Time Buyer"),
        ("rfm", 1, None, "Potential Loyalists"),
        ("rfm", 2, "Potential Loyalists", "At Risk"),
        ("value", 1, None, "A"),
    ]
    assert found[4]["cause"]["kind"] == "clock"
    assert found[4]["effective_at"] == "2024-02-25T00:00:00.000Z"
    assert (found[2]["snapshot"], found[4]["snapshot"]) == (17, None)

    table = lines(run_command(shop, "segments", "history", "anna", "--scheme", "behaviour"))
    header, row = (dict(zip(table[0], one, strict=True)) for one in (table[0], table[1]))
    assert list(header) == [
        "scheme", "sequence", "effective", "from", "to", "cause", "decided", "rules", "snapshot",
    ]  # fmt: skip
    assert (row["from"], row["to"]) == ("none", "Service Demander")
    assert row["cause"] == "event service.contacted e9"


def test_a_customer_without_changes_is_said(shop: dict[str, str]) -> None:
    for arguments in (("Anna",), ("carl", "--scheme", "rfm")):
        ran = run_command(shop, "segments", "history", *arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert "has nothing of customer" in ran.err


def test_flow_counts_who_moved_between_two_instants(shop: dict[str, str]) -> None:
    # 60 days before NOW, and NOW: zoë fell, anna came; bert and emil came and went in between.
    span = ("--from", "2024-01-01T00:00:00Z", "--to", "2024-03-01T00:00:00Z")
    ran = run_command(shop, "segments", "flow", *span, "--csv")
    assert ran.code == 0, ran.err
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    moved = [(row["from"], row["to"], row["row_share"]) for row in rows if row["customers"] != "0"]
    assert moved == [
        ("Potential Loyalists", "At Risk", "1.0"),
        ("", "Potential Loyalists", "1.0"),
    ]
    assert "2 customers with a segment in scheme rfm at either instant" in ran.err

    matrix = lines(run_command(shop, "segments", "flow", *span))
    assert matrix[0] == [
        "from \\ to", "Champions", "Loyal Customers", "Potential Loyalists", "At Risk",
        "Lost Customers", "none", "all",
    ]  # fmt: skip
    cells = {row[0]: row[1:] for row in matrix[1:]}
    assert cells["Potential Loyalists"] == ["", "", "", "1 (100.0 %)", "", "", "1"]
    assert cells["none"] == ["", "", "1 (100.0 %)", "", "", "", "1"]


def test_flow_of_flags_is_told_flag_by_flag(shop: dict[str, str]) -> None:
    span = ("--from", "2024-01-01T00:00:00Z", "--to", "2024-03-01T00:00:00Z")
    found = document(
        run_command(shop, "segments", "flow", *span, "--scheme", "behaviour", "--json")
    )
    demander = next(one for one in found if one["flag"] == "Service Demander")
    assert demander == {
        "flag": "Service Demander",
        "before": 0,
        "kept": 0,
        "gained": 1,
        "lost": 0,
        "after": 1,
    }
    assert [one["flag"] for one in found if one["gained"]] == ["Service Demander"]


def test_coverage_counts_attributes_and_consents(shop: dict[str, str]) -> None:
    found = document(run_command(shop, "segments", "coverage", "--json"))
    assert found["customers"] == 4
    # anna's age was taken away again.
    assert found["attributes"] == [{"attribute": "country", "customers": 2, "share": 0.5}]
    assert found["consents"][0] == {
        "channel": "email",
        "granted": {"customers": 1, "share": 0.25},
        "withdrawn": {"customers": 1, "share": 0.25},
        "unknown": {"customers": 2, "share": 0.5},
    }
    people = run_command(shop, "segments", "coverage")
    assert "country\t2\t50.0" in people.out
    assert "email\t1\t25.0\t1\t25.0\t2\t50.0" in people.out


def test_thresholds_shows_the_snapshot_and_the_limits_it_makes(shop: dict[str, str]) -> None:
    found = document(run_command(shop, "thresholds", "--json"))
    assert (found["number"], found["as_of"], found["is_enough"]) == (
        17,
        "2024-03-01T00:00:00.000Z",
        True,
    )
    limits = {(one["scheme"], one["what"], one["metric"]): one for one in found["limits"]}
    assert limits["loyalty", "Frequent Buyer", "lifetime_orders"]["least"] == 4
    assert limits["value", "A", "value_minor"]["least"] == 20_000
    people = run_command(shop, "thresholds")
    assert people.code == 0, people.err
    assert "yes: 500 customers and 180 days are needed" in people.out
    assert "loyalty\tVIP\t500.01\tnet revenue ever\tsnapshot" in people.out
    assert "rfm\tR4\t30.0\tage of the latest order, days\tfixed" in people.out


def test_thresholds_are_compared_with_exact_figures(shop: dict[str, str]) -> None:
    rows = lines(run_command(shop, "thresholds", "--exact"))
    header = ["figure", "what", "estimated", "exact", "difference", "difference %"]
    told = {tuple(row[:2]): row[2:] for row in rows[rows.index(header) + 1 :]}
    # anna and zoë.
    assert told["customers with an order in the window", ""][:3] == ["500", "2", "498"]
    assert told["net revenue in the window", "20 %"] == ["250.00", "125.00", "125.00", "100.00"]
    assert told["net revenue in the window", "90 %"] == ["250.00", "300.00", "-50.00", "-16.67"]
    assert told["net revenue in the value window", "least of A"][:2] == ["200.00", "125.00"]
    assert told["age of the latest order, days", "80 %"] == ["", "95.0", "", ""]


def test_suggestions_come_from_redis_or_from_a_file(shop: dict[str, str]) -> None:
    found = document(run_command(shop, "thresholds", "suggest", "--json"))
    assert (found["buyers"], found["orders"], found["gaps"]) == (2, 3, 1)
    assert found["monetary_limits"] is None

    # A file needs neither Kafka nor Redis.
    nowhere = {"RFM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "RFM_REDIS_URL": "redis://127.0.0.1:1"}
    example = ("--orders", str(ROOT / "examples/corner_shop.csv"))
    mapping = ("--mapping", str(ROOT / "examples/corner_shop.yaml"))
    ran = run_command(nowhere, "thresholds", "suggest", *example, *mapping)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("# Suggested by the orders of ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("segments", "--scheme", "abc"), "--scheme abc: no such scheme; the rules have rfm, loy"),
        (("segments", "--json", "coverage"), "give them after it"),
        (
            ("segments", "flow", "--from", "yesterday", "--to", "today"),
            "--from: 'yesterday' is not",
        ),
        (
            ("segments", "flow", "--from", "2024-03-01T00:00:00Z", "--to", "2024-01-01T00:00:00Z"),
            "lies after --to",
        ),
        (
            (
                *("segments", "flow", "--scheme", "abc"),
                *("--from", "2024-01-01T00:00:00Z", "--to", "2024-03-01T00:00:00Z"),
            ),
            "--scheme abc: no such scheme",
        ),
        (("thresholds", "suggest", "--mapping", "m.yaml"), "give it with --orders"),
        (("thresholds", "suggest", "--orders", "nowhere.csv"), "nowhere.csv: no such file"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    shop: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    ran = run_command(shop, *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


def test_export_has_the_columns_of_every_scheme(shop: dict[str, str]) -> None:
    ran = run_command(shop, "export")
    assert ran.code == 0, ran.err
    rows = {row["customer_id"]: row for row in csv.DictReader(io.StringIO(ran.out))}
    assert list(rows["anna"])[13:] == [
        f"{scheme}_{part}"
        for scheme in ("loyalty", "value", "lifecycle", "behaviour")
        for part in ("segment", "previous", "since")
    ]
    assert (rows["anna"]["loyalty_segment"], rows["anna"]["loyalty_previous"]) == (
        "Loyal Customer",
        "One Time Buyer",
    )
    assert rows["zoë"]["lifecycle_since"] == "2024-02-25T00:00:00.000Z"
    assert rows["anna"]["behaviour_segment"] == "Service Demander"
    # Under the limits of the snapshot, as it was decided.
    assert (rows["zoë"]["value_segment"], rows["zoë"]["value_since"]) == (
        "A",
        "2023-11-27T00:00:00.000Z",
    )
    # What only the clock changes is computed for every scheme.
    later = run_command(shop, "export", "--at", "2025-06-01T00:00:00Z")
    rows = {row["customer_id"]: row for row in csv.DictReader(io.StringIO(later.out))}
    assert (rows["zoë"]["lifecycle_segment"], rows["zoë"]["value_segment"]) == ("Lost", "")
    assert rows["zoë"]["value_previous"] == "A"
