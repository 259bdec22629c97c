"""What the whole shop sells: top products by segment and quarter, return rates, revenue.

Counted anew from customers' states at each boundary, an order once (`sales.py`). Mergeable across
partitions; unlike the census nothing can be taken out again. All figures are whole numbers (pieces
in thousandths), so sums do not depend on an order of summation; equal censuses give equal plain forms.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from streams.core.values import DAY_MS

# The form that `to_plain` writes; raised whenever something in it changes its meaning.
_FORM: Final = 1
# 200 products for a list of which 20 are shown, so that what is shown has long been exact. At most
# 400 are held between two cuts, so that a cut comes once in two hundred new products.
LISTED, _MOST_LISTED = 200, 400
REPORTED: Final = 20
# 48 lists of 400 products with short skus are about half a megabyte: two years of quarters for the
# five segments of map `five`, one year for the eleven of `eleven`. The oldest quarters go first.
MAX_LISTS: Final = 48
# 10,000 products with their pieces are a fifth of a megabyte; with the lists this stays under the
# 1 MiB of a record. Rates are of interest for what sells: 6,000 are left by a cut, which sorts them
# all and so must be rare.
SOLD, _MOST_SOLD = 6_000, 10_000
# A rate is told where at most a tenth of what counts towards it can have been missed.
_SEEN_PER_MISSED: Final = 10

Line = tuple[str, float, str | None]
"""(sku, pieces, category) of one line of an order or a return; the category is not counted."""


class Quarter(NamedTuple):
    """A calendar quarter (UTC), 1 to 4 of a year."""

    year: int
    number: int


class TopProduct(NamedTuple):
    """A product in the orders of one segment in one quarter.

    `orders` have it in at least one line; as many as `missed` more may have had it before it was
    listed. `net_minor` is the net of those whole orders.
    """

    sku: str
    orders: int
    units_milli: int
    net_minor: int
    missed: int


class Sold(NamedTuple):
    """A product of the whole shop: pieces sold, and pieces that came back, in thousandths."""

    sku: str
    sold_milli: int
    returned_milli: int

    @property
    def return_rate(self) -> float:
        """Returned by sold pieces, four decimals; above 1 where more came back than is known sold."""
        return round(self.returned_milli / self.sold_milli, 4)


def quarter_of(occurred_at_ms: int) -> Quarter:
    """The calendar quarter of an instant (UTC).

    Civil calendar from days, by years that begin in March: H. Hinnant, "chrono-Compatible Low-Level
    Date Algorithms", `civil_from_days`.
    """
    days = occurred_at_ms // DAY_MS + 719_468  # since 0000-03-01
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153  # 0 is March
    is_next_year = march_month >= 10  # noqa: PLR2004 - January and February
    month = march_month - 9 if is_next_year else march_month + 3
    return Quarter(era * 400 + year_of_era + is_next_year, (month + 2) // 3)


class FrequentSkus:
    """The skus that come most often, with two sums each, in bounded memory.

    Space-Saving (Metwally, Agrawal, El Abbadi 2005), cut in batches: what is cut leaves behind how
    often it can have come, and a new sku may have come as often unseen. So `seen <= true <= seen +
    missed`, `missed` is at most all occurrences by `kept`, and every sku that came more often than
    that is held. Sums cover what was seen.

    `entries` maps a sku to [seen, missed, first sum, second sum]; `floor` is how often a sku that is
    not held can have come.
    """

    __slots__ = ("_kept", "_most", "entries", "floor")

    def __init__(self, kept: int, most: int) -> None:
        self._kept = kept
        self._most = most
        self.floor = 0
        self.entries: dict[str, list[int]] = {}

    def count(self, sku: str, first: int, second: int) -> None:
        """One more occurrence of the sku, with its part of the two sums."""
        entry = self.entries.get(sku)
        if entry is None:
            self.entries[sku] = [1, self.floor, first, second]
            if len(self.entries) > self._most:
                self.cut(self._kept)
            return
        entry[0] += 1
        entry[2] += first
        entry[3] += second

    def merge(self, others: Sequence["FrequentSkus"]) -> None:
        """Add all others at once, which gives the same whatever their order."""
        sources = (self, *others)
        floor = sum(one.floor for one in sources)
        merged: dict[str, list[int]] = {}
        for one in sources:
            for sku, (seen, missed, first, second) in one.entries.items():
                entry = merged.setdefault(sku, [0, floor, 0, 0])
                entry[0] += seen
                entry[1] += missed - one.floor
                entry[2] += first
                entry[3] += second
        self.floor, self.entries = floor, merged
        if len(merged) > self._most:
            self.cut(self._kept)

    def to_plain(self) -> tuple[Any, ...]:
        """The floor, then (sku, seen, missed, first, second) by sku."""
        return self.floor, *((sku, *one) for sku, one in sorted(self.entries.items()))

    def read(self, plain: Sequence[Any]) -> Self:
        """Take over what `to_plain` gave."""
        self.floor = plain[0]
        self.entries = {sku: [seen, missed, a, b] for sku, seen, missed, a, b in plain[1:]}
        return self

    def cut(self, kept: int) -> None:
        """Leave the `kept` skus that can have come most often; what is said of them stays true."""
        entries = self.entries
        if len(entries) <= kept:
            return
        order = sorted(entries, key=lambda sku: (-entries[sku][0] - entries[sku][1], sku))
        first_cut = entries[order[kept]]
        self.floor = first_cut[0] + first_cut[1]
        for sku in order[kept:]:
            del entries[sku]


class ProductCensus:
    """Products, returns and revenue of one partition or of the whole shop.

    `lists` are by quarter and segment, the sums in them pieces and net; the sums in `sold` are
    pieces sold and pieces returned, all pieces in thousandths.
    """

    __slots__ = ("lists", "revenue_minor", "sold")

    def __init__(self) -> None:
        self.lists: dict[tuple[Quarter, str], FrequentSkus] = {}
        self.sold = FrequentSkus(SOLD, _MOST_SOLD)
        # At most four a year since 1970: intake takes nothing from before it or from the future.
        self.revenue_minor: dict[Quarter, int] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProductCensus) and self.to_plain() == other.to_plain()

    __hash__ = None  # type: ignore[assignment]

    def count_order(
        self, segment: str | None, occurred_at_ms: int, lines: Iterable[Line], net_minor: int
    ) -> None:
        """Count one order of a customer in `segment` (scheme `rfm`; None: in no list)."""
        quarter = quarter_of(occurred_at_ms)
        self.revenue_minor[quarter] = self.revenue_minor.get(quarter, 0) + net_minor
        units = _units_by_sku(lines)
        for sku, milli in units.items():
            self.sold.count(sku, milli, 0)
        if segment is None or not units:
            return
        top = self.lists.get((quarter, segment))
        if top is None:
            top = self.lists[quarter, segment] = FrequentSkus(LISTED, _MOST_LISTED)
            self._drop_oldest_lists()
        for sku, milli in units.items():
            top.count(sku, milli, net_minor)

    def count_return(self, lines: Iterable[Line]) -> None:
        """Count the pieces of one return."""
        for sku, milli in _units_by_sku(lines).items():
            self.sold.count(sku, 0, milli)

    def count_refund(self, occurred_at_ms: int, amount_minor: int) -> None:
        """Take what was given back from the revenue of the quarter of the return."""
        quarter = quarter_of(occurred_at_ms)
        self.revenue_minor[quarter] = self.revenue_minor.get(quarter, 0) - amount_minor

    def merge(self, *others: "ProductCensus") -> None:
        """Add all others. At once, not one by one, their order makes no difference."""
        for key in {key for one in others for key in one.lists}:
            mine = self.lists.setdefault(key, FrequentSkus(LISTED, _MOST_LISTED))
            mine.merge([one.lists[key] for one in others if key in one.lists])
        self._drop_oldest_lists()
        self.sold.merge([one.sold for one in others])
        for one in others:
            for quarter, minor in one.revenue_minor.items():
                self.revenue_minor[quarter] = self.revenue_minor.get(quarter, 0) + minor

    def top(self, segment: str, quarter: Quarter, n: int = REPORTED) -> list[TopProduct]:
        """The products in most orders of the segment, then with most pieces, then by sku."""
        found = self.lists.get((quarter, segment))
        if found is None:
            return []
        products = [
            TopProduct(sku, orders, units_milli, net_minor, missed)
            for sku, (orders, missed, units_milli, net_minor) in found.entries.items()
        ]
        products.sort(key=lambda one: (-one.orders, -one.units_milli, one.sku))
        return products[:n]

    def best_sellers(self, n: int) -> list[Sold]:
        """The products with most pieces sold, then by sku; without those seldom seen for certain.

        Left out are skus of which more than a tenth can have been missed, as in `return_rates`.
        """
        products = [
            Sold(sku, sold, returned)
            for sku, (seen, missed, sold, returned) in self.sold.entries.items()
            if sold > 0 and missed * _SEEN_PER_MISSED <= seen
        ]
        products.sort(key=lambda one: (-one.sold_milli, one.sku))
        return products[:n]

    def cut(self, divisor: int) -> None:
        """Leave in every list what a cut leaves, divided by `divisor`; revenue stays whole."""
        for top in self.lists.values():
            top.cut(LISTED // divisor)
        self.sold.cut(SOLD // divisor)

    def return_rates(self, minimum_units: int) -> dict[str, float]:
        """Returned by sold pieces per sku, four decimals, by sku, where so many were sold.

        Above 1 where more came back than was sold since counting began. Left out are skus of which
        more than a tenth can have been missed.
        """
        return {
            sku: round(returned / sold, 4)
            for sku, (seen, missed, sold, returned) in sorted(self.sold.entries.items())
            if sold > 0 and sold >= minimum_units * 1_000 and missed * _SEEN_PER_MISSED <= seen
        }

    def revenue_by_quarter(self) -> dict[Quarter, int]:
        """Net of orders less refunds, minor units of the base currency, the oldest quarter first."""
        return dict(sorted(self.revenue_minor.items()))

    def to_plain(self) -> dict[str, Any]:
        """Nested tuples of texts and whole numbers; counting goes on from it as from the original."""
        return {
            "form": _FORM,
            "lists": tuple(
                (*quarter, segment, top.to_plain())
                for (quarter, segment), top in sorted(self.lists.items(), key=lambda one: one[0])
            ),
            "sold": self.sold.to_plain(),
            "revenue": tuple((*q, minor) for q, minor in self.revenue_by_quarter().items()),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_plain` gave; ValueError for another form, KeyError for a missing part."""
        if plain["form"] != _FORM:
            raise ValueError(f"a product census of form {plain['form']}, {_FORM} is known")
        census = cls()
        for year, number, segment, top in plain["lists"]:
            key = Quarter(year, number), segment
            census.lists[key] = FrequentSkus(LISTED, _MOST_LISTED).read(top)
        census.sold.read(plain["sold"])
        census.revenue_minor = {Quarter(y, number): minor for y, number, minor in plain["revenue"]}
        return census

    def _drop_oldest_lists(self) -> None:
        for key in sorted(self.lists)[: max(0, len(self.lists) - MAX_LISTS)]:
            del self.lists[key]


def _units_by_sku(lines: Iterable[Line]) -> dict[str, int]:
    """Thousandths of pieces: two lines of one sku are one product of the order."""
    units: dict[str, int] = {}
    for sku, pieces, _category in lines:
        # Without sku is the line that adds up the rest of a very long order.
        if sku:
            units[sku] = units.get(sku, 0) + round(pieces * 1_000)
    return units
