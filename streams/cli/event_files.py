"""What `publish` and `replay` share: files, their mapping, and an instant to stop at."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.fields import read_instant_ms
from streams.cli.output import note
from streams.errors import UsageError
from streams.files.mapping import load_mapping
from streams.files.reading import EventStream, ReadReport, read_events

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="JSON Lines of contract events, or CSV/Parquet with --mapping; .gz is fine.",
        show_default=False,
    ),
]
MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping", metavar="M", help="YAML that says what the columns mean; see examples/."
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="T",
        help="RFC 3339 instant; events after it are left out, time ends there.",
    ),
]
Backfill = Annotated[
    bool,
    typer.Option("--backfill", help="History: changes state, starts no campaign."),
]


def until_ms(text: str | None) -> int | None:
    """The instant of `--until` in milliseconds since 1970; raises `UsageError`."""
    if text is None:
        return None
    try:
        return read_instant_ms(text)
    except ValueError as error:
        raise UsageError(f"--until: {error}; write 2026-04-01T00:00:00Z") from None


def open_events(paths: list[Path], mapping: Path | None, stop_ms: int | None) -> EventStream:
    """The events of the files; raises `UsageError` naming the file that cannot be read."""
    for path in paths:
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
    found = load_mapping(mapping) if mapping is not None else None
    note(f"reading {', '.join(path.name for path in paths)}")
    return read_events(paths, found, until_ms=stop_ms)


def say_left_out(report: ReadReport) -> None:
    """Tell which rows gave no event, and why."""
    for reason, count in sorted(report.left_out.items()):
        note(f"{count} rows left out: {reason}")
