"""`rfm-streams run deliver` as a real process, on a real broker, Redis, receiver and mail server."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.core.state import Consent
from streams.core.values import stable_id
from tests.integration.deliver_rig import (
    DeliverRig,
    action,
    cancellation,
    customer,
    webhook_environment,
)
from tests.integration.running import Run, running
from tests.mailbox import PASSWORD, USER, Mailbox, serving
from tests.receiver import Receiver, listening
from tests.waiting import wait_until

WAIT_S = 60.0
WORKER = "deliver main-0"


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


@pytest.fixture
def rig(environment: dict[str, str]) -> Iterator[DeliverRig]:
    found = DeliverRig(environment)
    yield found
    found.close()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def url(receiver: Receiver) -> Iterator[str]:
    with listening(receiver) as address:
        yield address


def ids(*numbers: int) -> set[str]:
    return {stable_id("test", str(number)) for number in numbers}


def test_what_is_decided_goes_out_and_nothing_else(
    rig: DeliverRig, receiver: Receiver, url: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """One of everything that can stand in the topic."""
    silent = customer("C-6")
    silent.consents["email"] = Consent(False, 2, "f")
    rig.know([*(customer(f"C-{number}") for number in (*range(6), *range(7, 40))), silent])
    rig.publish([action(number) for number in (0, 1)])
    # Given up by decide: it never happened.
    rig.publish([action(number) for number in range(20, 40)], commit=False)
    suppressed = {
        **cancellation(9),
        "type": "action.suppressed",
        "step": "first",
        "reason": "no_consent",
    }
    rig.publish(
        [
            action(2, control_group=True),
            action(3),
            cancellation(3),
            action(4, valid_until="2026-01-01T00:00:00Z"),
            action(5, channels=["webhook"]),
            action(6),
            suppressed,
        ]
    )
    rig.publish_raw(b"no action at all")
    # APP_VERSION and its like are Faust's own variables, and common ones.
    hostile = {"APP_VERSION": "1.2.3-rc1", "BROKER_URL": "kafka://nowhere", "WEB_PORT": "x"}
    settings = {**environment, **webhook_environment(url), **hostile}
    with running(["deliver"], settings, tmp_path) as run:
        run.wait_ready(WORKER)
        outcomes = rig.wait_for_outcomes(6)
        rig.publish([action(7)])
        rig.wait_for_outcomes(7)
        wait_until(lambda: len(rig.letters()) == 1, WAIT_S, "the dead letter is there")
        wait_until(lambda: not run.metric(WORKER, "rfm_lag_records"), WAIT_S, "all is done")
        _expect_metrics(run)
        assert run.end() == 0
    assert receiver.acted.keys() == ids(0, 1, 5, 7)
    assert receiver.unsigned == 0
    said = {one.action_id: f"{one.outcome} {one.detail}" for one in outcomes.values()}
    assert said == {
        **dict.fromkeys(ids(0, 1, 5), "sent HTTP 202"),
        **dict.fromkeys(ids(3), "failed cancelled"),
        **dict.fromkeys(ids(4), "failed expired"),
        **dict.fromkeys(ids(6), "failed consent_withdrawn"),
    }
    ((value, about),) = rig.letters()
    assert value == b"no action at all"
    assert (about["dlq.reason"], about["dlq.stage"]) == ("invalid_action", "deliver")
    # Faust's worker, its web server, its folders and its talk stay away.
    assert list(tmp_path.iterdir()) == []
    assert len(run.out) == 1
    log = "\n".join(run.err)
    assert not run.logged("ending the hard way, which is safe")
    assert "Anna" not in log
    assert "customer.example" not in log
    assert "C-1" not in log
    assert "a secret" not in log


def _expect_metrics(run: Run) -> None:
    def counted(name: str, **labels: str) -> float:
        return run.metric(WORKER, name, **labels)

    kinds = {"requested": 7, "control_group": 1, "cancelled": 1, "suppressed": 1, "unreadable": 1}
    for kind, count in kinds.items():
        assert counted("rfm_delivery_records_total", kind=kind) == count, kind
    sent = counted("rfm_deliveries_total", outcome="sent", channel="email")
    assert sent + counted("rfm_deliveries_total", outcome="sent", channel="webhook") == 4
    for reason in ("cancelled", "expired", "consent_withdrawn"):
        assert counted("rfm_deliveries_total", outcome="failed", reason=reason) == 1
    assert counted("rfm_delivery_seconds_count") == 4
    assert counted("rfm_dead_letters_total", reason="invalid_action") == 1
    assert counted("rfm_delivery_circuit_open", transport="webhook") == 0
    assert counted("rfm_ready") == 1


def test_mails_go_out_over_tls_in_the_customers_language(
    rig: DeliverRig, environment: dict[str, str], tmp_path: Path
) -> None:
    """Texts of the shop's own, one of them broken, and an address that is none."""
    own = tmp_path / "texts" / "de" / "win_back_lost"
    own.mkdir(parents=True)
    (own / "subject.txt").write_text("{{ no_such_field }}")
    (own / "body.txt").write_text("Hallo")
    rig.know(
        [
            customer("C-0", language="de-AT"),
            customer("C-1", language="de"),
            customer("C-2", email="no address"),
            customer("C-3", email=""),
            customer("C-4", email="gone@customer.example"),
        ]
    )
    rig.publish([action(0), action(1, template="win_back_lost"), action(2), action(3), action(4)])
    mailbox = Mailbox(refusals={"gone@customer.example": "550 5.1.1 unknown"})
    (tmp_path / "work").mkdir()
    with serving(mailbox, "starttls", with_login=True) as server:
        (tmp_path / "ca.pem").write_bytes(server.ca_pem)
        settings = {
            **environment,
            "RFM_DELIVERY_SMTP_HOST": server.host,
            "RFM_DELIVERY_SMTP_PORT": str(server.port),
            "RFM_DELIVERY_SMTP_USER": USER,
            "RFM_DELIVERY_SMTP_PASSWORD": PASSWORD,
            "RFM_DELIVERY_SMTP_CA_FILE": str(tmp_path / "ca.pem"),
            "RFM_DELIVERY_FROM": "Corner Shop <news@shop.example>",
            "RFM_DELIVERY_TEMPLATES_DIR": str(tmp_path / "texts"),
        }
        with running(["deliver"], settings, tmp_path / "work") as run:
            outcomes = rig.wait_for_outcomes(5)
            wait_until(lambda: len(rig.letters()) == 4, WAIT_S, "four dead letters")
            assert run.end() == 0
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Sie haben etwas im Warenkorb"
    assert mail["To"] == "C-0@customer.example"
    assert mail["Message-ID"] == f"<{ids(0).pop()}@shop.example>"
    said = {one.key: f"{one.outcome} {one.detail}" for one in outcomes.values()}
    assert said == {
        b"C-0": "sent SMTP 250",
        b"C-1": "failed template_error",
        b"C-2": "failed no_address",
        b"C-3": "failed no_address",
        b"C-4": "failed delivery_refused: SMTP 550",
    }
    letters = {json.loads(value)["customer_id"]: about for value, about in rig.letters()}
    assert {name: about["dlq.reason"] for name, about in letters.items()} == {
        "C-1": "template_error",
        "C-2": "no_address",
        "C-3": "no_address",
        "C-4": "delivery_refused",
    }
    assert "no_such_field" in letters["C-1"]["dlq.message"]
    assert (
        len(
            run.logged(
                "mails go out without a link to unsubscribe: set RFM_DELIVERY_UNSUBSCRIBE_URL"
            )
        )
        == 1
    )
    assert PASSWORD not in "\n".join(run.err)


