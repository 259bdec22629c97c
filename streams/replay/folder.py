"""The folder that a replay writes: outputs as they come, customers and a summary at the end."""

import base64
import json
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from streams.adapters.memory.log import Published
from streams.codec.outputs import ACTIONS, OUTCOMES, SEGMENT_CHANGES
from streams.codec.text import format_instant
from streams.errors import UsageError
from streams.insights.customers import customer_row, further_schemes
from streams.insights.customers_file import CustomersFile
from streams.replay.replay import DeadLetter, Replay

CUSTOMERS = "customers.csv"
DEAD_LETTERS = "dead_letters.jsonl"
SUMMARY = "summary.json"
_OUTPUT_FILES = {
    SEGMENT_CHANGES: "segment_changes.jsonl",
    ACTIONS: "actions.jsonl",
    OUTCOMES: "outcomes.jsonl",
}


class ReplayFolder:
    """Opens the files of one replay; use it as a context."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._files: dict[str, IO[bytes]] = {
                name: (folder / name).open("wb") for name in (*_OUTPUT_FILES.values(), DEAD_LETTERS)
            }
        except OSError as error:
            raise UsageError(f"--out {folder}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()

    def deliver(self, topic: str, record: Published) -> None:
        """Write one output as one line."""
        self._files[_OUTPUT_FILES[topic]].write(record.value + b"\n")

    def refuse(self, letter: DeadLetter) -> None:
        """Write one dead letter; a value that is no text in base64."""
        try:
            shown: dict[str, str] = {"value": letter.value.decode()}
        except UnicodeDecodeError:
            shown = {"value_base64": base64.b64encode(letter.value).decode()}
        line = {
            "topic": letter.topic,
            "reason": letter.reason,
            "field": letter.field,
            "message": letter.message,
            **shown,
        }
        self._files[DEAD_LETTERS].write(json.dumps(line).encode() + b"\n")

    def save_results(self, replay: Replay, read: dict[str, Any]) -> int:
        """Write customers and summary as of the replay's time; returns the number of customers."""
        segments: dict[str, int] = {}
        with CustomersFile(further_schemes(replay.rules)) as customers:
            for state in replay.states():
                row = customer_row(state, replay.rules, replay.time_ms)
                if row is None:
                    continue
                customers.add(row)
                segment = row.rfm_segment or "none"
                segments[segment] = segments.get(segment, 0) + 1
            customers.save(self.path / CUSTOMERS, "csv", replay.rules.base_currency)
            count = customers.row_count
        summary = {
            "at": format_instant(replay.time_ms),
            "customers": count,
            "segments": dict(sorted(segments.items())),
            "events": dict(sorted(replay.counts.events.items())),
            "dead_letters": dict(sorted(replay.counts.dead_letters.items())),
            "outputs": dict(sorted(replay.counts.outputs.items())),
            "read": read,
        }
        (self.path / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        return count
