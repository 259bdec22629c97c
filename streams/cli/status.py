"""`status`: how far everything is."""

from typing import Annotated

import typer

from streams.cli.context import check_kafka, open_store, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.output import print_fields, print_json, print_table
from streams.insights.status import Member, StatusReader

_HELP = described(
    "How far each journal partition is decided and stored, who decides, what intake has left to "
    "read, timers and dead letters. Exit code 0 whenever Kafka and Redis answer.",
    "status",
    "status --json | jq '.partitions[].lag'",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", help=_HELP)(_status)


def _status(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    settings = quiet_settings_of(ctx)
    check_kafka(settings, "rfm.journal", "rfm.state", "dead-letters")
    store = open_store(settings)
    with StatusReader(settings, store) as reader:
        status = reader.read()
    if as_json:
        print_json(status)
        return
    print_table(
        (
            "partition", "journal end", "decided", "lag", "time", "state end", "in Redis", "store",
            "customers' timers", "overdue", "rules",
        ),
        [
            (
                one.partition, one.journal_end, one.decided, one.lag, one.time, one.state_end,
                one.stored, one.store, one.timers, one.timers_overdue, one.rules_version,
            )
            for one in status.partitions
        ],
        "Journal partitions",
    )  # fmt: skip
    typer.echo()
    print_table(
        ("topic", "left for intake"), [(one.topic, one.lag) for one in status.intake], "Intake"
    )
    typer.echo()
    print_table(
        ("group", "state", "member", "host", "partitions"),
        [
            (group.group, group.state, member.instance, member.host, member.partitions)
            for group in status.groups
            for member in group.members or [Member("nobody", "", "")]
        ],
        "Members",
    )
    typer.echo()
    print_fields([("dead letters", status.dead_letters)])
