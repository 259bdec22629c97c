"""Every way in which a record can be bad, with the reason that the producer reads."""

import json

import pytest

from schemas.dead_letters import Reason
from streams.errors import Rejected
from streams.intake.reading import DEFAULT_GUESTS, Limits, read_record
from tests.contract.messages import NOW_MS, ORDER, encode, order, order_with_total, read

BAD_BYTES = [
    ("null value", None, Reason.NULL_VALUE),
    ("empty value", b"", Reason.INVALID_JSON),
    ("truncated JSON", order()[:-5], Reason.INVALID_JSON),
    ("two documents", order() + order(), Reason.INVALID_JSON),
    ("10 MB", order(reason="x" * 10_000_000), Reason.TOO_LARGE),
    ("257 KiB", order(note="x" * 257 * 1024), Reason.TOO_LARGE),
    ("invalid UTF-8", order(order_id="@").replace(b"@", b"\xff\xfe"), Reason.INVALID_UTF8),
    ("UTF-16", order().decode().encode("utf-16"), Reason.INVALID_UTF8),
    ("lone surrogate", order(order_id="@").replace(b"@", b"\\ud800"), Reason.INVALID_JSON),
    ("a list", b"[" + order() + b"]", Reason.NOT_AN_OBJECT),
    ("a string", b'"order.placed"', Reason.NOT_AN_OBJECT),
    ("null", b"null", Reason.NOT_AN_OBJECT),
    ("deep nesting", b'{"a":' * 30_000 + b"1" + b"}" * 30_000, Reason.INVALID_JSON),
    ("deep list", b"[" * 100_000, Reason.INVALID_JSON),
    ("a number of 5,000 digits", order_with_total("1" * 5000), Reason.INVALID_JSON),
    ("Avro", b"\0\0\0\0\x07\x06abc", Reason.INVALID_JSON),
    ("wire format of nothing", b"\0\0\0\0\x07", Reason.INVALID_JSON),
]


@pytest.mark.parametrize(("name", "value", "reason"), BAD_BYTES, ids=[row[0] for row in BAD_BYTES])
def test_bytes_that_are_no_message(name: str, value: bytes | None, reason: Reason) -> None:
    with pytest.raises(Rejected) as refused:
        read(value)
    assert refused.value.reason == reason, name
    assert refused.value.message


