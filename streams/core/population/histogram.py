"""Counts of whole numbers from which customers can be taken out again.

Two kinds: a `Histogram` of money or pieces in buckets of at most 1 % (segments.md, What must be
provable), and a `Tally` in which every number is a bucket of its own. A delta is the same type:
its counts may be negative, and merged into a whole it brings the whole up to date.

Whatever is counted gives the same contents in any order and on any machine: buckets are found by
comparing whole numbers, never by a logarithm whose last bit may differ.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, Self

# Below it every value is a bucket of its own: 1 % of less than 100 is less than one.
_FIRST_BOUND: Final = 100
# States hold figures as 64-bit integers, so nothing greater can be counted.
_GREATEST: Final = 2**63 - 1


def _bounds() -> list[int]:
    """Least values of the buckets from 100 up; no bucket is wider than 1 % of its least value."""
    bounds = [_FIRST_BOUND]
    while bounds[-1] <= _GREATEST:
        bounds.append(bounds[-1] * 101 // 100 + 1)
    return bounds


_BOUNDS: Final = _bounds()


class Bucket(NamedTuple):
    """Values from `least` to `greatest`: how many were counted, and their exact sum."""

    least: int
    greatest: int
    pieces: int
    total: int


def bucket_of(value: int) -> int:
    """Number of the value's bucket: rises with the value, 0 is the bucket of zero alone."""
    if -_FIRST_BOUND < value < _FIRST_BOUND:
        return value
    if value > 0:
        return _FIRST_BOUND - 1 + bisect_right(_BOUNDS, value)
    return 1 - _FIRST_BOUND - bisect_right(_BOUNDS, -value)


def _nearest_zero(bucket: int) -> int:
    """The value of this bucket that is nearest to zero."""
    if -_FIRST_BOUND < bucket < _FIRST_BOUND:
        return bucket
    bound = _BOUNDS[abs(bucket) - _FIRST_BOUND]
    return bound if bucket > 0 else -bound


def _edges(bucket: int) -> tuple[int, int]:
    near = _nearest_zero(bucket)
    if -_FIRST_BOUND < bucket < _FIRST_BOUND:
        return near, near
    if bucket > 0:
        return near, _nearest_zero(bucket + 1) - 1
    return _nearest_zero(bucket - 1) + 1, near


