"""Marks in `rfm.rules` by which a generation of journal and state says what has become of it.

A generation without a mark is open. While `rfm-streams repartition` is at work the old one is `moving`
and the new one `filling`; one transaction makes them `moved` and `open`.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from streams.errors import BrokenInvariant, UsageError

MARK_KEY = b"m"


class Stage(StrEnum):
    """What a mark says of the generation in whose topic it stands."""

    MOVING = "moving"
    MOVED = "moved"
    FILLING = "filling"
    OPEN = "open"


class GenerationMark(NamedTuple):
    """`generation` and `partitions` are those of the other one: where to, or where from.

    While a generation is filled, everything up to the record at `offset` of partition `source` of
    the old `rfm.state` is in it, as of `positions` in the old journal. Source -1: nothing at all yet.
    """

    stage: Stage
    generation: int
    partitions: int
    source: int = -1
    offset: int = -1
    positions: tuple[int, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(GenerationMark).decode


def encode_mark(mark: GenerationMark) -> bytes:
    """Bytes of a mark."""
    return _encode(mark)


def decode_mark(value: bytes) -> GenerationMark:
    """A mark; raises `BrokenInvariant` where it is of another release."""
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        raise BrokenInvariant(
            f"the mark of a generation cannot be read ({error}); a newer release may have written it: "
            "run that release"
        ) from error


def require_open(generation: int, mark: GenerationMark | None) -> None:
    """Raise `UsageError`, saying what to do, unless `generation` is where life goes on."""
    if mark is None or mark.stage is Stage.OPEN:
        return
    other, partitions = mark.generation, mark.partitions
    if mark.stage is Stage.MOVED:
        raise UsageError(
            f"generation {generation} has moved to generation {other}, which has {partitions} "
            f"partitions: set RFM_GENERATION={other} and RFM_PARTITIONS={partitions}"
        )
    if mark.stage is Stage.MOVING:
        raise UsageError(
            f"generation {generation} is being moved to generation {other}: finish it with "
            f"`rfm-streams repartition --partitions {partitions}`, or give it up with "
            "`rfm-streams repartition --abandon`"
        )
    raise UsageError(
        f"generation {generation} is being filled from generation {other}: finish that with "
        f"`rfm-streams repartition` under RFM_GENERATION={other} and RFM_PARTITIONS={partitions}"
    )
