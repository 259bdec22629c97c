"""Killed at every step of a cycle and started again: what comes out is what the oracle says."""

from itertools import product
from pathlib import Path
from random import Random

import pytest

from streams.intake.cycle import ORDER as INTAKE_ORDER
from streams.runtime.steps import ORDER as DECIDE_ORDER
from tests.soak.schedules import (
    Crashes,
    Pause,
    Servers,
    demand_none,
    run_side_by_side,
)
from tests.soak.seeds import draw_seed
from tests.soak.worker import RECOVER, Point

# The first one or two cycles of decide take the rules, some five the events, all later ones write
# and read ticks. `poll:N` comes behind the N-th cycle: with it the last step has a crash right
# after it too.
EARLY, LATE = 4, 9
INTAKE_EARLY = 2
SAMPLED_PAUSES = 4


@pytest.fixture
def running(kafka: str, redis_url: str, tmp_path: Path) -> Servers:
    """The shared servers; every schedule has its own namespace."""
    return Servers(kafka, redis_url, tmp_path)


def single_crashes() -> list[Crashes]:
    """Every step of both roles."""
    decide = [Crashes("decide", (Point(step, n),)) for n in (EARLY, LATE) for step in DECIDE_ORDER]
    intake = [Crashes("intake", (Point(step, INTAKE_EARLY),)) for step in INTAKE_ORDER]
    return decide + intake


def pairs() -> list[Crashes]:
    """Every step in the first life, every step in the second, and recoveries in between."""
    decide = [
        Crashes("decide", (Point(first, EARLY), Point(second, 1)))
        for first, second in product(DECIDE_ORDER, DECIDE_ORDER)
    ]
    intake = [
        Crashes("intake", (Point(first, INTAKE_EARLY), Point(second, 1)))
        for first, second in product(INTAKE_ORDER, INTAKE_ORDER)
    ]
    # Died between commit and Redis, so that there is something to recover, and died recovering.
    recovering = [
        Crashes("decide", (Point("store", EARLY), Point(RECOVER, 1), Point(second, 1)))
        for second in (RECOVER, *DECIDE_ORDER)
    ]
    return decide + intake + recovering


def pauses() -> list[Pause]:
    """A zombie at every step."""
    decide = [
        Pause("decide", Point(step, EARLY), same_name)
        for step in DECIDE_ORDER
        for same_name in (True, False)
    ]
    intake = [
        Pause("intake", Point(step, INTAKE_EARLY), same_name)
        for step in INTAKE_ORDER
        for same_name in (True, False)
    ]
    return decide + intake


def test_a_crash_at_any_step_changes_nothing(running: Servers) -> None:
    """Given a few hundred events; when the worker dies at a step; then nothing is lost or twice."""
    demand_none(run_side_by_side(single_crashes(), running, draw_seed()))


def test_a_zombie_changes_nothing(running: Servers) -> None:
    """Given a worker asleep at a step and another that went on; when it wakes; then it is refused."""
    seed = draw_seed()
    some = Random(seed).sample(pauses(), SAMPLED_PAUSES)
    demand_none(run_side_by_side(some, running, seed))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_all_pairs_of_crashes(running: Servers) -> None:
    """Every pair."""
    demand_none(run_side_by_side(pairs(), running, draw_seed()))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_all_zombies(running: Servers) -> None:
    """Every step, under the same name and under another."""
    demand_none(run_side_by_side(pauses(), running, draw_seed()))
