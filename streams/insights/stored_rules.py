"""What a partition of the store decides by: its rules, under its snapshot."""

from typing import NamedTuple

from streams.codec.partition import decode_rules
from streams.codec.population import decode_snapshot
from streams.core.rules import Rules, compile_rules
from streams.ports import StoredPosition


class StoredRules(NamedTuple):
    """The rules under the snapshot in force, and their text as it was journaled."""

    rules: Rules
    text: str


def stored_rules(position: StoredPosition) -> StoredRules | None:
    """What is decided by as of `position`; None before the first rules."""
    if position.rules_record is None:
        return None
    record = decode_rules(position.rules_record)
    rules = compile_rules(record.rules, record.version, record.applied_ms)
    if position.snapshot_record is not None:
        rules = rules.under(decode_snapshot(position.snapshot_record))
    return StoredRules(rules, record.rules)
