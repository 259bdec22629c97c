"""Runs of campaigns counted by campaign, segment and arm, out of the outcomes that were told."""

import csv
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, Self

import duckdb

from streams.errors import UsageError
from streams.insights.outcomes import FINAL, Outcome, foreign_record
from streams.insights.uplift import Arm

# Enough to sort a few million runs; above it DuckDB spills into a private folder.
_MEMORY_LIMIT: Final = "512MB"
# Each thread of DuckDB wants buffers of its own out of that.
_THREADS: Final = 2


class Figures(NamedTuple):
    """One segment of a campaign, or all of it.

    `segment` is the segment of scheme rfm at the first action, None outside of all; where `is_all`,
    it is None and means nothing.
    """

    campaign: str
    is_all: bool
    segment: str | None
    sent: Arm
    controls: Arm


class OutcomeTable:
    """Counts runs, each once, whatever its messages' number and order; a context manager.

    They may be more than fit into memory. A run is known by customer, campaign and its instants. Two
    runs of one customer can share all of these (two carts whose reminders were held back until the
    same morning), so of each such place as many runs count as it has ids of one stage, final ones
    first. With `stage` final preliminary messages are passed over, with `since_ms` runs whose first
    action was earlier.
    """

    def __init__(self, *, campaign: str | None, since_ms: int | None, stage: str) -> None:
        self._campaign = campaign
        self._since_ms = since_ms
        self._final_only = stage == FINAL
        # Both are few: campaigns stand in files, and a shop has one base currency.
        self.campaigns: set[str] = set()
        self.currencies: set[str] = set()
        self.taken = 0
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        folder = self._closing.enter_context(TemporaryDirectory(prefix="rfm-outcomes-"))
        self._folder = Path(folder)
        self._path = self._folder / "told.csv"
        self._file = self._closing.enter_context(self._path.open("w", encoding="utf-8", newline=""))
        self._writer = csv.writer(self._file, lineterminator="\n")
        return self

    def __exit__(self, *_: object) -> None:
        # A full disk was told when it was met, and closing the file would meet it again.
        with suppress(OSError):
            self._closing.close()

    def take(self, outcome: Outcome) -> None:
        """Take one message; of those with one id the latest counts."""
        self.campaigns.add(outcome.campaign)
        if self._campaign not in (None, outcome.campaign):
            return
        if self._final_only and outcome.stage != FINAL:
            return
        try:
            first_ms, until_ms = outcome.first_action_at_ms, outcome.counted_until_ms
            if self._since_ms is not None and first_ms < self._since_ms:
                return
            net_minor = outcome.net_minor
        except (ValueError, KeyError) as error:
            raise foreign_record(error) from error
        self.currencies.add(outcome.currency)
        self.taken += 1
        self._write(
            self.taken,
            outcome.event_id,
            outcome.campaign,
            outcome.customer_id,
            first_ms,
            until_ms,
            int(outcome.stage == FINAL),
            outcome.segment,
            int(outcome.control_group),
            int(outcome.orders > 0),
            net_minor,
            int(outcome.opened),
            int(outcome.clicked),
            int(outcome.unsubscribed),
        )

    def _write(self, *cells: str | int | None) -> None:
        try:
            self._writer.writerow(cells)
        except OSError as error:
            raise _stopped(error) from error

    def figures(self) -> Iterator[Figures]:
        """By campaign: all of it first, then its segments by name, outside of all last."""
        try:
            self._file.flush()
        except OSError as error:
            raise _stopped(error) from error
        arms: dict[tuple[str, bool, str | None], dict[bool, Arm]] = {}
        for campaign, is_all, segment, is_control, *sums in self._sums():
            found = arms.setdefault((campaign, is_all, segment), {})
            found[is_control] = Arm(*map(int, sums))
        for (campaign, is_all, segment), found in arms.items():
            sent, controls = found.get(False, Arm()), found.get(True, Arm())
            yield Figures(campaign, is_all, segment, sent, controls)

    def _sums(self) -> list[tuple[Any, ...]]:
        limits: dict[str, Any] = {
            "memory_limit": _MEMORY_LIMIT,
            "threads": _THREADS,
            "temp_directory": str(self._folder / "spill"),
        }
        try:
            with duckdb.connect(config=limits) as connection:
                return connection.execute(_SUMS, [str(self._path)]).fetchall()
        except duckdb.Error as error:
            raise _stopped(error) from error


def _stopped(error: Exception) -> UsageError:
    return UsageError(
        f"counting stopped: {str(error).splitlines()[0]}; free memory or disk space in the temporary "
        "folder (TMPDIR), or take fewer runs with --since"
    )


_COLUMNS: Final = {
    "taken": "BIGINT",
    "event_id": "VARCHAR",
    "campaign": "VARCHAR",
    "customer_id": "VARCHAR",
    "first_ms": "BIGINT",
    "until_ms": "BIGINT",
    "is_final": "BOOLEAN",
    "segment": "VARCHAR",
    "is_control": "BOOLEAN",
    "converted": "BOOLEAN",
    "net_minor": "BIGINT",
    "opened": "BOOLEAN",
    "clicked": "BOOLEAN",
    "unsubscribed": "BOOLEAN",
}
_TOLD: Final = (
    "read_csv(?, header = false, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
    f"nullstr = '', columns = {{{', '.join(f'{name}: {kind!r}' for name, kind in _COLUMNS.items())}}})"
)
# One sort serves all windows. Sums are of whole numbers: those of floating ones depend on threads.
_SUMS: Final = f"""
WITH told AS (
    SELECT *, lag(event_id) OVER run IS DISTINCT FROM event_id AS is_new
    FROM {_TOLD}
    WINDOW run AS (
        PARTITION BY campaign, customer_id, first_ms, until_ms
        ORDER BY is_final DESC, event_id, taken DESC
    )
), once AS (
    SELECT *, row_number() OVER run AS number,
        greatest(count_if(is_final) OVER runs, count_if(NOT is_final) OVER runs) AS run_count
    FROM told
    WHERE is_new
    WINDOW
        runs AS (PARTITION BY campaign, customer_id, first_ms, until_ms),
        run AS (
            PARTITION BY campaign, customer_id, first_ms, until_ms
            ORDER BY is_final DESC, event_id
        )
), runs AS (
    SELECT * FROM once WHERE number <= run_count
), customers AS (
    SELECT
        campaign, grouping(segment) = 1 AS is_all, segment, is_control,
        count(*)::HUGEINT AS r,
        count_if(converted)::HUGEINT AS c,
        sum(net_minor) AS y,
        count_if(is_final) AS final,
        count_if(opened) AS opened,
        count_if(clicked) AS clicked,
        count_if(unsubscribed) AS unsubscribed
    FROM runs
    GROUP BY GROUPING SETS (
        (campaign, segment, is_control, customer_id), (campaign, is_control, customer_id)
    )
)
SELECT
    campaign, is_all, segment, is_control,
    count(*), count_if(c > 0), sum(r), sum(final), sum(c), sum(opened), sum(clicked),
    sum(unsubscribed), sum(y), sum(r * r), sum(r * c), sum(c * c), sum(y * y)
FROM customers
GROUP BY ALL
ORDER BY campaign, is_all DESC, segment NULLS LAST, is_control
"""  # noqa: S608 - columns of this file
