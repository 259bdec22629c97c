"""Writes customers as CSV, JSON Lines or Parquet, sorted by id in the order of code points.

Rows go to a temporary file first and DuckDB sorts them, on disk where they exceed its memory: a
million customers need no more than the bound below.
"""

import csv
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import duckdb

from schemas.currencies import MINOR_DIGITS
from streams.codec.text import format_instant
from streams.errors import UsageError
from streams.insights.customers import COLUMNS, CustomerRow, columns_of

Format = Literal["csv", "jsonl", "parquet"]
# A million rows are some 150 MB; beyond this DuckDB sorts on disk.
_MEMORY = "512MB"
_COUNTS = {"order_count", "lifetime_order_count"}
_SCORES = {"r", "f", "m"}
_MONEY = {"monetary", "lifetime_monetary"}
_SINCE = "_since"
_OPTIONS: dict[Format, str] = {
    "csv": "FORMAT csv, HEADER true",
    "jsonl": "FORMAT json",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


class CustomersFile:
    """Takes rows in any order; `save` sorts and writes them. Use it as a context.

    `schemes` are those that run beside `rfm` (`further_schemes`); each has its columns, and so has
    any other scheme of a row, behind them in the order of their coming.
    """

    def __init__(self, schemes: Iterable[str] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rfm-customers-"))
        self._unsorted = self._folder / "unsorted.csv"
        self._file = self._unsorted.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._schemes = {scheme: place for place, scheme in enumerate(schemes)}
        # Columns of the narrowest row: partitions may decide by different rules for a moment.
        self._least_width: int | None = None
        self.row_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        shutil.rmtree(self._folder)

    def add(self, row: CustomerRow) -> None:
        """Take one row."""
        for member in row.memberships:
            self._schemes.setdefault(member.scheme, len(self._schemes))
        cells: list[str | None] = [None] * (3 * len(self._schemes))
        for scheme, segment, previous, since_ms in row.memberships:
            since = format_instant(since_ms) if since_ms is not None else None
            place = 3 * self._schemes[scheme]
            cells[place : place + 3] = segment, previous, since
        if self._least_width is None:
            self._least_width = len(cells)
        self._writer.writerow((*row[: len(COLUMNS)], *cells))
        self.row_count += 1

    def save(self, out: Path, file_format: Format, currency: str) -> None:
        """Write all rows, sorted, to `out`; raises `UsageError` where it cannot be written.

        Parquet has types of its own: money as DECIMAL with the currency's digits, times as
        TIMESTAMP WITH TIME ZONE in UTC. CSV and JSON Lines have RFC 3339 and decimal text.
        """
        self._file.close()
        names = columns_of(tuple(self._schemes))
        if self._least_width not in (None, 3 * len(self._schemes)):
            self._pad(len(names))
        sorted_path = self._folder / f"sorted.{file_format}"
        columns = ", ".join(
            f"{_typed(name, file_format, currency)} AS {_column(name)}" for name in names
        )
        source = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in names)
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            connection.execute(f"SET temp_directory = '{_quoted(self._folder / 'sort')}'")
            # Formats stand in this file; foreign texts are paths and names of schemes, all quoted.
            connection.execute(
                f"COPY (SELECT {columns} FROM read_csv('{_quoted(self._unsorted)}', "  # noqa: S608
                "header = false, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
                f"nullstr = '', columns = {{{source}}}) AS rows ORDER BY rows.customer_id) "
                f"TO '{_quoted(sorted_path)}' ({_OPTIONS[file_format]})"
            )
        try:
            shutil.copyfile(sorted_path, out)
        except OSError as error:
            raise UsageError(f"{out}: {error.strerror}") from error

    def _pad(self, width: int) -> None:
        """Give rows that were written before a scheme was known its empty columns."""
        padded = self._folder / "padded.csv"
        with (
            self._unsorted.open(encoding="utf-8", newline="") as source,
            padded.open("w", encoding="utf-8", newline="") as target,
        ):
            writer = csv.writer(target, lineterminator="\n")
            for row in csv.reader(source, strict=True):
                writer.writerow(row + [""] * (width - len(row)))
        padded.replace(self._unsorted)


def _typed(name: str, file_format: Format, currency: str) -> str:
    column = f"rows.{_column(name)}"
    if file_format == "csv":
        return column
    if name in _COUNTS:
        return f"{column}::BIGINT"
    if name in _SCORES:
        return f"{column}::TINYINT"
    if file_format == "parquet" and name in _MONEY:
        return f"{column}::DECIMAL(20, {MINOR_DIGITS[currency]})"
    if file_format == "parquet" and (name == "last_order_at" or name.endswith(_SINCE)):
        return f"{column}::TIMESTAMPTZ"
    return column


def _column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
