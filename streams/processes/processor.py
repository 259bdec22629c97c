"""What the main loop drives: one role of the system in this process."""

from typing import Protocol

from streams.processes.surroundings import Shown


class Processor(Protocol):
    """Opened, run cycle by cycle, closed; opened again after a `Transient` error."""

    @property
    def metrics(self) -> Shown:
        """Where what surrounds it is shown."""

    def open(self) -> None:
        """Connect. Raises `Transient` where Kafka or Redis do not answer yet."""

    def run_once(self) -> int:
        """One cycle; returns the number of records. Raises what must stop the process."""

    def refresh(self) -> None:
        """Show how things stand; called after every cycle, cheap."""

    def reasons(self) -> list[str]:
        """Why this processor is not ready, empty where it is. Called from another thread."""

    def close(self) -> None:
        """Let go of every connection; safe to repeat."""
