"""`campaigns arm`, `disarm`, `pause` and `resume`: what persons decide while campaigns run."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer

from streams.bootstrap import build_rules_log, rules_time_ms
from streams.cli.campaign_rules import Journaled, Name, definition_of, journaled_rules, now_of
from streams.cli.campaign_trials import Dried, dry_run_of, print_dry_run
from streams.cli.context import check_kafka, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.live import find_live
from streams.cli.output import confirm, note
from streams.codec.partition import RulesRecord
from streams.core.campaigns.definition import Campaign
from streams.errors import UsageError
from streams.insights.campaigns import standing_of
from streams.insights.campaigns_dry_run import let_through, scheduled_limit
from streams.rules import arming
from streams.rules.arming import Members
from streams.settings import Settings

_ARM = described(
    "Let a campaign start. Shows first whom it would reach now, as `campaigns dry-run` does, and "
    "asks.\n\n"
    "--members future (default): who comes to its trigger from now on. present: who is in the "
    "trigger's segment already, once, while the new rules reach every customer. both: both.\n\n"
    "A campaign with a schedule gets a guard of its own: as many actions as the dry run counted, and "
    "20 % more.",
    "campaigns arm win_back_at_risk",
    "campaigns arm champion_vip --members both",
    "campaigns arm season_opener --yes",
)
_DISARM = described(
    "Let a campaign start nothing more. Runs under way go on; `campaigns pause` holds those too.",
    "campaigns disarm season_opener",
)
_PAUSE = described(
    "Hold every step of a campaign, at once and in every partition. Runs begin and end as ever; steps "
    "wait for `campaigns resume`, and those that are no longer valid by then are suppressed as paused.",
    "campaigns pause cart_reminder",
)
_RESUME = described(
    "End a pause, a person's or the guard's. Steps that are still valid are tested again and go out "
    "at the pace of sweeps (RFM_SWEEP_CUSTOMERS_PER_S), the others are suppressed as paused. The "
    "guard counts anew from here on.",
    "campaigns resume cart_reminder",
)


def register(group: typer.Typer) -> None:
    """Add the commands to the group `campaigns`."""
    group.command("arm", help=_ARM)(_arm)
    group.command("disarm", help=_DISARM)(_disarm)
    group.command("pause", help=_PAUSE)(_pause)
    group.command("resume", help=_RESUME)(_resume)


def _arm(
    ctx: typer.Context,
    campaign: Name,
    members: Annotated[
        Members, typer.Option("--members", help="Whom it may reach: future, present or both.")
    ] = "future",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    settings = quiet_settings_of(ctx)
    journaled = journaled_rules(settings)
    found = journaled.campaign(campaign)
    if members != "future" and not any(not one.leaves for one in found.entries):
        raise UsageError(
            f"--members {members}: {campaign} starts by no segment that is entered, so it has no "
            "present members; arm it for future"
        )
    dried = dry_run_of(settings, journaled, campaign, 0)
    print_dry_run(journaled, dried)
    most = scheduled_limit(dried.run.reached, settings.partitions) if found.timetables else None
    _say_guard(settings, found, dried, members, most)
    if not confirm(_question(found, dried, members), yes=yes):
        note("nothing was armed")
        return
    shown = journaled.definition(campaign)

    def change(known: RulesRecord) -> str:
        if definition_of(known.rules, campaign) != shown:
            raise UsageError(
                f"{campaign} has changed since this dry run was made: look at it again and arm it then"
            )
        return arming.arm(known.rules, campaign, members, known.version + 1, most)

    record = _journal(settings, journaled, change)
    if record is None:
        note(f"{campaign} is armed so already: nothing to do")
        return
    _say(settings, record, f"{campaign} is armed for {_WHOM[members]}")
    if found.is_paused:
        note(f"it is paused: `rfm-streams campaigns resume {campaign}` lets its steps go out")


_WHOM = {
    "future": "who comes from now on",
    "present": "present members only",
    "both": "present members and who comes from now on",
}


def _question(campaign: Campaign, dried: Dried, members: Members) -> str:
    begun = "nobody of these starts by it now"
    if members != "future":
        begun = f"{dried.run.prospects} customers start or are refused as above"
    return f"Arm {campaign.name} version {campaign.version} for {_WHOM[members]} ({begun})?"


def _say_guard(
    settings: Settings, campaign: Campaign, dried: Dried, members: Members, most: int | None
) -> None:
    """What the guard would make of it, where it is said to reach so many at once."""
    if most is not None:
        note(f"the guard of {campaign.name} is set to {most} actions, the dry run and 20 % more")
    if members == "future" and not campaign.timetables:
        return
    flood = replace(campaign.flood, most=most or campaign.flood.most)
    armed = replace(campaign, flood=flood)
    stopped = [
        f"{passed} of {wanted} in partition {one.number}"
        for one in dried.live.partitions
        if (wanted := dried.run.reached[one.number])
        > (passed := let_through(armed, one.guard, wanted, now_of(settings, one)))
    ]
    if stopped:
        note(
            f"warning: the guard would pause {campaign.name}: it lets {', '.join(stopped)} through. "
            "Raise guard in its file, with a new version, or be ready to resume it"
        )


def _disarm(ctx: typer.Context, campaign: Name) -> None:
    settings = quiet_settings_of(ctx)
    journaled = journaled_rules(settings)
    if not journaled.campaign(campaign).is_armed:
        note(f"{campaign} is not armed: nothing to do")
        return
    record = _journal(settings, journaled, lambda known: arming.disarm(known.rules, campaign))
    _say(settings, record, f"{campaign} starts nothing more, runs under way go on")


def _pause(ctx: typer.Context, campaign: Name) -> None:
    settings = quiet_settings_of(ctx)
    journaled = journaled_rules(settings)
    if journaled.campaign(campaign).is_paused:
        note(f"{campaign} is paused already: nothing to do")
        return
    record = _journal(settings, journaled, lambda known: arming.pause(known.rules, campaign))
    _say(settings, record, f"{campaign} is paused")


def _resume(ctx: typer.Context, campaign: Name) -> None:
    settings = quiet_settings_of(ctx)
    journaled = journaled_rules(settings)
    found = journaled.campaign(campaign)
    if not found.is_paused:
        # Only Redis tells of the guard; a person's pause is ended without asking it.
        live = find_live(settings)
        if not standing_of(found, live.partitions if live is not None else []).held_in:
            note(f"{campaign} is paused neither by a person nor by the guard: nothing to do")
            return
    record = _journal(settings, journaled, lambda known: arming.resume(known.rules, campaign))
    _say(settings, record, f"{campaign} goes on")


def _journal(
    settings: Settings, journaled: Journaled, change: Callable[[RulesRecord], str]
) -> RulesRecord | None:
    """Journal a change of the rules in force; None where it changes nothing."""
    check_kafka(settings, "rfm.rules", "rfm.journal")

    def changed(known: RulesRecord | None) -> str:
        if known is None:
            raise UsageError("the rules are gone from the topic rfm.rules: `rfm-streams status`")
        return change(known)

    # Under the event clock only events say what time it is: 0 leaves each partition's time alone.
    record = build_rules_log(settings).apply(changed, rules_time_ms(settings))
    return record if record.version > journaled.version else None


def _say(settings: Settings, record: RulesRecord | None, done: str) -> None:
    if record is None:
        note(f"{done} already: nothing to do")
        return
    note(f"{done}: rules version {record.version} journaled to {settings.partitions} partitions")
