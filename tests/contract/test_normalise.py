"""Messages become inputs: money in the base currency, times in milliseconds, stable identities."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letters import Reason
from schemas.events import Contract, TimeMark
from streams.codec.normalise import identity, normalise
from streams.codec.rates import Rates
from streams.core import inputs
from streams.core.inputs import Foreign, Item
from streams.errors import Rejected, UsageError
from tests.contract.messages import INBOUND_EXAMPLES, ORDER, encode, order, read

EUR = Rates(
    "EUR",
    {
        "USD": [(date(2026, 3, 1), Decimal("0.5")), (date(2020, 1, 1), Decimal("0.9"))],
        "JPY": [(date(2020, 1, 1), Decimal("0.00625"))],
        "KWD": [(date(2020, 1, 1), Decimal("3.005"))],
    },
)


def _normalised(value: bytes, topic: str = "shop.orders", rates: Rates = EUR) -> Any:
    event, source = read(value, topic=topic)
    assert not isinstance(event, TimeMark)
    return normalise(event, source=source, received_at_ms=7, backfill=True, rates=rates)


def test_an_order_in_the_base_currency() -> None:
    item = {
        "sku": "S",
        "quantity": 2,
        "unit_price": "10.123456",
        "discount": 0.5,
        "unit_cost": 3,
        "category": "shoes",
        "name": "Shoe",
    }
    value = order(discount_total=1.5, items=[item], coupons=["A"], channel="web", cart_id="K")
    assert _normalised(value) == inputs.OrderPlaced(
        event_id="e-1",
        customer_id="C-1",
        occurred_at_ms=1_772_357_400_000,
        received_at_ms=7,
        identity=identity("shop.orders", "order.placed", "e-1"),
        source="shop.orders",
        backfill=True,
        order_id="O-1",
        total_minor=1999,
        discount_minor=150,
        foreign=None,
        coupons=["A"],
        items=[Item("S", 2.0, 10_123_456, 50, 3_000_000, "shoes", "Shoe")],
        channel="web",
        cart_id="K",
    )


@pytest.mark.parametrize(
    ("currency", "total", "at", "expected", "foreign_minor"),
    [
        ("USD", "10.01", "2026-02-28T23:59:59.999Z", 901, 1001),  # 9.009
        ("USD", "0.05", "2026-03-01T00:00:00Z", 2, 5),  # 2.5 goes to the even 2
        ("USD", "0.07", "2026-03-01T00:00:00Z", 4, 7),  # 3.5 goes to the even 4
        ("USD", "0.07", "2026-03-01T00:30:00+01:00", 6, 7),  # still February in UTC
        ("JPY", "100", "2026-03-01T00:00:00Z", 62, 100),  # 0.625
        ("KWD", "1.000", "2026-03-01T00:00:00Z", 300, 1000),  # 3.005
    ],
)
def test_foreign_totals_are_converted_once_half_even(
    currency: str, total: str, at: str, expected: int, foreign_minor: int
) -> None:
    event = _normalised(order(currency=currency, total=total, occurred_at=at))
    assert event.total_minor == expected
    assert event.foreign == Foreign(currency, foreign_minor)


def test_every_total_in_a_foreign_currency_is_converted() -> None:
    common = {name: ORDER[name] for name in ("event_id", "customer_id", "occurred_at")}
    returned = {**common, "type": "return.registered", "return_id": "R", "currency": "USD"}
    event = _normalised(encode({**returned, "amount": 4}), "shop.returns")
    assert (event.amount_minor, event.foreign) == (200, Foreign("USD", 400))
    cart = {**common, "type": "cart.updated", "cart_id": "K", "currency": "USD", "items": []}
    event = _normalised(encode({**cart, "value": 4}), "shop.carts")
    assert (event.value_minor, event.foreign) == (200, Foreign("USD", 400))
    contact = {**common, "type": "service.contacted", "contact_id": "S", "channel": "phone"}
    contact |= {"complaint": True, "currency": "USD"}
    event = _normalised(encode({**contact, "cost": 4}), "shop.service")
    assert (event.cost_minor, event.foreign) == (200, Foreign("USD", 400))
    event = _normalised(encode(contact), "shop.service")
    assert (event.cost_minor, event.foreign) == (None, None)
    event = _normalised(order(currency="USD", discount_total="2.00"))
    assert event.discount_minor == 100


@pytest.mark.parametrize(
    ("currency", "at"), [("GBP", "2026-03-01T00:00:00Z"), ("USD", "2019-12-31T23:59:59Z")]
)
def test_without_a_rate_the_event_waits_in_the_dead_letters(currency: str, at: str) -> None:
    with pytest.raises(Rejected) as refused:
        _normalised(order(currency=currency, occurred_at=at))
    assert refused.value.reason == Reason.NO_EXCHANGE_RATE
    assert currency in refused.value.message
    assert "exchange_rates" in refused.value.message
    assert at[:10] in refused.value.message


def test_no_rate_makes_an_amount_that_the_journal_cannot_hold() -> None:
    rates = Rates("JPY", {"KWD": [(date(2020, 1, 1), Decimal(10**9))]})
    with pytest.raises(Rejected) as refused:
        _normalised(order(currency="KWD", total="999999999999"), rates=rates)
    assert refused.value.reason == Reason.INVALID_MONEY


@pytest.mark.parametrize("rate", ["0", "-1", "NaN", "Infinity"])
def test_rates_are_checked_when_they_are_set(rate: str) -> None:
    with pytest.raises(UsageError, match="USD"):
        Rates("EUR", {"USD": [(date(2020, 1, 1), Decimal(rate))]})


def test_currencies_of_rates_are_checked_when_they_are_set() -> None:
    with pytest.raises(UsageError, match="XXX"):
        Rates("XXX", {})


@pytest.mark.parametrize(
    ("topic", "contract"), INBOUND_EXAMPLES, ids=[row[1].__name__ for row in INBOUND_EXAMPLES]
)
def test_every_contract_has_its_input(topic: str, contract: type[Contract]) -> None:
    example = contract.example()
    event = _normalised(json.dumps(example).encode(), topic)
    assert type(event).__name__ == contract.__name__
    # Fields that both sides name alike say the same; money and items have tests of their own.
    for name in type(event).__dataclass_fields__.keys() & example.keys() - {"items"}:
        assert getattr(event, name) == (topic if name == "source" else example[name])


def test_consent_keeps_its_own_source_apart_from_the_event_source() -> None:
    consent = {
        "event_id": "c",
        "type": "consent.changed",
        "customer_id": "C-1",
        "occurred_at": ORDER["occurred_at"],
        "channel": "sms",
        "granted": False,
        "source": "hotline",
    }
    event = _normalised(encode(consent), "shop.customers")
    assert (event.source, event.consent_source) == ("shop.customers", "hotline")


def test_identities_do_not_depend_on_where_one_text_ends() -> None:
    assert identity("ab", "c", "d") != identity("a", "bc", "d")
    assert identity("a", "b", "cd") != identity("a", "bc", "d")
    assert identity("s", "t", "1") == identity("s", "t", "1")
    # Written down so that a change is noticed: identities live in the stored states.
    assert identity("shop.orders", "order.placed", "e-1") == IDENTITY_OF_E1


IDENTITY_OF_E1 = -2_206_265_080_333_664_430


@given(st.text(), st.text(), st.text())
def test_identities_fit_64_signed_bits(source: str, event_type: str, event_id: str) -> None:
    assert -(2**63) <= identity(source, event_type, event_id) < 2**63
