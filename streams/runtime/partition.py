"""One journal partition as its owner knows it between two transactions."""

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from streams.core.campaigns.guard import Guard
from streams.core.rules import Rules
from streams.core.state import CustomerState
from streams.runtime.population import Population
from streams.runtime.survey import Survey
from streams.runtime.sweeping import Sweeper
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
    `swept` are the rules version and the number of the limits of the latest finished sweep.
    `guard` counts what campaigns do. `holds_everybody`: customers of the generation before are all
    taken in, so that a walk through the store meets each of them.
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
    unread_sweep: bool = False
    holds_everybody: bool = False
    population: Population = field(default_factory=Population)
    swept: tuple[int, int] = (0, 0)
    guard: Guard = field(default_factory=Guard)
    sweeper: Sweeper | None = None
    survey: Survey | None = None
    last_tick_ms: int = 0
    checked_at_s: float = 0.0

    def forget(self) -> None:
        """Drop what was cached and go back to recovery."""
        self.phase = Phase.RECOVERING
        self.states = {}
        self.timers.reset()
        self.at_end = False
        self.unread_tick = False
        self.unread_sweep = False
        self.holds_everybody = False
        self.sweeper = None
        self.survey = None

    @property
    def census_due_ms(self) -> int | None:
        """The next instant at which the census is to be told; None before the first record."""
        rules, told_ms = self.rules, self.population.told_ms
        if rules is None or not rules.uses_population or not told_ms:
            return None
        return told_ms + rules.snapshot_every_ms

    @property
    def survey_due_ms(self) -> int | None:
        """The boundary up to which sales are to be counted; None where they are, or need not be."""
        rules, population = self.rules, self.population
        if rules is None or not rules.uses_population:
            return None
        return population.told_ms if population.told_ms > population.surveyed_ms else None

    @property
    def next_due_ms(self) -> int | None:
        """The next instant at which a timer or a census of this partition is due."""
        timer_ms, census_ms = self.timers.first_due_ms, self.census_due_ms
        if timer_ms is None or (census_ms is not None and census_ms < timer_ms):
            return census_ms
        return timer_ms

    @property
    def standing(self) -> tuple[int, int]:
        """The rules version and the number of the limits decided by."""
        return (self.rules.version, self.rules.limits_number) if self.rules else (0, 0)

    def keep(self, states: dict[str, CustomerState], limit: int) -> None:
        """Take states into the cache as the latest used; the oldest beyond the limit go."""
        self.states.update(states)
        # All at once: a search for the oldest passes over the places of all that went before it.
        for customer_id in list(islice(self.states, max(0, len(self.states) - limit))):
            del self.states[customer_id]
