"""The intake processor: its cycle in a process, and what it shows."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from streams.adapters.system_clock import SystemClock
from streams.intake.build import Intake, build_intake
from streams.intake.cycle import Step
from streams.metrics.intake import IntakeMetrics
from streams.settings import Settings

SHOW_EVERY_S = 1.0


class IntakeProcess:
    """`Processor` of intake, called `instance`."""

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
        self.metrics = IntakeMetrics(registry, self._clock)
        self._intake: Intake | None = None
        self._reasons = ["starting"]
        self._show_at_s = 0.0

    def open(self) -> None:
        """Connect, end what an earlier life left open, and ask to join the group."""
        self._intake = build_intake(self._settings, self._instance, self.metrics, self._observe)

    def run_once(self) -> int:
        """One cycle."""
        return self._opened().cycle.run_once()

    def refresh(self) -> None:
        """Look once a second whether it is ready; the cycle itself tells the rest."""
        now_s = self._clock.monotonic_s()
        if now_s < self._show_at_s:
            return
        self._show_at_s = now_s + SHOW_EVERY_S
        self._reasons = _reasons(self._opened())
        self.metrics.show_ready(is_ready=not self._reasons)

    def reasons(self) -> list[str]:
        """Why it is not ready, as of the latest look."""
        return self._reasons

    def close(self) -> None:
        """Leave the group and close every connection."""
        self._reasons = ["stopping"]
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.close()

    def _opened(self) -> Intake:
        if self._intake is None:
            raise RuntimeError("run before open")
        return self._intake


def _reasons(intake: Intake) -> list[str]:
    if not intake.log.has_joined:
        return ["the group has not given this member its share yet"]
    if not intake.cycle.is_ready:
        return ["not every partition of the public topics is being read yet"]
    return []
