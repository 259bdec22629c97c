"""Instants and money as the contracts write them."""

from datetime import UTC, datetime
from functools import lru_cache

_DAY_MS = 86_400_000


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    return datetime.fromtimestamp(days * 86_400, UTC).strftime("%Y-%m-%dT")


# One message names up to four instants, and they are often the same one.
@lru_cache(maxsize=4096)
def format_instant(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: 2026-03-01T09:30:00.000Z."""
    days, rest = divmod(at_ms, _DAY_MS)
    seconds, ms = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_day(days)}{hour:02}:{minute:02}:{second:02}.{ms:03}Z"


def format_money(amount_minor: int, digits: int) -> str:
    """Decimal text with exactly the currency's digits; -5 at two digits is "-0.05"."""
    if not digits:
        return str(amount_minor)
    whole, rest = divmod(abs(amount_minor), 10**digits)
    return f"{'-' if amount_minor < 0 else ''}{whole}.{rest:0{digits}}"
