"""Instants, speeds and names as both views write them."""

from datetime import UTC, datetime

from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from streams.demo.board import NOBODY, Change

_UNITS = (
    (7 * DAY_MS, "week"),
    (DAY_MS, "day"),
    (HOUR_MS, "hour"),
    (MINUTE_MS, "minute"),
    (SECOND_MS, "second"),
)


def minute(at_ms: int) -> str:
    """Write an instant to the minute, UTC: 2026-03-01 09:30."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M")


def day(at_ms: int) -> str:
    """Write the day of an instant, UTC: 2026-03-01."""
    return minute(at_ms)[:10]


def speed(time_scale: float) -> str:
    """Write a time scale: "1 s = 1 day", "1 s = 2.5 hours"."""
    for span_ms, name in _UNITS:
        count = time_scale * 1000 / span_ms
        if count >= 1 or name == "second":
            return f"1 s = {count:.3g} {name}{'' if count == 1 else 's'}"
    raise AssertionError("the last unit fits always")


def short(customer_id: str) -> str:
    """Write the beginning of an id, enough to tell customers apart."""
    return customer_id[:8]


def move(change: Change) -> tuple[str, str]:
    """Name where the customer came from and went to."""
    return change.previous or NOBODY, change.current or "no segment"
