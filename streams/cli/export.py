"""`export`: all customers from Redis at one instant."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from schemas.fields import read_instant_ms
from streams.adapters.kafka.state_log import KafkaStateLog
from streams.bootstrap import names_of
from streams.cli.context import check_kafka, open_store, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.output import note, progress_bar
from streams.codec.text import format_instant
from streams.errors import UsageError
from streams.insights.capture import Captured, Capturing
from streams.insights.customers import COLUMNS, customer_row, further_schemes
from streams.insights.customers_file import CustomersFile, Format
from streams.settings import Settings

_BY_SUFFIX: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_HELP = described(
    "All customers with an order, return or cancellation, from Redis at one instant.\n\n"
    f"Columns: {', '.join(COLUMNS)}. Times are RFC 3339 in UTC, money is decimal text with the "
    "currency's digits, sorted by customer_id. Every further scheme adds SCHEME_segment, "
    "SCHEME_previous and SCHEME_since; flags are joined by |. Reads while the processors run: each "
    "partition is taken exactly as of one commit. Refuses while a partition is being rebuilt or Redis "
    "is behind.",
    "export --out customers.csv",
    "export --format jsonl | head",
    "export --at 2026-04-01T00:00:00Z --out april.parquet",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", help=_HELP)(_export)


def _export(
    ctx: typer.Context,
    file_format: Annotated[
        Format | None,
        typer.Option("--format", help="csv (default), jsonl or parquet; else by the file's name."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write; standard output if unset.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="RFC 3339, such as 2026-04-01T00:00:00Z, not before the partitions' time: what "
            "only the clock changes until then is computed. Default: their greatest time.",
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Export what there is, where partitions are not ready."),
    ] = False,
) -> None:
    at_ms = read_at(at) if at is not None else None
    chosen = file_format or _BY_SUFFIX.get(out.suffix if out is not None else "", "csv")
    if out is not None and not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: no such folder")
    if out is None and chosen == "parquet" and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal: give --out FILE")
    settings = quiet_settings_of(ctx)
    count = export_customers(settings, chosen, out, at_ms, partial=partial)
    note(f"{count} customers{f' written to {out}' if out is not None else ''}")


def read_at(text: str) -> int:
    """An instant given by a person, in milliseconds since 1970; raises `UsageError`."""
    try:
        return read_instant_ms(text)
    except ValueError as error:
        raise UsageError(f"--at: {error}; write 2026-04-01T00:00:00Z") from None


def export_customers(
    settings: Settings,
    file_format: Format,
    out: Path | None,
    at_ms: int | None,
    *,
    partial: bool,
) -> int:
    """Write all customers at `at_ms` to `out`, or standard output; returns their number.

    Raises `NotReadyError` where Redis does not hold all that was committed, unless `partial`;
    `UsageError` for an instant before a partition's time.
    """
    check_kafka(settings, "rfm.state")
    store = open_store(settings)
    with _state_log(settings) as state_log, tempfile.TemporaryFile() as spool:
        with progress_bar("Reading Redis", None) as advance:
            capturing = Capturing(store, state_log, spool, advance)
            captured = [
                capturing.capture(number, partial=partial) for number in range(settings.partitions)
            ]
        instant_ms = _instant(captured, at_ms)
        with CustomersFile(_schemes(captured)) as customers:
            _judge(capturing, captured, instant_ms, customers)
            _save(customers, out, file_format, settings.base_currency)
            return customers.row_count


def _instant(captured: list[Captured], at_ms: int | None) -> int:
    latest = max(captured, key=lambda one: one.time_ms)
    if at_ms is None:
        return latest.time_ms
    if at_ms < latest.time_ms:
        raise UsageError(
            f"--at {format_instant(at_ms)} lies before the time of partition {latest.partition} "
            f"({format_instant(latest.time_ms)}), and a state does not tell its past: leave --at "
            f"out, or run `rfm-streams replay --until {format_instant(at_ms)}` over the events"
        )
    return at_ms


def _schemes(captured: list[Captured]) -> tuple[str, ...]:
    """Schemes of the newest rules that a partition decides by, beside `rfm`."""
    known = [one.rules for one in captured if one.rules is not None]
    return further_schemes(max(known, key=lambda rules: rules.version)) if known else ()


def _judge(
    capturing: Capturing, captured: list[Captured], instant_ms: int, customers: CustomersFile
) -> None:
    total = sum(one.customer_count for one in captured)
    with progress_bar("Computing", total) as advance:
        for one in captured:
            if one.missing is not None:
                note(f"partial: {one.missing}")
            rules = one.rules
            if rules is None:
                if one.customer_count:
                    note(f"partial: partition {one.partition} is left out, its rules are not there")
                continue
            for state in capturing.states(one):
                row = customer_row(state, rules, instant_ms)
                if row is not None:
                    customers.add(row)
                advance(1)


def _save(customers: CustomersFile, out: Path | None, file_format: Format, currency: str) -> None:
    if out is not None:
        customers.save(out, file_format, currency)
        return
    with tempfile.NamedTemporaryFile(suffix=f".{file_format}") as file:
        customers.save(Path(file.name), file_format, currency)
        file.seek(0)
        shutil.copyfileobj(file, typer.get_binary_stream("stdout"))


@contextmanager
def _state_log(settings: Settings) -> Iterator[KafkaStateLog]:
    state_log = KafkaStateLog(settings.kafka_config(), names_of(settings).topic("rfm.state"))
    try:
        yield state_log
    finally:
        state_log.close()
