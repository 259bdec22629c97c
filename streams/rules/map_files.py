"""Maps in YAML: from `maps/NAME.yaml` to the journaled form of a scheme."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from schemas.currencies import MINOR_DIGITS
from streams.core.schemes import maps
from streams.core.schemes.map_cells import Levels, findings
from streams.core.values import DAY_MS
from streams.rules.values import Count, Money, Range, Span, Strict, whole_units
from streams.settings import Settings
from streams.yaml_file import YamlFile

# The map of scheme `rfm`; every other one is a scheme of its own.
OWN_MAP = "five"
_DIGITS = 3


def _cells(value: object) -> tuple[str, ...]:
    cells = tuple(str(value).split())
    if not cells:
        # An empty list of conditions means always; an empty list of cells would by mistake.
        raise ValueError("there is no cell; write R, F and M as in 555")
    for cell in cells:
        if len(cell) != _DIGITS or not cell.isdecimal() or not cell.isascii():
            raise ValueError(f"{cell!r} is no cell; write R, F and M as in 555")
        if cells.count(cell) > 1:
            raise ValueError(f"the cell {cell} stands twice")
    return cells


class ScoreFile(Strict):
    """How a map with limits of its own scores; under `quantile` they are those of small shops."""

    scoring: Literal["fixed", "quantile"] = "fixed"
    edge: Literal["left_closed", "right_closed"] = "left_closed"

    def journaled(self, limits: Sequence[int]) -> dict[str, Any]:
        """The score as the core reads it, with limits in its own units."""
        return {"mode": self.scoring, "limits": list(limits), "edge": self.edge}


class RecencyFile(ScoreFile):
    limits: list[Span]


class FrequencyFile(ScoreFile):
    limits: list[Count]


class MonetaryFile(ScoreFile):
    limits: list[Money]


class ScoresFile(Strict):
    """Limits of this map alone; what is not given is as in the settings."""

    r: RecencyFile | None = None
    f: FrequencyFile | None = None
    m: MonetaryFile | None = None


class SegmentRow(Strict):
    """One segment: conditions, any of which is enough, or its cells one by one."""

    name: str
    when: list[dict[str, Range]] | None = None
    cells: Annotated[tuple[str, ...], BeforeValidator(_cells)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "SegmentRow":
        if (self.when is None) == (self.cells is None):
            raise ValueError("give either when or cells")
        return self

    def journaled(self) -> dict[str, Any]:
        """The row as the core reads it."""
        if self.cells is not None:
            when = [
                {key: [int(score)] * 2 for key, score in zip("rfm", cell, strict=True)}
                for cell in self.cells
            ]
        else:
            when = [{key: [*scores] for key, scores in one.items()} for one in self.when or ()]
        return {"name": self.name, "when": when}


class MapFile(Strict):
    """`maps/NAME.yaml`."""

    best_to_worst: bool = False
    each_cell_once: bool = False
    hold: Span | None = None
    scores: ScoresFile = ScoresFile()
    segments: list[SegmentRow]


def scheme_of(map_name: str) -> str:
    """The name of the scheme that a map runs as."""
    return "rfm" if map_name == OWN_MAP else f"rfm_{map_name}"


def journaled_map(text: YamlFile, map_name: str, settings: Settings) -> dict[str, Any]:
    """A map file as the core compiles it; raises `UsageError` with the line and the cells."""
    file = text.validate(MapFile)
    if file.hold is not None and not file.best_to_worst:
        raise text.error(("hold",), "needs best_to_worst: true")
    scores = _scores(text, file.scores, settings)
    rows = [row.journaled() for row in file.segments]
    wrong = findings(
        rows,
        Levels(*(len(score["limits"]) + 1 for score in scores.values())),
        is_ranked=file.best_to_worst,
        each_cell_once=file.each_cell_once,
    )
    if wrong:
        row, message = wrong[0]
        raise text.complaint(("segments",) if row is None else ("segments", row), message)
    hold_ms = file.hold or int(settings.hold_days * DAY_MS) or None
    return {
        "kind": maps.KIND,
        "name": scheme_of(map_name),
        "rows": rows,
        "is_ranked": file.best_to_worst,
        "scores": scores,
        "hold_ms": hold_ms if file.best_to_worst else None,
    }


def _scores(text: YamlFile, own: ScoresFile, settings: Settings) -> dict[str, dict[str, Any]]:
    minor = 10 ** MINOR_DIGITS[settings.base_currency]
    scores = {
        "r": _chosen(settings, settings.recency_limits_days, settings.pinned_recency_days, DAY_MS),
        "f": _chosen(settings, settings.frequency_limits, settings.pinned_frequency, 1),
        "m": _chosen(settings, settings.monetary_limits, settings.pinned_monetary, minor),
    }
    if own.r is not None:
        scores["r"] = own.r.journaled(own.r.limits)
    if own.f is not None:
        scores["f"] = own.f.journaled(own.f.limits)
    if own.m is not None:
        try:
            scores["m"] = own.m.journaled([whole_units(one, minor) for one in own.m.limits])
        except ValueError as error:
            raise text.error(("scores", "m", "limits"), f"is wrong: {error}") from error
    for key, score in scores.items():
        rule = maps.ScoreRule(key, score["mode"], tuple(score["limits"]), score["edge"], ())
        wrong = maps.score_finding(rule, settings.window_days * DAY_MS)
        if wrong is not None:
            raise text.complaint(("scores", key, "limits"), wrong)
    return scores


def _chosen(
    settings: Settings, limits: Sequence[Decimal], pinned: Sequence[Decimal] | None, unit: int
) -> dict[str, Any]:
    """How the settings score a metric; what is pinned does not move."""
    if pinned is not None:
        cut_points = [int(one * unit) for one in pinned]
        return {"mode": maps.FIXED, "limits": cut_points, "edge": settings.pinned_edge}
    fixed = [int(limit * unit) for limit in limits]
    return {"mode": settings.scoring, "limits": fixed, "edge": maps.LEFT_CLOSED}
