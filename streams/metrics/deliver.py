"""What the delivery stage measures: `Measures` of its ports, on Prometheus."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from schemas.dead_letters import Reason
from streams.deliver.ports import Outcome
from streams.metrics import catalogue as c
from streams.metrics.shared import ProcessMetrics, remove_series
from streams.ports import Clock


class DeliverMetrics(ProcessMetrics):
    """One per process. Called by the main loop only; scraped from another thread."""

    def __init__(self, registry: CollectorRegistry, clock: Clock, topic: str) -> None:
        super().__init__(registry)
        self._clock = clock
        self._topic = topic
        self._shown: set[int] = set()
        self._caught_up_at_s: dict[int, float] = {}
        self._taken = c.DELIVERY_RECORDS.counter(registry)
        self._delivered = c.DELIVERIES.counter(registry)
        self._retries = c.DELIVERY_RETRIES.counter(registry)
        self._seconds = c.DELIVERY_SECONDS.histogram(registry)
        self._circuit = c.DELIVERY_CIRCUIT_OPEN.gauge(registry)
        self._pending = c.DELIVERY_PENDING.gauge(registry)
        self._dead_letters = c.DEAD_LETTERS.counter(registry)

    def taken(self, kind: str) -> None:
        """A record was taken."""
        self._taken.labels(kind).inc()
        if kind == "unreadable":
            self._dead_letters.labels(Reason.INVALID_ACTION.value).inc()

    def delivered(self, outcome: Outcome, seconds: float) -> None:
        """An action has its outcome."""
        self._delivered.labels(outcome.channel, outcome.outcome, outcome.reason).inc()
        if outcome.outcome == "sent":
            self._seconds.observe(seconds)
        if outcome.dead is not None:
            self._dead_letters.labels(outcome.dead.reason).inc()

    def retried(self, transport: str, reason: str) -> None:
        """An attempt failed and will be made again."""
        self._retries.labels(transport, reason).inc()

    def circuit(self, transport: str, *, is_open: bool) -> None:
        """A transport is held back as a whole, or no more."""
        self._circuit.labels(transport).set(is_open)

    def show_lanes(
        self,
        pending: Mapping[int, int],
        positions: Mapping[int, int],
        ends: Mapping[int, int | None],
    ) -> None:
        """Actions on their way, and the lag of what is not done, by partition."""
        now_s = self._clock.monotonic_s()
        for number in self._shown - pending.keys():
            self._caught_up_at_s.pop(number, None)
            remove_series(self._pending, str(number))
            remove_series(self._lag_records, self._topic, str(number))
            remove_series(self._lag_seconds, self._topic, str(number))
        self._shown = set(pending)
        for number, count in pending.items():
            self._pending.labels(str(number)).set(count)
            end, position = ends.get(number), positions.get(number)
            # Markers of transactions stand at the end and are never read: without anything on its
            # way nothing is behind.
            behind = max(count, end - position) if count and end and position else count
            if not behind:
                self._caught_up_at_s[number] = now_s
            waited_s = now_s - self._caught_up_at_s.setdefault(number, now_s)
            labels = self._topic, str(number)
            self._lag_records.labels(*labels).set(behind)
            self._lag_seconds.labels(*labels).set(waited_s)
