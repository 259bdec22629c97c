"""Limits that move with the customer base: counted, told, decided by, and swept, exactly once."""

import json
from collections import Counter
from functools import cache
from typing import Any, TypeVar

import msgspec
import pytest

from streams.adapters.memory import MemoryLog
from streams.codec.journal import KINDS, decode_input
from streams.codec.partition import decode_partition
from streams.codec.state import decode_head
from streams.core.inputs import (
    CensusTaken,
    ConsentChanged,
    CustomerEvent,
    Input,
    OrderCancelled,
    RulesApplied,
    SnapshotTaken,
    Sweep,
    Tick,
)
from streams.errors import Fenced
from streams.rules.files import rules_text
from streams.runtime.steps import Step
from streams.settings import Settings
from tests.core.campaign_docs import NO_LIMITS, campaign, enters, step
from tests.core.story import DAY, T0
from tests.runtime.journals import order
from tests.runtime.test_crashes import BATCH, FATES, Killed, killer
from tests.runtime.world import World

Kind = TypeVar("Kind", bound=Input)
PARTITIONS = 2
CHANGES = "segment-changes"
MOST = 1_000
SHOPPERS = [[f"C-{number}-{index}" for index in range(6)] for number in range(PARTITIONS)]


@cache
def rules(schemes: str = "rfm,loyalty", **changes: Any) -> str:
    """Rules whose limits rest on the smallest of shops from its first day on."""
    settings = Settings.model_construct(
        schemes=schemes,
        population_minimum_customers=1,
        population_minimum_history_days=0,
        consent_unknown={"email": "allow"},
        **changes,
    )
    return rules_text(settings)


def ordering(number: int, day: float, *counts: int, start: int) -> list[CustomerEvent]:
    """So many orders of each shopper of a partition at one instant."""
    found: list[CustomerEvent] = []
    for customer_id, count in zip(SHOPPERS[number], counts, strict=True):
        for _ in range(count):
            at_ms = T0 + int(day * DAY)
            found.append(order(start + len(found) + 1_000 * number, customer_id, at_ms))
    return found


def quiet_base(number: int) -> list[Input]:
    """Half of the shoppers buy once, the others twice; the loyal ones are above no mean."""
    return [
        RulesApplied(received_at_ms=T0, version=1, rules=rules()),
        *ordering(number, 0.1, 1, 1, 1, 2, 2, 3, start=0),
        Tick(received_at_ms=T0 + DAY, continuous=True),
    ]


def grown_world() -> World:
    """A world in which the base grew busier on the second day, and a third has begun."""
    world = World(PARTITIONS)
    for number in range(PARTITIONS):
        world.journal(quiet_base(number), number)
    world.worker().run_to_end()
    for number in range(PARTITIONS):
        world.journal(
            [
                *ordering(number, 1.5, 0, 0, 0, 6, 6, 0, start=100),
                Tick(received_at_ms=T0 + 2 * DAY, continuous=True),
            ],
            number,
        )
    return world


def journaled(world: World, kind: type[Kind], partition: int = 0) -> list[Kind]:
    journal = world.broker.journal[partition]
    records = [decode_input(one.value or b"") for one in journal.read(0, journal.end)]
    return [one for one in records if isinstance(one, kind)]


def changes_by(world: World, cause: str) -> Counter[tuple[str, str | None, str | None]]:
    said = [msgspec.json.decode(one.value) for one in world.broker.outputs[CHANGES]]
    return Counter(
        (one["scheme"], one["previous"], one["current"])
        for one in said
        if one["cause"]["kind"] == cause
    )


def test_the_base_grows_busier_and_customers_change_group_without_doing_anything() -> None:
    """The example of the source: three orders make a Frequent Buyer in March, four in November."""
    # given a base in which three orders are above the mean of those who came back
    world = grown_world()
    # when others buy more and more, and the next day is counted
    world.worker().run_to_end()
    # then who has three is no Frequent Buyer any more, by the population alone
    moved = changes_by(world, "population")
    assert moved["loyalty", "Frequent Buyer", "Loyal Customer"] == PARTITIONS
    # and nobody is written to for that
    actions = world.broker.outputs.get("marketing.actions", [])
    assert [one for one in actions if b'"population"' in one.value] == []
    for partition in range(PARTITIONS):
        numbers = [one.snapshot.number for one in journaled(world, SnapshotTaken, partition)]
        assert numbers == [1, 2], "every partition decides by the same snapshots"
    world.check()


