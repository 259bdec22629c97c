"""`campaigns outcomes` over messages on a real broker: committed ones, each once."""

import csv
import io
import json
import uuid
from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import Producer

from streams.adapters.kafka.config import producer_config
from streams.bootstrap import names_of
from streams.settings import load_settings
from tests.command_line import Ran, run_command
from tests.insights.outcomes import CONTROL, FINAL, bought, told

LOST = {"segment": "Lost Customers"}


@pytest.fixture(scope="module")
def environment(kafka: str) -> dict[str, str]:
    """Settings of an installation with topics."""
    found = {
        "RFM_NAMESPACE": f"t{uuid.uuid4().hex[:10]}",
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_PARTITIONS": "2",
    }
    assert run_command(found, "topics", "create").code == 0
    return found


def campaign(name: str, sent: tuple[int, int], control: tuple[int, int]) -> list[bytes]:
    """Runs of a campaign, each arm as runs and conversions of 10.00; ids by the campaign's name."""
    messages = []
    for arm, (runs, conversions) in ((True, control), (False, sent)):
        for number in range(runs):
            brought = bought() if number < conversions else {}
            who = f"{name}-{'control' if arm else 'sent'}-{number}"
            named: dict[str, Any] = {"campaign": name, "control_group": arm}
            messages.append(told(number, who, event_id=who, **named, **brought))
    return messages