BAD_FIELDS = [
    ("type missing", {"type": ...}, Reason.MISSING_FIELD, "type"),
    ("type null", {"type": None}, Reason.UNKNOWN_TYPE, "type"),
    ("type a number", {"type": 7}, Reason.UNKNOWN_TYPE, "type"),
    ("unknown type", {"type": "order.shipped"}, Reason.UNKNOWN_TYPE, "type"),
    ("type of another topic", {"type": "cart.updated"}, Reason.WRONG_TOPIC, "type"),
    ("version 2", {"schema_version": 2}, Reason.UNSUPPORTED_VERSION, "schema_version"),
    ("version as text", {"schema_version": "1"}, Reason.UNSUPPORTED_VERSION, "schema_version"),
    ("version true", {"schema_version": True}, Reason.UNSUPPORTED_VERSION, "schema_version"),
    ("event_id missing", {"event_id": ...}, Reason.MISSING_FIELD, "event_id"),
    ("empty id", {"event_id": ""}, Reason.INVALID_IDENTIFIER, "event_id"),
    ("10,000 characters", {"event_id": "x" * 10_000}, Reason.INVALID_IDENTIFIER, "event_id"),
    ("201 characters", {"order_id": "x" * 201}, Reason.INVALID_IDENTIFIER, "order_id"),
    ("NUL in an id", {"customer_id": "a\0b"}, Reason.INVALID_IDENTIFIER, "customer_id"),
    ("line feed in an id", {"customer_id": "a\n"}, Reason.INVALID_IDENTIFIER, "customer_id"),
    ("id a number", {"customer_id": 17}, Reason.INVALID_IDENTIFIER, "customer_id"),
    ("id null", {"customer_id": None}, Reason.INVALID_IDENTIFIER, "customer_id"),
    ("time missing", {"occurred_at": ...}, Reason.MISSING_FIELD, "occurred_at"),
    ("no zone", {"occurred_at": "2026-03-01T09:30:00"}, Reason.INVALID_TIME, "occurred_at"),
    ("date only", {"occurred_at": "2026-03-01"}, Reason.INVALID_TIME, "occurred_at"),
    ("blank for T", {"occurred_at": "2026-03-01 09:30:00Z"}, Reason.INVALID_TIME, "occurred_at"),
    ("numeric time", {"occurred_at": 1772357400}, Reason.INVALID_TIME, "occurred_at"),
    ("numeric text", {"occurred_at": "1772357400"}, Reason.INVALID_TIME, "occurred_at"),
    ("30 February", {"occurred_at": "2026-02-30T00:00:00Z"}, Reason.INVALID_TIME, "occurred_at"),
    ("hour 24", {"occurred_at": "2026-02-03T24:00:00Z"}, Reason.INVALID_TIME, "occurred_at"),
    ("offset 24:00", {"occurred_at": "2026-02-03T00:00:00+24:00"}, Reason.INVALID_TIME, None),
    (
        "other digits",
        {"occurred_at": "\u0662\u0660\u0662\u0666-03-01T09:30:00Z"},
        Reason.INVALID_TIME,
        "occurred_at",
    ),
    ("line feed", {"occurred_at": "2026-03-01T09:30:00Z\n"}, Reason.INVALID_TIME, "occurred_at"),
    ("year 3000", {"occurred_at": "3000-01-01T00:00:00Z"}, Reason.FUTURE_TIME, "occurred_at"),
    ("year 9999", {"occurred_at": "9999-12-31T23:59:59-23:59"}, Reason.FUTURE_TIME, None),
    ("year 1", {"occurred_at": "0001-01-01T00:00:00+05:00"}, Reason.INVALID_TIME, "occurred_at"),
    ("year 0", {"occurred_at": "0000-01-01T00:00:00Z"}, Reason.INVALID_TIME, "occurred_at"),
    ("1969", {"occurred_at": "1970-01-01T00:59:59+01:00"}, Reason.INVALID_TIME, "occurred_at"),
    ("currency missing", {"currency": ...}, Reason.MISSING_FIELD, "currency"),
    ("unknown currency", {"currency": "XYZ"}, Reason.UNKNOWN_CURRENCY, "currency"),
    ("small letters", {"currency": "eur"}, Reason.UNKNOWN_CURRENCY, "currency"),
    ("gold", {"currency": "XAU"}, Reason.UNKNOWN_CURRENCY, "currency"),
    ("total missing", {"total": ...}, Reason.MISSING_FIELD, "total"),
    ("total null", {"total": None}, Reason.INVALID_MONEY, "total"),
    ("total true", {"total": True}, Reason.INVALID_MONEY, "total"),
    ("negative total", {"total": "-5.00"}, Reason.NEGATIVE_AMOUNT, "total"),
    ("negative number", {"total": -5}, Reason.NEGATIVE_AMOUNT, "total"),
    ("negative discount", {"discount_total": -0.01}, Reason.NEGATIVE_AMOUNT, "discount_total"),
    ("decimals of EUR", {"total": "19.999"}, Reason.INVALID_MONEY, "total"),
    ("trailing zero", {"total": "19.990"}, Reason.INVALID_MONEY, "total"),
    ("decimals in a number", {"total": 19.999}, Reason.INVALID_MONEY, "total"),
    ("decimals of JPY", {"currency": "JPY", "total": "100.0"}, Reason.INVALID_MONEY, "total"),
    ("decimals of KWD", {"currency": "KWD", "total": "1.0001"}, Reason.INVALID_MONEY, "total"),
    ("coupons a text", {"coupons": "SPRING"}, Reason.INVALID_FIELD, "coupons"),
    ("items a number", {"items": 3}, Reason.INVALID_FIELD, "items"),
    ("item a text", {"items": ["x"]}, Reason.INVALID_FIELD, "items.0"),
]


