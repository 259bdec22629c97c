"""The one table of topics, and the tables of currencies and countries behind the contracts."""

from importlib import resources

import pytest

from schemas.countries import COUNTRIES
from schemas.currencies import MINOR_DIGITS
from schemas.registry import INBOUND, OUTBOUND
from schemas.topics import TOPIC_BY_NAME, TOPICS, physical_name

_12_MIB = 12 * 1024 * 1024


@pytest.mark.parametrize(
    ("topic", "plain", "in_x"),
    [
        ("shop.orders", "shop.orders", "x.shop.orders"),
        ("rfm.journal", "rfm.journal.g1", "x.rfm.journal.g1"),
        ("rfm.state", "rfm.state.g1", "x.rfm.state.g1"),
        ("segment-changes", "segment-changes", "x.segment-changes"),
        ("marketing.deliveries", "marketing.deliveries", "x.marketing.deliveries"),
        ("dead-letters", "dead-letters", "x.dead-letters"),
    ],
)
def test_names_on_the_broker(topic: str, plain: str, in_x: str) -> None:
    assert physical_name(TOPIC_BY_NAME[topic], "", 1) == plain
    assert physical_name(TOPIC_BY_NAME[topic], "x", 1) == in_x


def test_contracts_and_topics_know_each_other() -> None:
    assert {topic.name for topic in TOPICS if topic.role == "public"} == set(INBOUND)
    assert {topic.name for topic in TOPICS if topic.role == "output"} == set(OUTBOUND)
    assert len(TOPIC_BY_NAME) == len(TOPICS)


def test_the_journal_keeps_everything_and_the_state_the_latest() -> None:
    journal = TOPIC_BY_NAME["rfm.journal"].config()
    assert journal["retention.ms"] == "-1"
    assert journal["message.timestamp.type"] == "LogAppendTime"
    state = TOPIC_BY_NAME["rfm.state"].config()
    assert state["cleanup.policy"] == "compact"
    assert state["message.timestamp.type"] == "LogAppendTime"
    assert "retention.ms" not in state


def test_a_record_of_ten_megabytes_fits_where_it_may_turn_up() -> None:
    for topic in TOPICS:
        if topic.role in ("public", "dead_letters"):
            assert topic.max_message_bytes == _12_MIB
            assert topic.config()["max.message.bytes"] == str(_12_MIB)


def test_countries_are_those_of_the_time_zone_database() -> None:
    table = resources.files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
    listed = {line[:2] for line in table.splitlines() if line and not line.startswith("#")}
    assert listed == COUNTRIES


def test_currencies_have_the_digits_of_iso_4217() -> None:
    expected = {"EUR": 2, "USD": 2, "GBP": 2, "JPY": 0, "KRW": 0, "KWD": 3, "TND": 3, "CLF": 4}
    assert {code: MINOR_DIGITS[code] for code in expected} == expected
    assert not {"XAU", "XXX", "XTS", "XDR"} & MINOR_DIGITS.keys()
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in MINOR_DIGITS)
    assert set(MINOR_DIGITS.values()) == {0, 2, 3, 4}
