"""The delivery stage tells nobody's data, whatever receivers answer."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.deliver_rig import (
    DeliverRig,
    action,
    customer,
    webhook_environment,
)
from tests.integration.running import fetch, running
from tests.receiver import SECRET

PRIVATE = {
    "email": "zq7@example.org",
    "phone": "+49 30 7707707",
    "first_name": "Zqfirst",
    "language": "zq",
}
CART = {
    "cart_id": "zq-cart",
    "value": "77.13",
    "currency": "EUR",
    "checkout_url": "https://shop.example/zq-url",
    "items": [{"sku": "zq-sku", "quantity": 1, "name": "Zqproduct"}],
}
WORDS = ("zq", "Zq", "7707707", "77.13", "C-1", "C-2", "C-3", SECRET)


@contextmanager
def gossiping() -> Iterator[str]:
    """A receiver that repeats the message in its answer: taken, refused for good, refused for now."""
    came: dict[str, int] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message = json.loads(body)
            number = int(message["action"]["customer_id"][2:])
            came[message["action"]["customer_id"]] = (
                came.get(message["action"]["customer_id"], 0) + 1
            )
            is_first = came[message["action"]["customer_id"]] == 1
            status = {1: 202, 2: 422}.get(number, 503 if is_first else 202)
            self.send_response(status, "Zqreason")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """The test tells what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/actions"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def environment(kafka: str, redis_url: str, namespace: str) -> dict[str, str]:
    return {
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_NAMESPACE": namespace,
        "RFM_PARTITIONS": "1",
        "RFM_METRICS_PORT": "0",
        "RFM_LOG_FORMAT": "json",
        "RFM_LOG_LEVEL": "info",
    }


def test_a_delivery_is_logged_without_anybodys_data(
    environment: dict[str, str], tmp_path: Path
) -> None:
    rig = DeliverRig(environment)
    rig.know(customer(f"C-{number}", **PRIVATE) for number in (1, 2, 3))
    with (
        gossiping() as url,
        running(["deliver"], environment | webhook_environment(url), tmp_path) as run,
    ):
        run.wait_ready("deliver main-0")
        rig.publish(action(number, parameters=CART) for number in (1, 2, 3))
        rig.publish_raw(b'{"type": "action.requested", "customer_id": "C-3", "zq": "zq"')
        found = rig.wait_for_outcomes(3)
        address = run.addresses()["deliver main-0"]
        told = [fetch(address, path)[1] for path in ("/metrics", "/health/ready")]
        assert run.end() == 0
    letters = rig.letters()
    rig.close()
    assert sorted(one.outcome for one in found.values()) == ["failed", "sent", "sent"]
    # What the receiver said stands where it belongs.
    assert any("zq-cart" in about["dlq.message"] for _, about in letters)
    for text in ("\n".join([*run.out, *run.err]), *told):
        assert text
        for word in WORDS:
            assert word not in text, word
