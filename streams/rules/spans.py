"""Lengths of time as people write them."""

from typing import Final

from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_UNITS: Final = ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s"))


def format_span(ms: int) -> str:
    """A span in its greatest whole unit: 30d, 4h."""
    for unit_ms, name in _UNITS:
        if ms and ms % unit_ms == 0:
            return f"{ms // unit_ms}{name}"
    return f"{ms}ms" if ms else "0s"
