"""How new partitions begin: what every kind of value of the old ones becomes."""

from typing import Any

import pytest

from streams.codec.partition import PartitionRecord, RulesRecord, encode_guard
from streams.core.campaigns.guard import Guard
from streams.core.inputs import GenerationBegun
from streams.errors import UsageError
from streams.repartition.beginning import Stood, plan_beginning
from streams.rules.files import rules_text
from streams.settings import load_settings

RULES = rules_text(load_settings(None, schemes="rfm"))
COUNTING = rules_text(load_settings(None, schemes="rfm,loyalty"))


def stood(number: int, rules: str = RULES, applied_ms: int = 5, **fields: Any) -> Stood:
    known = {"journal_offset": 100, "time_ms": 1_000, "rules_version": 3, **fields}
    return Stood(number, PartitionRecord(**known), RulesRecord(3, rules, applied_ms))


def guarded(number: int, counts: dict[int, int], paused: dict[str, int] | None = None) -> Stood:
    guard = Guard(3, 10, {"thanks": counts} if counts else {}, paused or {})
    return stood(number, guard=encode_guard(guard))


def begin(*old: Stood, partitions: int = 7) -> list[GenerationBegun]:
    return plan_beginning(old, range(partitions))


def test_time_never_goes_back_for_anybody() -> None:
    begun = begin(stood(0, time_ms=10), stood(1, time_ms=30), stood(2, time_ms=20))
    assert [one.received_at_ms for one in begun] == [30] * 7


def test_every_partition_knows_from_the_start_how_many_it_will_have() -> None:
    assert [one.customers for one in begin(stood(0))] == list(range(7))


def test_the_rules_go_on_under_their_version() -> None:
    begun = begin(stood(0, applied_ms=4), stood(1, applied_ms=9))
    assert {(one.rules_version, one.rules, one.rules_applied_ms) for one in begun} == {
        (3, RULES, 9)
    }


def test_a_sweep_that_was_not_finished_everywhere_begins_again() -> None:
    begun = begin(
        stood(0, limits_number=4, swept_rules_version=3, swept_limits_number=4),
        stood(1, limits_number=4, swept_rules_version=2, swept_limits_number=4),
    )
    assert {(one.limits_number, one.swept) for one in begun} == {(4, (2, 4))}


def test_limits_that_were_numbered_differently_are_looked_at_once_more() -> None:
    begun = begin(
        stood(0, limits_number=4, swept_rules_version=3, swept_limits_number=4),
        stood(1, limits_number=5, swept_rules_version=3, swept_limits_number=5),
    )
    assert {(one.limits_number, one.swept) for one in begun} == {(5, (3, 4))}


def test_the_latest_snapshot_keeps_its_number_wherever_it_was_told() -> None:
    begun = begin(
        stood(0, told_snapshot_number=8, told_snapshot_ms=900, snapshot_number=8),
        stood(1, told_snapshot_number=7, told_snapshot_ms=800, snapshot_number=8),
    )
    assert {one.told_snapshot for one in begun} == {(8, 900)}


@pytest.mark.parametrize("partitions", [1, 2, 7, 40])
def test_counted_actions_are_dealt_out_without_loss_and_evenly(partitions: int) -> None:
    begun = begin(
        guarded(0, {1: 3, 2: 1}), guarded(1, {2: 9}), guarded(2, {}), partitions=partitions
    )
    shares = [one.counts.get("thanks", {}) for one in begun]
    assert sum(share.get(1, 0) for share in shares) == 3
    assert sum(share.get(2, 0) for share in shares) == 10
    held = [sum(share.values()) for share in shares]
    assert max(held) - min(held) <= 1


def test_a_paused_campaign_stays_paused_everywhere_by_its_latest_release() -> None:
    begun = begin(guarded(0, {}, {"thanks": 1}), guarded(1, {}, {"thanks": 2, "cart": 0}))
    assert [one.paused for one in begun] == [{"thanks": 2, "cart": 0}] * 7


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ({"rules_version": 3}, {"rules_version": 2}, "rules version 2, 3"),
        ({"snapshot_number": 3}, {"snapshot_number": 4}, "snapshot 3, 4"),
    ],
)
def test_what_is_still_on_its_way_is_waited_for(
    one: dict[str, int], other: dict[str, int], what: str
) -> None:
    with pytest.raises(UsageError, match=f"not at rest.*{what}.*rfm-streams run decide"):
        begin(stood(0, RULES, 5, **one), stood(1, RULES, 5, **other))


def test_a_census_that_not_all_have_told_is_waited_for_where_anybody_is_counted() -> None:
    told = (3, 4)
    (begun,) = begin(*(stood(n, census_at_ms=one) for n, one in enumerate(told)), partitions=1)
    assert begun.census_at_ms == 4
    with pytest.raises(UsageError, match="counted as of"):
        begin(*(stood(n, COUNTING, census_at_ms=one) for n, one in enumerate(told)))


def test_an_installation_without_any_life_is_not_moved() -> None:
    with pytest.raises(UsageError, match="nobody to move"):
        begin()
