"""`loyal_thank_you`: thanks with a code or an invitation, then news, then a word for others."""

import json
from collections.abc import Callable

import pytest

from streams.core.population.snapshot import Snapshot
from tests.core.catalogue import people
from tests.core.catalogue.life import BERTA, HeldBack, Life, Mail, armed, at, base, shop

NAME = "loyal_thank_you"
THANKS = Mail("day 96, 10:00", NAME, "club_benefit")
NEWS = Mail("day 109, 10:00", "loyal_news")
WORD = Mail("day 125, 10:00", "loyal_review_and_referral")
# A shop in which five orders on average are nothing special.
BUSIER = base(repeat_orders=2_000)


def test_thanks_then_news_then_a_word_for_others() -> None:
    assert people.loyal(Life()).until(200).mail(NAME) == [THANKS, NEWS, WORD]


@pytest.mark.parametrize(
    ("of", "group", "offer"),
    [
        (base(), "Frequent Buyer", "club_benefit"),
        (
            base(
                repeat_orders=800,
                percentiles={"lifetime_orders": [3] * 99, "lifetime_net_minor": [9_000] * 99},
            ),
            "VIP",
            "club_benefit",
        ),
        (BUSIER, "Loyal Customer", "gift"),
    ],
)
def test_an_invitation_for_those_who_come_most_often_and_a_code_for_the_others(
    of: Snapshot, group: str, offer: str
) -> None:
    life = people.loyal(Life(shop(of=of)))
    assert life.member_of("loyalty") == group
    # A VIP is invited to the programme at the same instant: then the thanks come a day later.
    assert [(one.template, one.offer) for one in life.until(98).mail(NAME)] == [(NAME, offer)]


# -- the word for others ---------------------------------------------------------------------------


def reverses(life: Life) -> None:
    for number, back in enumerate((4_000, 8_000, 1_500)):
        life.give_back(at(112), back, f"o{number}")


def demands(life: Life) -> None:
    for day in (112, 113, 114):
        life.contact(at(day), 2_000)


@pytest.mark.parametrize(
    ("becomes", "flag"), [(reverses, "Revenue Reverser"), (demands, "Service Demander")]
)
def test_who_complains_or_sends_back_is_not_asked_for_a_word(
    becomes: Callable[[Life], None], flag: str
) -> None:
    life = people.loyal(Life()).until(110)
    becomes(life)
    life.until(200)
    assert flag in (life.member_of("behaviour") or "")
    assert life.mail(NAME) == [THANKS, NEWS]
    assert life.held_back(NAME) == [], "that is the campaign's own wish, nothing was held back"


def test_a_new_buyer_is_not_asked_for_a_word_even_where_one_order_makes_loyal() -> None:
    life = Life(shop(loyal_at_once())).buys([0]).until(60)
    assert life.member_of("rfm") == "Loyal Customers"
    assert life.member_of("lifecycle") == "New Buyer"
    assert [one.template for one in life.mail(NAME)] == [NAME, "loyal_news"]


def loyal_at_once() -> str:
    """Rules of a shop in which a first order has the middle score of frequency."""
    rules = json.loads(armed())
    rules["schemes"][0]["scores"]["f"]["limits"] = [0, 1, 6, 10]
    return json.dumps(rules)


# -- what starts it, and what does not -------------------------------------------------------------


def test_nobody_is_thanked_for_having_been_a_champion() -> None:
    life = people.champion(Life()).until(160).forget()
    life.give_back(at(160), 18_000, "o5")
    assert life.member_of("rfm") == "Loyal Customers"
    assert life.until(260).mail(NAME) == []
    assert life.held_back(NAME) == []


def test_not_again_within_a_year() -> None:
    """Silent until At Risk, and loyal again with the next order."""
    for day, reasons in ((300, ["re_entry"]), (480, [])):
        life = people.loyal(Life()).until(290).forget()
        assert life.member_of("rfm") == "At Risk"
        life.buys([day], 4_000)
        assert life.member_of("rfm") == "Loyal Customers"
        life.until(day + 2)
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == (not reasons)


def test_loyal_by_new_rules_merging_or_history_is_thanked_at_the_next_own_order() -> None:
    """A rule makes them loyal: nobody is written to for that, but not forgotten either."""
    ruled = people.buyer(Life()).buys([30], 4_000).until(60).forget()
    ruled.rules_change(loyal_at_once())
    filled = Life()
    for day in (0, 10, 20, 30):
        filled.order(at(day), 4_000, received_ms=at(60), backfill=True)
    old, merged = Life(customer_id=BERTA), people.buyer(Life()).buys([30], 4_000).until(60)
    for number in range(3):
        old.order(at(10 + number), 3_000, order_id=f"other{number}", backfill=True)
    old.merges_into(merged, at(60))
    for life in (ruled, filled, merged):
        assert life.member_of("rfm") == "Loyal Customers"
        life.until(80)
        assert life.mail(NAME) == []
        life.buys([81], 3_300)
        assert [one.when for one in life.until(83).mail(NAME)] == ["day 82, 10:00"]


def test_an_order_told_more_than_four_hours_late_starts_nothing_and_that_is_said() -> None:
    life = Life().buys([0], 5_000).buys([32], 9_000).buys([64], 2_000).forget()
    life.order(at(95), 7_000, received_ms=at(95, "14:01"))
    assert life.member_of("rfm") == "Loyal Customers"
    assert life.until(200).mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 95, 14:01", "thank_you", "late_event")]


# -- what ends it ----------------------------------------------------------------------------------


def test_another_order_does_not_end_it() -> None:
    life = people.loyal(Life()).buys([100], 1_000)
    assert life.until(200).mail(NAME) == [THANKS, NEWS, WORD]


def test_rising_to_the_champions_ends_it() -> None:
    life = people.loyal(Life()).buys([104], 13_000).buys([105], 30_000)
    assert life.member_of("rfm") == "Champions"
    assert not life.is_in(NAME)
    assert life.until(200).mail(NAME) == [THANKS]


def test_a_cancellation_by_which_somebody_is_loyal_no_more_ends_it() -> None:
    life = people.loyal(Life()).until(100)
    life.cancel(at(100), "o1")
    assert life.member_of("rfm") == "Potential Loyalists"
    assert not life.is_in(NAME)
    assert life.called_off(NAME) == ["left_segment"]
    assert life.until(200).mail(NAME) == [THANKS]
