"""Where the demo plays, as the play sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streams.demo.board import Board
from streams.files.events import Event


@dataclass(frozen=True, slots=True)
class Link:
    """A process and where it serves metrics and health."""

    process: str
    url: str


class Stage(Protocol):
    """Takes the shop's events and gives what was decided."""

    @property
    def title(self) -> str:
        """What runs here, in a few words."""

    @property
    def links(self) -> Sequence[Link]:
        """Processes that can be looked at, as of now."""

    def publish(self, events: Sequence[Event], until_ms: int) -> None:
        """Send events and say that everything before `until_ms` is there."""

    def collect(self, board: Board) -> None:
        """Put what was decided since the last time on the board; raises where something broke."""
