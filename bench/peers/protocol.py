"""What a peer is told on its command line and what it says when it is done.

Standard library only: the peers run in environments of their own, without this project's packages.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Tally = list[Any]
"""A customer's order count, sum in cents, and latest `occurred_at` (RFC 3339 in UTC, as sent)."""


@dataclass(slots=True)
class Task:
    """One run: read `topic` from its start as `group`, stop after `events` records."""

    bootstrap: str
    topic: str
    partitions: int
    events: int
    group: str
    state_dir: Path
    watched: frozenset[str]


def parse_task() -> Task:
    """Read the task from the command line; `--watch` names a file with a customer id a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--watch", type=Path, required=True)
    options = vars(parser.parse_args())
    watched = frozenset(options.pop("watch").read_text().split())
    return Task(**options, watched=watched)


def fold(tally: Tally | None, order: dict[str, Any]) -> Tally:
    """Count one order. Totals are sent with two digits, so cents are the digits without the dot."""
    cents = int(order["total"].replace(".", ""))
    at = order["occurred_at"]
    if tally is None:
        return [1, cents, at]
    return [tally[0] + 1, tally[1] + cents, max(tally[2], at)]


@dataclass(slots=True)
class Progress:
    """Times a peer from its first record to its last, and keeps the watched customers' results."""

    task: Task
    done: int = 0
    customers: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    results: dict[str, Tally] = field(default_factory=dict)

    def begin(self) -> None:
        """Call at the start of each record's processing; only the first one counts."""
        if not self.done:
            self.first_s = time.perf_counter()

    def note(self, customer: str, tally: Tally) -> bool:
        """Call with the new state of a customer; True when the last record is done."""
        self.done += 1
        self.customers += tally[0] == 1
        if customer in self.task.watched:
            self.results[customer] = tally
        if self.done < self.task.events:
            return False
        self.last_s = time.perf_counter()
        return True

    def report(self, peer: str, settings: dict[str, Any]) -> None:
        """Print the one line of JSON that the runner reads. Call after the last commit."""
        stopped_s = time.perf_counter()
        seconds = self.last_s - self.first_s
        line = {
            "peer": peer,
            "events": self.done,
            "seconds": round(seconds, 3),
            "events_per_s": round(self.done / seconds, 1),
            "seconds_with_stop": round(stopped_s - self.first_s, 3),
            "settings": settings,
            "customers": self.customers,
            "watched": self.results,
        }
        # The real standard output, whatever the peer has put in its place (Faust does), and a line
        # of its own, whatever the peer has written before (Faust hides the cursor).
        sys.__stdout__.write("\n" + json.dumps(line) + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]
