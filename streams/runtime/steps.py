"""The steps of a cycle of decide, their order, and what is carried from one to the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from streams.core.inputs import Input, ProductsTaken, Sweep
from streams.core.state import CustomerState
from streams.ports import Outcome, Polled, StoreWrite
from streams.runtime.batch import MAX_TIMERS, Decided
from streams.runtime.partition import Partition


class Step(StrEnum):
    """The steps of a cycle, each an I/O boundary or the pure part between two."""

    POLL = "poll"
    PREFETCH = "prefetch"
    APPLY = "apply"
    BEGIN = "begin"
    PUBLISH = "publish"
    POSITIONS = "positions"
    COMMIT = "commit"
    STORE = "store"
    ADOPT = "adopt"


ORDER: tuple[Step, ...] = tuple(Step)


@dataclass(slots=True, frozen=True, kw_only=True)
class CycleSettings:
    """Bounds of a cycle; the reasons stand with the settings of the same names.

    `sweeps` off leaves customers to be decided anew when they are next touched; `sweeps_at_once`
    lifts the bound on the rate, also of surveys, where nothing live waits behind. `surveys` off
    counts no sales. `tells_segments` off leaves `customer-segments` unwritten, where nobody starts
    from it.
    """

    max_records: int = 10_000
    max_timers: int = MAX_TIMERS
    poll_timeout_s: float = 0.02
    cached_states: int = 200_000
    tick_every_ms: int = 100
    check_store_every_s: float = 5.0
    retry_after_s: float = 0.5
    ticks: bool = True
    partitions: int = 1
    sweeps: bool = True
    sweeps_at_once: bool = False
    surveys: bool = True
    tells_segments: bool = True


@dataclass(slots=True)
class Batch:
    """What one cycle carries from step to step."""

    polled: Polled = field(default_factory=Polled)
    inputs: dict[int, list[tuple[int, Input]]] = field(default_factory=dict)
    working: dict[int, dict[str, CustomerState]] = field(default_factory=dict)
    decided: dict[int, Decided] = field(default_factory=dict)
    ticks: list[int] = field(default_factory=list)
    sweeps: dict[int, Sweep] = field(default_factory=dict)
    surveys: dict[int, ProductsTaken] = field(default_factory=dict)
    census_changes: dict[int, bytes] = field(default_factory=dict)
    writes: dict[int, StoreWrite] = field(default_factory=dict)
    receipts: dict[int, int] = field(default_factory=dict)
    in_transaction: bool = False

    @property
    def partitions(self) -> set[int]:
        """Every partition this batch touches."""
        return {*self.inputs, *self.ticks, *self.sweeps, *self.surveys}


class Measures(Protocol):
    """What the cycle tells about itself."""

    def polled(self, batch: Batch) -> None: ...
    def committed(self, batch: Batch, seconds: float) -> None: ...
    def aborted(self, reason: str, positions: Mapping[str, int] = ...) -> None: ...
    def guarded(self, partition: int, offset: int, outcome: Outcome, seconds: float) -> None: ...
    def moved(self, partition: int, offset: int) -> None: ...
    def recovering(self, partition: int, progress: float) -> None: ...
    def recovered(self, partition: int, offset: int) -> None: ...
    def owned(self, partitions: dict[int, Partition]) -> None: ...
