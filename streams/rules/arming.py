"""What persons decided about campaigns: it stands in the journaled rules, and files do not undo it.

Files say what a campaign is; whether it is armed, paused, or for whom, is decided while it runs.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from streams.errors import UsageError

Members = Literal["present", "future", "both"]
# Runs last weeks, a shop changes a campaign every few months: older versions have no runs left.
MAX_RETIRED: Final = 5


def carry_over(text: str, known: str | None) -> str:
    """Rules of files as they are journaled after `known`: arming stays, changed campaigns retire.

    Raises `UsageError` where a campaign was changed and is still the same version: runs under way
    keep the version they began with, so a version must mean one thing.
    """
    if known is None:
        return text
    document, before = json.loads(text), json.loads(known)
    names = {one["name"] for one in document["campaigns"]}
    older = {one["name"]: one for one in before["campaigns"]}
    retired = [one for one in before["retired"] if one["name"] in names]
    for campaign in document["campaigns"]:
        was = older.get(campaign["name"])
        if was is None or was == campaign:
            continue
        if was["version"] >= campaign["version"]:
            raise UsageError(
                f"campaign {campaign['name']} has changed and is version {campaign['version']}: "
                f"make it version {was['version'] + 1}, so that runs under way keep the one they "
                "began with"
            )
        retired.append(was)
    document["retired"] = _latest(retired)
    document["arming"] |= {
        name: arming for name, arming in before["arming"].items() if name in names
    }
    return canonical(document)


def arm(text: str, name: str, members: Members, version: int, most: int | None) -> str:
    """Rules in which a campaign may start, from `version` on; `most` actions in its guard's span."""
    changes: dict[str, Any] = {
        "armed": True,
        "dry_run": False,
        "future": members != "present",
        "most": most,
    }
    if members != "future":
        changes["present_since"] = version
    return _changed(text, name, changes)


def disarm(text: str, name: str) -> str:
    """Rules in which a campaign starts nothing more; runs under way go on."""
    return _changed(text, name, {"armed": False, "present_since": 0})


def pause(text: str, name: str) -> str:
    """Rules in which a campaign's steps are held."""
    return _changed(text, name, {"paused": True})


def resume(text: str, name: str) -> str:
    """Rules in which they go on, also where the guard has paused them."""
    release = _arming(json.loads(text), name).get("release", 0)
    return _changed(text, name, {"paused": False, "release": release + 1})


def canonical(document: Mapping[str, Any]) -> str:
    """A document as it is journaled."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _changed(text: str, name: str, changes: Mapping[str, Any]) -> str:
    document = json.loads(text)
    document["arming"][name] = {**_arming(document, name), **changes}
    return canonical(document)


def _arming(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    names = sorted(one["name"] for one in document["campaigns"])
    if name not in names:
        raise UsageError(
            f"there is no campaign {name!r} in the rules; known are {', '.join(names)}"
        )
    return dict(document["arming"].get(name, {}))


def _latest(retired: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for name in sorted({one["name"] for one in retired}):
        versions = [one for one in retired if one["name"] == name]
        kept += sorted(versions, key=lambda one: -int(one["version"]))[:MAX_RETIRED]
    return kept
