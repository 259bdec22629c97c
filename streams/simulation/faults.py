"""What goes wrong between a shop and its topics: delivered twice, out of order, or unusable."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

import msgspec

from streams.errors import UsageError
from streams.simulation.messages import ShopEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares (0 to 1) of the good events that meet a fault.

    A duplicate comes again, byte for byte, up to `delay_ms` of simulated time later; a late event
    comes up to `delay_ms` late; a bad record is a spoilt copy that follows its good original.
    """

    duplicate_share: float = 0.0
    late_share: float = 0.0
    bad_share: float = 0.0
    delay_ms: int = 3 * 24 * 3_600_000


NO_FAULTS: Final = Faults()


def with_faults(events: Iterable[ShopEvent], seed: int, faults: Faults) -> Iterator[ShopEvent]:
    """Pass `events` (in order of time) on with faults added; none of them is lost.

    Raises UsageError where a share is not within 0 to 1 or the delay is negative.
    """
    shares = (faults.duplicate_share, faults.late_share, faults.bad_share)
    if not all(0 <= share <= 1 for share in shares) or faults.delay_ms < 0:
        raise UsageError("shares of faults lie between 0 and 1, and the delay is not negative")
    return _with_faults(events, seed, faults)


def _with_faults(events: Iterable[ShopEvent], seed: int, faults: Faults) -> Iterator[ShopEvent]:
    # A source of its own, so that faults do not change what the shop's customers do.
    rng = Random(f"faults of {seed}")
    held: list[tuple[int, int, ShopEvent]] = []
    for number, event in enumerate(events):
        now_ms = event.occurred_at_ms
        while held and held[0][0] <= now_ms:
            yield heapq.heappop(held)[2]
        if rng.random() < faults.late_share:
            heapq.heappush(held, (now_ms + _draw_delay(rng, faults), 2 * number, event))
        else:
            yield event
        if rng.random() < faults.duplicate_share:
            heapq.heappush(held, (now_ms + _draw_delay(rng, faults), 2 * number + 1, event))
        if rng.random() < faults.bad_share:
            yield event._replace(value=spoil(event.value, rng))
    while held:
        yield heapq.heappop(held)[2]


def _draw_delay(rng: Random, faults: Faults) -> int:
    return int(rng.random() * faults.delay_ms)


def spoil(value: bytes, rng: Random) -> bytes:
    """Spoil a good record so that no contract accepts it."""
    return rng.choice(SPOILERS)(value)


def _replace(field: str, bad: object) -> Callable[[bytes], bytes]:
    def replaced(value: bytes) -> bytes:
        body = msgspec.json.decode(value)
        body[field] = bad
        return msgspec.json.encode(body)

    return replaced


def _without(field: str) -> Callable[[bytes], bytes]:
    def cut(value: bytes) -> bytes:
        body = msgspec.json.decode(value)
        del body[field]
        return msgspec.json.encode(body)

    return cut


SPOILERS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda value: value[: len(value) // 2],
    lambda value: value.replace(b'"type":"', b'"type":"\xff\xfe', 1),
    lambda _: b"",
    lambda value: b"[" + value + b"]",
    _without("event_id"),
    _without("customer_id"),
    _without("occurred_at"),
    _replace("type", "order.teleported"),
    _replace("event_id", ""),
    _replace("customer_id", "x" * 201),
    _replace("customer_id", "guest"),
    _replace("occurred_at", "2026-03-01T12:00:00"),
    _replace("occurred_at", 1_767_225_600_000),
    _replace("occurred_at", "3000-01-01T00:00:00Z"),
)
"""One for each way in which any event can be unusable, whatever its type."""
