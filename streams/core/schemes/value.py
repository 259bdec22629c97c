"""Scheme `value`: A, B and C customers by what they brought in the value window.

Segments.md, Other schemes. The limits of A and B come from the snapshot; before there is one with
enough population, nobody has a class.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from streams.core.population.snapshot import Snapshot
from streams.core.schemes.scheme import Answer, Shop, View

KIND = "value"
SEGMENTS = ("A", "B", "C")

_NOWHERE = Answer(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """`limits_minor` are the least net values of A and B; None where there are none.

    `window_ms` must be the value window of the view's facts. `shares_percent` says which shares of
    all positive value the snapshot cut at.
    """

    name: str
    hold_ms: int | None
    window_ms: int
    shares_percent: tuple[int, int]
    shop: Shop
    limits_minor: tuple[int, int] | None = None
    kind: str = KIND
    segments: tuple[str, ...] = SEGMENTS
    is_flags: bool = False
    is_ranked: bool = True
    uses_population: bool = True

    def classify(self, view: View) -> Answer:
        """The class by net value in the window; nowhere without a counting order in it."""
        facts, limits = view.facts, self.limits_minor
        if limits is None or not facts.value_order_count:
            return _NOWHERE
        value = facts.value_monetary_minor
        if value <= 0 or value < limits[1]:
            return Answer("C", facts.value_expiry_ms)
        return Answer("A" if value >= limits[0] else "B", facts.value_expiry_ms)

    def under(self, snapshot: Snapshot | None) -> "Value":
        """With the class limits of a snapshot; without any where it has not enough customers."""
        shop = self.shop
        if (
            snapshot is None
            or not snapshot.value_limits_minor
            or not snapshot.is_enough(shop.minimum_customers, shop.minimum_history_ms)
        ):
            return replace(self, limits_minor=None)
        least_a, least_b = snapshot.value_limits_minor
        return replace(self, limits_minor=(least_a, least_b))


def compile_scheme(raw: Mapping[str, Any], shop: Shop) -> Value:
    """`Value` before the first snapshot; raises ValueError for shares that do not rise."""
    window_ms = int(raw["window_ms"])
    share_a, share_b = (int(share) for share in raw["shares_percent"])
    if window_ms <= 0:
        raise ValueError(f"window_ms must be above 0, found {window_ms}")
    if not 0 < share_a < share_b < 100:  # noqa: PLR2004 - percent
        raise ValueError(
            f"shares_percent must be two rising numbers from 1 to 99, found {[share_a, share_b]}"
        )
    hold = raw["hold_ms"]
    return Value(
        name=str(raw["name"]),
        hold_ms=None if hold is None else int(hold),
        window_ms=window_ms,
        shares_percent=(share_a, share_b),
        shop=shop,
    )