@pytest.mark.parametrize(
    ("name", "changes", "reason", "field"), BAD_FIELDS, ids=[row[0] for row in BAD_FIELDS]
)
def test_fields_that_break_the_contract(
    name: str, changes: dict[str, object], reason: Reason, field: str | None
) -> None:
    with pytest.raises(Rejected) as refused:
        read(order(**changes))
    assert refused.value.reason == reason, name
    assert field is None or refused.value.field == field


BAD_MONEY = [
    '"1.234,56"', '"1,234.56"', '"12,50"', '"1_000.00"', '"1e2"', '"1E2"', "1e2", "1E2", "1.5e1",
    "1E-2", "1e+2", '"+5"', '" 5"', '"5 "', '"5\\n"', '"\u0665"', '"\uff15.00"', '"NaN"', "NaN",
    "Infinity",
    "-Infinity", '"Infinity"', '""', '"."', '"5."', '".5"', '"0x10"', '"--5"', '"1234567890123"',
    "1234567890123456", "19.9900000000000001", "19.99000000000000", "[5]", "{}", '"€5"', "1e400",
    "-0.5e-400",
]  # fmt: skip


@pytest.mark.parametrize("literal", BAD_MONEY)
def test_money_that_could_be_misread(literal: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(order_with_total(literal))
    assert refused.value.reason == Reason.INVALID_MONEY
    assert refused.value.field == "total"


def test_the_last_of_two_equal_names_counts_everywhere() -> None:
    exponent_last = order_with_total('"5.00","total":1e2')
    with pytest.raises(Rejected) as refused:
        read(exponent_last)
    assert refused.value.reason == Reason.INVALID_MONEY
    assert read(order_with_total('1e2,"total":"5.00"')).event == read(order(total="5.00")).event


@pytest.mark.parametrize("field", ["unit_price", "unit_cost", "discount"])
@pytest.mark.parametrize("literal", ["1e1", "1.2345678901234567", '"1.2345678"', '"1,5"'])
def test_money_of_items_that_could_be_misread(field: str, literal: str) -> None:
    item = {"sku": "S", "quantity": 1, "unit_price": "1.00", field: "@"}
    value = order(items=[{"sku": "S", "quantity": 1, "unit_price": 5}, item])
    with pytest.raises(Rejected) as refused:
        read(value.replace(b'"@"', literal.encode()))
    assert refused.value.reason == Reason.INVALID_MONEY
    assert refused.value.field == f"items.1.{field}"


@pytest.mark.parametrize("quantity", [0, -1, "2", True, None, 10**400, float("inf"), 1e10])
def test_quantities_that_are_no_quantity(quantity: object) -> None:
    value = order(items=[{"sku": "S", "quantity": quantity, "unit_price": "1.00"}])
    with pytest.raises(Rejected) as refused:
        read(value)
    assert refused.value.reason == Reason.INVALID_FIELD
    assert refused.value.field == "items.0.quantity"


@pytest.mark.parametrize("customer_id", sorted(DEFAULT_GUESTS))
def test_guests_are_no_customer(customer_id: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(order(customer_id=customer_id))
    assert refused.value.reason == Reason.GUEST_CUSTOMER
    assert refused.value.field == "customer_id"


def test_a_guest_is_spelt_exactly_as_in_the_settings() -> None:
    assert read(order(customer_id="Guest")).source == "shop.orders"
    limits = Limits(guest_ids=frozenset({"Guest"}))
    with pytest.raises(Rejected) as refused:
        read_record("shop.orders", order(customer_id="Guest"), None, limits, now_ms=NOW_MS)
    assert refused.value.reason == Reason.GUEST_CUSTOMER
    assert read_record("shop.orders", order(customer_id="0"), None, limits, now_ms=NOW_MS)


def test_nobody_is_merged_into_a_guest() -> None:
    merge = {
        "event_id": "m",
        "type": "customer.merged",
        "customer_id": "C-1",
        "occurred_at": ORDER["occurred_at"],
        "into_customer_id": "guest",
    }
    with pytest.raises(Rejected) as refused:
        read(encode(merge), topic="shop.customers")
    assert refused.value.reason == Reason.GUEST_CUSTOMER
    assert refused.value.field == "into_customer_id"


def test_the_future_begins_after_the_allowance() -> None:
    at = ORDER["occurred_at"]
    at_ms = 1_772_357_400_000
    limits = Limits(future_ms=1000)
    assert read_record("shop.orders", order(), None, limits, now_ms=at_ms - 1000)
    with pytest.raises(Rejected) as refused:
        read_record("shop.orders", order(), None, limits, now_ms=at_ms - 1001)
    assert refused.value.reason == Reason.FUTURE_TIME
    assert at in refused.value.message


def test_other_contracts_have_their_own_rules() -> None:
    common = {name: ORDER[name] for name in ("event_id", "customer_id", "occurred_at")}
    cases: list[tuple[str, dict[str, object], Reason, str]] = [
        ("shop.returns", {"type": "return.registered", "return_id": "R", "currency": "EUR",
                          "amount": "0.00"}, Reason.INVALID_MONEY, "amount"),
        ("shop.service", {"type": "service.contacted", "contact_id": "S", "channel": "phone",
                          "complaint": False, "cost": 5}, Reason.MISSING_FIELD, "currency"),
        ("shop.service", {"type": "service.contacted", "contact_id": "S", "channel": "phone",
                          "complaint": "no"}, Reason.INVALID_FIELD, "complaint"),
        ("shop.customers", {"type": "consent.changed", "channel": "fax", "granted": True},
         Reason.INVALID_FIELD, "channel"),
        ("marketing.deliveries", {"type": "delivery.reported", "action_id": "A",
                                  "channel": "email", "outcome": "lost"},
         Reason.INVALID_FIELD, "outcome"),
        ("shop.carts", {"type": "cart.updated", "cart_id": "K", "currency": "EUR", "value": 1},
         Reason.MISSING_FIELD, "items"),
    ]  # fmt: skip
    for topic, fields, reason, field in cases:
        with pytest.raises(Rejected) as refused:
            read(encode({**common, **fields}), topic=topic)
        assert (refused.value.reason, refused.value.field) == (reason, field)


BAD_ATTRIBUTES = [
    {"time_zone": "Mars/Olympus"}, {"time_zone": "../../etc/passwd"}, {"time_zone": "Europe"},
    {"country": "UK"}, {"country": "de"}, {"birth_date": "1984-02-30"}, {"birth_date": 451612800},
    {"birth_date": "451612800"}, {"email": "nobody"}, {"email": 5}, {"interests": "running"},
    {"club": {"level": 3}}, {"club": [1, 2]}, {"club": ["x" * 2001]}, {"club": float("nan")},
]  # fmt: skip


@pytest.mark.parametrize("attributes", BAD_ATTRIBUTES, ids=json.dumps)
def test_attributes_that_break_the_contract(attributes: dict[str, object]) -> None:
    update = {
        "event_id": "u",
        "type": "customer.updated",
        "customer_id": "C-1",
        "occurred_at": ORDER["occurred_at"],
        "attributes": attributes,
    }
    with pytest.raises(Rejected) as refused:
        read(encode(update), topic="shop.customers")
    assert refused.value.reason == Reason.INVALID_FIELD
    assert refused.value.field == f"attributes.{next(iter(attributes))}"
