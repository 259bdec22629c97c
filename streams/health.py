"""`/metrics`, `/health/live` and `/health/ready` over HTTP, served by a thread of the processor.

live: the main loop went on within a bound. ready: the processor has no reason against it, and Kafka
and Redis answer. Both give JSON with the reasons; 200 or 503.
"""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streams.errors import RfmError, UsageError
from streams.ports import Clock

# The group's own bound: a member that polls no more for this long has lost its partitions.
LIVE_WITHIN_S = 60.0
# However often one asks, Kafka and Redis are asked once in this time.
PROBE_EVERY_S = 2.0
# A thread each, for at most 10 s of silence: scrapers, health checks and a few people.
MAX_REQUESTS = 32

Probe = Callable[[], None]


class Health:
    """How this process is, from what its main loop says and what dependencies answer."""

    def __init__(
        self,
        clock: Clock,
        role: str,
        reasons: Callable[[], list[str]],
        probes: Mapping[str, Probe] = MappingProxyType({}),
        live_within_s: float = LIVE_WITHIN_S,
    ) -> None:
        self._clock = clock
        self._role = role
        self._reasons = reasons
        self._probes = probes
        self._live_within_s = live_within_s
        self._beat_s = clock.monotonic_s()
        self._lock = threading.Lock()
        self._probed_s: float | None = None
        self._probed: dict[str, str | None] = {}

    def beat(self) -> None:
        """The main loop goes on."""
        self._beat_s = self._clock.monotonic_s()

    def live(self) -> list[str]:
        """Reasons why this process hangs; empty where it does not."""
        silent_s = self._clock.monotonic_s() - self._beat_s
        if silent_s <= self._live_within_s:
            return []
        return [f"the main loop has not gone on for {silent_s:.0f} s"]

    def ready(self) -> list[str]:
        """Reasons why this process does not do its work; empty where it does."""
        failures = (text for text in self.dependencies().values() if text is not None)
        return [*self.live(), *self._reasons(), *failures]

    def dependencies(self) -> dict[str, str | None]:
        """Why Kafka or Redis, by the names of the probes, do not answer; None where they do."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if self._probed_s is None or now_s - self._probed_s >= PROBE_EVERY_S:
                self._probed = {name: _failure(probe) for name, probe in self._probes.items()}
                self._probed_s = self._clock.monotonic_s()
            return self._probed

    def answer(self, path: str) -> tuple[int, bytes] | None:
        """Status and JSON body of a health path; None for any other."""
        if path not in ("/health/live", "/health/ready"):
            return None
        reasons = self.live() if path == "/health/live" else self.ready()
        body = {"status": "failing" if reasons else "ok", "role": self._role, "reasons": reasons}
        return (503 if reasons else 200), json.dumps(body).encode() + b"\n"


def _failure(probe: Probe) -> str | None:
    try:
        probe()
    except RfmError as error:
        return str(error)
    return None


class _BoundedServer(ThreadingHTTPServer):
    """Serves so many at once; one more is closed unanswered and may ask again."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._room = threading.BoundedSemaphore(MAX_REQUESTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection where there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve it, and make room again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()


class HealthServer:
    """The HTTP server; `url` says where it listens, as long as the process lives."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Health) -> None:
        handler = _handler(registry, health)
        try:
            server = _BoundedServer((host, port), handler)
        except OSError as error:
            raise UsageError(
                f"metrics cannot be served on {host}:{port} ({error.strerror}): set "
                "RFM_METRICS_PORT (0 picks a free port) or RFM_METRICS_HOST"
            ) from error
        self.url = f"http://{host}:{server.server_port}"
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()


def _handler(registry: CollectorRegistry, health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # A scraper that stops in the middle of a request must not hold its thread for ever.
        timeout = 10.0

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0]
            if path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._reply(200, content_type, encode(registry))
            elif (answer := health.answer(path)) is not None:
                self._reply(answer[0], "application/json", answer[1])
            else:
                self._reply(
                    404, "text/plain", b"there are /metrics, /health/live and /health/ready\n"
                )

        def _reply(self, status: int, content_type: str, body: bytes) -> None:
            # An asker with a short time limit may be gone by now, which is its affair.
            with suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

        def log_message(self, *_arguments: object) -> None:
            """Scrapes every few seconds are no news."""

    return Handler