@pytest.fixture(scope="module")
def shop(environment: dict[str, str]) -> dict[str, str]:
    """The topic filled as an engine with crashes fills it; the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = load_settings()
    producer = Producer(
        {
            **producer_config(settings.kafka_config()),
            "transactional.id": f"{settings.namespace}.outcomes",
        }
    )
    topic = names_of(settings).topic("campaign.outcomes")
    producer.init_transactions(30)

    def publish(messages: Iterable[bytes], *, commit: bool = True) -> None:
        producer.begin_transaction()
        for message in messages:
            producer.produce(topic, message, json.loads(message)["customer_id"].encode())
        if commit:
            producer.commit_transaction(30)
        else:
            producer.flush(30)
            producer.abort_transaction(30)

    whole = campaign("nurture", (200, 60), (80, 8))
    publish(whole[:150])
    # Decided, written and never committed: these runs were told otherwise afterwards.
    publish((told(number, **bought("999.00")) for number in range(1, 400)), commit=False)
    publish(whole[150:])
    # A journal that was read again from its beginning tells everything a second time.
    publish(whole)
    publish(
        [
            told(1, **bought("30.00"), opened=True, clicked=True),
            told(2, **LOST, unsubscribed=True),
            told(3, **LOST, **CONTROL, **bought("5.00")),
            told(4, segment=None, first_action_at="2026-04-01T00:00:00.000Z"),
            told(1, **FINAL, **bought("20.00"), opened=True, clicked=True),
        ]
    )
    publish([told(5, **bought("999.00"))], commit=False)
    return environment


def outcomes(shop: dict[str, str], *arguments: str) -> Ran:
    ran = run_command(shop, "campaigns", "outcomes", *arguments)
    assert ran.code == 0, ran.err
    return ran


def document(shop: dict[str, str], *arguments: str) -> Any:
    return json.loads(outcomes(shop, *arguments, "--format", "json").out)


def test_every_committed_run_counts_once_and_no_other(shop: dict[str, str]) -> None:
    found = document(shop)
    assert (found["currency"], found["stage"], found["since"]) == ("EUR", "any", None)
    nurture, win_back = found["campaigns"]
    assert (nurture["campaign"], win_back["campaign"]) == ("nurture", "win_back")
    assert nurture["all"]["sent"] == {
        "runs": 200,
        "final_runs": 0,
        "customers": 200,
        "buyers": 60,
        "conversions": 60,
        "conversion_rate": 0.3,
        "net": "600.00",
        "net_per_customer": "3.00",
        "opened": 0,
        "clicked": 0,
        "unsubscribed": 0,
    }
    assert nurture["all"]["control"]["conversion_rate"] == 0.1
    assert (win_back["all"]["sent"]["runs"], win_back["all"]["sent"]["net"]) == (3, "20.00")
    assert win_back["all"]["sent"]["final_runs"] == 1
    assert win_back["all"]["control"]["net"] == "5.00"
    assert [one["segment"] for one in win_back["segments"]] == ["At Risk", "Lost Customers", None]
    assert win_back["segments"][1]["sent"]["unsubscribed"] == 1


def test_an_uplift_is_told_where_there_are_enough(shop: dict[str, str]) -> None:
    nurture, win_back = document(shop)["campaigns"]
    uplift = nurture["all"]["uplift"]
    # 60 of 200 and 8 of 80 by Newcombe's method 10.
    assert uplift["conversion_rate"] == pytest.approx(
        {"estimate": 0.2, "low": 0.0963, "high": 0.2825}, abs=5e-5
    )
    assert uplift["net_per_customer"] is None
    assert uplift["too_few"] == "too few buyers (8 of 20)"
    assert win_back["all"]["uplift"] == {
        "conversion_rate": None,
        "net_per_customer": None,
        "too_few": "too few (1 of 50)",
    }


def test_people_read_a_table_for_each_question(shop: dict[str, str]) -> None:
    ran = outcomes(shop)
    orders, net, reactions = (
        [line.split("\t") for line in part.splitlines()] for part in ran.out.split("\n\n")
    )
    few = "too few (1 of 50)"
    assert orders[:2] == [
        ["campaign", "segment", "sent", "ordered", "control", "ordered", "uplift, points (95 %)"],
        ["nurture", "all", "200", "60 (30.0 %)", "80", "8 (10.0 %)", "+20.00 (+9.63 to +28.25)"],
    ]
    assert orders[3] == ["win_back", "all", "3", "1 (33.3 %)", "1", "1 (100.0 %)", few]
    assert orders[-1] == ["win_back", "none", "1", "0 (0.0 %)", "0", "0", "too few (0 of 50)"]
    assert net[:2] == [
        ["campaign", "segment", "sent", "net each", "control", "net each", "uplift, EUR (95 %)"],
        ["nurture", "all", "200", "3.00", "80", "1.00", "too few buyers (8 of 20)"],
    ]
    assert net[3] == ["win_back", "all", "3", "6.67", "1", "5.00", few]
    assert reactions[0] == ["campaign", "segment", "opened %", "clicked %", "unsubscribed %"]
    assert reactions[3] == ["win_back", "all", "33.3", "33.3", "33.3"]
    assert "283 of 284 runs are preliminary" in ran.err


def test_programs_read_one_row_per_campaign_and_segment(shop: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(outcomes(shop, "--format", "csv").out)))
    assert [(row["campaign"], row["level"], row["segment"]) for row in rows] == [
        ("nurture", "campaign", ""),
        ("nurture", "segment", "At Risk"),
        ("win_back", "campaign", ""),
        ("win_back", "segment", "At Risk"),
        ("win_back", "segment", "Lost Customers"),
        ("win_back", "segment", ""),
    ]
    assert rows[0]["sent_net_per_customer"] == "3.00"
    assert float(rows[0]["uplift_conversion_rate_low"]) == pytest.approx(0.0963, abs=5e-5)
    assert (rows[2]["uplift_conversion_rate_low"], rows[2]["too_few"]) == ("", "too few (1 of 50)")


def test_one_campaign_one_stage_and_a_span_can_be_asked_for(shop: dict[str, str]) -> None:
    (only,) = document(shop, "win_back", "--since", "2026-04-01T00:00:00Z")["campaigns"]
    assert (only["campaign"], only["all"]["sent"]["runs"]) == ("win_back", 1)
    final = outcomes(shop, "--stage", "final", "--format", "json")
    (only,) = json.loads(final.out)["campaigns"]
    assert (only["campaign"], only["all"]["sent"]["runs"]) == ("win_back", 1)
    assert "preliminary" not in final.err
    none = outcomes(shop, "nurture", "--stage", "final", "--format", "csv")
    assert none.out.count("\n") == 1
    assert "--stage any shows the preliminary figures" in none.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("winback",), "has nothing of campaign 'winback'; it has nurture, win_back"),
        (("--since", "March"), "--since: 'March' is not"),
        (("--stage", "last"), "'last' is not one of"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    shop: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    ran = run_command(shop, "campaigns", "outcomes", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


def test_an_installation_without_outcomes_says_when_they_come(kafka: str, namespace: str) -> None:
    environment = {"RFM_NAMESPACE": namespace, "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka}
    missing = run_command(environment, "campaigns", "outcomes")
    assert (missing.code, "rfm-streams topics create" in missing.err) == (2, True)
    assert run_command(environment, "topics", "create").code == 0
    empty = run_command(environment, "campaigns", "outcomes", "--format", "json")
    assert (empty.code, json.loads(empty.out)["campaigns"]) == (0, [])
    assert "a run is told 7 days after its last action" in empty.err
