"""Measures that nobody looks at, for replays and tools."""

from streams.ports import Outcome
from streams.runtime.partition import Partition
from streams.runtime.steps import Batch


class NoMeasures:
    """Takes every measure of a cycle and keeps none."""

    def polled(self, batch: Batch) -> None:
        """A batch was read."""

    def committed(self, batch: Batch, seconds: float) -> None:
        """A transaction was committed."""

    def aborted(self, reason: str) -> None:
        """A batch was given up."""

    def guarded(self, outcome: Outcome, seconds: float) -> None:
        """The store answered a write."""

    def recovering(self, partition: int, progress: float) -> None:
        """A recovery went on."""

    def recovered(self, partition: int) -> None:
        """A partition is ready."""

    def owned(self, partitions: dict[int, Partition]) -> None:
        """These partitions are owned."""
