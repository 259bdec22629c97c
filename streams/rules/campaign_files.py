"""Campaigns in YAML: from `campaigns/NAME.yaml` to the journaled form (`docs/campaigns.md`)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from streams.rules.campaign_models import CampaignFile
from streams.rules.campaign_reader import CampaignReader, Surroundings
from streams.rules.startable import missing_schemes
from streams.yaml_file import YamlFile


class ReadCampaigns(NamedTuple):
    """Journaled campaigns, how they begin (`initial_arming`), and those that nothing can start.

    `left_out` says of these why; they are checked like all others and are not journaled. `tags` and
    `muted` are those of all files: what they are, and what they silence.
    """

    campaigns: list[dict[str, Any]]
    arming: dict[str, dict[str, Any]]
    left_out: dict[str, str]
    tags: frozenset[str]
    muted: frozenset[str]


def read_campaigns(folder: Path, surroundings: Surroundings) -> ReadCampaigns:
    """All campaigns of a folder, by file name; raises `UsageError` with file, line and field."""
    files: dict[str, CampaignFile] = {}
    campaigns: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        text = YamlFile.load(path)
        file = text.validate(CampaignFile)
        if file.name in files:
            raise text.error(("name",), f"is taken: two files define {file.name}")
        files[file.name] = file
        campaign = CampaignReader(text, file, surroundings).journaled()
        running = [name for name, scheme in surroundings.schemes.items() if scheme.runs]
        missing = [
            missing_schemes(trigger, campaign["when"], running) for trigger in campaign["triggers"]
        ]
        if all(missing):
            left_out[file.name] = _reason(frozenset().union(*missing))
            continue
        # Also triggers by schemes that do not run: what a campaign is does not depend on these.
        campaigns.append(campaign)
    arming = initial_arming(file for file in files.values() if file.name not in left_out)
    return ReadCampaigns(
        campaigns,
        arming,
        left_out,
        tags=frozenset(tag for file in files.values() for tag in file.tags),
        muted=frozenset(
            tag for file in files.values() if file.mutes is not None for tag in file.mutes.tags
        ),
    )


def initial_arming(files: Iterable[CampaignFile]) -> dict[str, dict[str, Any]]:
    """How campaigns begin that their files do not leave armed and live, until a person decides."""
    return {
        file.name: {
            "armed": file.armed,
            "future": True,
            "dry_run": file.dry_run,
            "paused": False,
            "release": 0,
            "present_since": 0,
            "most": None,
        }
        for file in files
        if file.dry_run or not file.armed
    }


def _reason(schemes: frozenset[str]) -> str:
    names = sorted(schemes)
    if len(names) == 1:
        return f"needs scheme {names[0]}, which does not run"
    return f"needs schemes {', '.join(names)}, which do not run"
