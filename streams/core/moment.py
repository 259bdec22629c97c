"""The instant a decision is about, and where its outputs gather."""

from dataclasses import dataclass, field

from streams.core.outputs import Output
from streams.core.rules import Rules
from streams.core.values import Cause


@dataclass(slots=True)
class Moment:
    """One decision under way.

    `now_ms` is the partition's time, `effective_ms` the instant the decision is about: the due
    instant of a timer, or the time an event occurred. `starts_campaigns` is False for back-filled
    events, whose changes count and send nothing.
    """

    rules: Rules
    now_ms: int
    effective_ms: int
    cause: Cause
    starts_campaigns: bool = True
    outputs: list[Output] = field(default_factory=list)
