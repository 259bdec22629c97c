"""Valid messages to start from, and the reading of one, as the tests of contracts need them."""

import json
from typing import Any, Final

from schemas.registry import INBOUND
from streams.intake.reading import Limits, Reading, read_record

NOW_MS: Final = 1_790_000_000_000  # 2026-09-21, after every example's time
LIMITS: Final = Limits()

ORDER: Final[dict[str, Any]] = {
    "event_id": "e-1",
    "type": "order.placed",
    "customer_id": "C-1",
    "occurred_at": "2026-03-01T09:30:00Z",
    "order_id": "O-1",
    "currency": "EUR",
    "total": "19.99",
}


def order(**changes: object) -> bytes:
    """Give a valid order with some fields changed; `...` leaves a field out."""
    return encode({**ORDER, **changes})


def encode(fields: dict[str, Any]) -> bytes:
    """Give UTF-8 JSON without the fields that are `...`."""
    kept = {name: value for name, value in fields.items() if value is not ...}
    return json.dumps(kept, ensure_ascii=False).encode()


def order_with_total(literal: str) -> bytes:
    """Give an order whose total is this JSON text, put in as it stands."""
    return order(total="@").replace(b'"@"', literal.encode())


def read(
    value: bytes | None,
    headers: list[tuple[str, bytes | None]] | None = None,
    topic: str = "shop.orders",
) -> Reading:
    """Read a record under the default limits at NOW_MS."""
    return read_record(topic, value, headers, LIMITS, now_ms=NOW_MS)


INBOUND_EXAMPLES: Final = [
    (topic, contract) for topic, contracts in INBOUND.items() for contract in contracts
]
