"""Writes customers as CSV, JSON Lines or Parquet, sorted by id in the order of code points.

Rows go to a temporary file first and DuckDB sorts them, on disk where they exceed its memory: a
million customers need no more than the bound below.
"""

import csv
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import duckdb

from schemas.currencies import MINOR_DIGITS
from streams.errors import UsageError
from streams.insights.customers import COLUMNS, CustomerRow

Format = Literal["csv", "jsonl", "parquet"]
# A million rows are some 150 MB; beyond this DuckDB sorts on disk.
_MEMORY = "512MB"
_COUNTS = {"order_count", "lifetime_order_count"}
_SCORES = {"r", "f", "m"}
_MONEY = {"monetary", "lifetime_monetary"}
_TIMES = {"last_order_at", "rfm_since"}
_OPTIONS: dict[Format, str] = {
    "csv": "FORMAT csv, HEADER true",
    "jsonl": "FORMAT json",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


class CustomersFile:
    """Takes rows in any order; `save` sorts and writes them. Use it as a context."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rfm-customers-"))
        self._unsorted = self._folder / "unsorted.csv"
        self._file = self._unsorted.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
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
        self._writer.writerow(row)
        self.row_count += 1

    def save(self, out: Path, file_format: Format, currency: str) -> None:
        """Write all rows, sorted, to `out`; raises `UsageError` where it cannot be written.

        Parquet has types of its own: money as DECIMAL with the currency's digits, times as
        TIMESTAMP WITH TIME ZONE in UTC. CSV and JSON Lines have RFC 3339 and decimal text.
        """
        self._file.close()
        sorted_path = self._folder / f"sorted.{file_format}"
        columns = ", ".join(f"{_typed(name, file_format, currency)} AS {name}" for name in COLUMNS)
        source = ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS)
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            connection.execute(f"SET temp_directory = '{_quoted(self._folder / 'sort')}'")
            # Names and formats stand in this file; the only foreign texts are quoted paths.
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


def _typed(name: str, file_format: Format, currency: str) -> str:
    column = f"rows.{name}"
    if file_format == "csv":
        return column
    if name in _COUNTS:
        return f"{column}::BIGINT"
    if name in _SCORES:
        return f"{column}::TINYINT"
    if file_format == "parquet" and name in _MONEY:
        return f"{column}::DECIMAL(20, {MINOR_DIGITS[currency]})"
    if file_format == "parquet" and name in _TIMES:
        return f"{column}::TIMESTAMPTZ"
    return column


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
