"""The steps of a repartition, and what one step hands to the next."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from streams.codec.generations import GenerationMark
from streams.codec.partition import RulesRecord
from streams.core.inputs import GenerationBegun
from streams.repartition.old_generation import OldPartition


class Step(StrEnum):
    """The steps of a repartition, in their order."""

    CHECK = "check"
    READ = "read"
    TOPICS = "topics"
    MARK = "mark"
    CHECK_AGAIN = "check_again"
    BEGIN = "begin"
    CUSTOMERS = "customers"
    WIPE = "wipe"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Reading:
    """The old generation as it was read: its partitions, the beginnings of the new ones, the rules."""

    partitions: list[OldPartition]
    beginnings: list[GenerationBegun]
    rules: RulesRecord

    @property
    def customers(self) -> int:
        """How many there are."""
        return sum(len(one.offsets) for one in self.partitions)

    @property
    def positions(self) -> tuple[int, ...]:
        """Where the old partitions stood in their journal; -1 where nothing was ever decided."""
        return tuple(
            one.stood.record.journal_offset if one.stood is not None else -1
            for one in self.partitions
        )

    @property
    def spread(self) -> list[int]:
        """How many of them each new partition will have."""
        return [one.customers for one in self.beginnings]

    @property
    def time_ms(self) -> int:
        """The time at which the new partitions begin."""
        return self.beginnings[0].received_at_ms


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be done. `begun` says that an earlier run was killed in the middle of it.

    `is_done`: this very move is finished, and there is nothing left to do.
    """

    generation: int
    partitions: int
    is_done: bool = False
    begun: GenerationMark | None = None


Observe = Callable[[Step], None]
"""Told every step before it is taken."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and of how much."""
