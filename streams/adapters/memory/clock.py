"""A clock that stands still until somebody moves it."""


class SimulatedClock:
    """`Clock` whose time is set by the caller; sleeping moves it."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC, as last set."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """The same in seconds."""
        return self._now_ms / 1000

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self._now_ms += round(seconds * 1000)

    def move_to(self, now_ms: int) -> None:
        """Set the time; it never goes back."""
        self._now_ms = max(self._now_ms, now_ms)
