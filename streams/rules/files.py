"""Rule files in YAML, checked and turned into the one JSON document that is journaled.

`maps/NAME.yaml`, `schemes/NAME.yaml` and `policy.yaml` of the shop's own folder take the place of the
shipped file of that name; its `campaigns/`, where there is one, holds all campaigns.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

from streams.core.rules import RFM, RulesError, compile_rules
from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS
from streams.errors import UsageError
from streams.rules.arming import canonical
from streams.rules.asked_segments import FLAGS, RANKED, KnownScheme
from streams.rules.attribute_files import AttributesFile, journaled_attributes
from streams.rules.campaign_files import read_campaigns
from streams.rules.campaign_reader import Surroundings
from streams.rules.describe import FIXED_NAMES, segments_of
from streams.rules.map_files import OWN_MAP, MapFile, journaled_map, scheme_of
from streams.rules.policy_file import journaled_policy
from streams.rules.scheme_files import census_value, journaled_scheme
from streams.settings import SCHEMES, Settings
from streams.yaml_file import YamlFile

HISTORY_MARGIN_DAYS = 100
# Producers retry for hours and replay a day at most; a week covers a broken weekend.
DUPLICATES_DAYS = 7
ATTRIBUTES = "attributes"
_FOLDERS = ("maps", "schemes", "campaigns")
_POLICY = "policy"


class ReadRules(NamedTuple):
    """The document that is journaled, and what its reader should know besides.

    `left_out`: campaigns that are not in it, each with the reason. `unused_tags`: what the shop mutes
    and no campaign is.
    """

    document: dict[str, Any]
    left_out: dict[str, str]
    unused_tags: list[str]


def rules_text(settings: Settings) -> str:
    """The rules of the settings and rule files as canonical JSON; raises `UsageError`."""
    return text_of(rules_document(settings), settings)


def text_of(document: Mapping[str, Any], settings: Settings) -> str:
    """A document of these settings as canonical JSON; raises `UsageError`."""
    text = canonical(document)
    try:
        compile_rules(text, 1)
    except RulesError as error:
        raise UsageError(f"{settings.rules_dir or 'shipped rules'}: {error}") from error
    return text


def rules_document(settings: Settings) -> dict[str, Any]:
    """The same before it is text; raises `UsageError` with file and line, and the cells of maps."""
    return read_rules(settings).document


def read_rules(settings: Settings, campaigns: Path | None = None) -> ReadRules:
    """The same with what is not in it; raises `UsageError` likewise.

    `campaigns` is a folder of campaign files in place of those of the settings.
    """
    with as_file(files("streams.rules")) as shipped:
        return _read(_Folders(shipped, settings.rules_dir, campaigns), settings)


class _Folders(NamedTuple):
    shipped: Path
    own: Path | None
    campaigns: Path | None = None

    def file(self, folder: str, name: str) -> Path:
        """The shop's own file of that name, else the shipped one, which need not exist."""
        if self.own is not None and (path := self.own / folder / f"{name}.yaml").exists():
            return path
        return self.shipped / folder / f"{name}.yaml"

    def policy(self) -> Path:
        """The shop's own policy, else the shipped one."""
        return self.own_policy() or self.shipped / f"{_POLICY}.yaml"

    def own_policy(self) -> Path | None:
        """The shop's own policy, where there is one."""
        path = self.own / f"{_POLICY}.yaml" if self.own is not None else None
        return path if path is not None and (path.exists() or path.is_symlink()) else None

    def names(self, folder: str) -> list[str]:
        """Names of all files of a kind, shipped and own ones."""
        found = [*(self.shipped / folder).glob("*.yaml"), *self.own_files(folder)]
        return sorted({path.stem for path in found})

    def own_files(self, folder: str) -> list[Path]:
        """The shop's own files of a kind, by name."""
        return sorted((self.own / folder).glob("*.yaml")) if self.own is not None else []


def _read(folders: _Folders, settings: Settings) -> ReadRules:
    _check_folder(folders)
    schemes = _schemes(folders, settings)
    known = _known_schemes(folders, schemes)
    shares, value_window_ms = census_value(
        YamlFile.load(folders.file("schemes", "value")), settings
    )
    policy = journaled_policy(YamlFile.load(folders.policy()), known, settings)
    offers = tuple(policy["offers"]["classes"])
    campaigns = read_campaigns(_campaigns_folder(folders), Surroundings(settings, known, offers))
    document = {
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
        "policy": policy,
        "consent_unknown": settings.consent_unknown,
        "campaigns": campaigns.campaigns,
        # What runs began under before stays with them; only the rules in force know it.
        "retired": [],
        "arming": campaigns.arming,
    }
    muted = set(campaigns.muted)
    if folders.own_policy() is not None:
        muted.update(tag for one in policy["flag_mutes"] for tag in one["tags"])
    return ReadRules(document, campaigns.left_out, sorted(muted - campaigns.tags))


def _campaigns_folder(folders: _Folders) -> Path:
    if folders.campaigns is not None:
        return folders.campaigns
    own = folders.own / "campaigns" if folders.own is not None else None
    return own if own is not None and own.is_dir() else folders.shipped / "campaigns"


def _check_folder(folders: _Folders) -> None:
    """Refuse what would be passed over without a word: a file in no place or of no known name."""
    if folders.own is None:
        return
    if not folders.own.is_dir():
        raise UsageError(f"{folders.own}: no such folder (set RFM_RULES_DIR)")
    for path in sorted(folders.own.rglob("*.yml")):
        raise UsageError(f"{path}: is not read; rule files end in .yaml")
    for path in sorted(folders.own.glob("*.yaml")):
        if path.stem != _POLICY:
            raise UsageError(
                f"{path}: rule files stand in {', '.join(_FOLDERS)}; beside them only {_POLICY}.yaml"
            )
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
        name: journaled_map(YamlFile.load(folders.file("maps", name)), name, settings)
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
        text = YamlFile.load(folders.file("schemes", ATTRIBUTES))
        segments = {scheme["name"]: segments_of(scheme) for scheme in schemes}
        schemes.append(journaled_attributes(text, settings, segments))
    return schemes


def _scheme(folders: _Folders, name: str, settings: Settings) -> dict[str, Any]:
    return journaled_scheme(YamlFile.load(folders.file("schemes", name)), name, settings)


def _known_schemes(
    folders: _Folders, running: Sequence[Mapping[str, Any]]
) -> dict[str, KnownScheme]:
    """Every scheme that runs or could: a shop may name segments before it chooses their scheme."""
    known = {
        one["name"]: KnownScheme(
            segments_of(one),
            one.get("is_ranked", one["name"] in RANKED),
            one["name"] in FLAGS,
            runs=True,
        )
        for one in running
    }
    for name in SCHEMES:
        if name not in known:
            segments = FIXED_NAMES.get(name) or _own_names(folders)
            known[name] = KnownScheme(segments, name in RANKED, name in FLAGS, runs=False)
    for name in folders.names("maps"):
        if scheme_of(name) not in known:
            # Its limits may not fit the settings; they need not while nobody chose it.
            file = YamlFile.load(folders.file("maps", name)).validate(MapFile)
            segments = [row.name for row in file.segments]
            known[scheme_of(name)] = KnownScheme(
                segments, file.best_to_worst, is_flags=False, runs=False
            )
    return known


def _own_names(folders: _Folders) -> list[str]:
    file = YamlFile.load(folders.file("schemes", ATTRIBUTES)).validate(AttributesFile)
    return [segment.name for segment in file.segments]
