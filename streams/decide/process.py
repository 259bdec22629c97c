"""The decide processor: the cycle in a process, with its clock check and what it shows."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from streams.adapters.system_clock import SystemClock
from streams.bootstrap import Decider, build_decider
from streams.errors import Fenced, Transient
from streams.metrics.decide import DecideMetrics
from streams.runtime.clock_check import check_clock, difference_s
from streams.runtime.partition import Phase
from streams.runtime.steps import Step
from streams.settings import Settings

SHOW_EVERY_S = 1.0
# Two short questions to Redis per partition.
COUNT_TIMERS_EVERY_S = 5.0


class DecideProcess:
    """`Processor` of decide, called `instance`."""

    def __init__(
        self,
        settings: Settings,
        instance: str,
        registry: CollectorRegistry,
        observe: Callable[[Step], None] = lambda step: None,
    ) -> None:
        self._settings = settings
        self._instance = instance
        self._observe = observe
        self._clock = SystemClock()
        self._wall_clock = settings.clock == "wall"
        self.metrics = DecideMetrics(registry, self._clock, wall_clock=self._wall_clock)
        self._decider: Decider | None = None
        self._reasons = ["starting"]
        self._seen_broker_ms = 0
        self._show_at_s = 0.0
        self._count_timers_at_s = 0.0

    def open(self) -> None:
        """Connect, end what an earlier life left open, and ask to join the group."""
        self._decider = build_decider(self._settings, self._instance, self.metrics, self._observe)
        self._seen_broker_ms = 0

    def run_once(self) -> int:
        """One cycle, and after a commit a look at the clocks."""
        decider = self._opened()
        began_ms = self._clock.now_ms()
        try:
            decided = decider.cycle.run_once()
        except Fenced:
            self.metrics.fenced()
            raise
        broker_ms = decider.log.broker_time_ms
        if broker_ms != self._seen_broker_ms:
            self._seen_broker_ms = broker_ms
            difference = difference_s(began_ms, self._clock.now_ms(), broker_ms)
            self.metrics.show_clock_difference(difference)
            if self._wall_clock:
                check_clock(difference, self._settings.max_clock_difference_s)
        return decided

    def refresh(self) -> None:
        """Show lag, partitions and readiness once a second, timers every few."""
        now_s = self._clock.monotonic_s()
        if now_s < self._show_at_s:
            return
        self._show_at_s = now_s + SHOW_EVERY_S
        decider = self._opened()
        self.metrics.show_lag(decider.log.ends())
        self.metrics.show_partitions()
        self._reasons = _reasons(decider)
        self.metrics.show_ready(is_ready=not self._reasons)
        if now_s >= self._count_timers_at_s:
            self._count_timers_at_s = now_s + COUNT_TIMERS_EVERY_S
            self._count_timers(decider)

    def reasons(self) -> list[str]:
        """Why it is not ready, as of the latest look."""
        return self._reasons

    def close(self) -> None:
        """Leave the group and close every connection."""
        self._reasons = ["stopping"]
        decider, self._decider = self._decider, None
        if decider is not None:
            decider.close()

    def _opened(self) -> Decider:
        if self._decider is None:
            raise RuntimeError("run before open")
        return self._decider

    def _count_timers(self, decider: Decider) -> None:
        now_ms = self._clock.now_ms()
        for number, partition in decider.cycle.partitions.items():
            # Under the event clock what is due is due by the partition's own time.
            until_ms = now_ms if self._wall_clock else partition.time_ms
            try:
                pending, overdue = decider.store.count_timers(number, until_ms)
            except Transient:
                # The last counts stay; the guard and the readiness probe report Redis.
                return
            self.metrics.show_timers(number, pending, overdue)


def _reasons(decider: Decider) -> list[str]:
    if not decider.log.has_joined:
        return ["the group has not given this member its share yet"]
    recovering = sorted(
        number
        for number, partition in decider.cycle.partitions.items()
        if partition.phase is not Phase.READY
    )
    return [f"partitions being recovered: {recovering}"] if recovering else []
