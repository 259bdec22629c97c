"""Where two sides disagree about what campaigns do, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .campaigns import Told

_SHOWN = 50


def telling_differences(a: Iterable[Told], b: Iterable[Told], *, shown: int = _SHOWN) -> list[str]:
    """Return one line per action or suppression that only one side tells, empty if both agree.

    By customer and time; one told twice counts twice. At most `shown` lines, then one that counts
    the rest, by campaign and reason.
    """
    told_a, told_b = Counter(a), Counter(b)
    found = [("a", one) for one in (told_a - told_b).elements()]
    found += [("b", one) for one in (told_b - told_a).elements()]
    found.sort(key=lambda one: (one[1].customer, one[1].decided_ms, one[1].campaign, one[0]))
    lines = [f"only in {side}: {told}" for side, told in found[:shown]]
    if len(found) > shown:
        rest = Counter((one.campaign, one.reason or "requested") for _, one in found[shown:])
        counted = ", ".join(
            f"{campaign} {reason} {count}" for (campaign, reason), count in sorted(rest.items())
        )
        lines.append(f"... and {rest.total()} more: {counted}")
    return lines
