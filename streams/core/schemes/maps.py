"""Schemes of kind `map`: recency, frequency and money scored, then a map from scores to a segment.

A map is a list of rows; the first that matches wins. It is laid out cell by cell when it is
compiled, so that classifying is three binary searches and one look-up. The limits behind a score
are fixed, or the cut points of a snapshot where the shop has enough customers (segments.md,
Scoring).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from streams.core.population.snapshot import Snapshot
from streams.core.schemes.map_cells import Levels, Row, cells_of, findings
from streams.core.schemes.scheme import Answer, Scores, Shop, View
from streams.core.values import DAY_MS

KIND: Final = "map"
FIXED: Final = "fixed"
QUANTILE: Final = "quantile"
LEFT_CLOSED: Final = "left_closed"
RIGHT_CLOSED: Final = "right_closed"
# The contract of segment.changed has scores up to 5; cut points are known at whole per cents, and at
# thirds.
MAX_LEVELS: Final = 5
_THIRDS: Final = 3
_METRICS: Final = {"r": "recency_ms", "f": "frequency", "m": "monetary_minor"}
_NOBODY: Final = Answer(None, None)


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """How one metric becomes a score.

    `limits` are the fixed ones, rising: of an age in milliseconds for `r`, of orders for `f`, of
    minor units for `m`. `cuts` are those in force, each as the least value beyond it: of whole
    numbers "more than 5" is "6 or more", so one comparison serves both edges.
    """

    key: str
    mode: str
    limits: tuple[int, ...]
    edge: str
    cuts: tuple[int, ...]

    @property
    def levels(self) -> int:
        """How many scores it gives."""
        return len(self.limits) + 1

    def under(self, snapshot: Snapshot | None) -> "ScoreRule":
        """The rule with the cut points of a snapshot; with the fixed limits where it has none."""
        found = _cut_points(self, snapshot) if snapshot and self.mode == QUANTILE else None
        if found is None:
            return replace(self, cuts=_beyond(self.limits, self.edge))
        return replace(self, cuts=_beyond(found, RIGHT_CLOSED))


@dataclass(frozen=True, slots=True)
class MapScheme:
    """A map under certain limits; what every scheme has is told in `scheme.Scheme`.

    `cells` holds what to answer, by falling R and then by rising F and M: `per_r` cells of one R,
    `per_f` of one F.
    """

    name: str
    kind: str
    segments: tuple[str, ...]
    is_flags: bool
    is_ranked: bool
    uses_population: bool
    hold_ms: int | None
    minimum_customers: int
    minimum_history_ms: int
    recency: ScoreRule
    frequency: ScoreRule
    monetary: ScoreRule
    cells: tuple[tuple[str, Scores], ...]
    per_r: int
    per_f: int

    def classify(self, view: View) -> Answer:
        """Segment and scores; None without any counting order.

        R falls when a limit passes, F and M when an order or a return leaves the window.
        """
        facts = view.facts
        last_ms = facts.last_order_at_ms
        if last_ms is None:
            # Returns may still leave the window, but without an order there is nothing to score.
            return _NOBODY
        cuts = self.recency.cuts
        passed = bisect_right(cuts, view.now_ms - last_ms)
        until_ms = facts.next_expiry_ms
        if passed < len(cuts):
            falls_ms = last_ms + cuts[passed]
            if until_ms is None or falls_ms < until_ms:
                until_ms = falls_ms
        segment, scores = self.cells[
            passed * self.per_r
            + bisect_right(self.frequency.cuts, facts.order_count) * self.per_f
            + bisect_right(self.monetary.cuts, facts.monetary_minor)
        ]
        return Answer(segment, until_ms, scores)

    def under(self, snapshot: Snapshot | None) -> "MapScheme":
        """The same map with a snapshot's cut points; with fixed limits where it has not enough."""
        if not self.uses_population:
            return self
        if snapshot is not None and not snapshot.is_enough(
            self.minimum_customers, self.minimum_history_ms
        ):
            snapshot = None
        return replace(
            self,
            recency=self.recency.under(snapshot),
            frequency=self.frequency.under(snapshot),
            monetary=self.monetary.under(snapshot),
        )


