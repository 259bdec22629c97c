"""What surrounds a process, asked from a thread of its own and shown in its metrics.

Asked apart from scrapes: those must be answered at once, above all while Kafka or Redis is away.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from streams.errors import Transient
from streams.health import Health

# Each look costs a connection to Kafka and one to Redis, and a question per group.
LOOK_EVERY_S = 10.0


class Shown(Protocol):
    """Metrics of what surrounds a process."""

    def show_dependency(self, name: str, *, is_up: bool) -> None:
        """Whether Kafka or Redis answers."""

    def show_members(self, members: Mapping[str, int] | None) -> None:
        """Members by group; None where nobody could say."""


class Surroundings:
    """Looks every few seconds as long as the process lives, from `start` on."""

    def __init__(
        self,
        health: Health,
        shown: Shown,
        count_members: Callable[[], Mapping[str, int]],
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._health = health
        self._shown = shown
        self._count_members = count_members
        self._every_s = every_s
        self._done = threading.Event()

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._watch, name="surroundings", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._done.set()

    def look(self) -> None:
        """Ask once and show what was answered."""
        failures = self._health.dependencies()
        for name, failure in failures.items():
            self._shown.show_dependency(name, is_up=failure is None)
        self._shown.show_members(self._members() if failures.get("kafka") is None else None)

    def _members(self) -> Mapping[str, int] | None:
        try:
            return self._count_members()
        except Transient:
            return None  # the probe of the next look says why

    def _watch(self) -> None:
        self.look()
        while not self._done.wait(self._every_s):
            self.look()
