"""`campaigns dry-run` and `campaigns preview`: what a campaign would do, without doing it."""

import json
from typing import Annotated, Any, NamedTuple

import typer

from streams.cli.campaign_rules import AsJson, Journaled, Name, journaled_rules, now_of
from streams.cli.context import quiet_settings_of
from streams.cli.customers import journal_partition
from streams.cli.help_text import described
from streams.cli.live import Live, open_live
from streams.cli.output import note, print_fields, print_json, print_table
from streams.cli.shares import fraction, percent
from streams.codec.outputs import OutputEncoder
from streams.codec.text import format_instant
from streams.core.campaigns.control import is_control, is_held_out
from streams.core.classification import is_gone
from streams.core.outputs import ActionRequested, ActionSuppressed
from streams.core.rules import Rules
from streams.errors import UsageError
from streams.insights.campaigns import standing_of
from streams.insights.campaigns_dry_run import DryRun
from streams.insights.campaigns_preview import Look, Preview, preview, rules_alone
from streams.insights.campaigns_trial import ALLOWED, CONTROL, HELD, armed_rules
from streams.insights.customer_reader import fetch_customer
from streams.insights.live import LivePartition
from streams.insights.segments import share
from streams.settings import Settings

_DRY_RUN = described(
    "Whom a campaign would reach if it were armed and everybody's trigger came now: members of the "
    "segments that start it, customers who could make its events happen, who has its date or meets "
    "the conditions of its calendar. Each is begun on a copy by the functions that decide, and the "
    "first step is judged as if it were due at this instant. Nothing is journaled.\n\n"
    "allowed: would be sent to now. control: in the control group, nothing is sent. held: waits for "
    "the end of quiet hours or for caps. skipped, stopped: the step's own variants say so. refused: "
    "with the reason, as it would be published.\n\n"
    "What was armed or paused does not matter here.",
    "campaigns dry-run win_back_at_risk",
    "campaigns dry-run champion_vip --examples 5",
    "campaigns dry-run champion_vip --json | jq .outcomes",
)
_PREVIEW = described(
    "What one customer would get from a campaign, step by step, with instants, templates, channels, "
    "vouchers, suggestions and parameters, or why not. A copy of the customer begins now, or goes on "
    "where the campaign is under way, and lives on by the clock; no events come, and other campaigns "
    "stand still. A calendar or date begins at its next instant. Nothing is journaled, and ids are "
    "those of no real action.",
    "campaigns preview win_back_at_risk C-1001",
    "campaigns preview cart_reminder C-1001 --json",
)


def register(group: typer.Typer) -> None:
    """Add the commands to the group `campaigns`."""
    group.command("dry-run", help=_DRY_RUN)(_dry_run)
    group.command("preview", help=_PREVIEW)(_preview)


# -- dry run -------------------------------------------------------------------------------------


class Dried(NamedTuple):
    """A dry run and the customers it was made on."""

    run: DryRun
    live: Live


def dry_run_of(settings: Settings, journaled: Journaled, name: str, examples: int) -> Dried:
    """Try a campaign out on every customer of Redis; raises as `open_live` does."""
    live = open_live(settings)
    times = {one.number: now_of(settings, one) for one in live.partitions}
    under: dict[int, Rules] = {}
    for one in live.partitions:
        number = one.rules.snapshot_number
        if number not in under:
            under[number] = armed_rules(
                journaled.text, journaled.version, name, one.rules.snapshot, times[one.number]
            )
    run = DryRun(name, examples)
    for partition, state in live.customers():
        rules = under[partition.rules.snapshot_number]
        run.add(partition.number, state, rules, times[partition.number])
    return Dried(run, live)


def print_dry_run(journaled: Journaled, dried: Dried) -> None:
    """The counts for people."""
    run = dried.run
    campaign = journaled.campaign(run.campaign)
    print_table(
        ("outcome", "reason", "customers", "customers %", *(["examples"] * bool(run.examples))),
        [
            (
                outcome,
                reason,
                count,
                percent(share(count, run.prospects)),
                *([", ".join(run.examples[outcome, reason])] if run.examples else []),
            )
            for outcome, reason, count in run.rows()
        ],
        f"{campaign.name} version {campaign.version}, if its trigger came now",
    )
    standing = standing_of(campaign, dried.live.partitions)
    note(
        f"of {run.customers} customers a trigger holds for {run.prospects}: {run.of(ALLOWED)} would "
        f"be sent to now, {run.of(HELD)} later, {run.of(CONTROL)} are controls; {campaign.name} is "
        f"{standing.words}"
    )


