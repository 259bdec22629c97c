"""The delivery stage killed again and again, with a receiver that is slow and fails."""

import random
import time

import pytest

from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
from tests.integration.deliver_rig import DeliverRig, action, customer, webhook_environment
from tests.mailbox import serving
from tests.receiver import Receiver, listening
from tests.soak.deliver_schedule import (
    Post,
    Workers,
    complaints,
    environment_of,
    publish_mix,
    run_kills,
    summary,
)
from tests.soak.seeds import draw_seed
from tests.waiting import wait_until

WORKERS = 2


@pytest.fixture
def environment(kafka: str, redis_url: str, namespace: str) -> dict[str, str]:
    """An installation of this test's own."""
    return {
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_NAMESPACE": namespace,
        "RFM_PARTITIONS": "6",
    }


def test_every_action_goes_out_whatever_is_killed(environment: dict[str, str]) -> None:
    """Given a receiver that fails one time in five; when workers die; then nothing is lost."""
    seed = draw_seed()
    dice = random.Random(seed)
    rig = DeliverRig(environment)
    receiver = Receiver(fail_share=0.2, delay_s=0.02, seed=seed)
    mix = publish_mix(rig, 300, dice)
    with listening(receiver) as url, serving(Post(receiver)) as post:
        workers = Workers(environment_of(environment, url, post), WORKERS)
        try:
            run_kills(workers, receiver, len(mix.plain), 3, dice)
            rig.wait_for_outcomes(len(mix.with_outcome()), 120)
        finally:
            workers.end()
    reported = rig.outcomes()
    rig.close()
    print(summary(mix, receiver, reported))
    assert complaints(mix, receiver, reported) == []
    assert receiver.unsigned == 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_long_way_out(environment: dict[str, str]) -> None:
    """20,000 actions, 20 kills, and a receiver that is gone for a minute in the middle."""
    seed = draw_seed()
    dice = random.Random(seed)
    rig = DeliverRig(environment)
    receiver = Receiver(fail_share=0.2, delay_s=0.01, seed=seed)
    mix = publish_mix(rig, 20_000, dice)

    def outage(kill: int) -> None:
        if kill == 10:
            receiver.is_down = True
            time.sleep(60)
            receiver.is_down = False

    with listening(receiver) as url, serving(Post(receiver)) as post:
        workers = Workers(environment_of(environment, url, post), WORKERS)
        try:
            run_kills(workers, receiver, len(mix.plain), 20, dice, outage)
            wait_until(lambda: receiver.acted.keys() >= set(mix.plain), 1800, "all are acted on")
            rig.wait_for_outcomes(len(mix.with_outcome()), 300)
            assert workers.kills == 20
        finally:
            workers.end()
    reported = rig.outcomes()
    rig.close()
    print(summary(mix, receiver, reported))
    assert complaints(mix, receiver, reported) == []


@pytest.mark.soak
def test_a_broker_and_a_redis_that_come_back(
    private_kafka: EmbeddedKafka, private_redis: EmbeddedRedis
) -> None:
    """Given a running stage; when both are killed in turn, Redis with its data; then it goes on."""
    environment = {
        "RFM_KAFKA_BOOTSTRAP_SERVERS": private_kafka.bootstrap_servers,
        "RFM_REDIS_URL": private_redis.url,
        "RFM_NAMESPACE": "outage",
        "RFM_PARTITIONS": "3",
    }
    rig = DeliverRig(environment)
    receiver = Receiver()

    def send(numbers: range) -> None:
        # As decide's recovery brings Redis back.
        rig.forget()
        rig.know(customer(f"C-{number}") for number in numbers)
        rig.publish([action(number) for number in numbers])
        rig.wait_for_outcomes(numbers.stop, 120)

    with listening(receiver) as url:
        workers = Workers({**environment, **webhook_environment(url)}, WORKERS)
        try:
            send(range(30))
            private_kafka.kill()
            private_kafka.restart()
            send(range(30, 60))
            private_redis.kill()
            private_redis.restart()
            send(range(60, 90))
            workers.check()
        finally:
            workers.end()
    rig.close()
    assert len(receiver.acted) == 90
    assert set(receiver.requests.values()) == {1}
