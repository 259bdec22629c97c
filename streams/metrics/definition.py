"""What a metric is, and how it is made from its definition."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

# A second series per counter, of its birth, which nothing here asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

Kind = Literal["counter", "gauge", "histogram"]
Role = Literal["intake", "decide", "deliver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDefinition:
    """One metric. Labels never name a customer."""

    name: str
    kind: Kind
    help: str
    roles: tuple[Role, ...]
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def counter(self, registry: CollectorRegistry) -> Counter:
        """The counter in a registry."""
        self._expect("counter")
        return Counter(self.name, self.help, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry) -> Gauge:
        """The gauge in a registry."""
        self._expect("gauge")
        return Gauge(self.name, self.help, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry) -> "BulkHistogram":
        """The histogram in a registry."""
        self._expect("histogram")
        histogram = BulkHistogram(self)
        registry.register(histogram)
        return histogram

    def _expect(self, kind: Kind) -> None:
        if self.kind != kind:
            raise TypeError(f"{self.name} is a {self.kind}, not a {kind}")


class BulkHistogram(Collector):
    """A histogram that takes a batch at once: the client's own costs 2 microseconds a value."""

    def __init__(self, definition: MetricDefinition) -> None:
        self._definition = definition
        self._bounds = definition.buckets
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        self._lock = Lock()

    def observe(self, value: float, count: int = 1) -> None:
        """Take one value, `count` times."""
        index = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[index] += count
            self._sum += value * count

    def observe_many(self, values: Sequence[float]) -> None:
        """Take values in any order; nearly sorted ones cost least."""
        ordered = sorted(values)
        total = sum(ordered)
        ends = [bisect_right(ordered, bound) for bound in self._bounds]
        with self._lock:
            before = 0
            for index, end in enumerate((*ends, len(ordered))):
                self._counts[index] += end - before
                before = end
            self._sum += total

    def collect(self) -> Iterator[Metric]:
        """The cumulative buckets as of now."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        running = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
            running += count
            buckets.append((_shown(bound), float(running)))
        family = HistogramMetricFamily(self._definition.name, self._definition.help)
        family.add_metric([], buckets, sum_value=total)
        yield family

    def describe(self) -> Iterator[Metric]:
        """Its name, for the registry's check for doubles."""
        yield HistogramMetricFamily(self._definition.name, self._definition.help)


def _shown(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(bound)
