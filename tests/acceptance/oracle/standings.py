"""Where two sides disagree about customers: facts and segments, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 50


class Standing(NamedTuple):
    """One customer at an instant. Money in minor units, times in ms since 1970 UTC.

    `segments` by scheme: None for nowhere, flags sorted and joined by "|".
    """

    last_order_ms: int | None
    orders: int
    monetary: int
    lifetime_orders: int
    lifetime_monetary: int
    value_orders: int
    value_monetary: int
    segments: dict[str, str | None]


def standing_differences(
    a: Mapping[str, Standing], b: Mapping[str, Standing], *, shown: int = _SHOWN
) -> list[str]:
    """Return one line per customer and fact or scheme that differs, empty if both agree.

    At most `shown` lines, then one that counts the rest, by fact or scheme.
    """
    found = [
        (what, f"{customer}: {what} is {left!r} in a, {right!r} in b")
        for customer in sorted(a.keys() & b.keys())
        for what, left, right in _unequal(a[customer], b[customer])
    ]
    found += [("customer", f"{customer}: only in a") for customer in sorted(a.keys() - b.keys())]
    found += [("customer", f"{customer}: only in b") for customer in sorted(b.keys() - a.keys())]
    lines = [line for _, line in found[:shown]]
    if len(found) > shown:
        rest = Counter(what for what, _ in found[shown:])
        counted = ", ".join(f"{what} {count}" for what, count in sorted(rest.items()))
        lines.append(f"... and {rest.total()} more: {counted}")
    return lines


def _unequal(a: Standing, b: Standing) -> list[tuple[str, object, object]]:
    facts = list(zip(Standing._fields[:-1], a[:-1], b[:-1], strict=True))
    schemes = [
        (name, a.segments.get(name, "no such scheme"), b.segments.get(name, "no such scheme"))
        for name in sorted(a.segments.keys() | b.segments.keys())
    ]
    return [one for one in [*facts, *schemes] if one[1] != one[2]]