def test_a_change_by_moved_limits_names_the_snapshot() -> None:
    world = grown_world()
    world.worker().run_to_end()
    said = [msgspec.json.decode(one.value) for one in world.broker.outputs[CHANGES]]
    [number] = {one["snapshot"] for one in said if one["cause"]["kind"] == "population"} - {1}
    assert number == 2
    assert {one["snapshot"] for one in said if one["scheme"] == "rfm"} == {None}


def test_an_entry_by_moved_limits_starts_no_campaign() -> None:
    """Given a campaign for entering a group; when limits move people into it; then nothing starts."""
    text = json.loads(rules())
    text["campaigns"] = [campaign("thanks", [enters("Loyal Customer", scheme="loyalty")], [step()])]
    text["policy"] |= NO_LIMITS
    world = World()
    world.journal(
        [
            RulesApplied(received_at_ms=T0, version=1, rules=json.dumps(text)),
            *ordering(0, 0.1, 1, 1, 1, 2, 2, 3, start=0),
            Tick(received_at_ms=T0 + DAY, continuous=True),
        ]
    )
    world.worker().run_to_end()
    by_event = requested(world)
    assert by_event == 3, "who buys a second time enters by an event"
    world.journal(
        [
            *ordering(0, 1.5, 0, 0, 0, 6, 6, 0, start=100),
            Tick(received_at_ms=T0 + 2 * DAY, continuous=True),
        ]
    )
    world.worker().run_to_end()
    assert changes_by(world, "population")["loyalty", "Frequent Buyer", "Loyal Customer"] == 1
    assert requested(world) == by_event


def requested(world: World) -> int:
    """How many actions were asked for."""
    said = [msgspec.json.decode(one.value) for one in world.broker.outputs["marketing.actions"]]
    return sum(one["type"] == "action.requested" for one in said)


def test_everybody_stands_under_the_new_limits_after_a_sweep() -> None:
    world = grown_world()
    world.worker().run_to_end()
    for partition in range(PARTITIONS):
        position = world.store.position(partition)
        assert position is not None
        record = decode_partition(position.partition_record or b"")
        assert record.swept_limits_number == record.limits_number > 0
        heads = [decode_head(value) for _, value in world.store.scan(partition)]
        assert {head.limits_number for head in heads} == {record.limits_number}


def test_limits_that_do_not_move_ask_for_no_sweep() -> None:
    world = grown_world()
    world.worker().run_to_end()
    swept = [len(journaled(world, Sweep, number)) for number in range(PARTITIONS)]
    for number in range(PARTITIONS):
        world.journal([Tick(received_at_ms=T0 + 3 * DAY, continuous=True)], number)
    world.worker().run_to_end()
    assert [one.snapshot.number for one in journaled(world, SnapshotTaken)] == [1, 2, 3]
    assert [len(journaled(world, Sweep, number)) for number in range(PARTITIONS)] == swept
    world.check()


def test_new_rules_are_swept_in_with_their_own_cause() -> None:
    world = grown_world()
    world.worker().run_to_end()
    text = rules("rfm,loyalty,lifecycle")
    for number in range(PARTITIONS):
        record = RulesApplied(received_at_ms=T0 + 2 * DAY, version=2, rules=text)
        world.journal([record], number)
    world.worker().run_to_end()
    moved = changes_by(world, "rules")
    assert {scheme for scheme, _, _ in moved} == {"lifecycle"}
    assert sum(moved.values()) == sum(map(len, SHOPPERS)), "everybody, though nobody did anything"
    world.check()


def test_a_partition_without_customers_holds_no_snapshot_back() -> None:
    world = World(PARTITIONS)
    world.journal(quiet_base(0), 0)
    world.journal([quiet_base(1)[0], Tick(received_at_ms=T0 + DAY)], 1)
    world.worker().run_to_end()
    [snapshot] = journaled(world, SnapshotTaken)
    assert snapshot.snapshot.customers == len(SHOPPERS[0])


def test_a_partition_that_has_not_got_there_holds_it_back() -> None:
    world = World(PARTITIONS)
    world.journal(quiet_base(0), 0)
    world.journal(quiet_base(1)[:-1], 1)
    world.worker().run_to_end()
    assert journaled(world, CensusTaken) != []
    assert journaled(world, SnapshotTaken) == []


