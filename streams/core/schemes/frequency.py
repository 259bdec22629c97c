"""Scheme `frequency`: frequent, occasional and inactive buyers, by orders per window and silence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.core.behaviour_facts import order_instants_ms
from streams.core.population.snapshot import Snapshot
from streams.core.schemes.scheme import Answer, Shop, View

KIND = "frequency"
FREQUENT = "Frequent"
OCCASIONAL = "Occasional"
INACTIVE = "Inactive"
SEGMENTS = (FREQUENT, OCCASIONAL, INACTIVE)

_INACTIVE = Answer(INACTIVE, None)
_NOWHERE = Answer(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """Frequent from `frequent_orders` in `window_ms`, Inactive after a silence of `inactive_ms`."""

    name: str
    window_ms: int
    frequent_orders: int
    inactive_ms: int
    kind: str = KIND
    segments: tuple[str, ...] = SEGMENTS
    is_flags: bool = False
    is_ranked: bool = True
    uses_population: bool = False
    hold_ms: int | None = None

    def classify(self, view: View) -> Answer:
        """The segment by counting orders; nowhere without one ever: there is no rhythm to judge."""
        last = view.facts.last_order_at_ms
        count = view.facts.lifetime_order_count
        if last is None:
            # Counted, but older than everything that is kept one by one.
            return _INACTIVE if count else _NOWHERE
        now_ms = view.now_ms
        falls_silent = last + self.inactive_ms
        if now_ms >= falls_silent:
            return _INACTIVE
        if count >= self.frequent_orders:
            instants = order_instants_ms(view)
            if len(instants) >= self.frequent_orders:
                # With this one, enough are in the window; without it, they are not.
                leaves = instants[-self.frequent_orders] + self.window_ms
                if now_ms < leaves:
                    return Answer(FREQUENT, min(falls_silent, leaves))
        return Answer(OCCASIONAL, falls_silent)

    def under(self, snapshot: Snapshot | None) -> "Frequency":
        """Itself: the customer base changes nothing here."""
        return self


def compile_scheme(raw: Mapping[str, Any], shop: Shop) -> Frequency:  # noqa: ARG001 - as all
    """`Frequency`; raises ValueError for limits under which a segment can have no members."""
    window_ms, inactive_ms = int(raw["window_ms"]), int(raw["inactive_ms"])
    frequent_orders = int(raw["frequent_orders"])
    if window_ms <= 0 or inactive_ms <= 0:
        raise ValueError(
            f"window_ms and inactive_ms must be above 0, found {window_ms} and {inactive_ms}"
        )
    if frequent_orders < 2:  # noqa: PLR2004 - said below
        raise ValueError(f"frequent_orders must be at least 2, found {frequent_orders}")
    return Frequency(
        name=str(raw["name"]),
        window_ms=window_ms,
        frequent_orders=frequent_orders,
        inactive_ms=inactive_ms,
    )
