"""`rules show` and `rules apply`: what is decided by, and what the files say."""

import difflib
import json
from typing import Annotated, Any

import typer

from streams.adapters.kafka.patience import patiently
from streams.bootstrap import build_rules_log, check_base_currency, rules_time_ms
from streams.cli.context import check_kafka, quiet_settings_of, settings_of
from streams.cli.help_text import described
from streams.cli.output import note, print_json, print_table
from streams.errors import UsageError
from streams.rules.arming import carry_over
from streams.rules.describe import describe_rules
from streams.rules.files import rules_text

_SHOWN = "journaled rules"
_SHOW = described(
    "The rules in force, which are those in the journal, and where the files and settings differ "
    "from them. Workers never decide by files: `rules apply` journals them.",
    "rules show",
    "rules show --files",
    "rules show --json",
)
_APPLY = described(
    "Journal the rules of the files and settings as the next version. Every partition decides by "
    "them from there on; unchanged rules stay as they are. What was armed or paused stays so.",
    "rules apply --dry-run",
    "rules apply",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Limits, segments and campaigns.", rich_markup_mode=None)
    group.command("show", help=_SHOW)(_show)
    group.command("apply", help=_APPLY)(_apply)
    app.add_typer(group, name="rules")


def _show(
    ctx: typer.Context,
    files: Annotated[
        bool, typer.Option("--files", help="Show what the files and settings say; asks no Kafka.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The rules as JSON.")] = False,
) -> None:
    in_files = rules_text(settings_of(ctx))
    if files:
        _print_rules(in_files, None, as_json=as_json)
        return
    settings = quiet_settings_of(ctx)
    check_kafka(settings, "rfm.rules")
    record = patiently(build_rules_log(settings).load)
    if record is None:
        raise UsageError(
            "no rules are journaled yet: `rfm-streams run` or `rfm-streams rules apply` does it; "
            "--files shows what that will be"
        )
    _print_rules(record.rules, record.version, as_json=as_json)
    changed = difference(record.rules, carry_over(in_files, record.rules))
    if changed and not as_json:
        note("the files and settings say something else; `rfm-streams rules apply` journals it:")
        _print_difference(changed)


def _apply(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change and journal nothing.")
    ] = False,
) -> None:
    settings = quiet_settings_of(ctx)
    in_files = rules_text(settings)
    check_kafka(settings, "rfm.rules", "rfm.journal")
    log = build_rules_log(settings)
    known = patiently(log.load)
    following = carry_over(in_files, known.rules if known is not None else None)
    if known is not None and known.rules == following:
        note(f"rules version {known.version} says the same: nothing to do")
        return
    if known is not None:
        check_base_currency(known, in_files)
        _print_difference(difference(known.rules, following))
    if dry_run:
        number = known.version + 1 if known is not None else 1
        note(f"dry run: this would be version {number}, nothing was journaled")
        return
    # Under the event clock only events say what time it is: 0 leaves each partition's time alone.
    record = log.apply(
        lambda known: carry_over(in_files, known.rules if known is not None else None),
        rules_time_ms(settings),
    )
    note(f"rules version {record.version} journaled to {settings.partitions} partitions")


def difference(before: str, after: str) -> list[str]:
    """Lines that differ between two rules, as a unified diff; none where they are equal."""
    return list(
        difflib.unified_diff(_lines(before), _lines(after), _SHOWN, "files", lineterm="", n=2)
    )


def _lines(text: str) -> list[str]:
    document: dict[str, Any] = json.loads(text)
    return json.dumps(document, indent=1, sort_keys=True).splitlines()


def _print_rules(text: str, version: int | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"version": version, "rules": json.loads(text)})
        return
    title = f"Rules version {version}" if version is not None else "Rules in the files"
    print_table(("rule", "value"), describe_rules(text), title)


def _print_difference(lines: list[str]) -> None:
    for line in lines:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        typer.secho(line, fg=colour)
