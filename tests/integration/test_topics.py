"""The table of topics on a real broker: created once, compared, never changed behind one's back."""

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import TOPICS
from streams.adapters.embedded.ports import find_free_port
from streams.adapters.topics import Difference, create_topics, describe_topics, plan_topics
from streams.errors import Transient, UsageError
from tests.waiting import wait_until

FEW = {topic.name: 2 for topic in TOPICS}


@pytest.fixture
def admin(kafka: str) -> AdminClient:
    """Give a client of the shared broker."""
    return AdminClient({"bootstrap.servers": kafka})


def create_by_hand(admin: AdminClient, topic: NewTopic) -> None:
    """Create a topic as a person would, and wait until the broker shows it."""
    admin.create_topics([topic])[topic.topic].result()
    wait_until(
        lambda: topic.topic in admin.list_topics(timeout=10).topics, 30, f"{topic.topic} shows"
    )


def test_all_topics_are_created_as_the_table_says(admin: AdminClient, namespace: str) -> None:
    wanted = plan_topics(namespace, 1, FEW)
    report = create_topics(admin, namespace, 1, partitions=FEW)
    assert set(report.created) == {want.name for want in wanted}
    assert (report.existing, report.mismatched) == ((), ())

    found = {each.name: each for each in describe_topics(admin, namespace, 1, partitions=FEW)}
    assert {name: each.partitions for name, each in found.items()} == {
        want.name: want.partitions for want in wanted
    }
    journal = found[f"{namespace}.rfm.journal.g1"]
    assert journal.config["message.timestamp.type"] == "LogAppendTime"
    assert journal.config["retention.ms"] == "-1"
    assert journal.replication_factor == 1
    assert found[f"{namespace}.rfm.state.g1"].config["cleanup.policy"] == "compact"
    assert found[f"{namespace}.dead-letters"].config["max.message.bytes"] == "12582912"


def test_creating_again_changes_nothing(admin: AdminClient, namespace: str) -> None:
    first = create_topics(admin, namespace, 1, partitions=FEW)
    second = create_topics(admin, namespace, 1, partitions=FEW)
    assert second.created == ()
    assert set(second.existing) == set(first.created)


def test_a_next_generation_shares_the_public_topics(admin: AdminClient, namespace: str) -> None:
    create_topics(admin, namespace, 1, partitions=FEW)
    second = create_topics(admin, namespace, 2, partitions=FEW)
    assert {f"{namespace}.rfm.journal.g2", f"{namespace}.rfm.state.g2"} <= set(second.created)
    assert all(name.endswith(".g2") for name in second.created)
    assert f"{namespace}.shop.orders" in second.existing


def test_another_partition_count_is_refused_before_anything_is_created(
    admin: AdminClient, namespace: str
) -> None:
    journal = f"{namespace}.rfm.journal.g1"
    create_by_hand(admin, NewTopic(journal, 3, 1))
    with pytest.raises(UsageError, match=r"has 3 partitions, 2 are wanted.*to 3"):
        create_topics(admin, namespace, 1, partitions=FEW)
    descriptions = describe_topics(admin, namespace, 1, partitions=FEW)
    assert [each.name for each in descriptions if each.partitions] == [journal]


def test_public_topics_may_have_any_number_of_partitions(
    admin: AdminClient, namespace: str
) -> None:
    orders = f"{namespace}.shop.orders"
    create_by_hand(admin, NewTopic(orders, 3, 1, config=dict(plan_topics("", 1)[0].config)))
    report = create_topics(admin, namespace, 1, partitions=FEW)
    assert orders in report.existing
    assert report.mismatched == ()


def test_a_setting_that_differs_is_reported_and_left_alone(
    admin: AdminClient, namespace: str
) -> None:
    letters = f"{namespace}.dead-letters"
    create_by_hand(admin, NewTopic(letters, 2, 1, config={"max.message.bytes": "1000000"}))
    report = create_topics(admin, namespace, 1, partitions=FEW)
    difference = Difference(letters, "max.message.bytes", "12582912", "1000000")
    assert difference in report.mismatched
    assert report.existing == (letters,)
    assert difference in create_topics(admin, namespace, 1, partitions=FEW).mismatched


def test_missing_topics_are_described_as_missing(admin: AdminClient, namespace: str) -> None:
    descriptions = describe_topics(admin, namespace, 1)
    assert {each.partitions for each in descriptions} == {0}
    assert descriptions[0].differences[0].found is None


def test_more_replicas_than_brokers_is_said(admin: AdminClient, namespace: str) -> None:
    with pytest.raises(UsageError, match=f"refuses topic {namespace}"):
        create_topics(admin, namespace, 1, partitions=FEW, replication_factor=3)


@pytest.mark.parametrize(
    ("copies", "at_least"), [(1, None), (2, None), (3, "2"), (4, "3"), (5, "3")]
)
def test_what_is_acknowledged_stands_on_most_copies(copies: int, at_least: str | None) -> None:
    wanted = plan_topics("", 1, replication_factor=copies)
    assert {want.config.get("min.insync.replicas") for want in wanted} == {at_least}
    assert {want.copies for want in wanted} == {copies}


def test_too_few_copies_are_a_difference(admin: AdminClient, namespace: str) -> None:
    create_topics(admin, namespace, 1, partitions=FEW)
    assert not any(
        each.differences for each in describe_topics(admin, namespace, 1, partitions=FEW)
    )
    for each in describe_topics(admin, namespace, 1, partitions=FEW, replication_factor=3):
        assert {
            Difference(each.name, "replication.factor", "3", "1"),
            Difference(each.name, "min.insync.replicas", "2", "1"),
        } == set(each.differences)


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        ({"shop.order": 3}, r"no such topic: shop\.order;"),
        ({"shop.orders": 0}, "at least 1"),
        ({"rfm.journal": 3}, "same number of partitions, not 3 and"),
    ],
)
def test_impossible_counts_are_refused(partitions: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_topics("", 1, partitions)


def test_a_silent_broker_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.adapters.topics.TIMEOUT_S", 0.5)
    nobody = f"127.0.0.1:{find_free_port()}"
    admin = AdminClient({"bootstrap.servers": nobody, "log_level": 0})
    with pytest.raises(Transient, match="RFM_KAFKA_BOOTSTRAP_SERVERS"):
        describe_topics(admin, "", 1)
