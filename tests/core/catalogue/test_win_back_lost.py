"""`win_back_lost`: "we miss you" with a strong incentive, then a short survey on why."""

from collections.abc import Callable

import pytest

from tests.core.catalogue import people
from tests.core.catalogue.life import BERTA, HeldBack, Life, Mail, at, best_of, item, shop
from tests.core.catalogue.test_win_back_at_risk import hasty

NAME = "win_back_lost"
MISS = Mail("day 180, 10:00", NAME, "strong")
SURVEY = Mail("day 187, 10:00", "win_back_lost_survey")


def test_a_strong_incentive_and_a_week_later_the_question_why() -> None:
    life = people.buyer(Life()).until(300)
    assert life.mail(NAME) == [MISS, SURVEY]
    assert {one.suggestions for one in life.actions(NAME)} == {best_of("Lost Customers", 4)}


def waits_for_coupons(life: Life) -> Life:
    return life.buys([0, 1, 2], 3_000, coupons=["X"])


def sends_back_and_complains(life: Life) -> Life:
    life.buys([0], 10_000)
    life.give_back(at(5), 3_000, "o0")
    for day in (6, 7, 8):
        life.contact(at(day), 0, complaint=True)
    return life


@pytest.mark.parametrize(
    ("lives", "flag"),
    [
        (waits_for_coupons, "Promotion Maximizer"),
        (sends_back_and_complains, "Revenue Reverser"),
    ],
)
def test_no_incentive_for_who_waits_for_offers_or_sends_back(
    lives: Callable[[Life], Life], flag: str
) -> None:
    """In a shop where who has not come for 170 days is lost."""
    life = lives(Life(shop(hasty(30, 60, 130, 170)))).until(220)
    assert flag in (life.member_of("behaviour") or "")
    assert [(one.template, one.offer) for one in life.mail(NAME)] == [
        (NAME, None),
        ("win_back_lost_survey", None),
    ]


# -- what starts it, and what does not -------------------------------------------------------------


def test_lost_by_a_return_starts_nothing() -> None:
    life = Life().buys([0, 1], 4_000).until(200)
    assert life.member_of("rfm") == "At Risk"
    life.give_back(at(200), 4_000, "o1")
    assert life.member_of("rfm") == "Lost Customers"
    assert life.until(300).mail(NAME) == []


def test_lost_by_new_rules_starts_nothing() -> None:
    life = people.buyer(Life()).until(100)
    life.rules_change(hasty(10, 20, 30, 40))
    assert life.member_of("rfm") == "Lost Customers"
    assert life.until(300).mail(NAME) == []


def test_lost_by_back_filled_history_starts_nothing() -> None:
    life = Life()
    life.order(at(0), received_ms=at(200), backfill=True)
    assert life.member_of("rfm") == "Lost Customers"
    assert life.until(300).mail(NAME) == []


def test_lost_by_merging_two_accounts_starts_nothing() -> None:
    old, new = people.buyer(Life(customer_id=BERTA)).until(250), Life()
    old.merges_into(new, at(250))
    assert new.member_of("rfm") == "Lost Customers"
    assert new.until(300).mail(NAME) == []


def test_not_within_thirty_days_of_anything_the_customer_does() -> None:
    for ago, reasons in ((29, ["recent_event"]), (30, [])):
        life = people.buyer(Life()).until(140)
        life.contact(at(180 - ago))
        life.until(181)
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == (not reasons)


def test_not_within_sixty_days_of_another_reactivation() -> None:
    """At Risk by silence on day 140; then the second order comes back, and Lost is day 180."""
    life = people.buyer(Life()).buys([50]).until(141)
    assert len(life.mail("win_back_at_risk")) == 1
    life.give_back(at(141), 5_000, "o1")
    life.until(200)
    assert life.member_of("rfm") == "Lost Customers"
    assert life.mail(NAME) == []
    assert [one.reason for one in life.held_back(NAME)] == ["group_gap"]


def test_not_again_within_half_a_year() -> None:
    """In a shop where who has not come for forty days is lost."""
    for again, reasons in ((45, ["re_entry"]), (181, [])):
        life = people.buyer(Life(shop(hasty(10, 20, 40, 60)))).until(44)
        assert life.mail(NAME)[0].when == "day 40, 10:00"
        # The second order is small and the first is gone by then: one order, lost once more.
        life.cancel(at(again, "09:00"), "o0")
        life.buys([again]).until(again + 45)
        assert [one.reason for one in life.held_back(NAME)] == reasons


def test_a_start_more_than_a_week_late_is_not_made() -> None:
    life = people.buyer(Life()).until(170).jump(188)
    assert life.held_back(NAME) == [HeldBack("day 188, 10:00", "we_miss_you", "late_start")]
    assert life.until(300).mail(NAME) == []


def test_when_everything_stood_still_over_the_first_the_survey_alone_comes_in_time() -> None:
    life = people.buyer(Life()).until(170).jump(187, "09:59")
    assert life.mail(NAME) == [Mail("day 187, 09:59", NAME, "strong")]
    life.until(300)
    # A day later: not two mails within sixteen hours.
    assert life.mail(NAME)[1:] == [Mail("day 188, 08:00", "win_back_lost_survey")]


# -- what ends it ----------------------------------------------------------------------------------


def orders(life: Life) -> None:
    life.order(at(183))


def cancels(life: Life) -> None:
    life.cancel(at(183), "o0")


@pytest.mark.parametrize(
    ("happens", "reason"), [(orders, "order_placed"), (cancels, "left_segment")]
)
def test_who_comes_back_or_leaves_the_segment_is_not_asked_why(
    happens: Callable[[Life], None], reason: str
) -> None:
    life = people.buyer(Life()).until(182)
    happens(life)
    assert not life.is_in(NAME)
    assert life.called_off(NAME) == [reason], "what was not sent yet is not sent any more"
    life.until(300)
    assert life.mail(NAME) == [MISS]
    assert life.held_back(NAME) == []


def test_who_does_something_else_is_not_asked_either() -> None:
    life = people.buyer(Life()).until(182)
    life.cart(at(183), items=[item()])
    life.until(300)
    assert life.mail(NAME) == [MISS]
    assert life.held_back(NAME) == [HeldBack("day 187, 10:00", "survey", "recent_event")]
