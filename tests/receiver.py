"""A marketing tool that takes webhooks: real HTTP, signatures checked, each key acted on once.

It may fail at random, before or after it acted, be slow, or not answer at all.
"""

import base64
import hashlib
import hmac
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "a secret of at least 24 characters"  # noqa: S105 - of this receiver alone


class Receiver:
    """What came in. `acted` maps an idempotency key to the message and when it was acted on (ms)."""

    def __init__(self, *, fail_share: float = 0.0, delay_s: float = 0.0, seed: int = 0) -> None:
        self.acted: dict[str, tuple[dict[str, Any], int]] = {}
        self.requests: Counter[str] = Counter()
        # When each key came last.
        self.arrived_ms: dict[str, int] = {}
        self.headers: dict[str, list[Mapping[str, str]]] = {}
        self.bodies: dict[str, list[bytes]] = {}
        self.unsigned = 0
        self.is_down = False
        # Keys to an HTTP status that is always answered, without acting.
        self.refused: dict[str, int] = {}
        self.retry_after = ""
        self._fail_share = fail_share
        self._delay_s = delay_s
        self._dice = random.Random(seed)
        self._lock = threading.Lock()

    def take(self, headers: Mapping[str, str], body: bytes) -> int | None:
        """The status to answer with; None for no answer."""
        key = headers["Idempotency-Key"]
        if not is_signed(headers, body):
            self.unsigned += 1
            return 401
        if self.is_down:
            return None
        with self._lock:
            self.headers.setdefault(key, []).append(headers)
            self.bodies.setdefault(key, []).append(body)
        return self.act(key, json.loads(body))

    def act(self, key: str, message: dict[str, Any]) -> int | None:
        """Act on a message unless it was acted on before, or fail; as `take` answers."""
        if self.is_down:
            return None
        with self._lock:
            self.requests[key] += 1
            self.arrived_ms[key] = time.time_ns() // 1_000_000
            fails = self._dice.random() < self._fail_share
            acts_first = self._dice.random() < 0.5
        time.sleep(self._delay_s)
        if key in self.refused:
            return self.refused[key]
        if fails and not acts_first:
            return 503
        with self._lock:
            self.acted.setdefault(key, (message, time.time_ns() // 1_000_000))
        if fails:
            return None
        return 202


def is_signed(headers: Mapping[str, str], body: bytes) -> bool:
    """The check of docs/delivery.md, by its own words and not by our code."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())
    is_fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return is_fresh and hmac.compare_digest(headers["webhook-signature"], f"v1,{expected.decode()}")


@contextmanager
def listening(receiver: Receiver) -> Iterator[str]:
    """Serve a receiver; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30.0

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                # The sender was killed in the middle: this was no request.
                self.close_connection = True
                return
            status = receiver.take(dict(self.headers.items()), body)
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            if receiver.retry_after and status >= 400:
                self.send_header("Retry-After", receiver.retry_after)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *arguments: object) -> None:
            """The test tells what matters."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that was killed is what the test is about; anything else is shown."""
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/actions"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
