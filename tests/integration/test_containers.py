"""The images of docker-compose.yml do for us what the embedded servers do.

Skipped only where no Docker daemon answers or it lacks the images.
"""

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from redis import Redis
from redis.exceptions import ConnectionError  # noqa: A004  its name there

from tests import containers
from tests.waiting import wait_until

TOPIC = "orders"
# librdkafka does not flag them as retriable here.
COORDINATOR_ON_ITS_WAY = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


def answers(client: Redis) -> bool:
    """Whether the server is up yet."""
    try:
        return bool(client.ping())
    except ConnectionError:
        return False


def has_coordinator(consumer: Consumer) -> bool:
    """Whether the broker has made its offsets topic and loaded the group's part of it."""
    try:
        return bool(consumer.committed([TopicPartition(TOPIC, 0)], 30))
    except KafkaException as error:
        if error.args[0].code() not in COORDINATOR_ON_ITS_WAY:
            raise
        return False


@pytest.fixture(autouse=True)
def _needs_docker() -> None:
    reason = containers.docker_skip_reason()
    if reason is not None:
        pytest.skip(reason)


def test_kafka_in_a_container_takes_transactions_with_offsets() -> None:
    container, address = containers.start_kafka_container()
    try:
        admin = AdminClient({"bootstrap.servers": address})
        admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result()
        consumer = Consumer({"bootstrap.servers": address, "group.id": "intake"})
        producer = Producer({"bootstrap.servers": address, "transactional.id": "intake-1"})
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        wait_until(lambda: has_coordinator(consumer), 30, "the group has its coordinator")
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(TOPIC, b"order")
        producer.send_offsets_to_transaction(
            [TopicPartition(TOPIC, 0, 0)], consumer.consumer_group_metadata(), 30
        )
        producer.commit_transaction(30)
        message = consumer.poll(30)
        assert message is not None
        assert (message.error(), message.value()) == (None, b"order")
        assert [each.offset for each in consumer.committed([TopicPartition(TOPIC, 0)], 30)] == [0]
        consumer.close()
    finally:
        container.stop()


def test_redis_in_a_container_runs_guarded_scripts() -> None:
    container, url = containers.start_redis_container()
    try:
        with Redis.from_url(url) as client:
            wait_until(lambda: answers(client), 60, "Redis answers")
            script = "return redis.call('HSET', KEYS[1], 'C1', ARGV[1])"
            assert client.eval(script, 1, "rfm:{0}:customers", "state") == 1
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    finally:
        container.stop()
