"""What comes from outside is bounded; each bound of docs/security.md that no other test shows."""

import gzip
import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas.dead_letters import Reason
from streams.adapters.system_clock import SystemClock
from streams.bounded_text import MAX_FILE_BYTES, MAX_VALUES
from streams.deliver.channels.channel import TryAgain
from streams.deliver.channels.webhook import MAX_ANSWER_BYTES, WebhookChannel
from streams.errors import Rejected, UsageError
from streams.files.json_lines import MAX_LINE_BYTES, JsonLines
from streams.files.mapping import load_mapping
from streams.files.reading import read_events
from streams.files.report import ReadReport
from streams.files.tables import MAX_LINE_BYTES as MAX_CSV_LINE_BYTES
from streams.health import MAX_REQUESTS, Health, HealthServer
from streams.intake.reading import MAX_LIST_CHARACTERS, Limits, read_record
from streams.settings import load_settings
from streams.yaml_file import YamlFile
from tests.command_line import run_command
from tests.contract.documents import ROOT
from tests.contract.input_bounds import NESTING
from tests.deliver.deliveries import delivery, run
from tests.waiting import wait_until

NOW_MS = 1_800_000_000_000
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


def read_event(**fields: Any) -> None:
    event = {
        "type": "customer.updated",
        "event_id": "e-1",
        "customer_id": "C-1",
        "occurred_at": "2026-03-01T09:30:00Z",
        **fields,
    }
    read_record("shop.customers", json.dumps(event).encode(), None, Limits(), now_ms=NOW_MS)


# -- events --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        {"n" * 201: "x"},
        {"size": ["x" * 1_000] * 11},
        {"lifestyle": ["x" * 1_000] * 11},
        {"interests": ["x" * 100] * 101},
        {"size": "x" * 2_001},
        {"size": ["x"] * 201},
    ],
    ids=["name", "own list", "known list", "words", "text", "texts of a list"],
)
def test_attributes_that_no_state_could_hold_are_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        read_event(attributes=attributes)
    assert refused.value.reason == Reason.INVALID_FIELD
    assert refused.value.field is not None
    assert refused.value.field.startswith("attributes")


def test_attributes_up_to_the_bounds_are_taken() -> None:
    read_event(
        attributes={
            "n" * 200: "x" * 2_000,
            "size": ["x" * 1_000] * (MAX_LIST_CHARACTERS // 1_000),
            "interests": ["x" * 50] * 200,
        }
    )


def test_json_is_read_so_deep_and_no_deeper() -> None:
    def nested(levels: int) -> Any:
        return [nested(levels - 1)] if levels else 1

    read_event(attributes={}, note=nested(NESTING - 1))
    with pytest.raises(Rejected) as refused:
        read_record(
            "shop.customers",
            b'{"type":"customer.updated","note":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
            None,
            Limits(),
            now_ms=NOW_MS,
        )
    assert refused.value.reason == Reason.INVALID_JSON


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [YamlFile.load, load_mapping], ids=["rules", "mapping"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# " + "x" * MAX_FILE_BYTES, "is larger than 1024 KiB"),
        (ALIASES, f"at most {MAX_VALUES} are taken"),
        ("a: &a [*a]", "an alias stands within its own anchor"),
        ("a: " + "[" * 200_000, "line 1: is nested more than 50 levels"),
    ],
    ids=["large", "aliases", "alias of itself", "deep"],
)
def test_a_file_that_would_fill_the_memory_is_refused(
    load: Any, content: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=said) as refused:
        load(path)
    assert str(path) in str(refused.value)


def test_a_settings_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text("#" * (MAX_FILE_BYTES + 1), encoding="utf-8")
    with pytest.raises(UsageError, match="is larger than 1024 KiB"):
        load_settings(path)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_a_line_of_json_without_an_end_is_refused(zipped: bool, tmp_path: Path) -> None:
    line = b'{"type": "' + b"x" * MAX_LINE_BYTES + b'"}'
    path = tmp_path / ("events.jsonl.gz" if zipped else "events.jsonl")
    path.write_bytes(gzip.compress(line, 1) if zipped else line)
    with pytest.raises(UsageError, match="line 1: is longer than 16 MiB"):
        JsonLines([path], None, ReadReport())


@pytest.mark.parametrize("place", ["header", "row"])
def test_a_line_of_csv_without_an_end_is_refused(place: str, tmp_path: Path) -> None:
    mapping = load_mapping(ROOT / "examples" / "corner_shop.yaml")
    header = (ROOT / "examples" / "corner_shop.csv").read_text(encoding="utf-8").splitlines()[0]
    quote = '"' + "x" * (MAX_CSV_LINE_BYTES + 10)
    path = tmp_path / "orders.csv"
    path.write_text(quote if place == "header" else f"{header}\n{quote}", encoding="utf-8")
    said = "orders.csv: its first line" if place == "header" else "CSV Error on Line: 2"
    with pytest.raises(UsageError, match=said) as refused, read_events([path], mapping):
        pass
    assert "xxx" not in str(refused.value)


def test_a_mended_value_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "mended.json"
    with path.open("wb") as file:
        file.truncate(12 * 1024 * 1024 + 1)
    # Nobody is asked before the file is.
    ran = run_command(
        {"RFM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        *("dead-letters", "retry", "--offset", "1", "--value", str(path)),
    )
    assert ran.code == 2
    assert "is larger than 12 MiB" in ran.err


# -- answers -------------------------------------------------------------------------------------


@contextmanager
def answering(body: bytes, **headers: str) -> Iterator[str]:
    """A receiver that refuses everything with these words."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(503)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            """The test tells what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def refusal_of(url: str) -> str:
    channel = WebhookChannel(url, b"k" * 24, 10.0, SystemClock())
    await channel.open()
    try:
        with pytest.raises(TryAgain) as refused:
            await channel.send(delivery())
    finally:
        await channel.close()
    return refused.value.words


def test_an_answer_is_read_up_to_its_bound_and_never_unpacked() -> None:
    with answering(b"w" * 10_000_000) as url:
        assert run(refusal_of(url)) == f"HTTP 503: {'w' * MAX_ANSWER_BYTES}"
    bomb = gzip.compress(b"w" * 10_000_000)
    with answering(bomb, Content_Encoding="gzip") as url:
        assert "www" not in run(refusal_of(url))


def test_requests_for_health_are_bounded() -> None:
    health = Health(SystemClock(), "intake", list)
    server = HealthServer("127.0.0.1", 0, CollectorRegistry(), health)
    host, port = server.url.removeprefix("http://").split(":")

    def is_answered() -> bool:
        try:
            with urllib.request.urlopen(f"{server.url}/health/live", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    with ExitStack() as stack:
        for _ in range(MAX_REQUESTS):
            stack.enter_context(socket.create_connection((host, int(port))))
        wait_until(lambda: not is_answered(), 10.0, "one more is turned away")
    wait_until(is_answered, 10.0, "there is room again")
