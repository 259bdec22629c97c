"""How the customers of the simulated shop behave.

The numbers are ours. They are chosen so that under the default rules (R limits 30, 90, 180, 365
days; F limits 2, 4, 6, 10; M limits 100, 250, 500, 1000) every segment of the map `five` is entered
within a simulated year, by orders and by the clock alone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

from streams.simulation.catalogue import PRODUCTS

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

# A gap between two visits is its mean times a number drawn evenly from this range.
_GAP_SPREAD: Final = (0.4, 1.6)
# Nobody plans further ahead than this: a customer whose gap has grown beyond it is gone.
_GONE_AFTER_DAYS: Final = 240
# Relative number of visits by month, January first: the third and fourth quarter are the strongest.
_SEASON: Final = (0.9, 0.8, 0.9, 0.9, 0.9, 0.9, 1.0, 1.0, 1.1, 1.1, 1.4, 1.4)
_NIGHT_ENDS_HOUR: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One way to be a customer. Chances are 0 to 1; spans are in days.

    A customer visits every `gap_days` on average, each gap `gap_growth` times the one before. After
    a spell of `visits` (least, most; None = without end) comes a silence of `silence_days` (least,
    most; None = for ever) without any event, then the next spell. A visit uses a cart with chance
    `carts` and ends in an order with chance `buys`. `shelf` is the stretch of the catalogue, cheap
    to dear, that the customer buys from.
    """

    name: str
    share: float
    gap_days: float
    gap_growth: float = 1.0
    visits: tuple[int, int] | None = None
    silence_days: tuple[int, int] | None = None
    carts: float = 0.3
    buys: float = 0.9
    shelf: tuple[float, float] = (0.0, 1.0)
    promoted: float = 0.15
    returns: float = 0.12
    contacts: float = 0.04

    def products(self) -> tuple[int, int]:
        """First product on this customer's shelf and how many there are."""
        first = int(self.shelf[0] * len(PRODUCTS))
        return first, max(1, int(self.shelf[1] * len(PRODUCTS)) - first)


BEHAVIOURS: Final = (
    Behaviour(name="champion", share=0.10, gap_days=16, shelf=(0.3, 1.0), contacts=0.02),
    Behaviour(name="loyal", share=0.18, gap_days=45, shelf=(0.0, 0.45)),
    Behaviour(name="one_time", share=0.30, gap_days=30, visits=(1, 1), buys=1.0, shelf=(0.0, 0.6)),
    Behaviour(
        name="drifting", share=0.14, gap_days=10, gap_growth=1.5, shelf=(0.2, 0.9), returns=0.3
    ),
    Behaviour(
        name="won_back",
        share=0.16,
        gap_days=24,
        visits=(1, 4),
        silence_days=(100, 260),
        buys=1.0,
        promoted=0.6,
    ),
    Behaviour(name="cart_abandoner", share=0.12, gap_days=9, carts=0.95, buys=0.12, contacts=0.2),
)
"""All behaviours; their shares add up to 1."""


def pick_behaviour(rng: Random) -> Behaviour:
    """Draw one behaviour by the shares."""
    left = rng.random()
    for behaviour in BEHAVIOURS:
        left -= behaviour.share
        if left < 0:
            return behaviour
    return BEHAVIOURS[-1]


class Shopper:
    """One customer of the simulated shop and where they are in their habits."""

    __slots__ = ("behaviour", "customer_id", "first_product", "gap_days", "products", "visits_left")

    def __init__(self, customer_id: str, behaviour: Behaviour, rng: Random) -> None:
        """Begin the customer's first spell of visits."""
        self.customer_id = customer_id
        self.behaviour = behaviour
        self.first_product, self.products = behaviour.products()
        self.gap_days = behaviour.gap_days
        self.visits_left = _spell(behaviour, rng)

    def plan_visit(self, at_ms: int, rng: Random) -> int | None:
        """When the visit after the one at `at_ms` begins; None if there is no other."""
        behaviour = self.behaviour
        self.visits_left -= 1
        if self.visits_left == 0:
            if behaviour.silence_days is None:
                return None
            self.visits_left = _spell(behaviour, rng)
            return at_ms + int(rng.uniform(*behaviour.silence_days) * DAY_MS)
        if self.gap_days > _GONE_AFTER_DAYS:
            return None
        least, most = _GAP_SPREAD
        days = self.gap_days * (least + (most - least) * rng.random()) / season(at_ms)
        self.gap_days *= behaviour.gap_growth
        return _awake(at_ms + int(days * DAY_MS))


def season(at_ms: int) -> float:
    """How busy the shop is in the month of `at_ms` (UTC), 1 = an ordinary month."""
    return _SEASON[datetime.fromtimestamp(at_ms // 1000, UTC).month - 1]


def _spell(behaviour: Behaviour, rng: Random) -> int:
    """Visits until the next silence; -1 counts down for ever and never meets 0."""
    return -1 if behaviour.visits is None else rng.randint(*behaviour.visits)


def _awake(at_ms: int) -> int:
    """Give the same instant, or eight hours later where that is in the small hours (UTC)."""
    asleep = at_ms % DAY_MS < _NIGHT_ENDS_HOUR * HOUR_MS
    return at_ms + 8 * HOUR_MS if asleep else at_ms
