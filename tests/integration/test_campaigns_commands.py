"""`campaigns ...` beside a running decide worker, on a real broker and a real Redis.

One shop for all tests, under the wall clock: each test has a campaign and customers of its own.
"""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, murmur2

from streams.adapters.kafka.config import producer_config
from streams.bootstrap import names_of
from streams.cli import campaign_arming
from streams.codec.journal import encode_input
from streams.core.inputs import CustomerEvent, CustomerUpdated, OrderPlaced, ServiceContacted
from streams.core.values import DAY_MS
from streams.insights.topic_reader import TopicReader
from streams.settings import Settings, load_settings
from tests.command_line import Ran, run_command
from tests.integration.policy import POLICY
from tests.integration.running import running
from tests.waiting import wait_until

WAIT_S = 20.0
PARTITIONS = 2
# Nothing but the steps and the guard differs between them.
CAMPAIGN = """
name: {name}
version: {version}
priority: 10
channels: [email]
trigger: {trigger}
armed: {armed}
control: 0%
exits: {{events: []}}
guard: {guard}
steps: [{{name: offer, after: 0s, template: {name}, offer: gift, valid_for: 1d}}]
"""
ANY_GUARD = "{actions: 10000, per: 1h, share: 100%}"
AT_RISK = "{enters: {scheme: rfm, segment: At Risk}, causes: [clock]}"
CONTACTED = "{event: service.contacted}"
UPDATED = "{event: customer.updated}"
CAMPAIGNS = {
    "again": (AT_RISK, "false", ANY_GUARD),
    "sorry": (CONTACTED, "true", ANY_GUARD),
    # Of two partitions each lets one action through.
    "hello": (UPDATED, "true", "{actions: 2, per: 1h, share: 100%}"),
    "late": (AT_RISK, "false", ANY_GUARD),
    "season": ('{schedule: {every: quarter, at: "09:00"}}', "false", ANY_GUARD),
}


def write_campaign(folder: Path, name: str, version: int = 1, **changes: str) -> None:
    trigger, armed, guard = CAMPAIGNS[name]
    fields = {"trigger": trigger, "armed": armed, "guard": guard, **changes}
    text = CAMPAIGN.format(name=name, version=version, **fields)
    (folder / "campaigns" / f"{name}.yaml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def rules_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's own campaigns, without quiet hours: a test may run at night."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "campaigns").mkdir()
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    for name in CAMPAIGNS:
        write_campaign(folder, name)
    return folder


@pytest.fixture(scope="module")
def environment(kafka: str, redis_url: str, rules_dir: Path) -> dict[str, str]:
    """The shop's settings, under a namespace of its own."""
    return {
        "RFM_NAMESPACE": f"t{uuid.uuid4().hex[:10]}",
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_PARTITIONS": str(PARTITIONS),
        "RFM_SCHEMES": "rfm",
        "RFM_RULES_DIR": str(rules_dir),
        "RFM_CONSENT_UNKNOWN": '{"email": "allow"}',
        "RFM_METRICS_PORT": "0",
        "RFM_LOG_FORMAT": "json",
    }


@pytest.fixture(scope="module")
def settings(environment: dict[str, str]) -> Settings:
    """The same as the program reads it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return load_settings()


@pytest.fixture(scope="module")
def shop(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Topics, rules and a decide worker; gives the environment."""
    for command in (("topics", "create"), ("rules", "apply")):
        ran = run_command(environment, *command)
        assert ran.code == 0, ran.err
    with running(["decide"], environment, tmp_path_factory.mktemp("run")) as run:
        run.wait_ready("decide main-0")
        yield environment
        assert run.end() == 0


