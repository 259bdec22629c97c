"""What a back-test was told, as tables: actions, what was held back or called off, orders.

Rows go to files of a private folder first and then into DuckDB, which works on disk where they
exceed its memory: a large shop's year is tens of millions of rows.
"""

import csv
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import duckdb

# Some ten million actions; beyond this DuckDB works on disk.
_MEMORY = "512MB"


class Action(NamedTuple):
    """An action that would have been asked for; of a control nothing would have been sent.

    Instants are milliseconds since 1970. `set_no` is the place of the rule set, from 0.
    """

    set_no: int
    action_id: str
    customer_id: str
    campaign: str
    step: str
    decided_ms: int
    due_ms: int
    template: str
    voucher: str
    is_control: bool


class Suppression(NamedTuple):
    """An action that a rule held back."""

    set_no: int
    event_id: str
    customer_id: str
    campaign: str
    step: str
    reason: str
    detail: str
    decided_ms: int


class Cancellation(NamedTuple):
    """An action that was called off before it had to be carried out."""

    set_no: int
    action_id: str
    reason: str
    decided_ms: int


class Purchase(NamedTuple):
    """An order that counts, and what is left of it after returns, in minor units."""

    customer_id: str
    number: int
    at_ms: int
    net_minor: int


class Merger(NamedTuple):
    """A customer whose later history is another's."""

    customer_id: str
    became: str


_TABLES: dict[str, type[tuple[Any, ...]]] = {
    "actions": Action,
    "suppressions": Suppression,
    "cancellations": Cancellation,
    "purchases": Purchase,
    "mergers": Merger,
}
_NAMES = {kind: name for name, kind in _TABLES.items()}
_SQL_TYPES: dict[object, str] = {int: "BIGINT", str: "VARCHAR", bool: "BOOLEAN"}
Row = Action | Suppression | Cancellation | Purchase | Merger


class Ledger:
    """Takes rows in any order; `load` makes them tables. Use it as a context."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rfm-backtest-"))
        self._files: dict[str, IO[str]] = {
            name: (self._folder / f"{name}.csv").open("w", encoding="utf-8", newline="")
            for name in _TABLES
        }
        self._writers = {
            kind: csv.writer(self._files[name], lineterminator="\n")
            for kind, name in _NAMES.items()
        }
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            self._connection.close()
        for file in self._files.values():
            file.close()
        shutil.rmtree(self._folder)

    def add(self, row: Row) -> None:
        """Take one row."""
        self._writers[type(row)].writerow(row)

    def add_all(self, rows: Iterable[Row]) -> None:
        """Take many."""
        for row in rows:
            self.add(row)

    def load(self) -> duckdb.DuckDBPyConnection:
        """The tables, once everything is in them."""
        connection = self._connection = duckdb.connect(str(self._folder / "ledger.duckdb"))
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        for name, kind in _TABLES.items():
            self._files[name].close()
            columns = ", ".join(
                f"'{field}': '{_SQL_TYPES[type_]}'" for field, type_ in kind.__annotations__.items()
            )
            path = str(self._folder / f"{name}.csv").replace("'", "''")
            # Names and types are those above; the path is one that this program made.
            connection.execute(
                f"CREATE TABLE {name} AS SELECT * FROM read_csv('{path}', header = false, "  # noqa: S608
                "auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
                f"nullstr = '\\N', columns = {{{columns}}})"
            )
        return connection
