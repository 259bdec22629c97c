"""Rule files in YAML, checked and turned into the one JSON document that is journaled.

`maps/NAME.yaml` and `schemes/NAME.yaml` of the shop's own folder take the place of the shipped
file of that name; its `campaigns/`, where there is one, holds all campaigns.
"""

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

from streams.core.rules import RFM, RulesError, compile_rules
from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS
from streams.errors import UsageError
from streams.rules.attribute_files import journaled_attributes
from streams.rules.campaign_files import journaled_campaigns
from streams.rules.describe import segments_of
from streams.rules.map_files import OWN_MAP, journaled_map
from streams.rules.rule_text import RuleText
from streams.rules.scheme_files import census_value, journaled_scheme
from streams.settings import SCHEMES, Settings

HISTORY_MARGIN_DAYS = 100
# Producers retry for hours and replay a day at most; a week covers a broken weekend.
DUPLICATES_DAYS = 7
ATTRIBUTES = "attributes"
_FOLDERS = ("maps", "schemes", "campaigns")


def rules_text(settings: Settings) -> str:
    """The rules of the settings and rule files as canonical JSON; raises `UsageError`."""
    text = json.dumps(rules_document(settings), sort_keys=True, separators=(",", ":"))
    try:
        compile_rules(text, 1)
    except RulesError as error:
        raise UsageError(f"{settings.rules_dir or 'shipped rules'}: {error}") from error
    return text


def rules_document(settings: Settings) -> dict[str, Any]:
    """The same before it is text; raises `UsageError` with file and line, and the cells of maps."""
    with as_file(files("streams.rules")) as shipped:
        return _document(_Folders(shipped, settings.rules_dir), settings)


class _Folders(NamedTuple):
    shipped: Path
    own: Path | None

    def file(self, folder: str, name: str) -> Path:
        """The shop's own file of that name, else the shipped one, which need not exist."""
        if self.own is not None and (path := self.own / folder / f"{name}.yaml").exists():
            return path
        return self.shipped / folder / f"{name}.yaml"

    def names(self, folder: str) -> list[str]:
        """Names of all files of a kind, shipped and own ones."""
        found = [*(self.shipped / folder).glob("*.yaml"), *self.own_files(folder)]
        return sorted({path.stem for path in found})

    def own_files(self, folder: str) -> list[Path]:
        """The shop's own files of a kind, by name."""
        return sorted((self.own / folder).glob("*.yaml")) if self.own is not None else []


def _document(folders: _Folders, settings: Settings) -> dict[str, Any]:
    _check_folder(folders)
    schemes = _schemes(folders, settings)
    segments = {scheme["name"]: segments_of(scheme) for scheme in schemes}
    shares, value_window_ms = census_value(
        RuleText.load(folders.file("schemes", "value")), settings
    )
    return {
        "base_currency": settings.base_currency,
        "window_ms": settings.window_days * DAY_MS,
        "history_margin_ms": HISTORY_MARGIN_DAYS * DAY_MS,
        "duplicates_ms": DUPLICATES_DAYS * DAY_MS,
        "count_zero_value_orders": settings.count_zero_value_orders,
        "schemes": schemes,
        "population": {
            "minimum_customers": settings.population_minimum_customers,
            "minimum_history_ms": int(settings.population_minimum_history_days * DAY_MS),
            "snapshot_every_ms": int(settings.snapshot_every_hours * HOUR_MS),
            "value_shares_percent": shares,
            "value_window_ms": value_window_ms,
            "sweep_customers_per_s": settings.sweep_customers_per_s,
        },
        "max_event_age_ms": int(settings.max_event_age_hours * HOUR_MS),
        "cart_abandoned_after_ms": int(settings.cart_abandoned_after_minutes * MINUTE_MS),
        "consent_unknown": settings.consent_unknown,
        "campaigns": journaled_campaigns(_campaigns_folder(folders), segments),
    }


def _campaigns_folder(folders: _Folders) -> Path:
    own = folders.own / "campaigns" if folders.own is not None else None
    return own if own is not None and own.is_dir() else folders.shipped / "campaigns"


def _check_folder(folders: _Folders) -> None:
    """Refuse what would be passed over without a word: a file in no place or of no known name."""
    if folders.own is None:
        return
    if not folders.own.is_dir():
        raise UsageError(f"{folders.own}: no such folder (set RFM_RULES_DIR)")
    for path in sorted(folders.own.glob("*.yaml")):
        raise UsageError(f"{path}: rule files stand in {', '.join(_FOLDERS)}, not beside them")
    known = [name for name in SCHEMES if name != RFM]
    for path in folders.own_files("schemes"):
        if path.stem not in known:
            raise UsageError(
                f"{path}: there is no scheme {path.stem!r} with a file; known are {', '.join(known)}"
            )


def _maps(folders: _Folders, settings: Settings) -> list[dict[str, Any]]:
    known = folders.names("maps")
    for name in settings.rfm_maps:
        if name not in known:
            raise UsageError(
                f"settings: rfm_maps: there is no map {name!r}; known are {', '.join(known)} "
                "(set RFM_RFM_MAPS)"
            )
    chosen = (OWN_MAP, *settings.rfm_maps)
    # What nobody chose yet is checked all the same: it was written to be chosen.
    others = [path.stem for path in folders.own_files("maps") if path.stem not in chosen]
    read = {
        name: journaled_map(RuleText.load(folders.file("maps", name)), name, settings)
        for name in (*chosen, *others)
    }
    return [read[name] for name in chosen]


def _schemes(folders: _Folders, settings: Settings) -> list[dict[str, Any]]:
    """All that run, in the order in which they are asked: `attributes` last."""
    chosen = settings.chosen_schemes()
    schemes = _maps(folders, settings)
    others = [path.stem for path in folders.own_files("schemes") if path.stem not in chosen]
    read = {
        name: _scheme(folders, name, settings)
        for name in (*chosen, *others)
        if name not in {RFM, ATTRIBUTES}
    }
    schemes += [read[name] for name in chosen if name in read]
    if ATTRIBUTES in chosen:
        text = RuleText.load(folders.file("schemes", ATTRIBUTES))
        segments = {scheme["name"]: segments_of(scheme) for scheme in schemes}
        schemes.append(journaled_attributes(text, settings, segments))
    return schemes


def _scheme(folders: _Folders, name: str, settings: Settings) -> dict[str, Any]:
    return journaled_scheme(RuleText.load(folders.file("schemes", name)), name, settings)