class Journal:
    """Sends events and reads what came of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._number = uuid.uuid4().int % 1_000_000_000

    def send(self, kind: type[CustomerEvent], customer: str, days_ago: float, **own: Any) -> None:
        """Journal one event that arrives now."""
        now_ms = time.time_ns() // 1_000_000
        self._number += 1
        event = kind(
            event_id=f"e{self._number}",
            customer_id=customer,
            occurred_at_ms=now_ms - round(days_ago * DAY_MS),
            received_at_ms=now_ms,
            identity=self._number,
            source="test",
            **own,
        )
        producer = Producer(producer_config(self._settings.kafka_config()))
        producer.produce(self._topic("rfm.journal"), encode_input(event), customer.encode())
        assert producer.flush(WAIT_S) == 0

    def actions(self, campaign: str) -> list[tuple[str, str]]:
        """Customer and kind of everything said of a campaign's actions so far."""
        reader = TopicReader(self._settings.kafka_config(), self._topic("marketing.actions"))
        try:
            found = [
                json.loads(message.value() or b"")
                for number in range(PARTITIONS)
                for message in reader.read(number, *reader.bounds(number))
            ]
        finally:
            reader.close()
        return sorted(
            (one["customer_id"], one["type"]) for one in found if one["campaign"] == campaign
        )

    def _topic(self, name: str) -> str:
        return names_of(self._settings).topic(name)


@pytest.fixture
def journal(settings: Settings) -> Journal:
    return Journal(settings)


def document(ran: Ran) -> Any:
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def standing(shop: dict[str, str], name: str) -> dict[str, Any]:
    listed = document(run_command(shop, "campaigns", "list", "--json"))["campaigns"]
    (found,) = [one for one in listed if one["campaign"] == name]
    return dict(found)


def runs_of(shop: dict[str, str], name: str) -> list[dict[str, Any]]:
    return list(standing(shop, name)["runs"])


def wait_for_actions(journal: Journal, name: str, expected: list[tuple[str, str]]) -> None:
    wait_until(lambda: journal.actions(name) == expected, WAIT_S, f"{name} said {expected}")


REQUESTED = "action.requested"


def test_present_members_are_counted_armed_and_addressed(
    shop: dict[str, str], journal: Journal
) -> None:
    """Given two who are At Risk already and one who is not, arming for present reaches these two."""
    for customer, days_ago in (("ann", 100), ("ben", 120), ("cid", 3)):
        journal.send(OrderPlaced, customer, days_ago, order_id=customer, total_minor=5_000)

    def dry_run() -> Any:
        return document(
            run_command(shop, "campaigns", "dry-run", "again", "--json", "--examples", "5")
        )

    wait_until(lambda: dry_run()["customers"] >= 3, WAIT_S, "the orders are decided")
    assert dry_run()["outcomes"] == [
        {"outcome": "allowed", "reason": None, "customers": 2, "share": 1.0,
         "examples": ["ann", "ben"]},
    ]  # fmt: skip
    would = document(run_command(shop, "campaigns", "preview", "again", "ann", "--json"))
    (first,) = would["steps"]
    assert (first["what"], first["template"], would["state"]) == ("requested", "again", "not armed")
    assert first["parameters"]["voucher"]["class"] == "gift"
    assert "key" not in first["parameters"]["voucher"]
    cid = document(run_command(shop, "campaigns", "preview", "again", "cid", "--json"))
    assert cid["why_not"]["reason"] == "no_trigger"

    asked = run_command(shop, "campaigns", "arm", "again", "--members", "present")
    assert (asked.code, "Add --yes" in asked.err) == (2, True)
    assert journal.actions("again") == []

    armed = run_command(shop, "campaigns", "arm", "again", "--members", "present", "--yes")
    assert armed.code == 0, armed.err
    assert "allowed\t\t2\t100.0" in armed.out
    assert "again is armed for present members only: rules version" in armed.err
    assert "journaled to 2 partitions" in armed.err
    wait_for_actions(journal, "again", [("ann", REQUESTED), ("ben", REQUESTED)])
    assert standing(shop, "again")["members"] == "present"
    # What explain computes is what was published, and it names the rule.
    told = run_command(shop, "explain", "ann")
    assert "again version 1, step offer: starts by enters At Risk of rfm by the clock" in told.out
    inspected = document(run_command(shop, "inspect", "ann", "--json"))
    assert inspected["sent"][0]["channels"] == ["email"]
    assert [one["campaign"] for one in inspected["outcomes_open"]] == ["again"]

    disarmed = run_command(shop, "campaigns", "disarm", "again")
    assert "again starts nothing more" in disarmed.err
    assert standing(shop, "again")["armed"] is False
    assert "nothing to do" in run_command(shop, "campaigns", "disarm", "again").err


