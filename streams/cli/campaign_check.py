"""`campaigns check`: what `rules apply` would change about campaigns."""

from pathlib import Path
from typing import Annotated

import typer

from streams.adapters.kafka.patience import patiently
from streams.bootstrap import build_rules_log
from streams.cli.campaign_rules import AsJson, NoRuns, count_runs, runs_document
from streams.cli.context import check_kafka, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.live import find_live
from streams.cli.output import note, print_json, print_table
from streams.core.campaigns.definition import Campaign
from streams.core.rules import compile_rules
from streams.insights.campaigns import RunTally, standing_of
from streams.insights.campaigns_check import (
    CHANGED,
    NEW,
    REFUSED,
    REMOVED,
    Difference,
    differences,
    shared_changes,
)
from streams.rules.files import read_rules, rules_text

_CHECK = described(
    "What `rules apply` would change about campaigns: new, changed and removed ones, with the runs "
    "that are under way. A changed campaign needs a higher version, so that runs under way keep the "
    "one they began with; where it has none, the change is refused, and this command ends with exit "
    "code 2. Journals nothing.",
    "campaigns check",
    "campaigns check --rules-dir ./rules",
)
_REFUSED_CODE = 2


def register(group: typer.Typer) -> None:
    """Add the command to the group `campaigns`."""
    group.command("check", help=_CHECK)(_check)


def _check(
    ctx: typer.Context,
    rules_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Rule files to look at, in place of RFM_RULES_DIR."),
    ] = None,
    no_runs: NoRuns = False,
    as_json: AsJson = False,
) -> None:
    settings = quiet_settings_of(ctx)
    if rules_dir is not None:
        settings = settings.model_copy(update={"rules_dir": rules_dir})
    following = rules_text(settings)
    check_kafka(settings, "rfm.rules")
    known = patiently(build_rules_log(settings).load)
    before = known.rules if known is not None else None
    found = differences(before, following)
    live = find_live(settings) if not no_runs else None
    tally = count_runs(live) if live is not None else RunTally()
    armed = compile_rules(following, 0).book.current
    advice = {one.campaign: _advice(one, tally, armed.get(one.campaign)) for one in found}
    shared, left_out = shared_changes(before, following), read_rules(settings).left_out
    if as_json:
        print_json(
            {
                "rules_version": known.version if known is not None else None,
                "changes": [
                    {
                        **one._asdict(),
                        "runs": runs_document(tally.of(one.campaign)),
                        "advice": advice[one.campaign],
                    }
                    for one in found
                ],
                "for_all_campaigns": shared,
                "left_out": left_out,
            }
        )
    else:
        print_table(
            ("campaign", "change", "version", "in", "runs", "what happens"),
            [
                (
                    one.campaign,
                    one.change,
                    _versions(one),
                    ", ".join(one.entries),
                    "; ".join(each.words for each in tally.of(one.campaign)),
                    advice[one.campaign],
                )
                for one in found
            ],
            "Campaigns that would change",
        )
        _say_summary(found, shared)
        for name, why in left_out.items():
            note(f"{name} is left out: it {why}")
    if any(one.change == REFUSED for one in found):
        raise typer.Exit(_REFUSED_CODE)


def _versions(one: Difference) -> str:
    both = [str(version) for version in (one.before, one.after) if version is not None]
    return " -> ".join(dict.fromkeys(both))


def _advice(one: Difference, tally: RunTally, campaign: Campaign | None) -> str:
    runs = sum(each.runs for each in tally.of(one.campaign))
    match one.change:
        case change if change == NEW and campaign is not None:
            return f"comes {standing_of(campaign, []).words}"
        case change if change == CHANGED:
            return f"{runs} runs go on as they began" if runs else "no runs are under way"
        case change if change == REMOVED:
            return f"{runs} runs end at their next step, suppressed as campaign_changed"
        case _:
            return f"give it version {(one.before or 0) + 1} in its file"


def _say_summary(found: list[Difference], shared: list[str]) -> None:
    if not found:
        note("no campaign would change")
    if shared:
        note(f"for all campaigns these would change: {', '.join(shared)}")
    refused = [one.campaign for one in found if one.change == REFUSED]
    if refused:
        note(
            f"`rules apply` refuses this: {', '.join(refused)} changed and kept the version, by which "
            "runs under way began"
        )
