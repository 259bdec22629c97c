"""Small shops' files for the tests, and where the real ones are."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.files.mapping import Mapping, load_mapping
from streams.files.reading import EventStream, ReadReport, read_events

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"

ORDERS: dict[str, Any] = {
    "kind": "orders",
    "source": "corner-shop",
    "currency": "EUR",
    "time": {"column": "when", "zone": "Europe/Berlin"},
    "customer": {"column": "who", "missing": "skip"},
    "order": {"id": "order"},
    "line": {"sku": "sku", "quantity": "n", "unit_price": "price"},
}
CARTS: dict[str, Any] = {
    "kind": "carts",
    "source": "corner-shop",
    "currency": "EUR",
    "time": {"column": "when", "zone": "UTC"},
    "customer": {"column": "who", "missing": "skip"},
    "cart": {
        "id": "session",
        "added": {"column": "what", "op": "eq", "value": "add"},
        "removed": {"column": "what", "op": "eq", "value": "remove"},
        "bought": {"column": "what", "op": "eq", "value": "buy"},
    },
    "line": {"sku": "sku", "unit_price": "price"},
}
HEADER = "order,who,when,sku,n,price"


def shared_data(name: str) -> Path:
    """Find a file of the real data, or skip."""
    folder = Path(os.environ.get("RFM_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    path = folder / name
    if not path.exists():
        pytest.skip(f"no {path}; RFM_SHARED_DATA names the folder of the real data")
    return path


def mapping_of(folder: Path, data: dict[str, Any], **changes: object) -> Mapping:
    """Write a mapping with changes to top-level fields, and load it."""
    path = folder / "mapping.yaml"
    path.write_text(yaml.safe_dump(data | changes), encoding="utf-8")
    return load_mapping(path)


def csv_of(folder: Path, *rows: str, header: str = HEADER, name: str = "shop.csv") -> Path:
    """Write a CSV file."""
    path = folder / name
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def bodies(stream: EventStream) -> list[dict[str, Any]]:
    """Read all events' JSON."""
    return [json.loads(event.value) for event in stream]


def read(
    path: Path, mapping: Mapping, until: str | None = None
) -> tuple[list[dict[str, Any]], ReadReport]:
    """Read one file to its end."""
    until_ms = None if until is None else int(datetime.fromisoformat(until).timestamp() * 1000)
    stream = read_events([path], mapping, until_ms=until_ms)
    found = bodies(stream)
    assert len(found) == stream.event_count
    return found, stream.report
