"""Quiet hours: until when to hold back what would disturb a customer."""

from typing import Final

from streams.core.local_time.zones import Zone
from streams.core.values import DAY_MS, MINUTE_MS

_DAY_MINUTES: Final = DAY_MS // MINUTE_MS


def release_ms(zone: Zone, now_ms: int, starts_minute: int, ends_minute: int) -> int:
    """The first instant from `now_ms` on that is not quiet; `now_ms` itself outside quiet hours.

    Quiet are the minutes of the local day (0 to 1,439) from `starts_minute` on and before
    `ends_minute`, over midnight where it ends before it starts, none where both are the same. Only
    the wall clock counts: an end that is skipped is the end of the gap, and in an hour that is
    repeated it can be quiet twice. ValueError for what is no minute of a day.
    """
    if not (0 <= starts_minute < _DAY_MINUTES and 0 <= ends_minute < _DAY_MINUTES):
        raise ValueError(
            f"quiet from {starts_minute} to {ends_minute}: give minutes from 0 to 1439"
        )
    starts_ms, length_ms = starts_minute * MINUTE_MS, (ends_minute - starts_minute) * MINUTE_MS
    length_ms %= DAY_MS
    while (passed_ms := (zone.local_ms(now_ms) - starts_ms) % DAY_MS) < length_ms:
        # Until the wall clock is set, one length of quiet is one length of time; then look again.
        ends_ms = now_ms + length_ms - passed_ms
        change_ms = zone.next_change_ms(now_ms)
        now_ms = ends_ms if change_ms is None else min(ends_ms, change_ms)
    return now_ms
