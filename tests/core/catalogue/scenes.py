"""For each shipped campaign a life in which it is on its way, and when it speaks first."""

from collections.abc import Callable
from typing import Final, NamedTuple

from tests.core.catalogue import people
from tests.core.catalogue.life import NAMES, Life, Mail, at, item


class Scene(NamedTuple):
    """`live` leads, at a time of day, to the event that starts it or to the silence that does.

    Told at 10:00, `step` is due at `day` and `clock`, and goes out then as `template`. Other lives:
    told at 23:30 it goes out `by_night`, to a customer in New York `abroad`, and after another
    mail an hour before `deferred`; None where it does not go out at all, since it would be too late.
    """

    live: Callable[[Life, str], object]
    day: int
    clock: str
    step: str
    template: str
    offer: str | None
    by_night: str | None
    abroad: str | None
    deferred: str | None

    @property
    def due_ms(self) -> int:
        """When the first action is due."""
        return at(self.day, self.clock)

    @property
    def first(self) -> Mail:
        """The first mail."""
        return Mail(f"day {self.day}, {self.clock}", self.template, self.offer)


def _cart_of_a_stranger(life: Life, clock: str) -> None:
    life.cart(at(5, clock))


def _cart_of_a_limiter(life: Life, clock: str) -> None:
    people.limiter(life).cart(at(110, clock), items=[item()])


def _cart_of_a_reverser(life: Life, clock: str) -> None:
    people.reverser(life).cart(at(110, clock), items=[item("DRESS")])


def _heavy_buyer_orders_again(life: Life, clock: str) -> None:
    life.buys([0], 15_000).buys([20], 9_000).buys([45], 12_000, clock)


def _buyer_of_early_summer(life: Life, clock: str) -> None:
    life.buys([150], clock=clock)


