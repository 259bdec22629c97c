"""Measures that nobody looks at, for replays and tools."""

from collections.abc import Mapping
from types import MappingProxyType

from streams.ports import Outcome
from streams.runtime.partition import Partition
from streams.runtime.steps import Batch

NO_POSITIONS: Mapping[str, int] = MappingProxyType({})


class NoMeasures:
    """Takes every measure of a cycle and keeps none."""

    def polled(self, batch: Batch) -> None:
        """A batch was read."""

    def committed(self, batch: Batch, seconds: float) -> None:
        """A transaction was committed."""

    def aborted(self, reason: str, positions: Mapping[str, int] = NO_POSITIONS) -> None:
        """A batch was given up, to be read again from there."""

    def guarded(self, partition: int, offset: int, outcome: Outcome, seconds: float) -> None:
        """The store answered a write up to `offset` of `rfm.state`."""

    def moved(self, partition: int, offset: int) -> None:
        """The store was not found at `offset`, where it was left."""

    def recovering(self, partition: int, progress: float) -> None:
        """A recovery went on."""

    def recovered(self, partition: int, offset: int) -> None:
        """A partition is ready and goes on at `offset` of the journal."""

    def owned(self, partitions: dict[int, Partition]) -> None:
        """These partitions are owned."""
