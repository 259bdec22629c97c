"""What other rules would change about campaigns: pure, from two journaled documents."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

NEW: Final = "new"
CHANGED: Final = "changed"
REMOVED: Final = "removed"
REFUSED: Final = "refused"
# What holds for all campaigns, in the journaled document.
_SHARED: Final = ("policy", "consent_unknown")

Raw = Mapping[str, Any]


class Difference(NamedTuple):
    """A campaign that would change: from which version to which, and in which of its entries.

    REFUSED is a change that keeps its version, or goes back to an older one.
    """

    campaign: str
    change: str
    before: int | None
    after: int | None
    entries: tuple[str, ...] = ()


def differences(before: str | None, after: str) -> list[Difference]:
    """By name; `before` are the rules in force, None where there are none yet."""
    old = _by_name(json.loads(before)["campaigns"]) if before is not None else {}
    new = _by_name(json.loads(after)["campaigns"])
    found = [_difference(name, old.get(name), new.get(name)) for name in sorted({*old, *new})]
    return [one for one in found if one is not None]


def shared_changes(before: str | None, after: str) -> list[str]:
    """Which limits on all campaigns would change: `policy.caps`, `consent_unknown`."""
    if before is None:
        return []
    old, new = json.loads(before), json.loads(after)
    found: list[str] = []
    for name in _SHARED:
        entries = _changed(old[name], new[name])
        found += [f"{name}.{entry}" for entry in entries]
    return found


def _by_name(campaigns: Iterable[Raw]) -> dict[str, Raw]:
    return {one["name"]: one for one in campaigns}


def _difference(name: str, old: Raw | None, new: Raw | None) -> Difference | None:
    if old is None:
        return Difference(name, NEW, None, new["version"]) if new is not None else None
    if new is None:
        return Difference(name, REMOVED, old["version"], None)
    entries = tuple(_changed(old, new))
    if not entries:
        return None
    change = CHANGED if new["version"] > old["version"] else REFUSED
    return Difference(name, change, old["version"], new["version"], entries)


def _changed(old: Raw, new: Raw) -> list[str]:
    return sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
