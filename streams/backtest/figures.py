"""What the ledger amounts to: per campaign, whom one rule set alone addresses, and by week.

A purchase is an order that counts within seven days after an action. Beside the share of those whose
actions were sent stand two others: of the control group, and of all customers at the same days. In
history nobody got these messages, so all three say what customers did anyway.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final, NamedTuple

import duckdb

from streams.backtest import queries
from streams.backtest.ledger import Suppression
from streams.backtest.rule_sets import RuleSet
from streams.core.campaigns.attribution import WINDOW_MS
from streams.core.values import DAY_MS

# 1970-01-01 was a Thursday; weeks begin on Mondays.
_DAYS_FROM_MONDAY = 3
# Rows fetched at a time.
_PAGE = 10_000


class Share(NamedTuple):
    """`bought` of `actions` were followed by a purchase."""

    actions: int = 0
    bought: int = 0

    @property
    def percent(self) -> float | None:
        """With one decimal; None of nothing."""
        return round(100 * self.bought / self.actions, 1) if self.actions else None


NOTHING: Final = Share()


@dataclass(slots=True)
class Figures:
    """One campaign under one rule set.

    `sent` counts actions, controls left out; `customers` whom they went to. `sent_share` and
    `control_share` cover the actions after which history goes on for seven days, and so do
    `orders_after` and `net_after_minor`: of orders that followed what was sent, each counted once.
    `base_percent` is the share of all customers who bought within seven days, at the days of those
    actions, None without any.
    """

    campaign: str
    sent: int = 0
    customers: int = 0
    controls: int = 0
    called_off: int = 0
    suppressed: dict[str, int] = field(default_factory=dict)
    sent_share: Share = NOTHING
    control_share: Share = NOTHING
    base_percent: float | None = None
    orders_after: int = 0
    net_after_minor: int = 0


class Followed(NamedTuple):
    """An action with what came after it; `orders` and `net_minor` are None where nobody knows yet."""

    set_no: int
    customer_id: str
    campaign: str
    step: str
    decided_ms: int
    due_ms: int
    template: str
    voucher: str
    is_control: bool
    called_off: str
    orders: int | None
    net_minor: int | None


class OnlyOne(NamedTuple):
    """A customer to whom one rule set alone sends something."""

    set_no: int
    customer_id: str
    actions: int
    campaigns: str
    first_decided_ms: int


class Week(NamedTuple):
    """Actions sent in the week that begins on Monday, `week_ms`, 00:00 UTC."""

    set_no: int
    campaign: str
    week_ms: int
    sent: int


class Findings:
    """Asks the tables of a ledger; `known_ms` is up to where history tells who bought."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        rule_sets: Sequence[RuleSet],
        known_ms: int,
    ) -> None:
        self._connection = connection
        self._rule_sets = rule_sets
        connection.execute(queries.BECAME)
        connection.execute(queries.PREPARE, {"window": WINDOW_MS, "known": known_ms})

    def figures(self) -> list[dict[str, Figures]]:
        """Per rule set every one of its campaigns by name, in the order of names."""
        found = [
            {name: Figures(name) for name in rule_set.campaigns} for rule_set in self._rule_sets
        ]
        for set_no, campaign, sent, customers, controls, called_off in self._rows(queries.COUNTS):
            one = found[set_no][campaign]
            one.sent, one.customers, one.controls = sent, customers, controls
            one.called_off = called_off
        for set_no, campaign, reason, count in self._rows(queries.SUPPRESSED):
            found[set_no][campaign].suppressed[reason] = count
        for set_no, campaign, is_control, actions, bought in self._rows(queries.SHARES):
            one = found[set_no][campaign]
            if is_control:
                one.control_share = Share(actions, bought)
            else:
                one.sent_share = Share(actions, bought)
        for set_no, campaign, orders, net_minor in self._rows(queries.AFTER, window=WINDOW_MS):
            one = found[set_no][campaign]
            one.orders_after, one.net_after_minor = orders, net_minor
        for (set_no, campaign), percent in self._base_percents().items():
            found[set_no][campaign].base_percent = percent
        return found

    def customers_addressed(self) -> list[int]:
        """Per rule set to how many customers anything is sent."""
        return self._per_set(queries.ADDRESSED)

    def customers_of_one_only(self) -> list[int]:
        """Per rule set how many customers no other addresses."""
        return self._per_set(queries.ONLY_ONE_COUNTS)

    def followed(self) -> Iterator[Followed]:
        """All actions by rule set, instant of the decision, customer, campaign and step."""
        return map(Followed._make, self._rows(queries.FOLLOWED))

    def suppressions(self) -> Iterator[Suppression]:
        """All that was held back, in the same order."""
        return map(Suppression._make, self._rows(queries.SUPPRESSIONS))

    def only_one(self) -> Iterator[OnlyOne]:
        """Customers whom one rule set alone addresses, by rule set and id."""
        return map(OnlyOne._make, self._rows(queries.ONLY_ONE))

    def weeks(self) -> list[Week]:
        """What was sent in each week in which anything was, by rule set, campaign and week."""
        rows = self._rows(queries.WEEKS, day=DAY_MS, monday=_DAYS_FROM_MONDAY)
        return [
            Week(set_no, campaign, (7 * week - _DAYS_FROM_MONDAY) * DAY_MS, sent)
            for set_no, campaign, week, sent in rows
        ]

    def _per_set(self, query: str) -> list[int]:
        counts = dict(self._rows(query))
        return [counts.get(set_no, 0) for set_no in range(len(self._rule_sets))]

    def _base_percents(self) -> dict[tuple[int, str], float]:
        """The share of all customers by campaign, each day weighted by its actions."""
        known_from = list(self._rows(queries.KNOWN_FROM, day=DAY_MS))
        days = [day for day, _ in known_from]
        known = list(accumulate(count for _, count in known_from))
        buyers = dict(self._rows(queries.BUYERS, day=DAY_MS))
        sums: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for set_no, campaign, day, actions in self._rows(queries.ACTION_DAYS, day=DAY_MS):
            place = bisect_right(days, day)
            if place:
                total = sums[set_no, campaign]
                total[0] += actions * buyers.get(day, 0) / known[place - 1]
                total[1] += actions
        return {key: round(100 * share / actions, 1) for key, (share, actions) in sums.items()}

    def _rows(self, query: str, **values: int) -> Iterator[tuple[Any, ...]]:
        # A cursor of its own: two may be read at a time.
        cursor = self._connection.cursor()
        cursor.execute(query, values)
        while page := cursor.fetchmany(_PAGE):
            yield from page
