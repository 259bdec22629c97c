"""The suite notices when a guard is taken away, and says nothing about the same schedule with it."""

from dataclasses import replace
from pathlib import Path

from tests.soak.schedules import Pause, Servers, demand_none, run_side_by_side
from tests.soak.seeds import draw_seed
from tests.soak.variants import GUARD_OFF, NO_METADATA, STORE_FIRST
from tests.soak.worker import Point

# Where the broken worker sleeps while another finishes its work, and whether under its own name.
# Guard off: it has committed, wakes to write states that are long outdated, and dies: else its own
# next look at Redis would mend what it did.
# No metadata: it has read a batch, lost its partitions, and commits the batch all the same. Another
# name is needed: under its own it would be fenced by its transactional id.
# Redis first: it has written Redis and never commits.
SCHEDULES = {
    GUARD_OFF: Pause(
        "decide",
        Point("store", 4),
        same_name=True,
        variant=GUARD_OFF,
        dies_at=Point("adopt", 4),
    ),
    NO_METADATA: Pause("decide", Point("begin", 4), same_name=False, variant=NO_METADATA),
    STORE_FIRST: Pause("decide", Point("commit", 4), same_name=True, variant=STORE_FIRST),
}
SIGNS = {
    GUARD_OFF: "Redis partition",
    # Said twice, or counted twice where the batch was one that only counts.
    NO_METADATA: "too ",
    STORE_FIRST: "last decision stands at",
}


def test_each_broken_worker_is_noticed(kafka: str, redis_url: str, tmp_path: Path) -> None:
    """Given a worker without one guard; when a zombie wakes; then the oracle disagrees."""
    servers = Servers(kafka, redis_url, tmp_path)
    sound = [replace(one, variant=None) for one in SCHEDULES.values()]

    found = run_side_by_side([*SCHEDULES.values(), *sound], servers, draw_seed())

    broken = {str(one) for one in SCHEDULES.values()}
    demand_none({name: lines for name, lines in found.items() if name not in broken})
    assert broken == found.keys()
    for variant, schedule in SCHEDULES.items():
        complaints = "\n".join(found[str(schedule)])
        print(f"{schedule}:\n{complaints[:1500]}\n")
        assert SIGNS[variant] in complaints


def test_the_first_commit_is_no_exception(kafka: str, redis_url: str, tmp_path: Path) -> None:
    """Before the first commit there is no committed position that Redis could contradict."""
    schedule = Pause("decide", Point("commit", 1), same_name=True, variant=STORE_FIRST)

    found = run_side_by_side([schedule], Servers(kafka, redis_url, tmp_path), draw_seed())

    print(found)
    assert len(found) == 1