def compile_scheme(raw: Mapping[str, Any], shop: Shop) -> MapScheme:
    """A map from its journaled form; KeyError, TypeError and ValueError say what is wrong."""
    name = str(raw["name"])
    scores = raw["scores"]
    rules = {key: _compile_score(key, scores[key], shop) for key in _METRICS}
    levels = Levels(*(rules[key].levels for key in _METRICS))
    rows: Sequence[Row] = raw["rows"]
    is_ranked, hold_ms = bool(raw["is_ranked"]), raw["hold_ms"]
    wrong = findings(rows, levels, is_ranked=is_ranked)
    if wrong:
        raise ValueError(wrong[0].message)
    if hold_ms is not None and not is_ranked:
        raise ValueError("only a map from best to worst can hold a change")
    return MapScheme(
        name=name,
        kind=KIND,
        segments=tuple(str(row["name"]) for row in rows),
        is_flags=False,
        is_ranked=is_ranked,
        uses_population=any(rule.mode == QUANTILE for rule in rules.values()),
        hold_ms=hold_ms,
        minimum_customers=shop.minimum_customers,
        minimum_history_ms=shop.minimum_history_ms,
        recency=rules["r"],
        frequency=rules["f"],
        monetary=rules["m"],
        cells=tuple(
            (str(rows[winner]["name"]), Scores(*cell))
            for cell, winner in cells_of(rows, levels).items()
            if winner is not None
        ),
        per_r=levels.f * levels.m,
        per_f=levels.m,
    )


def _compile_score(key: str, raw: Mapping[str, Any], shop: Shop) -> ScoreRule:
    limits = tuple(int(limit) for limit in raw["limits"])
    rule = ScoreRule(key, str(raw["mode"]), limits, str(raw["edge"]), ())
    wrong = score_finding(rule, shop.window_ms)
    if wrong is not None:
        raise ValueError(wrong)
    return rule.under(None)


def score_finding(rule: ScoreRule, window_ms: int) -> str | None:
    """What is wrong with the limits of a score; None if nothing is."""
    limits, name = rule.limits, rule.key.upper()
    if rule.mode not in (FIXED, QUANTILE):
        return f"scoring of {name} is fixed or quantile, not {rule.mode!r}"
    if rule.edge not in (LEFT_CLOSED, RIGHT_CLOSED):
        return f"edge of {name} is left_closed or right_closed, not {rule.edge!r}"
    if not 1 <= len(limits) < MAX_LEVELS:
        return f"{name} needs 1 to {MAX_LEVELS - 1} limits, found {len(limits)}"
    # Cut points of a real base repeat: most customers order once. Limits somebody chose do not.
    strictly = rule.edge == LEFT_CLOSED
    if any(low > high or (strictly and low == high) for low, high in pairwise(limits)):
        return f"limits of {name} must rise, found {list(limits)}"
    if rule.key == "r" and limits[0] <= 0:
        return "limits of R are ages above 0"
    if rule.key == "r" and limits[-1] >= window_ms:
        return (
            f"the window ({window_ms / DAY_MS:g} days) must exceed the largest recency limit "
            f"({limits[-1] / DAY_MS:g} days), or the lowest R always comes with the lowest F and M"
        )
    return None


def _cut_points(rule: ScoreRule, snapshot: Snapshot) -> tuple[int, ...] | None:
    metric, levels = _METRICS[rule.key], rule.levels
    if levels == _THIRDS:
        thirds = snapshot.thirds.get(metric)
        return tuple(thirds) if thirds else None
    found = [snapshot.quantile(metric, 100 * level // levels) for level in range(1, levels)]
    known = tuple(cut for cut in found if cut is not None)
    return known if len(known) == len(found) else None


def _beyond(limits: tuple[int, ...], edge: str) -> tuple[int, ...]:
    return limits if edge == LEFT_CLOSED else tuple(limit + 1 for limit in limits)
