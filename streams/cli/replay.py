"""`replay`: files through the whole system in this process, on simulated time."""

from pathlib import Path
from typing import Annotated

import typer

from streams.adapters.system_clock import SystemClock
from streams.bootstrap import build_rates, limits_of
from streams.cli.context import quiet_settings_of
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
from streams.replay.folder import CUSTOMERS, ReplayFolder
from streams.replay.replay import Replay
from streams.rules.files import rules_text

_HELP = described(
    "Run history through the memory backend: the same decisions as live, without Kafka and Redis.\n\n"
    "Time is simulated: a record's journal time is the greatest occurred_at so far, and every timer "
    "fires at its due instant, up to --until. Writes customers.csv, segment_changes.jsonl, "
    "actions.jsonl, dead_letters.jsonl and summary.json.",
    "replay events.jsonl --out out",
    "replay orders.csv.gz --mapping examples/uci.yaml --until 2011-12-10T00:00:00Z --out out",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay", help=_HELP)(_replay)


def _replay(
    ctx: typer.Context,
    files: Files,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the results; made if missing.")
    ],
    mapping: MappingFile = None,
    until: Until = None,
    backfill: Backfill = False,
) -> None:
    stop_ms = until_ms(until)
    settings = quiet_settings_of(ctx)
    with open_events(files, mapping, stop_ms) as events, ReplayFolder(out) as folder:
        replay = Replay(
            rules_text(settings),
            limits_of(settings),
            build_rates(settings),
            SystemClock().now_ms(),
            folder.deliver,
            folder.refuse,
            backfill=backfill,
        )
        with progress_bar("replaying", events.event_count) as advance:
            before = 0
            for taken in replay.take_all(events):
                advance(taken - before)
                before = taken
        if stop_ms is not None:
            replay.move_to(stop_ms)
        replay.finish()
        say_left_out(events.report)
        read = {"rows": events.report.row_count, "left_out": dict(events.report.left_out)}
        count = folder.save_results(replay, read)
    refused = sum(replay.counts.dead_letters.values())
    note(
        f"{count} customers as of {format_instant(replay.time_ms)} in {out / CUSTOMERS}; "
        f"{refused} dead letters"
    )