def test_a_pause_holds_and_a_resume_releases(shop: dict[str, str], journal: Journal) -> None:
    paused = run_command(shop, "campaigns", "pause", "sorry")
    assert (paused.code, "sorry is paused: rules version" in paused.err) == (0, True)
    journal.send(ServiceContacted, "dan", 0, contact_id="s1", channel="phone")
    held = [{"version": 1, "runs": 1, "held": {"paused": 1}}]
    wait_until(lambda: runs_of(shop, "sorry") == held, WAIT_S, "the run is held")
    assert standing(shop, "sorry")["paused_by_a_person"] is True
    (run,) = document(run_command(shop, "inspect", "dan", "--json"))["runs"]
    assert (run["next_step"], run["held_by"], run["campaign_paused"]) == ("offer", "paused", True)
    shown = run_command(shop, "campaigns", "show", "sorry").out
    assert "1 by version 1 (1 paused)" in shown
    assert "service.contacted" in shown
    assert journal.actions("sorry") == []

    resumed = run_command(shop, "campaigns", "resume", "sorry")
    assert (resumed.code, "sorry goes on: rules version" in resumed.err) == (0, True)
    wait_for_actions(journal, "sorry", [("dan", REQUESTED)])
    assert runs_of(shop, "sorry") == []
    again = run_command(shop, "campaigns", "resume", "sorry")
    assert "paused neither by a person nor by the guard" in again.err


def test_the_guards_pause_is_shown_and_a_person_ends_it(
    shop: dict[str, str], journal: Journal
) -> None:
    """Given a partition that may act once an hour, its second customer waits for a person."""
    first, second = in_partition(0, 2)
    for customer in (first, second):
        journal.send(CustomerUpdated, customer, 0, attributes={"language": "de"})
    wait_until(
        lambda: standing(shop, "hello")["paused_by_the_guard_of"] == [0, 1],
        WAIT_S,
        "the guard has paused it in its partition and told the other",
    )
    shown = run_command(shop, "campaigns", "show", "hello")
    assert "armed, paused by the guard (partition 0, 1)" in shown.out
    assert "1 by version 1 (1 paused)" in shown.out
    assert journal.actions("hello") == [(first, REQUESTED)]

    resumed = run_command(shop, "campaigns", "resume", "hello")
    assert resumed.code == 0, resumed.err
    wait_for_actions(journal, "hello", sorted([(first, REQUESTED), (second, REQUESTED)]))
    assert standing(shop, "hello")["paused"] is False


def in_partition(number: int, count: int) -> list[str]:
    """Customers whose journal partition this is, in order."""
    names = (f"guarded-{n:03}" for n in range(1_000))
    return [one for one in names if murmur2(one.encode(), PARTITIONS) == number][:count]


def test_a_calendars_guard_is_the_dry_run_and_a_fifth_more(
    shop: dict[str, str], journal: Journal
) -> None:
    journal.send(OrderPlaced, "eva", 3, order_id="eva", total_minor=5_000)

    def reached() -> int:
        found = document(run_command(shop, "campaigns", "dry-run", "season", "--json"))
        return int(found["reached"])

    wait_until(lambda: reached() >= 1, WAIT_S, "the order is decided")
    refused = run_command(shop, "campaigns", "arm", "season", "--members", "both", "--yes")
    assert (refused.code, "it has no present members" in refused.err) == (2, True)
    armed = run_command(shop, "campaigns", "arm", "season", "--yes")
    assert armed.code == 0, armed.err
    assert "the dry run and 20 % more" in armed.err
    most = standing(shop, "season")["guard_most"]
    assert most % PARTITIONS == 0
    assert reached() <= most < 10_000


