"""One journal partition as its owner knows it between two transactions."""

from dataclasses import dataclass, field
from enum import StrEnum

from streams.core.rules import Rules
from streams.core.state import CustomerState
from streams.runtime.timers import TimerHeap


class Phase(StrEnum):
    """What the owner does with a partition."""

    RECOVERING = "recovering"
    READY = "ready"


@dataclass(slots=True)
class Partition:
    """Everything here can be lost: the truth is in the journal, `rfm.state` and the store.

    `base` is the next offset of `rfm.state` that the store holds, `journal_offset` the next record
    to decide, `time_ms` the partition's time. `states` is the cache, least recently used first.
    """

    number: int
    phase: Phase = Phase.RECOVERING
    base: int = 0
    journal_offset: int = 0
    time_ms: int = 0
    rules: Rules | None = None
    timers: TimerHeap = field(default_factory=TimerHeap)
    states: dict[str, CustomerState] = field(default_factory=dict)
    at_end: bool = False
    unread_tick: bool = False
    last_tick_ms: int = 0
    checked_at_s: float = 0.0

    def forget(self) -> None:
        """Drop what was cached and go back to recovery."""
        self.phase = Phase.RECOVERING
        self.states = {}
        self.timers.reset()
        self.at_end = False
        self.unread_tick = False

    def keep(self, states: dict[str, CustomerState], limit: int) -> None:
        """Take states into the cache as the latest used; the oldest beyond the limit go."""
        self.states.update(states)
        while len(self.states) > limit:
            del self.states[next(iter(self.states))]
