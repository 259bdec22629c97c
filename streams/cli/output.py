"""Printing: tables on a terminal, tab-separated lines elsewhere; progress and notes on stderr.

What comes from records of others is shown without its control characters, which a terminal obeys.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from streams.errors import UsageError

Cell = str | int | float | None


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], title: str = "") -> None:
    """Print rows: a table for people, tab-separated lines with a header for programs."""
    shown = [["" if cell is None else clean(str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in (columns, *shown):
            typer.echo("\t".join(line))
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for line in shown:
        table.add_row(*(Text(cell) for cell in line))
    Console().print(table)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    typer.echo(text.getvalue(), nl=False)


def print_fields(fields: Iterable[tuple[str, Cell]]) -> None:
    """Print names and values, one a line."""
    known = [(name, "" if cell is None else clean(str(cell))) for name, cell in fields]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        typer.echo(f"{name:<{width}}  {value}".rstrip())


def print_json(document: object) -> None:
    """Print one JSON document, indented on a terminal and on one line elsewhere."""
    encoded = msgspec.json.encode(document)
    if sys.stdout.isatty():
        encoded = msgspec.json.format(encoded, indent=2)
    typer.echo(encoded.decode())


def note(text: str) -> None:
    """Say something beside the output."""
    typer.echo(f"rfm-streams: {clean(text)}", err=True)


def clean(text: str) -> str:
    """Text on one line, control characters as escapes."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def confirm(question: str, *, yes: bool) -> bool:
    """Ask a person; `yes` answers for them. Raises `UsageError` where nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Add --yes to go on without being asked")
    return typer.confirm(question)


@contextmanager
def progress_bar(doing: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, on a terminal only; yields a function that advances it by a number."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda count: progress.advance(task, count)
