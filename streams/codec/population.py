"""Snapshots and censuses as bytes."""

from typing import Any

import msgspec

from streams.core.population.census import Census
from streams.core.population.snapshot import Snapshot
from streams.errors import BrokenInvariant

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder().decode
_decode_snapshot = msgspec.msgpack.Decoder(Snapshot).decode


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Bytes of a snapshot."""
    return _encode(snapshot)


def decode_snapshot(value: bytes) -> Snapshot:
    """A snapshot; raises `BrokenInvariant` where it is of another release."""
    try:
        return _decode_snapshot(value)
    except msgspec.DecodeError as error:
        raise BrokenInvariant(f"a snapshot cannot be read: {error}") from error


def encode_census(census: Census) -> bytes:
    """Bytes of a census, or of a change of one; equal censuses have equal bytes."""
    return _encode(census.to_plain())


def decode_census(value: bytes) -> Census:
    """A census; raises `BrokenInvariant` where it is of another release."""
    try:
        plain: Any = _decode(value)
        return Census.from_plain(plain)
    except (msgspec.DecodeError, TypeError, ValueError, KeyError) as error:
        raise BrokenInvariant(f"a census cannot be read: {error}") from error