def test_what_has_changed_since_its_dry_run_is_not_armed(
    shop: dict[str, str], rules_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given rules that somebody journals while a person still looks at the counts."""

    def journal_meanwhile(question: str, *, yes: bool) -> bool:
        write_campaign(rules_dir, "late", version=2, guard="{actions: 7, per: 1h, share: 100%}")
        assert run_command(shop, "rules", "apply").code == 0
        return bool(question) and not yes

    monkeypatch.setattr(campaign_arming, "confirm", journal_meanwhile)
    ran = run_command(shop, "campaigns", "arm", "late")
    assert (ran.code, "late has changed since this dry run was made" in ran.err) == (2, True)
    assert (standing(shop, "late")["version"], standing(shop, "late")["armed"]) == (2, False)


def test_check_tells_what_applying_the_files_would_change(
    shop: dict[str, str], rules_dir: Path, tmp_path: Path
) -> None:
    same = run_command(shop, "campaigns", "check")
    assert (same.code, "no campaign would change" in same.err) == (0, True)

    changed = tmp_path / "rules"
    (changed / "campaigns").mkdir(parents=True)
    (changed / "policy.yaml").write_text(
        POLICY.replace("holdout: 0%", "holdout: 5%"), encoding="utf-8"
    )
    write_campaign(changed, "again", version=2, armed="true")
    write_campaign(changed, "sorry", guard="{actions: 5, per: 1h, share: 100%}")
    ran = run_command(shop, "campaigns", "check", "--rules-dir", str(changed), "--json")
    assert ran.code == 2
    found = json.loads(ran.out)
    assert [(one["campaign"], one["change"]) for one in found["changes"]] == [
        ("again", "changed"),
        ("hello", "removed"),
        ("late", "removed"),
        ("season", "removed"),
        ("sorry", "refused"),
    ]
    assert found["changes"][-1]["advice"] == "give it version 2 in its file"
    assert found["for_all_campaigns"] == ["policy.holdout_percent"]
    # As it says: journaling these files is refused, and nothing has happened.
    refused = run_command({**shop, "RFM_RULES_DIR": str(changed)}, "rules", "apply")
    assert (refused.code, "make it version 2" in refused.err) == (2, True)
    people = run_command(shop, "campaigns", "check", "--rules-dir", str(changed))
    assert "`rules apply` refuses this: sorry changed" in people.err


def test_the_list_names_what_the_files_leave_out(shop: dict[str, str]) -> None:
    shipped = {name: value for name, value in shop.items() if name != "RFM_RULES_DIR"}
    ran = run_command(shipped, "campaigns", "list", "--no-runs")
    assert ran.code == 0, ran.err
    assert "self_service\tneeds scheme behaviour, which does not run" in ran.out
    rows = [line.split("\t") for line in ran.out.splitlines()]
    assert [row[:3] for row in rows if row[0] == "sorry"] == [["sorry", "1", "10"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nothing"), "there is no campaign 'nothing' in rules version"),
        (("dry-run", "nothing"), "known are again, hello, late, season, sorry"),
        (("pause", "nothing"), "there is no campaign 'nothing'"),
        (("preview", "again", "nobody"), "nothing is known of customer 'nobody'"),
        (("arm", "again", "--members", "all"), "--members"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    shop: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    ran = run_command(shop, "campaigns", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


def test_every_command_has_examples() -> None:
    for command in (
        "list", "show", "check", "arm", "disarm", "pause", "resume", "dry-run", "preview",
    ):  # fmt: skip
        ran = run_command({}, "campaigns", command, "--help")
        assert (ran.code, f"rfm-streams campaigns {command}" in ran.out) == (0, True), command
