"""A dry run: how many customers a campaign would reach right now, and why not the others."""

from bisect import insort
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streams.core.campaigns.definition import Campaign
from streams.core.campaigns.guard import Guard
from streams.core.rules import Rules
from streams.core.state import CustomerState
from streams.insights.campaigns_trial import ALLOWED, HELD, OUTCOMES, moment_at, try_out

# The guard of a scheduled campaign lets its dry-run count and 20 % more through (campaigns.md).
_LEEWAY_PERCENT: Final = 120


@dataclass(slots=True)
class DryRun:
    """Counts what would become of all customers it is given.

    `examples` holds up to `most_examples` customer ids of each outcome and reason, the first in order.
    `reached` counts by partition who would be sent to, now or once what holds it back is over;
    without controls, whom the guard does not count.
    """

    campaign: str
    most_examples: int = 0
    customers: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    reached: Counter[int] = field(default_factory=Counter)

    def add(self, partition: int, state: CustomerState, rules: Rules, now_ms: int) -> None:
        """Try the campaign out on one customer; changes the state it is given."""
        self.customers += 1
        moment = moment_at(state, rules, now_ms)
        trial = try_out(state, rules.book.current[self.campaign], moment)
        if trial is None:
            return
        kind = (trial.outcome, trial.reason)
        self.counts[kind] += 1
        if trial.outcome in (ALLOWED, HELD) and not trial.is_control:
            self.reached[partition] += 1
        if self.most_examples:
            known = self.examples.setdefault(kind, [])
            insort(known, state.customer_id)
            del known[self.most_examples :]

    @property
    def prospects(self) -> int:
        """Customers for whom a trigger holds."""
        return self.counts.total()

    def of(self, outcome: str) -> int:
        """Customers of one outcome."""
        return sum(count for (one, _), count in self.counts.items() if one == outcome)

    def rows(self) -> list[tuple[str, str, int]]:
        """Outcome, reason and customers, in the order of OUTCOMES, the most frequent reason first."""
        return sorted(
            ((outcome, reason, count) for (outcome, reason), count in self.counts.items()),
            key=lambda one: (OUTCOMES.index(one[0]), -one[2], one[1]),
        )


def scheduled_limit(reached: Mapping[int, int], partitions: int) -> int | None:
    """The guard's limit of a scheduled campaign: as many as the dry run counted, and 20 % more.

    Each partition takes an equal share of it (`Guard`) and customers are spread by a hash, so the
    fullest one says how much that is. None where nobody would be reached: the campaign's own stays.
    """
    fullest = max(reached.values(), default=0)
    return partitions * -(-fullest * _LEEWAY_PERCENT // 100) or None


def let_through(campaign: Campaign, guard: Guard, wanted: int, now_ms: int) -> int:
    """How many of `wanted` actions at one instant a partition's guard lets through."""
    fresh = Guard(guard.partitions, guard.customers)
    return next((n for n in range(wanted) if not fresh.admit(campaign, now_ms)), wanted)
