"""`publish`: files to the public topics, as a shop would send them."""

from typing import Annotated

import typer

from streams.adapters.kafka.publisher import PUBLIC_TOPICS, Publisher
from streams.bootstrap import names_of
from streams.cli.context import check_kafka, quiet_settings_of
from streams.cli.event_files import (
    Backfill,
    Files,
    MappingFile,
    Until,
    open_events,
    say_left_out,
    until_ms,
)
from streams.cli.help_text import described
from streams.cli.output import note, progress_bar
from streams.codec.text import format_instant

_HELP = described(
    "Send events to the public topics.\n\n"
    "Publishing a file twice does no harm: the same rows make the same event ids. With RFM_CLOCK="
    "event and --until, a time mark follows in every partition, which takes the journal's time to "
    "exactly that instant.",
    "publish events.jsonl",
    "publish orders.csv --mapping examples/corner_shop.yaml --backfill",
    "publish orders.parquet --mapping shop.yaml --until 2026-04-01T00:00:00Z --rate 2000",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("publish", help=_HELP)(_publish)


def _publish(
    ctx: typer.Context,
    files: Files,
    mapping: MappingFile = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="N", min=0.001, help="Events a second at most; no limit if unset."),
    ] = None,
    backfill: Backfill = False,
    until: Until = None,
) -> None:
    stop_ms = until_ms(until)
    settings = quiet_settings_of(ctx)
    check_kafka(settings, *PUBLIC_TOPICS)
    publisher = Publisher(settings.kafka_config(), names_of(settings))
    with open_events(files, mapping, stop_ms) as events:
        with progress_bar("publishing", events.event_count) as advance:
            before = 0
            for published in publisher.publish_all(events, rate=rate, backfill=backfill):
                advance(published - before)
                before = published
        publisher.finish()
        say_left_out(events.report)
    note(f"{before} events published")
    if stop_ms is None:
        return
    if settings.clock == "event":
        marks = publisher.mark(stop_ms)
        publisher.finish()
        note(f"{marks} partitions marked complete up to {format_instant(stop_ms)}")
    else:
        note("no time marks: under RFM_CLOCK=wall time is the clock's affair")
