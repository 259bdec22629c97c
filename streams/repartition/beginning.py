"""How the partitions of a new generation begin, from how those of the old one stood. Pure.

What belongs to a customer moves with the customer. What belongs to a partition is said here, once,
as the first record of every new one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streams.codec.partition import PartitionRecord, RulesRecord, decode_guard
from streams.core.inputs import GenerationBegun
from streams.core.population.snapshot import Snapshot
from streams.core.rules import compile_rules
from streams.errors import UsageError

_AGAIN = (
    "start `rfm-streams run decide` for a moment, until `rfm-streams status` shows no lag, stop it and try "
    "again"
)


@dataclass(frozen=True, slots=True)
class Stood:
    """How a partition of the old generation stood when it came to rest."""

    number: int
    record: PartitionRecord
    rules: RulesRecord
    snapshot: Snapshot | None = None


def plan_beginning(stood: Sequence[Stood], customers: Sequence[int]) -> list[GenerationBegun]:
    """The first record of each new partition; `customers` is how many each will have.

    Raises `UsageError` where the old ones do not stand at one and the same place: then something is
    still on its way from one to another.
    """
    if not stood:
        raise UsageError(
            "nothing was ever decided here, so there is nobody to move: take another namespace, or "
            "delete the topics, and set RFM_PARTITIONS"
        )
    _require_one("decide by rules version", [one.record.rules_version for one in stood])
    _require_one("decide under snapshot", [one.record.snapshot_number for one in stood])
    partitions = len(customers)
    first, records = stood[0], [one.record for one in stood]
    if compile_rules(first.rules.rules, first.rules.version).uses_population:
        _require_one("were counted as of (ms)", [one.census_at_ms for one in records])
    shares = _share_counts(stood, partitions)
    return [
        GenerationBegun(
            # A partition's time never goes back, so it is the greatest that any customer has seen.
            received_at_ms=max(one.time_ms for one in records),
            rules_version=first.rules.version,
            rules=first.rules.rules,
            rules_applied_ms=max(one.rules.applied_ms for one in stood),
            snapshot=first.snapshot,
            # Where partitions read rules and snapshot in another order these may differ, though the
            # limits do not: whoever stands below the greatest is looked at once more.
            limits_number=max(one.limits_number for one in records),
            swept=min((one.swept_rules_version, one.swept_limits_number) for one in records),
            census_at_ms=max(one.census_at_ms for one in records),
            told_snapshot=max((one.told_snapshot_number, one.told_snapshot_ms) for one in records),
            counts=shares[number],
            paused=_paused(stood),
            customers=customers[number],
        )
        for number in range(partitions)
    ]


def _require_one(what: str, values: Iterable[int]) -> None:
    found = sorted(set(values))
    if len(found) > 1:
        raise UsageError(
            f"the journal is not at rest: its partitions {what} {', '.join(map(str, found))}; {_AGAIN}"
        )


def _share_counts(stood: Sequence[Stood], partitions: int) -> list[dict[str, dict[int, int]]]:
    """The actions that guards counted, dealt out evenly, so that all together stay below the limit.

    Whose actions they were is not known. The sum of each span stays what it was, and no partition
    gets more than one above its share of a campaign.
    """
    totals: dict[str, Counter[int]] = {}
    for one in stood:
        for name, parts in decode_guard(one.record, len(stood)).counts.items():
            totals.setdefault(name, Counter()).update(parts)
    shares: list[dict[str, dict[int, int]]] = [{} for _ in range(partitions)]
    for name, parts in sorted(totals.items()):
        dealt = 0
        for part, count in sorted(parts.items()):
            for number, share in enumerate(shares):
                mine = _dealt_to(number, dealt + count, partitions) - _dealt_to(
                    number, dealt, partitions
                )
                if mine:
                    share.setdefault(name, {})[part] = mine
            dealt += count
    return shares


def _dealt_to(number: int, total: int, partitions: int) -> int:
    """How many of `total` cards player `number` has."""
    return (total + partitions - 1 - number) // partitions


def _paused(stood: Sequence[Stood]) -> dict[str, int]:
    paused: dict[str, int] = {}
    for one in stood:
        for name, release in decode_guard(one.record, len(stood)).paused.items():
            paused[name] = max(release, paused.get(name, release))
    return paused
