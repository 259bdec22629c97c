"""What is taken: every contract's example, all spellings of time and money, unknown fields."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.customers import CustomerUpdated, attribute_values
from schemas.events import Contract, TimeMark
from schemas.fields import parse_instant_ms, read_instant_ms
from schemas.money import TooManyDecimalsError, format_amount, parse_amount
from schemas.orders import OrderPlaced
from schemas.registry import INBOUND
from tests.contract.messages import INBOUND_EXAMPLES, order, order_with_total, read


@pytest.mark.parametrize(
    ("topic", "contract"), INBOUND_EXAMPLES, ids=[row[1].__name__ for row in INBOUND_EXAMPLES]
)
def test_every_example_is_read_and_keeps_its_values(topic: str, contract: type[Contract]) -> None:
    example = contract.example()
    event, source = read(json.dumps(example).encode(), topic=topic)
    assert type(event) is contract
    assert source == topic
    assert event.model_dump(by_alias=True, exclude_unset=True) == example


@pytest.mark.parametrize("topic", INBOUND)
def test_time_marks_are_taken_on_every_topic_even_ahead_of_the_clock(topic: str) -> None:
    mark = {**TimeMark.example(), "until": "2999-01-01T00:00:00Z"}
    event, _ = read(json.dumps(mark).encode(), topic=topic)
    assert isinstance(event, TimeMark)
    assert event.until == "2999-01-01T00:00:00Z"


def test_unknown_fields_are_left_behind_whatever_they_hold() -> None:
    event, _ = read(order(colour="red", nested={"deep": [1e300]}, cafe="ü"))
    assert event == read(order()).event


def test_defaults_are_not_shared_between_orders() -> None:
    first, _ = read(order())
    second, _ = read(order())
    assert isinstance(first, OrderPlaced)
    assert isinstance(second, OrderPlaced)
    first.coupons.append("SPRING")
    assert second.coupons == []


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-01T09:30:00Z", 1_772_357_400_000),
        ("2026-03-01t10:30:00z", 1_772_361_000_000),
        ("2026-03-01T10:30:00+01:00", 1_772_357_400_000),
        ("2026-03-01T09:30:00-00:00", 1_772_357_400_000),
        ("2026-03-01T09:30:00.1239999999Z", 1_772_357_400_123),
        ("2026-03-01T09:30:00.9Z", 1_772_357_400_900),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2016-12-31T18:59:60.5-05:00", 1_483_228_800_000),
        ("0001-01-01T00:00:00+05:00", -62_135_614_800_000),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139_000),
    ],
)
def test_instants_become_whole_milliseconds(text: str, expected_ms: int) -> None:
    assert parse_instant_ms(text) == expected_ms
    assert read_instant_ms(text) == expected_ms


@pytest.mark.parametrize(
    ("literal", "currency", "expected"),
    [
        ('"19.99"', 2, 1999), ("19.99", 2, 1999), ("20", 2, 2000), ('"20"', 2, 2000),
        ("100.0", 0, 100), ("0.1", 2, 10), ("0", 2, 0), ("0.00", 2, 0), ("1.005", 3, 1005),
        ('"999999999999.99"', 2, 99_999_999_999_999), ("123456789012.34", 2, 12_345_678_901_234),
        ('"0007.50"', 2, 750), ("4.35", 2, 435), ("1.1", 2, 110), ("2.675", 3, 2675),
    ],
)  # fmt: skip
def test_amounts_are_exact(literal: str, currency: int, expected: int) -> None:
    code = {0: "JPY", 2: "EUR", 3: "KWD"}[currency]
    event, _ = read(order_with_total(literal).replace(b"EUR", code.encode()))
    assert isinstance(event, OrderPlaced)
    assert parse_amount(event.total, currency) == expected


@given(st.integers(0, 10**15 - 1), st.integers(0, 6))
def test_numbers_of_up_to_15_digits_are_exact(units: int, digits: int) -> None:
    literal = str(Decimal(units).scaleb(-digits))
    number = json.loads(f"{Decimal(literal):f}")
    assert parse_amount(number, digits) == units


@given(st.floats(0, 1e12, exclude_max=True, allow_subnormal=False), st.integers(0, 4))
def test_a_number_is_never_rounded(number: float, digits: int) -> None:
    written = Decimal(repr(number))
    scaled = written.scaleb(digits)
    if scaled == scaled.to_integral_value():
        assert parse_amount(number, digits) == int(scaled)
    else:
        with pytest.raises(TooManyDecimalsError):
            parse_amount(number, digits)


@given(st.integers(-(10**16), 10**16), st.integers(0, 4))
def test_amounts_are_written_as_they_are_read(units: int, digits: int) -> None:
    assert parse_amount(format_amount(units, digits), digits) == units


def test_ids_in_any_script_and_of_200_characters_are_fine() -> None:
    long_id = "ключ-キー-" + "x" * 191
    event, _ = read(order(event_id=long_id))
    assert event.event_id == long_id


def test_exponents_outside_of_money_are_fine() -> None:
    event, _ = read(order(note="a:1e5", weight=5).replace(b'"weight": 5', b'"weight": 1e5'))
    assert isinstance(event, OrderPlaced)
    assert event.total == "19.99"


def test_attributes_that_are_not_named_stay_unnamed_and_null_removes() -> None:
    update = {**CustomerUpdated.example(), "attributes": {"email": None, "size": 42, "vip": True}}
    event, _ = read(json.dumps(update).encode(), topic="shop.customers")
    assert isinstance(event, CustomerUpdated)
    assert attribute_values(event.attributes) == {"email": None, "size": 42.0, "vip": True}
