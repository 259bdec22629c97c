"""What the delivery stage reads of the topic, in this process: nothing is passed over."""

import time
from collections.abc import Callable, Iterator

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from streams.deliver import handover, lane
from streams.deliver.faust_app import FaustApp
from streams.deliver.process import DeliverProcess
from streams.errors import Transient
from streams.settings import Settings
from tests.integration.deliver_rig import DeliverRig, action, customer
from tests.receiver import SECRET, Receiver, listening

WAIT_S = 60.0
COUNT = 400


@pytest.fixture
def rig(kafka: str, redis_url: str, namespace: str) -> Iterator[DeliverRig]:
    found = DeliverRig(
        {
            "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
            "RFM_REDIS_URL": redis_url,
            "RFM_NAMESPACE": namespace,
            "RFM_PARTITIONS": "2",
        }
    )
    yield found
    found.close()


def settings_of(rig: DeliverRig, url: str) -> Settings:
    return rig.settings.model_copy(
        update={
            "delivery_transports": {"*": "webhook"},
            "delivery_webhook_url": url,
            "delivery_webhook_secret": SecretStr(SECRET),
            "delivery_rate_per_s": {"webhook": 1_000.0},
        }
    )


def test_a_backlog_longer_than_what_is_read_ahead_goes_out_whole(
    rig: DeliverRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given lanes that are full all the time; then they go on reading, and leave nothing out."""
    rig.know(customer(f"C-{number}") for number in range(COUNT))
    _publish(rig)
    monkeypatch.setattr(lane, "WINDOW", 20)
    receiver = Receiver()
    with listening(receiver) as url:
        _run(settings_of(rig, url), lambda: len(receiver.acted) == COUNT)
        assert len(receiver.acted) == COUNT
        # And it says so to whoever comes next: what was sent is not sent again.
        until_s = time.monotonic() + 3
        _run(settings_of(rig, url), lambda: time.monotonic() > until_s)
    assert set(receiver.requests.values()) == {1}


def test_a_record_that_the_framework_drops_is_read_again(
    rig: DeliverRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given Faust's own way to pause, which drops what it has fetched; then nothing is lost."""
    rig.know(customer(f"C-{number}") for number in range(COUNT))
    _publish(rig)
    monkeypatch.setattr(lane, "WINDOW", 20)
    monkeypatch.setattr(handover, "RECEIVED_WITHIN_S", 1.0)

    paused: list[int] = []
    pause, resume = FaustApp.pause, FaustApp.resume

    def drop_once(app: FaustApp, partition: int) -> None:
        if not paused:
            app._consumer.pause_partitions({TP(app._topic, partition)})
        else:
            pause(app, partition)
        paused.append(partition)

    def go_on(app: FaustApp, partition: int) -> None:
        app._consumer.resume_partitions({TP(app._topic, partition)})
        resume(app, partition)

    monkeypatch.setattr(FaustApp, "pause", drop_once)
    monkeypatch.setattr(FaustApp, "resume", go_on)
    receiver = Receiver()
    with listening(receiver) as url:
        gaps = _run(settings_of(rig, url), lambda: len(receiver.acted) == COUNT)
    assert gaps > 0
    assert len(receiver.acted) == COUNT


def _publish(rig: DeliverRig) -> None:
    for first in range(0, COUNT, 25):
        rig.publish([action(number) for number in range(first, first + 25)])


def _run(settings: Settings, is_done: Callable[[], bool]) -> int:
    """Run as the main loop does, until done or too late; how often it began anew."""
    process = DeliverProcess(settings, "main-0", CollectorRegistry())
    process.open()
    restarts = 0
    deadline_s = time.monotonic() + WAIT_S
    try:
        while not is_done() and time.monotonic() < deadline_s:
            try:
                process.run_once()
                process.refresh()
            except Transient:
                restarts += 1
                process.close()
                process.open()
    finally:
        process.close()
    return restarts
