"""What every processor measures."""

from collections.abc import Mapping

import structlog
from prometheus_client import CollectorRegistry, Gauge

from streams.metrics import catalogue as c
from streams.runtime.measures import NO_POSITIONS

# The first word that fits names the reason; the log line has the whole text.
ABORT_REASONS: tuple[tuple[str, str], ...] = (
    ("unknown outcome", "unknown_outcome"),
    ("the store", "store_moved"),
    ("Redis", "redis"),
    ("poll", "poll"),
    ("send positions", "positions"),
    ("publish", "publish"),
    ("begin", "begin"),
    ("commit", "commit"),
    ("seek", "seek"),
)
OTHER = "other"


def coarse_reason(text: str) -> str:
    """The kind of an abort, from its message."""
    return next((reason for words, reason in ABORT_REASONS if words in text), OTHER)


class ProcessMetrics:
    """Metrics of every role."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
        self._restarts = c.PROCESS_RESTARTS.counter(registry)
        self._ready = c.READY.gauge(registry)
        self._lag_records = c.LAG_RECORDS.gauge(registry)
        self._lag_seconds = c.LAG_SECONDS.gauge(registry)
        self._dependency_up = c.DEPENDENCY_UP.gauge(registry)
        self._group_members = c.GROUP_MEMBERS.gauge(registry)

    def restarted(self, reasons: Mapping[str, int]) -> None:
        """How often, and why, this process was started again before."""
        for reason, count in reasons.items():
            self._restarts.labels(reason).inc(count)

    def show_ready(self, *, is_ready: bool) -> None:
        """Whether the processor itself sees itself as ready."""
        self._ready.set(is_ready)

    def show_dependency(self, name: str, *, is_up: bool) -> None:
        """Whether Kafka or Redis answered. Called from another thread."""
        self._dependency_up.labels(name).set(is_up)

    def show_members(self, members: Mapping[str, int] | None) -> None:
        """Members by group; None where nobody could say. Called from another thread."""
        if members is None:
            self._group_members.clear()
            return
        for group, count in members.items():
            self._group_members.labels(group).set(count)


class SharedMetrics(ProcessMetrics):
    """Metrics of the roles that work in transactions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._position = c.POSITION.gauge(registry)
        self._batch_records = c.BATCH_RECORDS.histogram(registry)
        self._transactions_committed = c.TRANSACTIONS_COMMITTED.counter(registry)
        self._transactions_aborted = c.TRANSACTIONS_ABORTED.counter(registry)
        for reason in (*(reason for _, reason in ABORT_REASONS), OTHER):
            self._transactions_aborted.labels(reason)
        self._transactions_fenced = c.TRANSACTIONS_FENCED.counter(registry)
        self._commit_seconds = c.COMMIT_SECONDS.histogram(registry)
        self._clock_difference = c.CLOCK_DIFFERENCE.gauge(registry)

    def restarted(self, reasons: Mapping[str, int]) -> None:
        """How often, and why, this process was started again before."""
        super().restarted(reasons)
        self._transactions_fenced.inc(reasons.get("fenced", 0))

    def aborted(self, reason: str, positions: Mapping[str, int] = NO_POSITIONS) -> None:
        """A batch was given up and will be read again from `positions`, by topic and partition."""
        self._transactions_aborted.labels(coarse_reason(reason)).inc()
        self.log.warning(
            "a batch was given up and is read again", cause=reason, positions=dict(positions)
        )

    def fenced(self) -> None:
        """Another process took over this one's name."""
        self._transactions_fenced.inc()

    def show_clock_difference(self, seconds: float) -> None:
        """This clock minus the broker's."""
        self._clock_difference.set(seconds)


def remove_series(gauge: Gauge, *labels: str) -> None:
    """Drop a series if it is there: what a process owns no more, it does not report."""
    try:
        gauge.remove(*labels)
    except KeyError:
        return  # never shown