@pytest.mark.parametrize("fate", FATES)
def test_killed_before_any_step_of_counting_telling_and_sweeping(fate: object) -> None:
    steps: list[Step] = []
    grown_world().worker(observe=steps.append, max_records=BATCH).run_to_end()
    undisturbed = grown_world()
    undisturbed.worker(max_records=BATCH).run_to_end()
    for at in range(len(steps)):
        world = grown_world()
        older = world.snapshot()
        with pytest.raises(Killed):
            world.worker(observe=killer(at), max_records=BATCH).run_to_end()
        assert callable(fate)
        fate(world, older)
        world.worker(max_records=BATCH).run_to_end()
        world.check()
        assert changes_by(world, "population") == changes_by(undisturbed, "population")
        assert [one.snapshot for one in journaled(world, SnapshotTaken)] == [
            one.snapshot for one in journaled(undisturbed, SnapshotTaken)
        ]


class Dying(MemoryLog):
    """A log whose owner stops right before it would commit a snapshot."""

    def commit(self) -> dict[int, int]:
        if any(_is_snapshot(value) for _, _, _, value, _, _ in self._open().records):
            raise Killed
        return super().commit()


def _is_snapshot(value: bytes | None) -> bool:
    kind = {number: kind for number, kind in KINDS.items() if kind is SnapshotTaken}
    return (value or b"")[:1] in {bytes([number]) for number in kind}


def test_a_zombie_owner_of_partition_0_journals_nothing() -> None:
    """Given an owner about to tell a snapshot; when another takes over first; then it is fenced."""
    world = grown_world()
    before = len(journaled(world, SnapshotTaken))
    zombie = world.worker(log=Dying)
    with pytest.raises(Killed):
        zombie.run_to_end()
    world.worker().run_to_end()
    after = len(journaled(world, SnapshotTaken))
    assert after == before + 1
    with pytest.raises(Fenced):
        MemoryLog.commit(zombie.log)
    assert len(journaled(world, SnapshotTaken)) == after
    world.check()


def test_the_store_that_lost_everything_is_recovered_with_its_census() -> None:
    world = grown_world()
    world.worker().run_to_end()
    for partition in range(PARTITIONS):
        world.store.wipe(partition)
    for number in range(PARTITIONS):
        world.journal(
            [
                *ordering(number, 2.5, 1, 1, 1, 0, 0, 0, start=200),
                Tick(received_at_ms=T0 + 3 * DAY, continuous=True),
            ],
            number,
        )
    world.worker().run_to_end()
    assert [one.snapshot.number for one in journaled(world, SnapshotTaken)] == [1, 2, 3]
    world.check()


def test_hysteresis_holds_a_fall_by_moving_limits_until_two_snapshots_agree() -> None:
    """Given `hold` of two days; when limits alone make somebody fall; then only after it lasted."""
    world = World()
    text = rules(hold_days=2)
    world.journal(
        [
            RulesApplied(received_at_ms=T0, version=1, rules=text),
            *ordering(0, 0.1, 1, 1, 1, 2, 2, 3, start=0),
            Tick(received_at_ms=T0 + DAY, continuous=True),
        ]
    )
    world.worker().run_to_end()
    fell = ("loyalty", "Frequent Buyer", "Loyal Customer")
    held: list[int] = []
    for day in range(1, 6):
        # The base moves on every day, so that each snapshot moves a limit.
        world.journal(
            [
                *ordering(0, day + 0.5, 0, 0, 0, 6, 6, 0, start=day * 100),
                Tick(received_at_ms=T0 + (day + 1) * DAY, continuous=True),
            ]
        )
        world.worker().run_to_end()
        held.append(changes_by(world, "population")[fell])
    assert held == [0, 0, 1, 1, 1]
    world.check()


def test_hysteresis_never_holds_a_rise_or_what_the_customer_does() -> None:
    world = World()
    world.journal(
        [
            RulesApplied(received_at_ms=T0, version=1, rules=rules(hold_days=30)),
            *ordering(0, 0.1, 1, 1, 1, 2, 2, 3, start=0),
            Tick(received_at_ms=T0 + DAY, continuous=True),
        ]
    )
    world.worker().run_to_end()
    assert changes_by(world, "population")["loyalty", "Loyal Customer", "Frequent Buyer"] == 1
    world.journal(
        [
            *ordering(0, 1.5, 0, 0, 0, 6, 6, 0, start=100),
            Tick(received_at_ms=T0 + 2 * DAY, continuous=True),
        ]
    )
    world.worker().run_to_end()
    assert changes_by(world, "population")["loyalty", "Frequent Buyer", "Loyal Customer"] == 0
    world.journal([order(900, SHOPPERS[0][5], T0 + 2 * DAY + 1)])
    world.worker().run_to_end()
    assert changes_by(world, "event")["loyalty", "Frequent Buyer", "Loyal Customer"] == 1
    world.check()