def _dry_run(
    ctx: typer.Context,
    campaign: Name,
    examples: Annotated[
        int,
        typer.Option(min=0, max=1000, metavar="N", help="Show N customer ids of each outcome."),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    settings = quiet_settings_of(ctx)
    journaled = journaled_rules(settings)
    found = journaled.campaign(campaign)
    dried = dry_run_of(settings, journaled, campaign, examples)
    if not as_json:
        print_dry_run(journaled, dried)
        return
    run = dried.run
    print_json(
        {
            "campaign": campaign,
            "version": found.version,
            "rules_version": journaled.version,
            "as_of": format_instant(max(now_of(settings, one) for one in dried.live.partitions)),
            "customers": run.customers,
            "prospects": run.prospects,
            "reached": run.reached.total(),
            "outcomes": [
                {
                    "outcome": outcome,
                    "reason": reason or None,
                    "customers": count,
                    "share": fraction(share(count, run.prospects)),
                    **({"examples": run.examples[outcome, reason]} if examples else {}),
                }
                for outcome, reason, count in run.rows()
            ],
        }
    )


# -- preview -------------------------------------------------------------------------------------


def _preview(
    ctx: typer.Context,
    campaign: Name,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The shop's customer id.")],
    as_json: AsJson = False,
) -> None:
    settings = quiet_settings_of(ctx)
    journaled = journaled_rules(settings)
    definition = journaled.campaign(campaign)
    found = fetch_customer(
        open_live(settings).store, journal_partition(customer, settings), customer
    )
    if found is None or found.state is None or is_gone(found.state):
        raise UsageError(
            f"nothing is known of customer {customer!r}, or they were erased or merged: ids are "
            "compared as they are, letter case included"
        )
    live = LivePartition(found.partition, found.time_ms, found.rules, journaled.text, found.guard)
    now_ms, snapshot = now_of(settings, live), found.rules.snapshot
    # Two versions that no customer was decided by yet.
    rules = armed_rules(journaled.text, journaled.version, campaign, snapshot, now_ms)
    alone = rules_alone(journaled.text, journaled.version + 2, campaign, snapshot, now_ms)
    would = preview(found.state, rules, alone, campaign, now_ms)
    is_controlled = is_held_out(customer, rules.policy.holdout_percent) or is_control(
        campaign, customer, definition.control_percent
    )
    document = {
        "campaign": campaign,
        "version": would.version,
        "customer_id": customer,
        "as_of": format_instant(now_ms),
        "state": standing_of(definition, [live]).words,
        "under_way": would.under_way,
        "control_group": is_controlled,
        "why_not": {"reason": would.why_not, "detail": would.detail} if would.why_not else None,
        "steps": _steps(would, OutputEncoder(rules.base_currency)),
    }
    if as_json:
        print_json(document)
    else:
        _print_preview(document)


def _steps(would: Preview, encoder: OutputEncoder) -> list[dict[str, Any]]:
    return [_step(look, encoder) for look in would.looks]


def _step(look: Look, encoder: OutputEncoder) -> dict[str, Any]:
    told: dict[str, Any] = {"at": format_instant(look.at_ms), "step": look.step, "what": look.what}
    if look.reason:
        told["reason"] = look.reason
    if look.until_ms is not None:
        told["until"] = format_instant(look.until_ms)
    if look.changes:
        told["segments"] = [
            f"{one.scheme}: {one.previous or 'none'} -> {one.current or 'none'}"
            for one in look.changes
        ]
    if isinstance(look.said, ActionSuppressed):
        told["detail"] = look.said.detail
    elif isinstance(look.said, ActionRequested):
        action: dict[str, Any] = json.loads(encoder.encode(look.said).value)
        told |= {
            name: action[name]
            for name in ("channels", "template", "parameters", "due_at", "valid_until")
        }
        told["parameters"].get("voucher", {}).pop("key", None)
    return told


def _print_preview(document: dict[str, Any]) -> None:
    why_not = document["why_not"]
    print_fields(
        [
            ("campaign", f"{document['campaign']}, version {document['version']}"),
            ("customer", document["customer_id"]),
            ("as of", document["as_of"]),
            ("state", document["state"]),
            ("under way", "yes, this is the rest of it" if document["under_way"] else "no"),
            ("control group", "yes: nothing is sent" if document["control_group"] else "no"),
            *([("not, because", f"{why_not['reason']}: {why_not['detail']}")] if why_not else []),
        ]
    )
    if not document["steps"]:
        return
    typer.echo()
    print_table(
        ("at", "step", "what", "template", "channels", "with"),
        [
            (
                one["at"],
                one["step"],
                one["what"],
                one.get("template"),
                ", ".join(one.get("channels", ())),
                _with(one),
            )
            for one in document["steps"]
        ],
        "If nothing else happens",
    )


def _with(step: dict[str, Any]) -> str:
    """What else there is to tell of a step, in one cell."""
    said = [str(step[name]) for name in ("reason", "detail") if step.get(name)]
    said += [f"until {step['until']}"] if "until" in step else []
    said += step.get("segments", [])
    parameters: dict[str, Any] = step.get("parameters", {})
    said += [f"{name} {_value(value)}" for name, value in parameters.items() if value is not None]
    return "; ".join(said)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(_value(one) for one in value.values() if one is not None)
    if isinstance(value, list):
        return ", ".join(_value(one) for one in value)
    return str(value)
