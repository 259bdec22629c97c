"""The special records of `rfm.state`: where a partition stands, and by which rules it decides.

Keys of `rfm.state`: `c` + customer id for a state, `p` for the partition record, `r` for the rules.
"""

from typing import NamedTuple

import msgspec

from streams.errors import BrokenInvariant

PARTITION_KEY = b"p"
RULES_KEY = b"r"
CUSTOMER_PREFIX = b"c"


class PartitionRecord(NamedTuple):
    """What one commit says about a partition.

    `journal_offset` is the next record to decide, `time_ms` the partition's time.
    """

    journal_offset: int
    time_ms: int
    rules_version: int


class RulesRecord(NamedTuple):
    version: int
    rules: str


_encode = msgspec.msgpack.Encoder().encode
_decode_partition = msgspec.msgpack.Decoder(PartitionRecord).decode
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


def encode_rules(record: RulesRecord) -> bytes:
    """Bytes of a rules record."""
    return _encode(record)


def decode_rules(value: bytes) -> RulesRecord:
    """A rules record; raises `BrokenInvariant` where it is of another release."""
    try:
        return _decode_rules(value)
    except msgspec.DecodeError as error:
        raise BrokenInvariant(f"a rules record cannot be read: {error}") from error
