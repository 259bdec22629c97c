"""JSON Lines: in the order of the file, every line, byte for byte."""

import gzip
import json
from pathlib import Path

import pytest

from streams.files.reading import Event, count_events, read_events


def _line(number: int, at: str, event_type: str = "order.placed") -> bytes:
    body = {"type": event_type, "customer_id": f"c{number}", "occurred_at": at, "n": number}
    return json.dumps(body).encode()


def _file(folder: Path, *lines: bytes, name: str = "events.jsonl", end: bytes = b"\n") -> Path:
    path = folder / name
    data = end.join((*lines, b""))
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def test_lines_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    late, early = _line(1, "2024-01-05T10:00:00Z"), _line(2, "2024-01-05T10:30:00+01:00")
    same = _line(3, "2024-01-05T11:00:00+01:00", "cart.updated")
    first = _file(tmp_path, late, early, end=b"\r\n")
    second = _file(tmp_path, same, b"  ", name="more.jsonl.gz")
    stream = read_events([first, second], None)
    assert stream.event_count == 3
    assert list(stream) == [
        Event("shop.orders", "c1", late, 1_704_448_800_000),
        Event("shop.orders", "c2", early, 1_704_447_000_000),
        Event("shop.carts", "c3", same, 1_704_448_800_000),
    ]
    assert stream.report.row_count == 3
    assert stream.report.events == {"order.placed": 2, "cart.updated": 1}


@pytest.mark.parametrize(
    ("line", "topic"),
    [
        (b'{"type": "return.registered", "customer_id": "c", "occurred_at": "2024', "shop.returns"),
        (b'{"type":"cart.updated","x":"\xff\xfe"}', "shop.carts"),
        (b'{"type":"customer.updated","customer_id":7,"occurred_at":5}', "shop.customers"),
        (b'{"type":"service.contacted","occurred_at":"2024-01-05T10:00:00"}', "shop.service"),
        (b'{"type":"no.such.type"}', "shop.orders"),
        (b'{"type":["order.placed"]}', "shop.orders"),
        (b'{"type":"order.placed","total":NaN}', "shop.orders"),
        (b"[1, 2]", "shop.orders"),
        (b"null", "shop.orders"),
        (b"garbage \x00\xff", "shop.orders"),
        (b"[" * 100_000, "shop.orders"),
    ],
)
def test_nothing_is_dropped(tmp_path: Path, line: bytes, topic: str) -> None:
    before = _line(1, "2024-01-05T10:00:00Z")
    after = _line(2, "2024-01-05T11:00:00Z")
    until_ms = 1_704_448_800_000
    events = list(read_events([_file(tmp_path, before, line, after)], None, until_ms=until_ms))
    assert events == [
        Event("shop.orders", "c1", before, until_ms),
        Event(topic, None, line, until_ms),
    ]


def test_cloudevents_are_looked_into(tmp_path: Path) -> None:
    data = {"type": "cart.updated", "customer_id": "c9", "occurred_at": "1970-01-01T00:00:01Z"}
    line = json.dumps({"specversion": "1.0", "type": "cart.updated", "data": data}).encode()
    [event] = read_events([_file(tmp_path, line)], None)
    assert event == Event("shop.carts", "c9", line, 1000)


def test_extreme_years_are_passed_on(tmp_path: Path) -> None:
    lines = [_line(n, at) for n, at in enumerate(("3000-01-01T00:00:00Z", "2024-01-05T10:00:00Z",
                                                  "0001-01-01T00:00:00+14:00"))]  # fmt: skip
    found = [event.value for event in read_events([_file(tmp_path, *lines)], None)]
    assert found == lines


def test_until_counts_what_it_leaves_out(tmp_path: Path) -> None:
    path = _file(tmp_path, *(_line(n, f"2024-01-05T1{n}:00:00Z") for n in range(5)))
    stream = read_events([path], None, until_ms=1_704_448_800_000)
    assert len(list(stream)) == stream.event_count == 1
    assert stream.report.left_out == {"after the given instant": 4}
    assert count_events([path], None) == 5
