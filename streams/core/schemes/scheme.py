"""What every segmentation scheme is: a function of one customer at one instant.

A scheme is compiled from its journaled rules. It looks at a `View` and answers with a segment and
the next instant at which that answer can change by the clock alone. Limits that move with the
customer base come from the snapshot it was put under.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

from streams.core.facts import Facts
from streams.core.population.snapshot import Snapshot
from streams.core.state import CustomerState, Order

# Between the flags of one customer in a flag scheme; no name of a segment contains it.
FLAG_SEPARATOR = "|"
_AGE = attrgetter("occurred_at_ms", "event_id")


class Scores(NamedTuple):
    """RFM scores from 1 (worst) to the number of levels of the map (5 unless it says otherwise)."""

    r: int
    f: int
    m: int


def names_in(segment: str | None) -> list[str]:
    """The names in a segment as a membership holds it: one, in a flag scheme any number."""
    return segment.split(FLAG_SEPARATOR) if segment is not None else []


class Answer(NamedTuple):
    """Where a customer belongs.

    `segment` is None for nowhere; in a flag scheme the sorted flags joined by `FLAG_SEPARATOR`, None
    without any. `until_ms` is the first instant after the view's at which the answer can be another
    one with no event and no new limits; None for never. Too early is honest, too late is not.
    """

    segment: str | None
    until_ms: int | None
    scores: Scores | None = None


class View:
    """One customer at one instant, as schemes see it.

    `segments` holds the answers already given at this instant, by scheme: schemes are asked in the
    order of the rules, `attributes` last.
    """

    __slots__ = ("_orders", "facts", "now_ms", "segments", "state")

    def __init__(self, state: CustomerState, facts: Facts, now_ms: int) -> None:
        self.state = state
        self.facts = facts
        self.now_ms = now_ms
        self.segments: dict[str, str | None] = {}
        self._orders: Sequence[Order] | None = None

    @property
    def orders(self) -> Sequence[Order]:
        """Counting orders that are kept whole, oldest first, equal instants by event id.

        Orders of value 0 are left out where the shop does not count them.
        """
        if self._orders is None:
            counting = [
                order
                for order in self.state.orders.values()
                if not order.cancelled
                # Most orders were never returned: the longer test is for the others.
                and not (
                    (order.returned_minor or order.returned_own_minor) and order.fully_returned
                )
                and (order.total_minor or self.facts.zero_value_orders_count)
            ]
            counting.sort(key=_AGE)
            self._orders = counting
        return self._orders


class Scheme(Protocol):
    """One segmentation scheme under certain limits. Immutable.

    `segments` are all its names; best to worst where `is_ranked`. `uses_population` says whether
    `under` can make a difference.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def segments(self) -> tuple[str, ...]: ...
    @property
    def is_flags(self) -> bool: ...
    @property
    def is_ranked(self) -> bool: ...
    @property
    def uses_population(self) -> bool: ...
    @property
    def hold_ms(self) -> int | None: ...

    def classify(self, view: View) -> Answer:
        """Where the customer belongs at `view.now_ms`."""

    def under(self, snapshot: Snapshot | None) -> "Scheme":
        """The same scheme with the limits of a snapshot; None for before the first."""


class Shop(NamedTuple):
    """What all schemes of one shop share. Durations in milliseconds."""

    window_ms: int
    minimum_customers: int
    minimum_history_ms: int
    count_zero_value_orders: bool


# Compiles a scheme from its journaled form; KeyError, TypeError and ValueError say what is wrong.
class Compile(Protocol):
    """`compile_scheme` of each module."""

    def __call__(self, raw: Mapping[str, Any], shop: Shop) -> Scheme: ...