SCENES: Final[dict[str, Scene]] = {
    "cart_reminder": Scene(
        live=_cart_of_a_stranger,
        day=5,
        clock="11:00",
        step="first",
        template="cart_reminder_first",
        offer=None,
        by_night="day 6, 08:00",
        abroad="day 5, 13:00",
        deferred=None,
    ),
    "budget_cart_offer": Scene(
        live=_cart_of_a_limiter,
        day=110,
        clock="11:00",
        step="offer",
        template="budget_cart_offer",
        offer="discount_10",
        by_night="day 111, 08:00",
        abroad="day 110, 12:00",
        deferred="day 111, 08:00",
    ),
    "return_fit_help": Scene(
        live=_cart_of_a_reverser,
        day=110,
        clock="10:15",
        step="advice",
        template="return_fit_help",
        offer=None,
        # Nobody chooses by night, and by day the reminder of the same cart goes first.
        by_night=None,
        abroad=None,
        deferred=None,
    ),
    "win_back_at_risk": Scene(
        live=people.buyer,
        day=90,
        clock="10:00",
        step="offer",
        template="win_back_at_risk",
        offer="free_delivery",
        by_night="day 91, 08:00",
        abroad="day 90, 12:00",
        deferred="day 91, 08:00",
    ),
    "win_back_lost": Scene(
        live=people.buyer,
        day=180,
        clock="10:00",
        step="we_miss_you",
        template="win_back_lost",
        offer="strong",
        by_night="day 181, 08:00",
        abroad="day 180, 12:00",
        deferred="day 181, 08:00",
    ),
    "win_back_personal": Scene(
        live=people.heavy_buyer,
        day=72,
        clock="10:00",
        step="contact",
        template="win_back_personal",
        offer="club_benefit",
        by_night="day 73, 10:00",
        abroad="day 72, 14:00",
        deferred="day 73, 08:00",
    ),
    "sleeper_wake_up": Scene(
        live=people.small_pair,
        day=183,
        clock="10:00",
        step="have_a_look",
        template="sleeper_wake_up",
        offer=None,
        by_night="day 184, 08:00",
        abroad="day 183, 12:00",
        deferred="day 184, 08:00",
    ),
    "second_order": Scene(
        live=people.buyer,
        day=15,
        clock="09:00",
        step="suggestions",
        template="second_order",
        offer=None,
        by_night="day 15, 09:00",
        abroad="day 14, 14:00",
        deferred="day 16, 08:00",
    ),
    "welcome_new_buyer": Scene(
        live=people.buyer,
        day=1,
        clock="10:00",
        step="welcome",
        template="welcome_new_buyer",
        offer=None,
        by_night="day 2, 08:00",
        abroad="day 1, 13:00",
        deferred="day 2, 08:00",
    ),
    "grow_c_to_b": Scene(
        live=people.second_time_buyer,
        day=34,
        clock="10:00",
        step="cross_sell",
        template="grow_c_to_b",
        offer=None,
        by_night="day 35, 08:00",
        abroad="day 34, 13:00",
        deferred="day 35, 08:00",
    ),
    "potential_loyalist_nurture": Scene(
        live=people.back_after_risk,
        day=115,
        clock="09:00",
        step="newsletter",
        template="potential_loyalist_nurture",
        offer="points",
        by_night="day 115, 09:00",
        abroad="day 114, 13:00",
        deferred="day 116, 08:00",
    ),
    "loyal_thank_you": Scene(
        live=people.loyal,
        day=96,
        clock="10:00",
        step="thank_you",
        template="loyal_thank_you",
        offer="club_benefit",
        by_night="day 97, 08:00",
        abroad="day 96, 12:00",
        deferred="day 97, 08:00",
    ),
    "frequent_buyer_personal": Scene(
        live=people.frequent,
        day=98,
        clock="10:00",
        step="picks",
        template="frequent_buyer_personal",
        offer=None,
        by_night="day 99, 08:00",
        abroad="day 98, 12:00",
        deferred="day 99, 08:00",
    ),
    "champion_vip": Scene(
        live=people.champion,
        day=121,
        clock="10:00",
        step="programme",
        template="champion_vip",
        offer="club_benefit",
        by_night="day 122, 10:00",
        abroad="day 121, 14:00",
        deferred="day 122, 08:00",
    ),
    "refer_a_friend": Scene(
        live=_heavy_buyer_orders_again,
        day=48,
        clock="10:00",
        step="ask",
        template="refer_a_friend",
        offer=None,
        by_night="day 49, 08:00",
        abroad="day 48, 13:00",
        deferred="day 49, 08:00",
    ),
    "loyalty_bonus": Scene(
        live=people.vip,
        day=90,
        clock="09:00",
        step="bonus",
        template="loyalty_bonus",
        offer="points",
        by_night="day 90, 09:00",
        abroad="day 90, 12:00",
        deferred="day 91, 08:00",
    ),
    "season_opener": Scene(
        live=_buyer_of_early_summer,
        day=181,
        clock="09:00",
        step="opener",
        template="season_opener",
        offer="points",
        by_night="day 181, 09:00",
        abroad="day 181, 12:00",
        deferred="day 182, 08:00",
    ),
    "deal_membership": Scene(
        live=people.maximizer,
        day=42,
        clock="10:00",
        step="membership",
        template="deal_membership",
        offer="club_benefit",
        by_night="day 43, 08:00",
        abroad="day 42, 13:00",
        deferred="day 43, 08:00",
    ),
    "self_service": Scene(
        live=people.demander,
        day=53,
        clock="10:00",
        step="links",
        template="self_service",
        offer=None,
        by_night="day 54, 08:00",
        abroad="day 53, 13:00",
        deferred="day 54, 08:00",
    ),
}
assert set(SCENES) == set(NAMES), "each shipped campaign has its scene"
# Started by an event of the customer; the others by the clock or the calendar, carts by either.
BY_EVENT: Final = (
    "return_fit_help",
    "second_order",
    "welcome_new_buyer",
    "grow_c_to_b",
    "potential_loyalist_nurture",
    "loyal_thank_you",
    "frequent_buyer_personal",
    "champion_vip",
    "refer_a_friend",
    "deal_membership",
    "self_service",
)