def test_consent_and_other_events_without_orders_count_nobody() -> None:
    world = World()
    world.journal(
        [
            RulesApplied(received_at_ms=T0, version=1, rules=rules()),
            ConsentChanged(
                event_id="x",
                customer_id="C-1",
                occurred_at_ms=T0,
                received_at_ms=T0,
                identity=1,
                source="shop",
                channel="email",
                granted=True,
            ),
            Tick(received_at_ms=T0 + DAY),
        ]
    )
    world.worker().run_to_end()
    [census] = journaled(world, CensusTaken)
    assert census.census["lifetime_orders"] == []


def falling(hold_days: float) -> World:
    """A world in which limits alone would have made a Frequent Buyer fall on the second day."""
    world = World()
    world.journal(
        [
            RulesApplied(received_at_ms=T0, version=1, rules=rules(hold_days=hold_days)),
            *ordering(0, 0.1, 1, 1, 1, 2, 2, 3, start=0),
            Tick(received_at_ms=T0 + DAY, continuous=True),
        ]
    )
    world.worker().run_to_end()
    world.journal(
        [
            *ordering(0, 1.5, 0, 0, 0, 6, 6, 0, start=100),
            Tick(received_at_ms=T0 + 2 * DAY, continuous=True),
        ]
    )
    world.worker().run_to_end()
    assert FALL not in changes_by(world, "population")
    return world


FALL = ("loyalty", "Frequent Buyer", "Loyal Customer")


def test_a_held_fall_comes_when_the_hold_is_over_though_no_limit_moves_any_more() -> None:
    world = falling(hold_days=3)
    for day in (3, 4):
        world.journal([Tick(received_at_ms=T0 + day * DAY, continuous=True)])
        world.worker().run_to_end()
    assert FALL not in changes_by(world, "population")
    world.journal([Tick(received_at_ms=T0 + 5 * DAY, continuous=True)])
    world.worker().run_to_end()
    [fell] = [
        one
        for one in map(msgspec.json.decode, (o.value for o in world.broker.outputs[CHANGES]))
        if (one["scheme"], one["previous"], one["current"]) == FALL
    ]
    assert (fell["cause"]["kind"], fell["effective_at"]) == (
        "population",
        "2026-01-06T00:00:00.000Z",
    )
    world.check()


def test_an_event_that_changes_nothing_that_counts_does_not_end_a_hold() -> None:
    world = falling(hold_days=30)
    world.journal(
        [
            ConsentChanged(
                event_id="x",
                customer_id=SHOPPERS[0][5],
                occurred_at_ms=T0 + 2 * DAY + 1,
                received_at_ms=T0 + 2 * DAY + 1,
                identity=99,
                source="shop",
                channel="email",
                granted=True,
            )
        ]
    )
    world.worker().run_to_end()
    assert FALL not in changes_by(world, "event")
    world.check()


def test_a_hold_ends_when_the_limits_move_back() -> None:
    """Given a held fall; when the base calms down again; then nothing was ever said."""
    world = falling(hold_days=3)
    backs: list[Input] = [
        OrderCancelled(
            event_id=f"x{one}",
            customer_id=SHOPPERS[0][3 + one // 6],
            occurred_at_ms=T0 + 2 * DAY + 1,
            received_at_ms=T0 + 2 * DAY + 1,
            identity=2_000 + one,
            source="shop",
            order_id=f"o{100 + one}",
        )
        for one in range(12)
    ]
    world.journal([*backs, Tick(received_at_ms=T0 + 10 * DAY, continuous=True)])
    world.worker().run_to_end()
    assert FALL not in changes_by(world, "population") + changes_by(world, "clock")
    world.check()


def test_a_store_wiped_in_the_middle_of_a_sweep_does_not_end_it() -> None:
    """Given a sweep under way; when Redis loses everybody; then still everybody is decided anew."""
    world = grown_world()
    worker = world.worker(max_records=1)
    for _ in range(MOST):
        worker.cycle.run_once()
        if journaled(world, SnapshotTaken)[1:] and all(
            one.rules is not None and one.rules.snapshot_number > 1
            for one in worker.cycle.partitions.values()
        ):
            break
    before = [len(journaled(world, Sweep, number)) for number in range(PARTITIONS)]
    for partition in range(PARTITIONS):
        world.store.wipe(partition)
    worker.run_to_end()
    world.check()
    moved = changes_by(world, "population")
    assert moved[FALL] == PARTITIONS, f"sweeps before: {before}"
