"""Let simulated time pass at the speed of a clock."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from streams.errors import UsageError
from streams.simulation.messages import ShopEvent

# Sleeps are cut into pieces of this length, so that Ctrl-C and a stopping caller are never far.
_LONGEST_SLEEP_S: Final = 0.25


def paced(
    events: Iterable[ShopEvent],
    time_scale: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[ShopEvent]:
    """Give each event when its time has come: `time_scale` simulated seconds pass in one second.

    3,600 lets an hour of the shop pass each second. `clock` returns seconds that never go back
    (`time.monotonic`), `sleep` waits for seconds. Time begins with the first event and every
    instant is reckoned from there, so that sleeping too long does not add up; a caller that falls
    behind gets the overdue events without a wait. Raises UsageError unless `time_scale` is above 0.
    """
    if not time_scale > 0:
        raise UsageError("the time scale must be above 0: simulated seconds per second")
    return _paced(events, time_scale, clock, sleep)


def _paced(
    events: Iterable[ShopEvent],
    time_scale: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[ShopEvent]:
    first_ms: int | None = None
    begun_s = 0.0
    for event in events:
        if first_ms is None:
            first_ms, begun_s = event.occurred_at_ms, clock()
        due_s = begun_s + (event.occurred_at_ms - first_ms) / 1000 / time_scale
        while (wait_s := due_s - clock()) > 0:
            sleep(min(wait_s, _LONGEST_SLEEP_S))
        yield event
