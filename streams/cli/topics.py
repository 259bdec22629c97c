"""`topics create`, `topics describe` and `topics acl`."""

from functools import partial
from typing import Annotated

import typer
from confluent_kafka.admin import AdminClient

from streams.adapters.kafka.patience import patiently
from streams.adapters.topics import describe_topics
from streams.bootstrap import ensure_topics, topic_partitions
from streams.cli import access
from streams.cli.context import check_kafka, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.output import note, print_json, print_table
from streams.insights.topic_reader import TopicReader
from streams.settings import Settings

_CREATE = described(
    "Create the topics that are missing. Safe to repeat: what exists is compared and left alone, "
    "because a person may have changed it on purpose.",
    "topics create",
)
_DESCRIBE = described(
    "Every topic as it is on the broker, and where it differs from the table.",
    "topics describe",
    "topics describe --json",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The topics on Kafka.", rich_markup_mode=None)
    group.command("create", help=_CREATE)(_create)
    group.command("describe", help=_DESCRIBE)(_describe)
    group.command("acl", help=access.HELP)(access.acl)
    app.add_typer(group, name="topics")


def _create(ctx: typer.Context) -> None:
    settings = quiet_settings_of(ctx)
    check_kafka(settings)
    report = ensure_topics(settings)
    _wait_for_leaders(settings, report.created)
    created = set(report.created)
    print_table(
        ("topic", "result"),
        [
            (name, "created" if name in created else "existed")
            for name in sorted((*report.created, *report.existing))
        ],
    )
    for one in report.mismatched:
        note(
            f"topic {one.topic}: {one.setting} is {one.found or 'unset'}, {one.wanted} is wanted; "
            "left as it is"
        )


def _wait_for_leaders(settings: Settings, created: tuple[str, ...]) -> None:
    """Return once every new partition answers: its leader is named before it serves."""
    topics = check_kafka(settings)
    for name in created:
        reader = TopicReader(settings.kafka_config(), name)
        try:
            for number in topics[name].partitions:
                patiently(partial(reader.bounds, number))
        finally:
            reader.close()


def _describe(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    settings = quiet_settings_of(ctx)
    check_kafka(settings)
    found = describe_topics(
        AdminClient(settings.kafka_config()),
        settings.namespace,
        settings.generation,
        partitions=topic_partitions(settings),
        replication_factor=settings.replication_factor,
    )
    if as_json:
        print_json(found)
        return
    print_table(
        ("topic", "partitions", "replicas", "cleanup", "retention ms", "differences"),
        [
            (
                one.name,
                one.partitions,
                one.replication_factor,
                one.config.get("cleanup.policy"),
                one.config.get("retention.ms"),
                "; ".join(
                    f"{each.setting} wanted {each.wanted}, found {each.found or 'none'}"
                    for each in one.differences
                ),
            )
            for one in found
        ],
    )
