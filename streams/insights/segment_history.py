"""Segment changes as they were published, read back from topic `segment-changes`."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from schemas.fields import parse_instant_ms
from streams.core.schemes.scheme import FLAG_SEPARATOR
from streams.errors import BrokenInvariant

Published = str | list[str] | None


class PublishedCause(msgspec.Struct, frozen=True):
    """`cause` of the contract."""

    kind: str
    event_id: str | None = None
    event_type: str | None = None


class SegmentChange(msgspec.Struct, frozen=True):
    """What is read of a `segment.changed`; its further fields are passed over.

    Instants are RFC 3339. In a flag scheme `previous` and `current` are lists of flags.
    """

    customer_id: str
    scheme: str
    previous: Published
    current: Published
    cause: PublishedCause
    effective_at: str
    decided_at: str
    sequence: int
    rules_version: int
    snapshot: int | None = None

    @property
    def decided_at_ms(self) -> int:
        """`decided_at` in milliseconds since 1970 (UTC)."""
        return parse_instant_ms(self.decided_at)


_decode = msgspec.json.Decoder(SegmentChange).decode


def decode_change(value: bytes) -> SegmentChange:
    """A change from its record; raises `BrokenInvariant` where it does not keep the contract."""
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        raise BrokenInvariant(
            f"a record of segment-changes cannot be read ({error}): something else writes there"
        ) from error


class SchemeHistory(NamedTuple):
    """The changes of one customer in one scheme, oldest first.

    `missing` is how many came before the first that is left: the topic keeps 90 days.
    """

    scheme: str
    missing: int
    changes: list[SegmentChange]


def histories(changes: Iterable[SegmentChange]) -> list[SchemeHistory]:
    """The changes of one customer by scheme, schemes by name, each by its sequence."""
    by_scheme: dict[str, dict[int, SegmentChange]] = {}
    for change in changes:
        by_scheme.setdefault(change.scheme, {})[change.sequence] = change
    found: list[SchemeHistory] = []
    for scheme in sorted(by_scheme):
        ordered = [change for _, change in sorted(by_scheme[scheme].items())]
        found.append(SchemeHistory(scheme, ordered[0].sequence - 1, ordered))
    return found


def segment_text(segment: Published) -> str | None:
    """A segment as states hold it: flags joined by the separator, None without any."""
    if isinstance(segment, list):
        return FLAG_SEPARATOR.join(segment) or None
    return segment
