"""Reads one customer's state out of the store, together with the rules it is judged by."""

from dataclasses import dataclass, field

from streams.codec.partition import decode_guard, decode_partition
from streams.codec.state import decode_state
from streams.core.campaigns.guard import Guard
from streams.core.rules import Rules
from streams.core.state import CustomerState
from streams.errors import Transient
from streams.insights.stored_rules import stored_rules
from streams.ports import PositionChanged, StateStore

# Each retry means that a whole batch was committed in between the two questions.
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class CustomerNow:
    """A customer as of the latest commit; `state` is None where nothing is known of the id.

    `guard` says which campaigns the partition holds.
    """

    partition: int
    time_ms: int
    rules: Rules
    state: CustomerState | None
    guard: Guard = field(default_factory=Guard)


def fetch_customer(store: StateStore, partition: int, customer_id: str) -> CustomerNow | None:
    """The customer as of the partition's latest commit; None where nothing was ever decided there.

    Raises `Transient` where the store moves on faster than it can be read.
    """
    for _ in range(_ATTEMPTS):
        position = store.position(partition)
        if position is None or position.partition_record is None:
            return None
        stored = stored_rules(position)
        if stored is None:
            return None
        try:
            (value,) = store.load(partition, position.offset, [customer_id])
        except PositionChanged:
            continue
        record = decode_partition(position.partition_record)
        return CustomerNow(
            partition,
            record.time_ms,
            stored.rules,
            decode_state(customer_id, value) if value is not None else None,
            # Only who is held is asked here, not how many may be reached.
            decode_guard(record, 1),
        )
    raise Transient(f"partition {partition} of Redis changes faster than it can be read; try again")
