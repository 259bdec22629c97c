"""Scheme `lifecycle`: how mature the relation is, by silence and the customer's own rhythm.

Segments.md, Other schemes, first match. Silence counts from the latest counting order. As for every
span, silence or a gap of exactly a limit is over it: a Sleeper's next order always reactivates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.core.behaviour_facts import doubled_median_gap_ms, order_instants_ms
from streams.core.population.snapshot import Snapshot
from streams.core.schemes.scheme import Answer, Shop, View

KIND = "lifecycle"
PROSPECT = "Prospect"
LOST = "Lost"
SLEEPER = "Sleeper"
REACTIVATED = "Reactivated"
NEW_BUYER = "New Buyer"
SLIPPING = "Slipping"
ACTIVE = "Active"
SEGMENTS = (PROSPECT, LOST, SLEEPER, REACTIVATED, NEW_BUYER, SLIPPING, ACTIVE)

_PROSPECT = Answer(PROSPECT, None)
_LOST = Answer(LOST, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Durations in milliseconds.

    `slipping_factor_percent` times the median gap, at least `slipping_floor_ms`, is the silence
    from which a customer slips; `slipping_default_ms` below three orders.
    """

    name: str
    lost_ms: int
    sleeper_ms: int
    reactivated_ms: int
    new_ms: int
    slipping_factor_percent: int
    slipping_floor_ms: int
    slipping_default_ms: int
    kind: str = KIND
    segments: tuple[str, ...] = SEGMENTS
    is_flags: bool = False
    is_ranked: bool = False
    uses_population: bool = False
    hold_ms: int | None = None

    def classify(self, view: View) -> Answer:
        """The first stage that matches; somebody without a counting order is a Prospect."""
        last = view.facts.last_order_at_ms
        count = view.facts.lifetime_order_count
        if last is None:
            # Counted, but older than everything that is kept one by one.
            return _LOST if count else _PROSPECT
        silent = view.now_ms - last
        if silent >= self.lost_ms:
            return _LOST
        if silent >= self.sleeper_ms:
            return Answer(SLEEPER, last + self.lost_ms)
        asleep = last + self.sleeper_ms
        if count == 1 and silent < self.new_ms:
            return Answer(NEW_BUYER, min(asleep, last + self.new_ms))
        if count > 1 and silent < self.reactivated_ms:
            came_back = self._came_back_ms(view)
            if came_back is not None:
                return Answer(REACTIVATED, min(asleep, came_back + self.reactivated_ms))
        slips = last + self._patience_ms(view)
        if view.now_ms >= slips:
            return Answer(SLIPPING, asleep)
        return Answer(ACTIVE, min(asleep, slips))

    def under(self, snapshot: Snapshot | None) -> "Lifecycle":
        """Itself: the customer base changes nothing here."""
        return self

    def _came_back_ms(self, view: View) -> int | None:
        """The latest recent order that came after a gap as long as a Sleeper's; None without."""
        since = view.now_ms - self.reactivated_ms
        later = None
        for at in reversed(order_instants_ms(view)):
            if later is not None and later - at >= self.sleeper_ms:
                return later
            if at <= since:
                break
            later = at
        return None

    def _patience_ms(self, view: View) -> int:
        doubled = doubled_median_gap_ms(view)
        if doubled is None:
            return self.slipping_default_ms
        # Rounded up: at a fraction of a millisecond the span still holds.
        return max(self.slipping_floor_ms, -(-self.slipping_factor_percent * doubled // 200))


def compile_scheme(raw: Mapping[str, Any], shop: Shop) -> Lifecycle:  # noqa: ARG001 - as all
    """`Lifecycle`; raises ValueError for a duration not above 0 and where none could be Sleeper."""
    scheme = Lifecycle(
        name=str(raw["name"]),
        lost_ms=_above_zero(raw, "lost_ms"),
        sleeper_ms=_above_zero(raw, "sleeper_ms"),
        reactivated_ms=_above_zero(raw, "reactivated_ms"),
        new_ms=_above_zero(raw, "new_ms"),
        slipping_factor_percent=_above_zero(raw, "slipping_factor_percent"),
        slipping_floor_ms=_above_zero(raw, "slipping_floor_ms"),
        slipping_default_ms=_above_zero(raw, "slipping_default_ms"),
    )
    if scheme.sleeper_ms >= scheme.lost_ms:
        raise ValueError("sleeper_ms must be below lost_ms, or nobody can be a Sleeper")
    return scheme


def _above_zero(raw: Mapping[str, Any], key: str) -> int:
    value = int(raw[key])
    if value <= 0:
        raise ValueError(f"{key} must be above 0, found {value}")
    return value
