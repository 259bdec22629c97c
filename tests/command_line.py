"""Runs command lines of `rfm-streams` in this process, and the decider that some of them need."""

import io
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest

from streams.bootstrap import Decider, build_decider, names_of
from streams.cli.main import run
from streams.insights.topic_reader import TopicReader
from streams.runtime.measures import NO_POSITIONS, NoMeasures
from streams.settings import Settings

DEADLINE_S = 60.0


class Ran(NamedTuple):
    """Exit code, standard output and standard error."""

    code: int
    out: str
    err: str


def run_command(environment: Mapping[str, str], *arguments: str) -> Ran:
    """Run one command line under `RFM_*` variables of its own."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environment.items():
            patch.setenv(name, value)
        code = run(list(arguments))
    texts = []
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
        texts.append(stream.read())
    return Ran(code, texts[0], texts[1])


class Unmeasured(NoMeasures):
    """`Measures` of a decider that nobody watches; why a batch was dropped is kept."""

    def __init__(self) -> None:
        self.aborts: list[str] = []

    def aborted(self, reason: str, positions: Mapping[str, int] = NO_POSITIONS) -> None:
        """Keep the reason for the failure's message."""
        self.aborts.append(reason)


def decide_all(settings: Settings, instance: str = "test") -> None:
    """Decide everything that the journal holds, what deciding adds to it included, then stop."""
    reader = TopicReader(settings.kafka_config(), names_of(settings).topic("rfm.journal"))
    measures = Unmeasured()
    decider = build_decider(settings, instance, measures)
    try:
        deadline_s = time.monotonic() + DEADLINE_S
        ends: dict[int, int] = {}
        while (found := _ends(reader, settings)) != ends:
            ends = found
            while not _is_done(decider, ends):
                decider.cycle.run_once()
                if time.monotonic() > deadline_s:
                    pytest.fail(
                        f"not decided within {DEADLINE_S:g} s; aborted: {measures.aborts[-3:]}"
                    )
    finally:
        decider.close()
        reader.close()


def _ends(reader: TopicReader, settings: Settings) -> dict[int, int]:
    return {number: reader.bounds(number).end for number in range(settings.partitions)}


def _is_done(decider: Decider, ends: dict[int, int]) -> bool:
    partitions = decider.cycle.partitions
    return (
        len(partitions) == len(ends)
        and decider.cycle.is_ready
        # The last offsets may be control records, which no position ever passes by itself.
        and all(partitions[number].journal_offset >= end - 1 for number, end in ends.items())
        and all(partitions[number].at_end for number in ends)
        and all(one.swept == one.standing for one in partitions.values())
        and all(one.survey_due_ms is None for one in partitions.values())
    )
