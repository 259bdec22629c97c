"""Rules as a back-test plays them: nothing starts before its period, and consent is stated."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from streams.core.rules import RulesError, compile_rules
from streams.errors import UsageError
from streams.rules.arming import canonical
from streams.rules.files import read_rules
from streams.settings import Settings

Consent = Literal["allow", "after_purchase", "deny"]
# What a person would do with a new installation: load history, then arm for whoever comes.
_DISARMED: Final = {"armed": False, "dry_run": False, "paused": False, "present_since": 0}
_ARMED: Final = {**_DISARMED, "armed": True, "future": True}
# What a folder of rules is known by; campaign files alone stand in a folder without any of these.
_PARTS: Final = ("campaigns", "maps", "schemes", "policy.yaml")


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One set of rules to try. `source` says where it is from, `name` is short for it.

    `before` is the journaled text for the history before the period, in which no campaign is armed,
    `within` the one for the period, in which all of `campaigns` are. `left_out` are campaigns that
    nothing can start, each with the reason.
    """

    name: str
    source: str
    before: str
    within: str
    campaigns: tuple[str, ...]
    left_out: Mapping[str, str]


def load_rule_set(name: str, settings: Settings, given: Path | None, consent: Consent) -> RuleSet:
    """The rules of a folder, or those of the settings with only its campaigns in place of theirs.

    Without a folder they are those of the settings. `consent` is for whoever never said yes or no.
    Raises `UsageError` with file and line.
    """
    campaigns: Path | None = None
    if given is not None and _is_rules_folder(given):
        settings = settings.model_copy(update={"rules_dir": given})
    elif given is not None:
        campaigns = given
    source = str(given or settings.rules_dir or "shipped rules")
    read = read_rules(settings, campaigns)
    channels = {channel for one in read.document["campaigns"] for channel in one["channels"]}
    document = {
        **read.document,
        "consent_unknown": dict.fromkeys(sorted(channels), consent),
    }
    within = _with_arming(document, _ARMED)
    try:
        compile_rules(within, 1)
    except RulesError as error:
        raise UsageError(f"{source}: {error}") from error
    return RuleSet(
        name,
        source,
        _with_arming(document, _DISARMED),
        within,
        tuple(sorted(one["name"] for one in document["campaigns"])),
        read.left_out,
    )


def _is_rules_folder(given: Path) -> bool:
    """Whether it has the parts of rules, and not campaign files alone; `UsageError` where neither."""
    if not given.is_dir():
        raise UsageError(f"{given}: no such folder")
    if any((given / part).exists() for part in _PARTS):
        return True
    if not any(given.glob("*.yaml")):
        raise UsageError(
            f"{given}: neither campaign files (NAME.yaml) nor any of {', '.join(_PARTS)} in it"
        )
    return False


def _with_arming(document: Mapping[str, Any], changes: Mapping[str, Any]) -> str:
    """The rules with every campaign armed or not; limits of the guard stay as they were set."""
    known: Mapping[str, Mapping[str, Any]] = document["arming"]
    arming = {
        one["name"]: {**known.get(one["name"], {}), **changes} for one in document["campaigns"]
    }
    return canonical({**document, "arming": arming})
