"""The customers as they stand in Redis right now, partition by partition.

Each partition is scanned while the processors go on: a customer is as of some instant between the
beginning and the end of its scan. What must be of one instant is captured (`capture.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from streams.codec.partition import decode_guard, decode_partition
from streams.codec.state import decode_state
from streams.core.campaigns.guard import Guard
from streams.core.classification import is_gone
from streams.core.rules import Rules
from streams.core.state import CustomerState
from streams.insights.capture import PATIENCE_S, wait_until_current
from streams.insights.stored_rules import stored_rules
from streams.ports import StateLog, StateStore

# Customers between two words about the progress: a hundred a second at the pace of a scan.
_TELL_EVERY = 500

Progress = Callable[[int], None]


class LivePartition(NamedTuple):
    """One partition; `time_ms` is its time when it was asked, `rules` are under its snapshot.

    `rules_text` is the rules as they were journaled, `guard` what campaigns did of late.
    """

    number: int
    time_ms: int
    rules: Rules
    rules_text: str
    guard: Guard


def live_partitions(
    store: StateStore, state_log: StateLog, count: int, patience_s: float = PATIENCE_S
) -> list[LivePartition]:
    """The partitions in which anything was ever decided, in order.

    Raises `NotReadyError` where the store does not hold all that was committed.
    """
    found: list[LivePartition] = []
    for number in range(count):
        position = wait_until_current(store, state_log, number, patience_s)
        stored = stored_rules(position) if position is not None else None
        if position is None or stored is None or position.partition_record is None:
            continue
        record = decode_partition(position.partition_record)
        guard = decode_guard(record, count)
        found.append(LivePartition(number, record.time_ms, stored.rules, stored.text, guard))
    return found


def live_customers(
    store: StateStore, partitions: Sequence[LivePartition], progress: Progress
) -> Iterator[tuple[LivePartition, CustomerState]]:
    """Every customer with the partition that holds it, in no order; `progress` is told advances.

    Who was merged into another customer, or erased and silent since, is left out.
    """
    for partition in partitions:
        scanned = 0
        for customer_id, value in store.scan(partition.number):
            scanned += 1
            if scanned % _TELL_EVERY == 0:
                progress(_TELL_EVERY)
            state = decode_state(customer_id, value)
            if not is_gone(state):
                yield partition, state
        progress(scanned % _TELL_EVERY)


def newest(partitions: Sequence[LivePartition]) -> LivePartition:
    """The partition that decides by the newest rules and snapshot; raises ValueError without any."""
    return max(partitions, key=lambda one: (one.rules.version, one.rules.snapshot_number))