def values_at(ordered: Sequence[tuple[int, int]], parts: int) -> list[int]:
    """Values at 1/parts, 2/parts ... of pieces that are given as (value, pieces) in order.

    Inverse CDF without interpolation: the first value up to which at least that share lies. Empty
    where there is nothing. Raises ValueError where pieces are not above 0: a delta has no
    quantiles.
    """
    if any(pieces <= 0 for _, pieces in ordered):
        raise ValueError("less than nothing is held of some value: a delta has no quantiles")
    count = sum(pieces for _, pieces in ordered)
    ranks = [-(-count * part // parts) for part in range(1, parts)]
    found: list[int] = []
    reached = 0
    for value, pieces in ordered:
        reached += pieces
        while len(found) < len(ranks) and ranks[len(found)] <= reached:
            found.append(value)
    return found


class Tally:
    """Pieces by whole number, each number exact."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and self._counts == other._counts

    __hash__ = None  # type: ignore[assignment]

    def move(self, old: int | None, new: int | None) -> None:
        """Take one piece out at `old` and put one in at `new`; None for nowhere."""
        if old is not None:
            self._put(old, -1)
        if new is not None:
            self._put(new, 1)

    def merge(self, other: Self) -> None:
        """Add everything the other holds, negative pieces too."""
        for value, pieces in other._counts.items():
            self._put(value, pieces)

    @property
    def is_empty(self) -> bool:
        return not self._counts

    @property
    def count(self) -> int:
        return sum(self._counts.values())

    @property
    def least(self) -> int | None:
        """The least number that is held; None for an empty tally."""
        return min(self._counts, default=None)

    def quantiles_from_above(self, parts: int) -> list[int]:
        """`values_at` with the greatest number first."""
        return values_at(sorted(self._counts.items(), reverse=True), parts)

    def to_plain(self) -> tuple[int, ...]:
        """Number, pieces, number, pieces ... rising; each number as its distance from the last."""
        plain: list[int] = []
        before = 0
        for value, pieces in sorted(self._counts.items()):
            plain += value - before, pieces
            before = value
        return tuple(plain)

    @classmethod
    def from_plain(cls, plain: Sequence[int]) -> Self:
        """Read what `to_plain` gave; ValueError where it is something else."""
        tally = cls()
        numbers = accumulate(plain[::2])
        tally._counts = dict(zip(numbers, plain[1::2], strict=True))
        return tally

    def _put(self, value: int, pieces: int) -> None:
        left = self._counts.get(value, 0) + pieces
        if left:
            self._counts[value] = left
        else:
            del self._counts[value]


class Histogram:
    """Counts and exact sums of whole numbers by bucket.

    Below 100 every value is exact, negatives and zero in buckets of their own; beyond, a bucket is
    at most 1 % wide, so a value and what stands for it differ by at most 1 %. Sums are exact, so
    means are. What was added can be removed; a removed value that was never added is not noticed
    where its bucket holds others.
    """

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        # Bucket -> [count, sum]; gone when both are 0.
        self._cells: dict[int, list[int]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self._cells == other._cells

    __hash__ = None  # type: ignore[assignment]

    def add(self, value: int) -> None:
        self._put(bucket_of(value), 1, value)

    def remove(self, value: int) -> None:
        self._put(bucket_of(value), -1, -value)

    def move(self, old: int | None, new: int | None) -> None:
        """Take `old` out and put `new` in; None for nothing."""
        if old is not None:
            self._put(bucket_of(old), -1, -old)
        if new is not None:
            self._put(bucket_of(new), 1, new)

    def merge(self, other: Self) -> None:
        """Add everything the other holds, negative counts too."""
        for bucket, (count, total) in other._cells.items():
            self._put(bucket, count, total)

    @property
    def is_empty(self) -> bool:
        """Whether everything added was removed."""
        return not self._cells

    @property
    def count(self) -> int:
        return sum(count for count, _ in self._cells.values())

    @property
    def total(self) -> int:
        """Exact sum of all values."""
        return sum(total for _, total in self._cells.values())

    def count_of(self, value: int) -> int:
        """How many lie in the value's bucket; exact for values between -100 and 100."""
        cell = self._cells.get(bucket_of(value))
        return cell[0] if cell else 0

    def quantiles(self, parts: int) -> list[int]:
        """Values at 1/parts, 2/parts ... as `values_at` gives them, each within 1 % of the exact.

        A bucket is stood for by the mean of its values, rounded up: exact where they are all equal,
        as values that many customers share mostly are.
        """
        means = [
            (-(-total // count) if count else 0, count)
            for _, (count, total) in sorted(self._cells.items())
        ]
        return values_at(means, parts)

    def quantile(self, percent: int) -> int | None:
        """The value at `percent` % (1 to 99); None where nothing is counted."""
        if not 1 <= percent <= 99:  # noqa: PLR2004 - what a percentile is
            raise ValueError(f"{percent} % is no percentile: 1 to 99 are")
        values = self.quantiles(100)
        return values[percent - 1] if values else None

    def descending(self) -> Iterator[Bucket]:
        """All buckets that hold something, the greatest values first."""
        for bucket in sorted(self._cells, reverse=True):
            least, greatest = _edges(bucket)
            yield Bucket(least, greatest, *self._cells[bucket])

    def sum_above(self, value: int) -> int:
        """Exact sum of the values in all buckets above that of `value`."""
        bucket = bucket_of(value)
        return sum(total for other, (_, total) in self._cells.items() if other > bucket)

    def to_plain(self) -> tuple[int, ...]:
        """Bucket, count, excess, bucket ... rising; each bucket as its distance from the last.

        The excess is what the sum is more than count times the bucket's value nearest to zero: at
        most 1 % of it, so it is short where sums are long.
        """
        plain: list[int] = []
        before = 0
        for bucket, (count, total) in sorted(self._cells.items()):
            plain += bucket - before, count, total - count * _nearest_zero(bucket)
            before = bucket
        return tuple(plain)

    @classmethod
    def from_plain(cls, plain: Sequence[int]) -> Self:
        """Read what `to_plain` gave; ValueError where it is something else."""
        histogram = cls()
        buckets = list(accumulate(plain[::3]))
        if any(abs(bucket) >= _FIRST_BOUND + len(_BOUNDS) for bucket in buckets):
            raise ValueError("a histogram of other buckets")
        for bucket, count, excess in zip(buckets, plain[1::3], plain[2::3], strict=True):
            histogram._cells[bucket] = [count, count * _nearest_zero(bucket) + excess]
        return histogram

    def _put(self, bucket: int, count: int, total: int) -> None:
        cell = self._cells.get(bucket)
        if cell is None:
            self._cells[bucket] = [count, total]
            return
        cell[0] += count
        cell[1] += total
        if not cell[0] and not cell[1]:
            del self._cells[bucket]
