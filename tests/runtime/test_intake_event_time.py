"""The event clock's order and time, on plain values."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec.journal import decode_input
from streams.codec.rates import Rates
from streams.core.inputs import Input, OrderPlaced, Tick
from streams.errors import BrokenInvariant
from streams.intake.conversion import JOURNAL, Converter, Work
from streams.intake.event_clock import EVENT_CLOCK_STEP_MS, EventClock
from streams.intake.ports import Position, Source, SourceRecord, SourcesPolled
from streams.intake.reading import Limits

NOW_MS = 1_790_000_000_000
START = datetime(2026, 3, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
CONVERTER = Converter(limits=Limits(), rates=Rates("EUR", {}), version="test")
SOURCES: list[Source] = [("shop.orders", 0), ("shop.orders", 1), ("shop.orders", 2)]
Logs = dict[Source, list[bytes]]


def instant(second: float) -> str:
    """RFC 3339 of a second after the start."""
    return (START + timedelta(seconds=second)).isoformat()


def order(second: float, name: str = "") -> bytes:
    """An order at a second after the start, called after it."""
    return json.dumps(
        {
            "event_id": f"{name}{second:g}",
            "type": "order.placed",
            "customer_id": "C",
            "occurred_at": instant(second),
            "order_id": f"{name}{second:g}",
            "currency": "EUR",
            "total": 1,
        }
    ).encode()


def mark(second: float) -> bytes:
    """A time mark."""
    return json.dumps({"type": "time.mark", "event_id": "m", "until": instant(second)}).encode()


class Life:
    """An event clock on logs in memory: fed as asked, and restarted from what was committed."""

    def __init__(self, logs: Logs, partitions: int = 1) -> None:
        self.logs = logs
        self.positions: dict[Source, Position] = {source: Position(None) for source in logs}
        self.outgoing: list[tuple[str, int | None, bytes | None]] = []
        self.partitions = partitions
        self.restart()

    def restart(self) -> None:
        """Forget everything that is not committed."""
        self.clock = EventClock(CONVERTER, self.partitions)
        for source, position in self.positions.items():
            self.clock.restart(source, position)
        self.fetched = {source: where.offset or 0 for source, where in self.positions.items()}

    def poll(self, source: Source, records: int) -> SourcesPolled:
        """The next records of one source."""
        first = self.fetched[source]
        values = self.logs[source][first : first + records]
        self.fetched[source] += len(values)
        polled = SourcesPolled()
        if values:
            polled.records[source] = [
                SourceRecord(first + index, None, value, None) for index, value in enumerate(values)
            ]
        if self.fetched[source] == len(self.logs[source]):
            polled.at_end.add(source)
        return polled

    def cycle(self, polled: SourcesPolled, max_records: int = 1000) -> Work | None:
        """Feed, and take and commit if there is work."""
        if not self.clock.feed(polled):
            return None
        work = self.clock.take(NOW_MS, max_records)
        self.outgoing += [(one.topic, one.partition, one.value) for one in work.outgoing]
        self.positions.update(work.positions)
        return work

    def finish(self) -> "Life":
        """Read everything."""
        for source in self.logs:
            self.cycle(self.poll(source, 1_000_000))
        while self.cycle(SourcesPolled()) is not None:
            pass
        return self

    def journal(self) -> list[Input]:
        """What was published to the journal."""
        return [decode_input(value or b"") for topic, _, value in self.outgoing if topic == JOURNAL]


def told(journal: Sequence[Input]) -> list[tuple[str, float]]:
    """Names of events and "tick", each with its journal time in seconds after the start."""
    return [
        (
            entry.event_id if isinstance(entry, OrderPlaced) else "tick",
            (entry.received_at_ms - START_MS) / 1000,
        )
        for entry in journal
    ]


def test_sources_are_merged_by_time_and_time_is_the_least_of_them() -> None:
    logs = {SOURCES[0]: [order(10), order(200)], SOURCES[1]: [order(100)], SOURCES[2]: []}
    assert told(Life(logs).finish().journal()) == [
        ("tick", 10.0),
        ("10", 10.0),
        ("tick", 100.0),
        ("100", 100.0),
        # The second source stands at 100 and holds time back there.
        ("200", 100.0),
    ]


def test_marks_release_time_up_to_exactly_their_instant_on_every_partition() -> None:
    logs = {
        SOURCES[0]: [order(10), order(200), mark(5000)],
        SOURCES[1]: [order(100), mark(5000)],
        SOURCES[2]: [mark(5000)],
    }
    life = Life(logs, partitions=3).finish()
    assert told(life.journal())[-4:] == [("200", 200.0), *[("tick", 5000.0)] * 3]
    assert [partition for _, partition, _ in life.outgoing[-3:]] == [0, 1, 2]
    assert all(entry.continuous for entry in life.journal() if isinstance(entry, Tick))
    assert life.clock.journal_ms == START_MS + 5_000_000


def test_nothing_is_taken_while_the_next_record_of_a_source_is_unknown() -> None:
    life = Life({SOURCES[0]: [order(10), order(20)], SOURCES[1]: [order(5), order(15)]})
    assert life.cycle(life.poll(SOURCES[0], 2)) is None
    assert life.clock.is_waiting
    work = life.cycle(life.poll(SOURCES[1], 1))
    assert work is not None
    assert work.taken == 1
    assert life.clock.is_waiting
    life.finish()
    assert [name for name, _ in told(life.journal()) if name != "tick"] == ["5", "10", "15", "20"]


def test_late_records_neither_turn_time_back_nor_wait() -> None:
    logs = {SOURCES[0]: [order(100), order(40), order(130)], SOURCES[1]: [order(110), mark(130)]}
    assert told(Life(logs).finish().journal()) == [
        ("tick", 100.0),
        ("100", 100.0),
        ("40", 100.0),
        ("110", 110.0),
        ("130", 130.0),
        ("tick", 130.0),
    ]


def test_refused_records_go_at_once_and_say_nothing_about_time() -> None:
    logs = {SOURCES[0]: [b"{", order(50)], SOURCES[1]: [b"[", b"]"], SOURCES[2]: [order(10)]}
    life = Life(logs)
    life.finish()
    assert [topic for topic, _, _ in life.outgoing[:3]] == ["dead-letters"] * 3
    # The second source never held an event: it holds nothing back.
    assert ("50", 10.0) in told(life.journal())


def test_time_never_goes_back_for_a_source_that_starts_late_even_after_a_restart() -> None:
    life = Life({SOURCES[0]: [order(1000)], SOURCES[1]: []}).finish()
    life.logs[SOURCES[1]] += [order(10), order(30)]
    life.restart()
    life.finish()
    assert told(life.journal())[-2:] == [("10", 1000.0), ("30", 1000.0)]


def test_a_source_that_runs_ahead_is_read_no_further_until_it_is_needed() -> None:
    many = [order(second) for second in range(6000)]
    life = Life({SOURCES[0]: many, SOURCES[1]: [mark(7000)]})
    life.cycle(life.poll(SOURCES[0], 5500))
    assert life.clock.flow() == ([SOURCES[0]], [])
    assert life.clock.flow() == ([], [])
    life.cycle(life.poll(SOURCES[1], 1), max_records=4000)
    assert life.clock.flow() == ([], [])
    life.cycle(SourcesPolled(), max_records=1000)
    assert life.clock.flow() == ([], [(SOURCES[0], 5500)])
    life.finish()
    assert [entry.event_id for entry in life.journal() if isinstance(entry, OrderPlaced)] == [
        f"{second}" for second in range(6000)
    ]


def test_a_note_of_another_release_stops_intake() -> None:
    clock = EventClock(CONVERTER, 1)
    with pytest.raises(BrokenInvariant, match="newer release"):
        clock.restart(SOURCES[0], Position(3, "version2:abc"))


entries = st.one_of(
    st.integers(0, 1000).map(lambda second: order(second, "n")),
    st.integers(0, 1000).map(mark),
    st.just(b"{"),
)
logs_of_all = st.fixed_dictionaries({source: st.lists(entries, max_size=12) for source in SOURCES})
slices = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.integers(0, 5), st.integers(1, 4), st.booleans()),
    max_size=40,
)


@given(logs_of_all, slices)
def test_what_is_journaled_does_not_depend_on_batches_and_restarts(
    logs: Logs, schedule: list[tuple[Source, int, int, bool]]
) -> None:
    whole, sliced = Life(logs, partitions=2).finish(), Life(logs, partitions=2)
    for source, records, max_records, dies in schedule:
        sliced.cycle(sliced.poll(source, records), max_records)
        if dies:
            sliced.restart()
    sliced.finish()
    assert sliced.outgoing == whole.outgoing
    assert {where.offset or 0 for where in sliced.positions.values()} == {
        len(log) for log in logs.values()
    }
    times = [entry.received_at_ms for entry in whole.journal()]
    assert times == sorted(times)
    ticks = [entry.received_at_ms for entry in whole.journal() if isinstance(entry, Tick)][::2]
    assert all(b - a >= EVENT_CLOCK_STEP_MS for a, b in pairwise(ticks[:-1]))
