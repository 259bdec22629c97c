"""`thresholds --products` after two days of a shop, on a real broker and a real Redis."""

import json
import uuid
from collections.abc import Sequence

import pytest
from confluent_kafka import Producer

from streams.adapters.kafka.config import producer_config
from streams.bootstrap import build_decider, names_of
from streams.codec.journal import encode_input
from streams.core.inputs import Input, Item, OrderPlaced, ReturnRegistered, Tick
from streams.core.values import DAY_MS
from streams.settings import Settings, load_settings
from tests.command_line import Unmeasured, decide_all, run_command
from tests.waiting import wait_until

# 2024-03-01T00:00:00Z
START_MS = 1_709_251_200_000


def placed(number: int, customer: str, total_minor: int, *items: Item) -> OrderPlaced:
    return OrderPlaced(
        event_id=f"e{number}",
        customer_id=customer,
        occurred_at_ms=START_MS + number,
        received_at_ms=START_MS + number,
        identity=number,
        source="test",
        order_id=f"o{number}",
        total_minor=total_minor,
        items=list(items),
    )


EVENTS = [
    placed(1, "anna", 3_000, Item("TEA", 3.0), Item("POT", 1.0)),
    placed(2, "bert", 1_000, Item("TEA", 1.0)),
    placed(3, "zoë", 500, Item("SOAP", 0.5)),
    ReturnRegistered(
        event_id="b",
        customer_id="anna",
        occurred_at_ms=START_MS + 9,
        received_at_ms=START_MS + 9,
        identity=9,
        source="test",
        return_id="r",
        order_id="o1",
        amount_minor=1_000,
        items=[Item("TEA", 1.0)],
    ),
]


@pytest.fixture(scope="module")
def shop(kafka: str, redis_url: str) -> dict[str, str]:
    """A shop under the event clock of which two partitions have passed two boundaries."""
    environment = {
        "RFM_NAMESPACE": f"t{uuid.uuid4().hex[:10]}",
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_PARTITIONS": "2",
        "RFM_CLOCK": "event",
        "RFM_SCHEMES": "rfm,loyalty",
    }
    for command in (("topics", "create"), ("rules", "apply")):
        ran = run_command(environment, *command)
        assert ran.code == 0, ran.err
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = load_settings()
    begin = [Tick(received_at_ms=START_MS)]
    publish(settings, begin, EVENTS, [Tick(received_at_ms=START_MS + DAY_MS)])
    count_sales(settings)
    assert run_command(environment, "thresholds", "--products").code == 1, "not said yet"
    publish(settings, [Tick(received_at_ms=START_MS + 2 * DAY_MS)])
    # What partition 0 gathers and says is journaled while the rest is decided.
    for _ in range(3):
        decide_all(settings)
    return environment


def publish(settings: Settings, *parts: Sequence[Input]) -> None:
    """Journal events by customer, and whatever else to every partition."""
    producer = Producer(producer_config(settings.kafka_config()))
    journal = names_of(settings).topic("rfm.journal")
    for record in [one for part in parts for one in part]:
        if isinstance(record, OrderPlaced | ReturnRegistered):
            producer.produce(journal, encode_input(record), record.customer_id.encode())
            continue
        for number in range(settings.partitions):
            producer.produce(journal, encode_input(record), partition=number)
    assert producer.flush(30) == 0


def count_sales(settings: Settings) -> None:
    """Decide until both partitions have counted what was sold on the first day."""
    decider = build_decider(settings, "test", Unmeasured())

    def counted() -> bool:
        decider.cycle.run_once()
        known = decider.cycle.partitions.values()
        return [one.population.surveyed_ms for one in known] == [START_MS + DAY_MS] * 2

    try:
        wait_until(counted, 60.0, "sales are counted")
    finally:
        decider.close()


def test_top_products_return_rates_and_revenue_are_shown(shop: dict[str, str]) -> None:
    ran = run_command(shop, "thresholds", "--products")
    assert ran.code == 0, ran.err
    cells = [line.split("\t") for line in ran.out.splitlines()]
    assert ["Potential Loyalists", "1", "TEA", "2", "0", "4", "30.00"] in cells
    assert ["TEA", "4", "1", "25.00"] in cells
    assert ["SOAP", "0.5", "0", "0.00"] in cells
    assert ["2024-Q1", "35.00"] in cells


def test_the_document_says_the_same(shop: dict[str, str]) -> None:
    ran = run_command(shop, "thresholds", "--products", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["sold_before"] == "2024-03-02T00:00:00.000Z"
    assert found["snapshot"] == 2
    assert found["revenue"] == [{"quarter": "2024-Q1", "net_minor": 3_500}]
    assert {one["sku"]: one["return_rate"] for one in found["best_sellers"]} == {
        "TEA": 0.25,
        "POT": 0.0,
        "SOAP": 0.0,
    }
    [top] = found["top_products"]
    assert [one["sku"] for one in top["products"]] == ["TEA", "POT", "SOAP"]


def test_limits_are_shown_without_sales_and_not_compared_with_them(shop: dict[str, str]) -> None:
    ran = run_command(shop, "thresholds", "--json")
    assert ran.code == 0, ran.err
    assert "sales" not in json.loads(ran.out)
    assert run_command(shop, "thresholds", "--products", "--exact").code == 2
