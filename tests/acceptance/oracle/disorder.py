"""The same events as they arrive from real shops: some twice, and out of order."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TWICE_EVERY = 7
_JITTER_MS = 3 * 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def disorder(source: Path, target: Path, *, seed: int) -> int:
    """Write the events of `source` to `target`, every seventh twice, all of them shuffled.

    Each written line (a second copy has its own) is placed at its `occurred_at` plus a random
    amount within three days either way; the lines themselves are unchanged to the byte. The same
    seed gives the same file. Returns the number of lines written. Raises ValueError for a line
    that has no `occurred_at` with an offset.
    """
    chance = random.Random(seed)
    lines = [line for line in source.read_bytes().splitlines() if line.strip()]
    placed: list[tuple[int, int]] = []
    for index, line in enumerate(lines):
        at_ms = _occurred_at_ms(line, index)
        copies = 2 if index % _TWICE_EVERY == _TWICE_EVERY - 1 else 1
        placed.extend(
            (at_ms + chance.randint(-_JITTER_MS, _JITTER_MS), index) for _ in range(copies)
        )
    placed.sort()
    with target.open("wb") as file:
        file.writelines(lines[index] + b"\n" for _, index in placed)
    return len(placed)


def _occurred_at_ms(line: bytes, index: int) -> int:
    try:
        at = datetime.fromisoformat(json.loads(line)["occurred_at"])
        return (at - _EPOCH) // timedelta(milliseconds=1)
    except (KeyError, TypeError, ValueError) as error:
        message = f"event {index + 1} has no usable occurred_at: {error}"
        raise ValueError(message) from error
