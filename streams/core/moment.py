"""The instant a decision is about, and where its outputs gather."""

from dataclasses import dataclass, field, replace

from streams.core.campaigns.guard import Guard
from streams.core.outputs import Output
from streams.core.rules import Rules
from streams.core.schemes.scheme import View
from streams.core.values import Cause


@dataclass(slots=True)
class Moment:
    """One decision under way.

    `now_ms` is the partition's time, `effective_ms` the instant the decision is about: the due
    instant of a timer, or the time an event occurred. `starts_campaigns` is False for back-filled
    events, whose changes count and send nothing. `guard` is the partition's.
    """

    rules: Rules
    now_ms: int
    effective_ms: int
    cause: Cause
    starts_campaigns: bool = True
    outputs: list[Output] = field(default_factory=list)
    guard: Guard = field(default_factory=Guard)
    _view: View | None = None

    @property
    def view(self) -> View:
        """The customer as schemes and rule trees see it; there once segments are decided."""
        if self._view is None:
            raise RuntimeError("segments are decided before campaigns")
        return self._view

    def show(self, view: View) -> None:
        """Let campaigns see the customer."""
        self._view = view

    def because(self, cause: Cause, effective_ms: int | None = None) -> "Moment":
        """The same moment for another cause; what is said gathers in the same place."""
        at_ms = self.effective_ms if effective_ms is None else effective_ms
        return replace(self, cause=cause, effective_ms=at_ms)
