"""What a set of customers amounts to: their counted figures, and nothing about any one of them.

A census is a function of the states: it can be counted anew from them, is brought up to date by
replacing what one customer contributed, and those of several partitions are merged into one. A
census of changes alone (a delta) is merged the same way.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Self

from streams.core.population.counted import Counted
from streams.core.population.histogram import Histogram, Tally
from streams.core.values import DAY_MS, HOUR_MS

# The form that `to_plain` writes; raised whenever a bucket or a part changes its meaning.
_FORM: Final = 1
# Metrics counted in histograms, by their names in the snapshot.
METRICS: Final = (
    "frequency",
    "monetary_minor",
    "lifetime_orders",
    "lifetime_net_minor",
    "value_minor",
    "units_milli",
)
_FIRST_DAYS, _LAST_HOURS = "first_days", "last_hours"

# Where one customer counts, in the order of `Census._parts`; None for nowhere.
_Figures = tuple[int | None, ...]
_NOWHERE: Final[_Figures] = (None,) * (2 + len(METRICS))


def _figures(counted: Counted) -> _Figures:
    first_ms, last_ms, orders, monetary, life_orders, life_net, value_orders, value, units = counted
    return (
        first_ms // DAY_MS,
        last_ms // HOUR_MS if orders else None,
        orders or None,
        monetary if orders else None,
        life_orders,
        life_net,
        value if value_orders else None,
        units,
    )


class Census:
    """Counts of all figures of `Counted`; `histograms` holds those of `METRICS`.

    `first_days` and `last_hours` are instants in whole days and hours since 1970 (UTC): they become
    ages when a snapshot is taken. `last_hours`, `frequency` and `monetary_minor` count customers
    with an order in the RFM window, `value_minor` those with one in the value window, `units_milli`
    those of whom it is known, the others every customer.
    """

    __slots__ = ("_parts", "first_days", "histograms", "last_hours")

    def __init__(self) -> None:
        self.first_days = Tally()
        self.last_hours = Tally()
        self.histograms = {metric: Histogram() for metric in METRICS}
        self._join_parts()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Census) and self._parts == other._parts

    __hash__ = None  # type: ignore[assignment]

    def add(self, counted: Counted) -> None:
        self.replace(None, counted)

    def remove(self, counted: Counted) -> None:
        """Take out what was added with the same figures."""
        self.replace(counted, None)

    def replace(self, old: Counted | None, new: Counted | None) -> None:
        """Count one customer anew; None for not counted. Figures that are equal are not touched."""
        if old == new:
            return
        before = _NOWHERE if old is None else _figures(old)
        after = _NOWHERE if new is None else _figures(new)
        for part, was, now in zip(self._parts, before, after, strict=True):
            if was != now:
                part.move(was, now)

    def merge(self, other: "Census") -> None:
        """Add everything the other holds."""
        self.first_days.merge(other.first_days)
        self.last_hours.merge(other.last_hours)
        for metric, histogram in self.histograms.items():
            histogram.merge(other.histograms[metric])

    @property
    def is_empty(self) -> bool:
        """Whether every customer added was removed, with the same figures."""
        return all(part.is_empty for part in self._parts)

    def to_plain(self) -> dict[str, tuple[int, ...]]:
        """Whole numbers by part; equal censuses give equal plain forms, keys in one order."""
        return {
            "form": (_FORM,),
            _FIRST_DAYS: self.first_days.to_plain(),
            _LAST_HOURS: self.last_hours.to_plain(),
            **{metric: one.to_plain() for metric, one in self.histograms.items()},
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Sequence[int]]) -> Self:
        """Read what `to_plain` gave; ValueError for another form, KeyError for a missing part.

        A census of another form is counted anew from the states.
        """
        if tuple(plain["form"]) != (_FORM,):
            raise ValueError(f"a census of form {list(plain['form'])}, {_FORM} is known")
        census = cls()
        census.first_days = Tally.from_plain(plain[_FIRST_DAYS])
        census.last_hours = Tally.from_plain(plain[_LAST_HOURS])
        census.histograms = {metric: Histogram.from_plain(plain[metric]) for metric in METRICS}
        census._join_parts()
        return census

    def _join_parts(self) -> None:
        self._parts: tuple[Tally | Histogram, ...] = (
            self.first_days,
            self.last_hours,
            *self.histograms.values(),
        )
