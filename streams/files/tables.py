"""CSV and Parquet files into DuckDB tables, as text, with the number of every row.

Everything is staged as text and typed by the mapping, so that a customer id of "00017" stays one
and no price passes through a float. DuckDB spills to a private folder above its memory limit.
"""

# ruff: noqa: S608 - names and values come from the mapping, quoted by conditions.py

import csv
import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from streams.errors import UsageError
from streams.files import statements
from streams.files.columns import check_columns, used_columns
from streams.files.conditions import identifier, literal
from streams.files.mapping import Csv, Mapping, OrdersMapping

CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
PARQUET_ENDINGS = (".parquet",)
# Enough for the sorts of a few million lines; above it DuckDB spills.
_MEMORY_LIMIT = "1GB"
# A line's number holds its file and its row: 2^40 rows a file are out of reach.
_ROWS_PER_FILE = 1 << 40
_FETCH_ROWS = 10_000
_ERROR_CHARACTERS = 300
# DuckDB's own default: a line that is longer is a quote that nobody closed.
MAX_LINE_BYTES = 2 * 1024 * 1024


class Tables:
    """The tables `lines` and `heads` of some files under one mapping, in a private database."""

    def __init__(self, paths: list[Path], mapping: Mapping, until_ms: int | None) -> None:
        """Load the files. Raises UsageError where a file does not fit the mapping."""
        self._closing = ExitStack()
        try:
            self._load(paths, mapping, until_ms)
        except duckdb.Error as error:
            self.close()
            raise UsageError(
                f"{mapping.origin}: {_first_sentence(error)}; check the files against the mapping"
            ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the database and its spill folder. Closing twice is fine."""
        self._closing.close()

    def fetch_rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """Run a statement on a cursor of its own, a bounded number of rows in memory."""
        with self._connection.cursor() as cursor:
            try:
                cursor.execute("SET TimeZone = 'UTC'")
                cursor.execute(statement)
                while rows := cursor.fetchmany(_FETCH_ROWS):
                    yield from rows
            except duckdb.Error as error:
                raise UsageError(
                    f"reading stopped: {_first_sentence(error)}; free memory or disk space in the "
                    "temporary folder (TMPDIR)"
                ) from error

    def fetch_one(self, statement: str) -> tuple[Any, ...]:
        """Run a statement that gives exactly one row."""
        return next(self.fetch_rows(statement))

    def _load(self, paths: list[Path], mapping: Mapping, until_ms: int | None) -> None:
        spill = self._closing.enter_context(TemporaryDirectory(prefix="rfm-files-"))
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY_LIMIT,
            "temp_directory": spill,
        }
        self._connection = duckdb.connect(config=config)
        self._closing.callback(self._connection.close)
        self._connection.execute("SET TimeZone = 'UTC'")
        _check_row_numbers(paths, mapping)
        for index, path in enumerate(paths):
            start = "CREATE TABLE staged AS" if index == 0 else "INSERT INTO staged"
            self._connection.execute(f"{start} {self._stage(index, path, mapping)}")
        for macro in statements.macros(mapping):
            self._connection.execute(macro)
        self._connection.execute(statements.lines(mapping))
        self._stop_at_unreadable(paths, mapping)
        self._connection.execute("DROP TABLE staged")
        self._connection.execute(statements.heads(mapping, until_ms))

    def _stage(self, index: int, path: Path, mapping: Mapping) -> str:
        present, scan = self._open(path, mapping.csv)
        check_columns(mapping, path, list(present))
        columns = [
            f"{_as_text(used.name, present[used.name])} AS {identifier(used.alias)}"
            for used in used_columns(mapping)
        ]
        if isinstance(mapping, OrdersMapping) and mapping.order.id.computed is not None:
            before = "" if mapping.order.id.computed == "row" else literal(f"{path.name}:") + " || "
            columns.append(f"{before}CAST(row_number() OVER () AS VARCHAR) AS number")
        first = index * _ROWS_PER_FILE
        return f"SELECT {first} + row_number() OVER () AS line_no, {', '.join(columns)} FROM {scan}"

    def _open(self, path: Path, dialect: Csv) -> tuple[dict[str, str], str]:
        """Return the file's columns with their types, and the table function that reads it."""
        if not path.is_file():
            raise UsageError(f"{path}: no such file; check the path")
        if any(sign in str(path) for sign in "*?[]{}"):
            raise UsageError(f"{path}: the path has one of * ? [ ] {{ }}; rename the file")
        name = path.name.lower()
        if name.endswith(PARQUET_ENDINGS):
            scan = f"read_parquet({literal(str(path))})"
            described = self._connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
            return {row[0]: row[1] for row in described}, scan
        if name.endswith(CSV_ENDINGS):
            names = _header(path, dialect)
            return dict.fromkeys(names, "VARCHAR"), _csv_scan(path, names, dialect)
        endings = ", ".join((*CSV_ENDINGS, *PARQUET_ENDINGS))
        raise UsageError(f"{path}: a mapping reads {endings}; rename or convert the file")

    def _stop_at_unreadable(self, paths: list[Path], mapping: Mapping) -> None:
        if mapping.unreadable == "leave_out":
            return
        start = literal(statements.UNREADABLE)
        found = self._connection.execute(
            f"SELECT line_no, reason FROM lines WHERE starts_with(reason, {start}) "
            "ORDER BY line_no LIMIT 1"
        ).fetchone()
        if found is None:
            return
        line_no, reason = found
        role = reason.removeprefix(statements.UNREADABLE)
        used = next(used for used in used_columns(mapping) if used.alias == role)
        text = self.fetch_one(f"SELECT {identifier(role)} FROM staged WHERE line_no = {line_no}")[0]
        file_no, row = divmod(line_no - 1, _ROWS_PER_FILE)
        raise UsageError(
            f"{paths[file_no]}, row {row + 1}, column {used.name!r}: {text!r} "
            f"{_advice(role, mapping)}; or set unreadable: leave_out in {mapping.origin} to leave "
            "such rows out"
        )


def _check_row_numbers(paths: list[Path], mapping: Mapping) -> None:
    if not paths:
        raise UsageError("no file given; name at least one")
    if isinstance(mapping, OrdersMapping) and mapping.order.id.computed is not None:
        repeated = len({path.name for path in paths}) < len(paths)
        if mapping.order.id.computed == "row" and len(paths) > 1:
            raise UsageError(
                f"{mapping.origin}: field order.id: row numbers repeat over {len(paths)} files; "
                "set computed: file_and_row, or give one file"
            )
        if repeated:
            raise UsageError(
                f"{mapping.origin}: field order.id: two of the files have one name; rename one"
            )


def _as_text(name: str, kind: str) -> str:
    """Text without blanks around it; empty is NULL. Times print as ISO 8601."""
    column = identifier(name)
    if kind == "VARCHAR":
        return f"nullif(trim({column}), '')"
    return f"nullif(trim(CAST({column} AS VARCHAR)), '')"


def _header(path: Path, dialect: Csv) -> list[str]:
    """Read the names of the columns from the first line."""
    encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rt", encoding=encoding, newline="") as file:
            first = iter(lambda: file.readline(MAX_LINE_BYTES), "")
            names = next(csv.reader(first, delimiter=dialect.delimiter), [])
    except (OSError, EOFError, UnicodeError, csv.Error) as error:
        raise UsageError(
            f"{path}: its first line cannot be read ({error}); check the file and csv.encoding"
        ) from error
    names = [name.strip() for name in names]
    if not any(names):
        raise UsageError(f"{path}: has no first line with column names; add one")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{path}: column {twice[0]!r} stands twice; rename one of them")
    return names


def _csv_scan(path: Path, names: list[str], dialect: Csv) -> str:
    # Nothing is guessed: DuckDB's sniffer may skip lines it takes for a preamble.
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = true, "
        f"delim = {literal(dialect.delimiter)}, quote = '\"', escape = '\"', "
        f"encoding = {literal(dialect.encoding)}, max_line_size = {MAX_LINE_BYTES}, "
        f"columns = {{{columns}}})"
    )


def _advice(role: str, mapping: Mapping) -> str:
    if role == "time":
        formats = " or ".join(mapping.time.format)
        return (
            f"is no time of format {formats}, and a guess could swap day and month; set "
            f"time.format in {mapping.origin}, for example '%d/%m/%Y %H:%M'"
        )
    return (
        "is no plain number of at most 6 decimals; mend the row, or set numbers.decimal and "
        "numbers.thousands"
    )


def _first_sentence(error: duckdb.Error) -> str:
    # The row itself is somebody's data, and may be as long as a row may be.
    lines = [line for line in str(error).splitlines() if not line.startswith("Original Line")]
    return " ".join(line.strip() for line in lines[:2])[:_ERROR_CHARACTERS].rstrip(".")
