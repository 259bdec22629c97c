"""`campaigns list` and `campaigns show`: what there is, and how it stands."""

from typing import Any

import typer

from streams.cli import campaign_arming, campaign_check, campaign_outcomes, campaign_trials
from streams.cli.campaign_rules import (
    AsJson,
    Journaled,
    Name,
    NoRuns,
    count_runs,
    journaled_rules,
    runs_document,
)
from streams.cli.context import quiet_settings_of
from streams.cli.help_text import described
from streams.cli.live import find_live
from streams.cli.output import Cell, note, print_fields, print_json, print_table
from streams.core.campaigns.definition import Campaign
from streams.errors import UsageError
from streams.insights.campaigns import (
    RunTally,
    Standing,
    VersionRuns,
    standing_of,
)
from streams.insights.campaigns_limits import limit_rows
from streams.rules.files import read_rules
from streams.settings import Settings

_GROUP = (
    "Campaigns: what they are, whom they would reach, and whether they may. They stand in the "
    "journaled rules: files say how a campaign comes into them, these commands how it goes on."
)
_LIST = described(
    "All campaigns of the journaled rules, by priority: what starts them, whether they are armed, in "
    "dry run or paused (by a person, or by the guard of a partition, which waits for `campaigns "
    "resume`), and the runs under way by version, with those that are held and by what. Behind them "
    "the campaigns that the files leave out, with the reason. Counting runs reads every customer; "
    "--no-runs does without.",
    "campaigns list",
    "campaigns list --no-runs",
    "campaigns list --json | jq '.campaigns[] | select(.paused)'",
)
_SHOW = described(
    "One campaign in words: triggers, conditions, steps and their variants, whom it was armed for, "
    "what limits it, and the runs under way by version. --json has the definition as it was "
    "journaled.",
    "campaigns show win_back_at_risk",
    "campaigns show cart_reminder --json | jq .definition.steps",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help=_GROUP, rich_markup_mode=None)
    group.command("list", help=_LIST)(_list)
    group.command("show", help=_SHOW)(_show)
    for module in (campaign_check, campaign_arming, campaign_trials, campaign_outcomes):
        module.register(group)
    app.add_typer(group, name="campaigns")


# -- list ----------------------------------------------------------------------------------------


def _list(ctx: typer.Context, no_runs: NoRuns = False, as_json: AsJson = False) -> None:
    settings = quiet_settings_of(ctx)
    journaled = journaled_rules(settings)
    live = find_live(settings)
    tally = count_runs(live) if live is not None and not no_runs else None
    campaigns = sorted(
        journaled.rules.book.current.values(), key=lambda one: (one.priority, one.name)
    )
    partitions = live.partitions if live is not None else []
    rows = [
        (one, standing_of(one, partitions), tally.of(one.name) if tally is not None else None)
        for one in campaigns
    ]
    gone = _gone(journaled, tally)
    left_out = _left_out(settings, journaled)
    if as_json:
        print_json(
            {
                "rules_version": journaled.version,
                "campaigns": [_document(journaled, *row) for row in rows],
                "left_out": left_out,
                "gone": {name: runs_document(runs) for name, runs in gone.items()},
            }
        )
        return
    print_table(
        ("campaign", "version", "priority", "starts", "state", "runs"),
        [_row(journaled, *row) for row in rows],
        f"Campaigns of rules version {journaled.version}",
    )
    if live is None:
        note("nothing was decided yet: there are no runs")
    for name, runs in gone.items():
        count = sum(one.runs for one in runs)
        note(f"{count} runs of {name}, which the rules no longer have, end at their next step")
    if left_out:
        typer.echo()
        print_table(("campaign", "left out because it"), left_out.items(), "Left out by the files")


def _gone(journaled: Journaled, tally: RunTally | None) -> dict[str, list[VersionRuns]]:
    """Runs of campaigns that the rules no longer have."""
    if tally is None:
        return {}
    return {
        name: tally.of(name)
        for name in sorted(tally.campaigns - journaled.rules.book.current.keys())
    }


def _left_out(settings: Settings, journaled: Journaled) -> dict[str, str]:
    """Campaigns of the files that are not journaled because nothing could start them, and why."""
    try:
        found = read_rules(settings).left_out
    except UsageError as error:
        note(f"warning: the files cannot be read, so what they leave out is not told: {error}")
        return {}
    return {name: why for name, why in found.items() if name not in journaled.rules.book.current}


def _row(
    journaled: Journaled, campaign: Campaign, standing: Standing, runs: list[VersionRuns] | None
) -> tuple[Cell, ...]:
    shown = "; ".join(one.words for one in runs) if runs else 0
    return (
        campaign.name,
        campaign.version,
        campaign.priority,
        journaled.starts(campaign.name),
        standing.words,
        shown if runs is not None else None,
    )


def _document(
    journaled: Journaled, campaign: Campaign, standing: Standing, runs: list[VersionRuns] | None
) -> dict[str, Any]:
    return {
        "campaign": campaign.name,
        "version": campaign.version,
        "priority": campaign.priority,
        "starts": journaled.starts(campaign.name),
        **_standing_document(campaign, standing),
        "runs": runs_document(runs) if runs is not None else None,
    }


def _standing_document(campaign: Campaign, standing: Standing) -> dict[str, Any]:
    return {
        "armed": standing.members is not None,
        "members": standing.members,
        "dry_run": standing.is_dry_run,
        "paused": standing.is_paused or bool(standing.held_in),
        "paused_by_a_person": standing.is_paused,
        "paused_by_the_guard_of": list(standing.held_in),
        "guard_most": campaign.flood.most,
    }


# -- show ----------------------------------------------------------------------------------------


def _show(
    ctx: typer.Context, campaign: Name, no_runs: NoRuns = False, as_json: AsJson = False
) -> None:
    settings = quiet_settings_of(ctx)
    journaled = journaled_rules(settings)
    found = journaled.campaign(campaign)
    live = find_live(settings)
    standing = standing_of(found, live.partitions if live is not None else [])
    runs = count_runs(live).of(campaign) if live is not None and not no_runs else None
    if as_json:
        print_json(
            {
                "campaign": campaign,
                "rules_version": journaled.version,
                **_standing_document(found, standing),
                "runs": runs_document(runs) if runs is not None else None,
                "definition": journaled.definition(campaign),
            }
        )
        return
    print_fields(
        [
            ("rules", journaled.version),
            ("state", standing.words),
            *journaled.described(campaign),
            *limit_rows(found, journaled.rules.policy),
            *_run_rows(runs, found.version),
        ]
    )


def _run_rows(runs: list[VersionRuns] | None, version: int) -> list[tuple[str, Cell]]:
    if runs is None:
        return []
    if not runs:
        return [("runs", "none under way")]
    older = sum(one.runs for one in runs if one.version != version)
    said = "; ".join(one.words for one in runs)
    return [("runs", f"{said}{'; older ones go on as they began' if older else ''}")]
