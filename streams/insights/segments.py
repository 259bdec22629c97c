"""How many customers each segment has, and what they are worth: a pure count."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.core.rules import Rules
from streams.core.schemes.scheme import FLAG_SEPARATOR
from streams.core.state import NO_MEMBERSHIP, Membership

# Above this share of its customers a segment tells them no longer apart (segments.md).
CROWDED_PERCENT = 70


class Outline(NamedTuple):
    """What the count must know of a scheme; `segments` in the order of its rules."""

    name: str
    segments: tuple[str, ...]
    is_flags: bool


class SegmentCount(NamedTuple):
    """One segment, or one flag. `net_minor` is the net revenue in the RFM window.

    `segment` is None for customers without any. Shares are of the customers that have a segment in
    the scheme, in flag schemes of all customers, in ten-thousandths rounded half up; None where
    there is nothing to share (for None too, except in flag schemes).
    """

    segment: str | None
    members: int
    member_share: int | None
    net_minor: int
    net_share: int | None


class SchemeCount(NamedTuple):
    """One scheme: its segments in the order of the rules, and last those without any."""

    scheme: str
    is_flags: bool
    segments: list[SegmentCount]


@dataclass(slots=True)
class _Sum:
    members: int = 0
    net_minor: int = 0

    def add(self, net_minor: int) -> None:
        self.members += 1
        self.net_minor += net_minor


@dataclass(slots=True)
class SegmentTally:
    """Counts customers by scheme and segment."""

    outlines: Sequence[Outline]
    customers: _Sum = field(default_factory=_Sum)
    _sums: dict[tuple[str, str | None], _Sum] = field(default_factory=dict)

    def add(self, memberships: Mapping[str, Membership], net_minor: int) -> None:
        """Count one customer, by the memberships as the state holds them."""
        self.customers.add(net_minor)
        for name, _, is_flags in self.outlines:
            segment = memberships.get(name, NO_MEMBERSHIP).segment
            if is_flags and segment is not None:
                for flag in segment.split(FLAG_SEPARATOR):
                    self._sum(name, flag).add(net_minor)
            else:
                self._sum(name, segment).add(net_minor)

    def counts(self) -> list[SchemeCount]:
        """The schemes in the order of the outlines.

        A segment that the rules no longer have stands behind theirs until its customers are decided
        anew.
        """
        return [
            SchemeCount(outline.name, outline.is_flags, self._segments(outline))
            for outline in self.outlines
        ]

    def _segments(self, outline: Outline) -> list[SegmentCount]:
        former = {segment for name, segment in self._sums if name == outline.name and segment}
        names = [*outline.segments, *sorted(former - set(outline.segments))]
        sums = [(name, self._sums.get((outline.name, name), _Sum())) for name in names]
        nowhere = self._sums.get((outline.name, None), _Sum())
        if outline.is_flags:
            whole = self.customers
        else:
            whole = _Sum(sum(one.members for _, one in sums), sum(one.net_minor for _, one in sums))
        return [
            *(_count(name, one, whole) for name, one in sums),
            _count(None, nowhere, whole if outline.is_flags else _Sum()),
        ]

    def _sum(self, scheme: str, segment: str | None) -> _Sum:
        found = self._sums.get((scheme, segment))
        if found is None:
            found = self._sums[scheme, segment] = _Sum()
        return found


def outlines_of(rules: Rules) -> list[Outline]:
    """The schemes of the rules, in order."""
    return [Outline(one.name, one.segments, one.is_flags) for one in rules.schemes]


def warnings_of(counts: Iterable[SchemeCount]) -> list[str]:
    """What looks degenerate: empty segments, and those with more than 70 % of the customers."""
    found: list[str] = []
    for scheme, is_flags, segments in counts:
        kind = "flag" if is_flags else "segment"
        named = [one for one in segments if one.segment is not None]
        if not any(one.members for one in named):
            found.append(f"scheme {scheme}: no customer has a {kind}")
            continue
        empty = [one.segment or "" for one in named if not one.members]
        if empty:
            found.append(f"scheme {scheme}: nobody has the {kind} {', '.join(empty)}")
        found += [
            f"scheme {scheme}: {one.segment} has {one.member_share / 100:.1f} % of the customers"
            for one in named
            if one.member_share is not None and one.member_share > CROWDED_PERCENT * 100
        ]
    return found


def _count(segment: str | None, one: _Sum, whole: _Sum) -> SegmentCount:
    return SegmentCount(
        segment,
        one.members,
        share(one.members, whole.members),
        one.net_minor,
        share(one.net_minor, whole.net_minor),
    )


def share(part: int, whole: int) -> int | None:
    """`part` of `whole` in ten-thousandths, rounded half up; None where there is no whole."""
    return (20_000 * part + whole) // (2 * whole) if whole > 0 else None
