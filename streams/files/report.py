"""What became of the rows of a source."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class ReadReport:
    """Counts of one reading; complete once the events have been read to their end.

    `row_count` is the rows of the files, `left_out` the rows (not events) without an event, by
    reason; `events` the events so far by type ("unknown" for lines without a known type).
    """

    row_count: int = 0
    events: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
