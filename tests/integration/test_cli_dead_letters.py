"""Dead letters are listed, shown and sent again: once, whole, and with what the person mended."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Message, Producer

from streams.adapters.kafka.config import producer_config
from streams.adapters.kafka.state_log import KafkaStateLog
from streams.bootstrap import names_of
from streams.insights.topic_reader import TopicReader
from streams.settings import Settings, load_settings
from tests.command_line import run_command
from tests.waiting import wait_until

ABOUT = {
    "dlq.topic": "shop.orders",
    "dlq.partition": "1",
    "dlq.offset": "7",
    "dlq.field": "currency",
    "dlq.message": "no rate from USD\x1b[2J",
    "dlq.at": "2026-03-01T09:30:00.412Z",
    "dlq.stage": "intake",
    "dlq.version": "0.1.0",
}


@pytest.fixture
def environment(kafka: str, namespace: str) -> dict[str, str]:
    """Settings of an installation with topics."""
    found = {
        "RFM_NAMESPACE": namespace,
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_PARTITIONS": "2",
    }
    assert run_command(found, "topics", "create").code == 0
    return found


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """The same as the program reads it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return load_settings()


def bury(settings: Settings, *letters: tuple[bytes | None, dict[str, str]]) -> None:
    """Add dead letters: value, and headers beside the usual ones."""
    producer = Producer(producer_config(settings.kafka_config()))
    for number, (value, more) in enumerate(letters):
        headers = {
            "rfm-backfill": "true",
            **ABOUT,
            "dlq.reason": "no_exchange_rate",
            "dlq.attempt": "1",
            **more,
        }
        producer.produce(
            names_of(settings).topic("dead-letters"),
            value,
            f"key-{number}".encode(),
            headers=[(name, text.encode()) for name, text in headers.items()],
        )
    assert producer.flush(30) == 0


def arrived(settings: Settings, topic: str = "shop.orders") -> list[Message]:
    """Everything that is committed in a public topic, once no transaction is under way there."""
    physical = names_of(settings).topic(topic)
    reader = TopicReader(settings.kafka_config(), physical)
    ends = KafkaStateLog(settings.kafka_config(), physical)
    try:
        # A commit is acknowledged a moment before its marker stands in the partition.
        wait_until(
            lambda: all(
                reader.bounds(number).end == ends.end(number)
                for number in range(settings.partitions)
            ),
            20,
            f"the transactions in {physical} have ended",
        )
        return [
            message
            for number in range(settings.partitions)
            for message in reader.read(number, *reader.bounds(number))
        ]
    finally:
        reader.close()
        ends.close()


def headers_of(message: Message) -> dict[str, str]:
    headers = message.headers()
    assert isinstance(headers, list)
    return {name: (raw if isinstance(raw, str) else (raw or b"").decode()) for name, raw in headers}


def test_list_filters_by_reason_and_keeps_to_the_latest(
    environment: dict[str, str], settings: Settings
) -> None:
    bury(settings, (b"1", {}), (b"2", {"dlq.reason": "invalid_json"}), (b"3", {}), (b"4", {}))
    ran = run_command(environment, "dead-letters", "list", "--json", "--limit", "2")
    assert [json.loads(line)["offset"] for line in ran.out.splitlines()] == [2, 3]
    some = run_command(environment, "dead-letters", "list", "--reason", "invalid_json")
    header, line = some.out.splitlines()
    assert header.split("\t")[:3] == ["offset", "at", "reason"]
    assert line.split("\t")[2] == "invalid_json"
    assert "\x1b" not in some.out


def test_show_says_what_to_do_and_shows_the_value(
    environment: dict[str, str], settings: Settings
) -> None:
    bury(settings, (b'{"total": 1}', {}))
    ran = run_command(environment, "dead-letters", "show", "0")
    assert (ran.code, '{"total": 1}' in ran.out) == (0, True)
    assert "Add a dated rate for the currency" in ran.out
    assert "\x1b" not in ran.out
    missing = run_command(environment, "dead-letters", "show", "1")
    assert (missing.code, "no dead letter has offset 1" in missing.err) == (2, True)


def test_retry_sends_the_record_as_it_was_once(
    environment: dict[str, str], settings: Settings
) -> None:
    """Given letters of two reasons, when one reason is retried twice, each goes out once."""
    bury(
        settings,
        (b"one", {"dlq.attempt": "3", "rfm-attempt": "3"}),
        (b"two", {"dlq.reason": "invalid_json"}),
        (b"three", {"dlq.topic": names_of(settings).topic("shop.orders")}),
    )
    retry = ("dead-letters", "retry", "--reason", "no_exchange_rate", "--yes")
    first = run_command(environment, *retry)
    assert (first.code, "2 sent again" in first.err) == (0, True)
    second = run_command(environment, *retry)
    assert "2 were sent again before" in second.err
    sent = {message.key(): message for message in arrived(settings)}
    assert {key: message.value() for key, message in sent.items()} == {
        b"key-0": b"one",
        b"key-2": b"three",
    }
    assert headers_of(sent[b"key-0"]) == {"rfm-backfill": "true", "rfm-attempt": "4"}
    assert headers_of(sent[b"key-2"])["rfm-attempt"] == "2"

    listed = run_command(environment, "dead-letters", "list", "--json")
    assert [json.loads(line)["retried"] for line in listed.out.splitlines()] == ["yes", "no", "yes"]
    rest = run_command(environment, "dead-letters", "retry", "--yes")
    assert "1 sent again" in rest.err
    named = run_command(environment, "dead-letters", "retry", "--offset", "0", "--yes")
    assert "1 sent again" in named.err
    assert len(arrived(settings)) == 4


def test_what_was_cut_or_empty_needs_its_whole_value(
    environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    bury(settings, (b"cut", {"dlq.truncated": "14680064 sha256=9f"}), (None, {}))
    none = run_command(environment, "dead-letters", "retry", "--yes")
    assert "2 were cut or have no value" in none.err
    refused = run_command(environment, "dead-letters", "retry", "--offset", "0", "--yes")
    assert (refused.code, "--value FILE" in refused.err) == (2, True)
    assert arrived(settings) == []

    whole = tmp_path / "whole.json"
    whole.write_bytes(b'{"whole": true}')
    ran = run_command(
        environment, "dead-letters", "retry", "--offset", "0", "--value", str(whole), "--yes"
    )
    assert ran.code == 0, ran.err
    (message,) = arrived(settings)
    assert (message.key(), message.value()) == (b"key-0", b'{"whole": true}')


def test_a_letter_of_no_public_topic_is_left_out(
    environment: dict[str, str], settings: Settings
) -> None:
    """Decide refuses merges that go in a circle; such a record is the journal's own."""
    bury(settings, (b"1", {}), (b"2", {"dlq.topic": "rfm.journal", "dlq.reason": "merge_cycle"}))
    ran = run_command(environment, "dead-letters", "retry", "--yes")
    assert (ran.code, "1 sent again" in ran.err) == (0, True)
    assert "1 came from no public topic" in ran.err
    assert [message.value() for message in arrived(settings)] == [b"1"]
    named = run_command(environment, "dead-letters", "retry", "--offset", "1", "--yes")
    assert (named.code, "'rfm.journal'" in named.err) == (2, True)