@pytest.mark.soak
def test_workers_beside_intake_share_the_partitions_and_survive_a_kill(
    rig: DeliverRig, receiver: Receiver, url: str, environment: dict[str, str], tmp_path: Path
) -> None:
    rig.know(customer(f"C-{number}") for number in range(40))
    rig.publish([action(number) for number in range(20)])
    arguments = ["intake", "deliver", "--deliver-workers", "2"]
    names = ("deliver main-0", "deliver main-1")
    with running(arguments, {**environment, **webhook_environment(url)}, tmp_path) as run:
        run.wait_ready("intake main-0", *names)
        rig.wait_for_outcomes(20)
        before = run.addresses()[names[0]]
        port = int(before.rpartition(":")[2])
        for child in run.children():
            if any(one.laddr.port == port for one in child.net_connections("tcp")):
                child.kill()
        wait_until(lambda: run.addresses()[names[0]] != before, WAIT_S, "it came back")
        rig.publish([action(number) for number in range(20, 40)])
        rig.wait_for_outcomes(40)
        run.wait_ready(*names)
        assert run.metric(names[0], "rfm_process_restarts_total", reason="killed") == 1
        # What became of the actions is an input again.
        wait_until(
            lambda: run.metric("intake main-0", "rfm_records_total") >= 40, WAIT_S, "all are taken"
        )
        assert run.metric("intake main-0", "rfm_dead_letters_total") == 0
        assert run.end(signal.SIGINT) == 0
    assert receiver.acted.keys() == ids(*range(40))


def test_a_stop_lets_what_is_at_the_receiver_end_and_gives_back_the_rest(
    rig: DeliverRig, environment: dict[str, str], tmp_path: Path
) -> None:
    slow = Receiver(delay_s=1.0)
    rig.know(customer(f"C-{number}") for number in range(40))
    rig.publish([action(number) for number in range(40)])
    with listening(slow) as url:
        settings = {**environment, **webhook_environment(url)}
        with running(["deliver"], settings, tmp_path) as run:
            wait_until(lambda: bool(slow.requests), WAIT_S, "the first are at the receiver")
            assert run.end() == 0
        assert not run.logged("ending the hard way, which is safe")
        first = {one.action_id for one in rig.outcomes()}
        # Whatever the receiver acted on was reported; the rest nobody has touched.
        assert first == slow.acted.keys() == slow.requests.keys()
        assert len(first) < 40
        slow._delay_s = 0.0
        with running(["deliver"], settings, tmp_path) as run:
            rig.wait_for_outcomes(40)
            assert run.end() == 0
    assert slow.requests == dict.fromkeys(ids(*range(40)), 1)


def test_what_is_missing_is_said_in_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    with running(["deliver"], environment, tmp_path) as run:
        assert run.wait(WAIT_S) == 2
    (line,) = run.err
    assert "RFM_DELIVERY_WEBHOOK_URL" in line
