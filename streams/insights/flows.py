"""How customers moved between segments from one instant to another, folded from their changes."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from streams.core.schemes.scheme import FLAG_SEPARATOR
from streams.insights.segment_history import SegmentChange, segment_text

Segment = str | None


class Transition(NamedTuple):
    """Customers that were in `before` and are in `after`; None is outside every segment.

    `row_total` is the number of customers that were in `before`.
    """

    before: Segment
    after: Segment
    customers: int
    row_total: int


class FlagFlow(NamedTuple):
    """What became of one flag: customers at the first instant, and at the second."""

    flag: str
    before: int
    kept: int
    gained: int
    lost: int
    after: int


class FlowFold:
    """Folds the changes of one scheme; each customer's must come in their order.

    It holds one entry per customer with a change, which is what the answer is about: a few hundred
    bytes each.
    """

    def __init__(self, scheme: str, from_ms: int, to_ms: int) -> None:
        self._scheme = scheme
        self._from_ms = from_ms
        self._to_ms = to_ms
        self._customers: dict[str, tuple[Segment, Segment]] = {}
        self.is_flags = False
        self.change_count = 0

    def take(self, change: SegmentChange) -> None:
        """Take one change of any scheme."""
        if change.scheme != self._scheme:
            return
        self.change_count += 1
        if isinstance(change.current, list) or isinstance(change.previous, list):
            self.is_flags = True
        known = self._customers.get(change.customer_id)
        # The changes before the first one that is left are gone; it says where they had led.
        before, after = known or (segment_text(change.previous),) * 2
        decided_ms, current = change.decided_at_ms, segment_text(change.current)
        if decided_ms <= self._to_ms:
            after = current
            if decided_ms <= self._from_ms:
                before = current
        self._customers[change.customer_id] = (before, after)

    @property
    def customer_count(self) -> int:
        """Customers that were in a segment at either instant."""
        return sum(1 for both in self._customers.values() if both != (None, None))

    def transitions(self, order: Sequence[str]) -> list[Transition]:
        """Every pair of segments, those of `order` first, then others by name, None last.

        Who was in none at both instants is not counted.
        """
        counts = Counter(self._customers.values())
        del counts[None, None]
        seen = {one for pair in counts for one in pair if one is not None}
        segments: list[Segment] = [*order, *sorted(seen - set(order)), None]
        found: list[Transition] = []
        for before in segments:
            row = [(after, counts[before, after]) for after in segments]
            total = sum(count for _, count in row)
            found += [
                Transition(before, after, count, total)
                for after, count in row
                if before is not None or after is not None
            ]
        return found

    def flag_flows(self, order: Sequence[str]) -> list[FlagFlow]:
        """The same for a flag scheme, flag by flag."""
        kept, gained, lost = Counter[str](), Counter[str](), Counter[str]()
        for before, after in self._customers.values():
            had, has = _flags(before), _flags(after)
            kept.update(had & has)
            gained.update(has - had)
            lost.update(had - has)
        seen = {*kept, *gained, *lost}
        return [
            FlagFlow(
                flag,
                kept[flag] + lost[flag],
                kept[flag],
                gained[flag],
                lost[flag],
                kept[flag] + gained[flag],
            )
            for flag in [*order, *sorted(seen - set(order))]
        ]


def _flags(segment: Segment) -> set[str]:
    return set(segment.split(FLAG_SEPARATOR)) if segment else set()
