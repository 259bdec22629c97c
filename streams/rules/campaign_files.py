"""Campaigns in YAML: from `campaigns/NAME.yaml` to the journaled form."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from streams.core.campaigns.definition import compile_campaign
from streams.core.values import DAY_MS
from streams.rules.asked_segments import unknown_segment
from streams.rules.rule_text import RuleText
from streams.rules.values import Duration, Strict


class Entry(Strict):
    scheme: str
    segment: str


class TriggerFile(Strict):
    """What starts a campaign: an abandoned cart, or entering a segment by one of `causes`."""

    event: Literal["cart.abandoned"] | None = None
    enters: Entry | None = None
    causes: list[Literal["event", "clock"]]


class StepFile(Strict):
    """One action, `after` the start (carts: after the cart's latest change)."""

    name: str
    after: Duration
    template: str
    valid_for: Duration
    offer: str | None = None


class CampaignFile(Strict):
    """`campaigns/NAME.yaml`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1)
    priority: int
    channels: list[Literal["email", "sms", "push", "post", "webhook"]] = Field(min_length=1)
    trigger: TriggerFile
    quiet: Duration = 0
    re_entry: Duration | Literal["never"] = 0
    group: str | None = None
    group_gap: Duration = 0
    max_start_delay: Duration = 7 * DAY_MS
    ends_on_order: bool = True
    tags: list[str] = Field(default_factory=list, max_length=20)
    steps: list[StepFile] = Field(min_length=1)

    def journaled(self) -> dict[str, Any]:
        """The form in which the core compiles it."""
        return {
            "name": self.name,
            "version": self.version,
            "priority": self.priority,
            "channels": self.channels,
            "trigger": self.trigger.model_dump(),
            "quiet_ms": self.quiet,
            "re_entry_ms": None if self.re_entry == "never" else self.re_entry,
            "group": self.group,
            "group_gap_ms": self.group_gap,
            "max_start_delay_ms": self.max_start_delay,
            "ends_on_order": self.ends_on_order,
            "tags": sorted(set(self.tags)),
            "steps": [
                {
                    "name": step.name,
                    "after_ms": step.after,
                    "template": step.template,
                    "valid_for_ms": step.valid_for,
                    "offer": step.offer,
                }
                for step in self.steps
            ],
        }


def journaled_campaigns(
    folder: Path, segments: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """All campaigns of a folder, by file name; `segments` are those of every scheme that runs."""
    campaigns: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.yaml")):
        text = RuleText.load(path)
        campaign = _journaled(text, segments)
        if campaign["name"] in campaigns:
            raise text.error(("name",), f"is taken: two files define {campaign['name']}")
        campaigns[campaign["name"]] = campaign
    return list(campaigns.values())


def _journaled(text: RuleText, segments: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    file = text.validate(CampaignFile)
    if (file.trigger.event is None) == (file.trigger.enters is None):
        raise text.error(("trigger",), "needs either event or enters")
    enters = file.trigger.enters
    if enters is not None:
        unknown = unknown_segment(enters.scheme, enters.segment, segments)
        if unknown is not None:
            raise text.complaint(("trigger", "enters"), unknown)
    campaign = file.journaled()
    try:
        compile_campaign(campaign)
    except ValueError as error:
        raise text.complaint(("steps",), str(error)) from error
    return campaign
