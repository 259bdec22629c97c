"""Intake under the event clock, on a real broker: restarts, marks, and one worker only."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from streams.adapters.kafka.intake_log import PUBLIC_TOPICS, KafkaIntakeLog
from streams.adapters.system_clock import SystemClock
from streams.core.inputs import CustomerEvent, Tick
from streams.errors import BrokenInvariant, Fenced
from streams.intake.build import EVENT_INSTANCE, build_converter
from streams.intake.cycle import IntakeCycle, IntakeSettings, Step
from streams.intake.event_clock import EventClock
from tests.integration.intake_rig import Recorder, Rig, order, run_dry, run_until

START = datetime(2026, 3, 1, tzinfo=UTC)
ORDERS = 400
PARTITIONS = 2
SOURCES = PARTITIONS * len(PUBLIC_TOPICS)


def instant(minute: float) -> str:
    """RFC 3339 of a minute after the start."""
    return (START + timedelta(minutes=minute)).isoformat()


def to_ms(minute: float) -> int:
    """Milliseconds since 1970 of a minute after the start."""
    return int((START + timedelta(minutes=minute)).timestamp() * 1000)


def mark(minute: float) -> bytes:
    """A time mark."""
    return json.dumps({"type": "time.mark", "event_id": "m", "until": instant(minute)}).encode()


def publish_history(rig: Rig, minutes: list[int], until: int) -> None:
    """An order at each of the minutes, in partitions of very different pace, and a mark in all."""
    for number, minute in enumerate(minutes):
        partition = 0 if number % 10 else 1
        rig.publish("shop.orders", order(number, occurred_at=instant(minute)), partition=partition)
    for topic in PUBLIC_TOPICS:
        for partition in range(PARTITIONS):
            rig.publish(topic, mark(until), partition=partition)
    rig.flush()


def fetch_journal(rig: Rig) -> list[list[bytes | None]]:
    """Values of the journal by partition."""
    values: list[list[bytes | None]] = [[] for _ in range(PARTITIONS)]
    for letter in rig.fetch("rfm.journal"):
        values[letter.partition].append(letter.value)
    return values


class CrashError(Exception):
    """The worker died here."""


def test_a_history_gives_the_same_journal_however_its_batches_fall_and_workers_die(
    kafka: str, namespace: str
) -> None:
    minutes = sorted(random.Random(7).choices(range(20_000), k=ORDERS))
    whole = Rig(kafka, f"{namespace}w", clock="event", partitions=PARTITIONS)
    publish_history(whole, minutes, until=30_000)
    with whole.intake() as (intake, measures):
        run_dry(intake, ORDERS + SOURCES)
    assert measures.reasons == []
    assert measures.ages_s == []

    broken = Rig(kafka, f"{namespace}b", clock="event", partitions=PARTITIONS, max_batch_records=17)
    publish_history(broken, minutes, until=30_000)

    def crashes() -> Iterator[Step]:
        yield from (Step.POSITIONS, Step.COMMIT, Step.READ, Step.PUBLISH)

    for step in crashes():
        left = iter(range(4))

        def observe(reached: Step, step: Step = step, left: Iterator[int] = left) -> None:
            if reached is step and next(left, None) is None:
                raise CrashError

        with broken.intake(observe=observe) as (intake, _), pytest.raises(CrashError):
            run_until(intake, lambda: False, f"it crashed at {step}")
    with broken.intake() as (intake, measures):
        run_until(
            intake,
            lambda: measures.has_read_all(SOURCES),
            "everything was read",
        )
        for _ in range(20):
            intake.cycle.run_once()
    assert fetch_journal(broken) == fetch_journal(whole)

    by_name = {f"e-{number}": minute for number, minute in enumerate(minutes)}
    events = [entry for entry in whole.journal() if isinstance(entry, CustomerEvent)]
    assert len(events) == ORDERS
    # Everything was published before: each record comes at its own time.
    assert all(entry.received_at_ms == to_ms(by_name[entry.event_id]) for entry in events)
    for values in fetch_journal(whole):
        assert values
    ends = [
        entry
        for entry in whole.journal()
        if isinstance(entry, Tick) and entry.received_at_ms == to_ms(30_000)
    ]
    assert ends == [Tick(received_at_ms=to_ms(30_000), continuous=True)] * PARTITIONS


def test_time_stands_still_until_a_mark_releases_it(kafka: str, namespace: str) -> None:
    rig = Rig(kafka, namespace, clock="event", partitions=PARTITIONS)
    rig.publish("shop.orders", order(1, occurred_at=instant(10)), partition=0)
    rig.publish("shop.orders", order(2, occurred_at=instant(20)), partition=1)
    rig.flush()
    with rig.intake() as (intake, _):
        run_dry(intake, 2)
    rig.publish("shop.orders", order(3, occurred_at=instant(50)), partition=1)
    rig.flush()
    with rig.intake() as (intake, _):  # the watermarks come back from the committed positions
        run_dry(intake, 1)
        assert max(entry.received_at_ms for entry in rig.journal()) == to_ms(10)
        rig.publish("shop.orders", mark(40), partition=0)
        rig.flush()
        run_dry(intake, 1)
    assert {entry.event_id: entry.received_at_ms for entry in rig.events()} == {
        "e-1": to_ms(10),
        "e-2": to_ms(10),
        "e-3": to_ms(10),
    }
    assert max(entry.received_at_ms for entry in rig.journal()) == to_ms(40)


def test_the_newest_worker_fences_the_one_before_whatever_their_names(
    kafka: str, namespace: str
) -> None:
    rig = Rig(kafka, namespace, clock="event", partitions=PARTITIONS)
    with rig.intake("a") as (old, _):
        run_until(old, lambda: old.cycle.is_ready, "the old worker was ready")
        with rig.intake("b") as (new, _):
            publish_history(rig, [1, 2, 3], until=4)
            run_dry(new, 3 + SOURCES)
            with pytest.raises(Fenced):
                run_until(old, lambda: False, "the old worker was fenced")


def test_a_worker_that_does_not_get_everything_stops_and_has_done_nothing(
    kafka: str, namespace: str
) -> None:
    wall = Rig(kafka, namespace, partitions=PARTITIONS)
    event = Rig(kafka, namespace, clock="event", partitions=PARTITIONS)
    with wall.intake("a") as (other, _):
        run_until(other, lambda: len(other.cycle.owned) == SOURCES, "the other one owned all")
        # Not before: a member that joins and does not poll holds up the others' rebalance.
        log = KafkaIntakeLog(event.settings.kafka_config(), event.names, EVENT_INSTANCE)
        cycle = IntakeCycle(
            log,
            EventClock(build_converter(event.settings), PARTITIONS),
            SystemClock(),
            Recorder(),
            IntakeSettings(max_clock_difference_s=None, await_sources_s=4.0),
        )

        def shared() -> bool:
            other.cycle.run_once()
            assert cycle.run_once() == 0
            return False

        with pytest.raises(BrokenInvariant, match="one intake worker reads everything"):
            run_until(other, shared, "it stopped")
    log.close()
    assert event.journal() == []
