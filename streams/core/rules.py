"""The rules a partition decides by, compiled from the journaled record.

Rules are one JSON document: limits, maps and campaigns. `compile_rules` checks what would make
deciding impossible; what would merely be unwise is checked where the files are read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.core.campaigns.definition import Campaign, compile_campaign
from streams.core.values import DAY_MS

SCORES = range(1, 6)


class RulesError(ValueError):
    """The rules cannot be decided by; the message says which entry and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Durations in milliseconds, money in minor units of the base currency.

    `rfm_cells` holds the segment of (r, f, m) at index (r-1)*25 + (f-1)*5 + (m-1).
    """

    version: int
    base_currency: str
    window_ms: int
    history_margin_ms: int
    duplicates_ms: int
    count_zero_value_orders: bool
    recency_limits_ms: tuple[int, ...]
    frequency_limits: tuple[int, ...]
    monetary_limits_minor: tuple[int, ...]
    rfm_segments: tuple[str, ...]
    rfm_cells: tuple[str, ...]
    max_event_age_ms: int
    cart_abandoned_after_ms: int
    consent_unknown: Mapping[str, str]
    campaigns: Mapping[str, Campaign]
    campaigns_by_entry: Mapping[tuple[str, str], tuple[Campaign, ...]]
    cart_campaigns: tuple[Campaign, ...]


def compile_rules(text: str, version: int) -> Rules:
    """Rules from their journaled JSON text; raises `RulesError` naming the entry that is wrong."""
    try:
        raw: dict[str, Any] = json.loads(text)
        return _compile(raw, version)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, RulesError):
            raise
        raise RulesError(f"rules version {version}: {type(error).__name__}: {error}") from error


def _compile(raw: Mapping[str, Any], version: int) -> Rules:
    window_ms = int(raw["window_ms"])
    recency = tuple(int(limit) for limit in raw["recency_limits_ms"])
    frequency = tuple(int(limit) for limit in raw["frequency_limits"])
    monetary = tuple(int(limit) for limit in raw["monetary_limits_minor"])
    for name, limits in (("recency", recency), ("frequency", frequency), ("monetary", monetary)):
        if len(limits) != len(SCORES) - 1 or list(limits) != sorted(set(limits)):
            raise RulesError(f"{name} limits must be four rising numbers, found {list(limits)}")
    if recency[-1] >= window_ms:
        raise RulesError(
            f"the window ({window_ms / DAY_MS:g} days) must exceed the largest recency limit "
            f"({recency[-1] / DAY_MS:g} days), or the lowest R always comes with the lowest F and M"
        )
    segments = tuple(str(row["name"]) for row in raw["rfm_map"])
    campaigns = {entry["name"]: compile_campaign(entry) for entry in raw["campaigns"]}
    _check_entries(campaigns, segments)
    ordered = sorted(campaigns.values(), key=lambda one: (one.priority, one.name))
    entries: dict[tuple[str, str], tuple[Campaign, ...]] = {}
    for campaign in ordered:
        if campaign.enters is not None:
            entries[campaign.enters] = (*entries.get(campaign.enters, ()), campaign)
    return Rules(
        version=version,
        base_currency=str(raw["base_currency"]),
        window_ms=window_ms,
        history_margin_ms=int(raw["history_margin_ms"]),
        duplicates_ms=int(raw["duplicates_ms"]),
        count_zero_value_orders=bool(raw["count_zero_value_orders"]),
        recency_limits_ms=recency,
        frequency_limits=frequency,
        monetary_limits_minor=monetary,
        rfm_segments=segments,
        rfm_cells=cells_of(raw["rfm_map"]),
        max_event_age_ms=int(raw["max_event_age_ms"]),
        cart_abandoned_after_ms=int(raw["cart_abandoned_after_ms"]),
        consent_unknown=dict(raw["consent_unknown"]),
        campaigns=campaigns,
        campaigns_by_entry=entries,
        cart_campaigns=tuple(one for one in ordered if one.on_abandoned_cart),
    )


def cells_of(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The 125 cells of a first-match map; raises where a cell is uncovered or a row never wins.

    A row is {"name": ..., "when": [{"r": [low, high], "f": ..., "m": ...}, ...]}, a missing score
    meaning any, an empty list of conditions meaning always.
    """
    winners: set[str] = set()
    cells: list[str] = []
    for r in SCORES:
        for f in SCORES:
            for m in SCORES:
                name = next((str(row["name"]) for row in rows if _matches(row, r, f, m)), None)
                if name is None:
                    raise RulesError(f"map: no segment covers the cell {r}{f}{m}")
                winners.add(name)
                cells.append(name)
    for row in rows:
        if row["name"] not in winners:
            raise RulesError(f"map: segment {row['name']!r} can never win: others cover its cells")
    return tuple(cells)


def _matches(row: Mapping[str, Any], r: int, f: int, m: int) -> bool:
    scores = {"r": r, "f": f, "m": m}
    return not row["when"] or any(
        all(low <= scores[name] <= high for name, (low, high) in condition.items())
        for condition in row["when"]
    )


def _check_entries(campaigns: Mapping[str, Campaign], segments: Sequence[str]) -> None:
    for campaign in campaigns.values():
        if campaign.enters is None:
            continue
        scheme, segment = campaign.enters
        if scheme != "rfm" or segment not in segments:
            raise RulesError(
                f"campaign {campaign.name}: unknown segment {segment!r} of scheme {scheme!r}; "
                f"known are {', '.join(segments)} of rfm"
            )
