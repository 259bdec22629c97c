"""The special records of `rfm.state`: where a partition stands, and by which rules it decides.

Keys of `rfm.state`: `c` + customer id for a state, `p` for the partition record, `r` for the rules,
`s` for the snapshot, `n` for the partition's census; `q` + number for the census of another
partition, `qp` + number for what its customers bought, both gathered by partition 0.
"""

from typing import NamedTuple

import msgspec

from streams.core.campaigns.guard import Guard
from streams.errors import BrokenInvariant

PARTITION_KEY = b"p"
RULES_KEY = b"r"
SNAPSHOT_KEY = b"s"
CENSUS_KEY = b"n"
GATHERED_PREFIX = b"q"
PRODUCTS_PREFIX = GATHERED_PREFIX + b"p"
CUSTOMER_PREFIX = b"c"


class PartitionRecord(NamedTuple):
    """What one commit says about a partition.

    `journal_offset` is the next record to decide, `time_ms` the partition's time. Every customer
    stands at least under the rules and the limits of the latest finished sweep. `census_at_ms` is
    the latest instant at which a census was told; `census_change` is what has changed since the
    census record was written. `told_snapshot_number` and `told_snapshot_ms` are of the latest
    snapshot that partition 0 told. `surveyed_ms` is the latest boundary up to which the owner is
    known to have counted what was bought: not from the journal, and it may be behind. `customers`
    have a state; `guard` is what campaigns did of late, see `encode_guard`.
    """

    journal_offset: int
    time_ms: int
    rules_version: int
    snapshot_number: int = 0
    limits_number: int = 0
    swept_rules_version: int = 0
    swept_limits_number: int = 0
    census_at_ms: int = 0
    census_change: bytes = b""
    told_snapshot_number: int = 0
    told_snapshot_ms: int = -1
    surveyed_ms: int = 0
    customers: int = 0
    guard: bytes = b""


class RulesRecord(NamedTuple):
    """`applied_ms` is the partition's time at which the rules came; 0 in the topic of rules."""

    version: int
    rules: str
    applied_ms: int = 0


class _GuardRecord(NamedTuple):
    counts: dict[str, dict[int, int]]
    paused: dict[str, int]


_encode = msgspec.msgpack.Encoder().encode
_decode_partition = msgspec.msgpack.Decoder(PartitionRecord).decode
_decode_guard = msgspec.msgpack.Decoder(_GuardRecord).decode
_decode_rules = msgspec.msgpack.Decoder(RulesRecord).decode


def customer_key(customer_id: str) -> bytes:
    """Key of a state in `rfm.state`."""
    return CUSTOMER_PREFIX + customer_id.encode()


def encode_partition(record: PartitionRecord) -> bytes:
    """Bytes of a partition record."""
    return _encode(record)


def decode_partition(value: bytes) -> PartitionRecord:
    """A partition record; raises `BrokenInvariant` where it is of another release."""
    try:
        return _decode_partition(value)
    except msgspec.DecodeError as error:
        raise BrokenInvariant(f"a partition record cannot be read: {error}") from error


def encode_guard(guard: Guard) -> bytes:
    """Bytes of what the guard counted and paused; none where there is nothing."""
    if not guard.counts and not guard.paused:
        return b""
    return _encode(_GuardRecord(guard.counts, guard.paused))


def decode_guard(record: PartitionRecord, partitions: int) -> Guard:
    """The guard of a partition; raises `BrokenInvariant` where it is of another release."""
    guard = Guard(partitions, record.customers)
    if record.guard:
        try:
            known = _decode_guard(record.guard)
        except msgspec.DecodeError as error:
            raise BrokenInvariant(f"a partition record cannot be read: {error}") from error
        guard.counts, guard.paused = known.counts, known.paused
    return guard


def encode_rules(record: RulesRecord) -> bytes:
    """Bytes of a rules record."""
    return _encode(record)


def decode_rules(value: bytes) -> RulesRecord:
    """A rules record; raises `BrokenInvariant` where it is of another release."""
    try:
        return _decode_rules(value)
    except msgspec.DecodeError as error:
        raise BrokenInvariant(f"a rules record cannot be read: {error}") from error
