"""`frequent_buyer_personal`: picks made for one person, for who buys often."""

from tests.core.catalogue import people
from tests.core.catalogue.life import HeldBack, Life, Mail, at, base, best_of, item, shop

NAME = "frequent_buyer_personal"
PICKS = Mail("day 98, 10:00", NAME)
# Limits by which four orders are no more than the mean.
BUSIER = base(number=8, repeat_orders=1_600)


def test_three_days_after_the_order_that_made_one_with_eight_picks() -> None:
    life = people.frequent(Life()).until(200)
    assert life.mail(NAME) == [PICKS]
    [action] = life.actions(NAME)
    assert action.suggestions == best_of("Loyal Customers", 8)
    assert action.voucher is None


def test_what_one_has_is_not_picked() -> None:
    life = Life().buys([0], 15_000, items=[item("LOYAL-1"), item("LOYAL-2")])
    life.buys([20], 9_000).buys([45], 12_000, items=[item("LOYAL-5")]).buys([95], 5_000).until(100)
    [action] = life.actions(NAME)
    assert action.suggestions[:3] == ("LOYAL-3", "LOYAL-4", "LOYAL-6")
    assert len(action.suggestions) == 8


def test_it_goes_before_the_request_to_refer_that_is_due_at_the_same_instant() -> None:
    life = people.loyal(Life()).until(100)
    assert life.mail(NAME) == [PICKS]
    assert life.mail("refer_a_friend") == [Mail("day 99, 08:00", "refer_a_friend")]


def test_falling_from_vip_is_no_reason_for_picks() -> None:
    life = people.vip(Life(shop())).until(100).forget()
    life.give_back(at(100), 13_000, "o4")
    assert life.member_of("loyalty") == "Frequent Buyer"
    assert (life.until(130).mail(NAME), life.held_back(NAME)) == ([], [])


def test_becoming_one_because_the_limits_move_waits_for_the_next_own_order() -> None:
    """The source's example: three orders in March, four in November, and nobody did anything."""
    life = people.frequent(Life(shop(of=BUSIER))).until(110).forget()
    assert life.member_of("loyalty") == "Loyal Customer"
    life.base_moves(base(number=9))
    assert life.member_of("loyalty") == "Frequent Buyer"
    assert life.until(120).mail(NAME) == [], "nobody hears of a limit that moved"
    life.buys([121], 6_000).until(130)
    assert life.mail(NAME) == [Mail("day 124, 10:00", NAME)]


def test_who_is_none_any_more_by_then_hears_nothing() -> None:
    life = people.frequent(Life(shop(of=BUSIER))).until(110).forget()
    life.base_moves(base(number=9)).until(115)
    life.base_moves(base(number=10, repeat_orders=2_400))
    assert life.member_of("loyalty") == "Loyal Customer"
    life.buys([121], 6_000).until(130)
    assert (life.mail(NAME), life.held_back(NAME)) == ([], [])


def test_limits_that_move_away_end_it() -> None:
    life = people.frequent(Life()).until(96)
    assert life.is_in(NAME)
    life.base_moves(BUSIER)
    assert not life.is_in(NAME)
    assert life.until(110).mail(NAME) == []


def test_an_order_does_not_end_it_and_a_cancellation_that_makes_one_less_does() -> None:
    for day, ends in ((96, False), (97, True)):
        life = people.frequent(Life()).until(day)
        if ends:
            life.cancel(at(day), "o3")
        else:
            life.buys([day], 6_000)
        assert life.is_in(NAME) != ends
        assert life.until(110).mail(NAME) == ([] if ends else [PICKS])


def test_becoming_a_vip_ends_it() -> None:
    life = people.frequent(Life()).buys([96, 96.2, 96.4], 9_000)
    assert life.member_of("loyalty") == "VIP"
    assert not life.is_in(NAME)
    assert life.until(110).mail(NAME) == []


def test_not_again_within_half_a_year() -> None:
    for day, reasons in ((150, ["re_entry"]), (276, [])):
        life = people.frequent(Life()).until(110)
        life.cancel(at(110), "o3")
        life.forget().buys([day], 4_000).until(day + 4)
        assert life.member_of("loyalty") == "Frequent Buyer"
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == (not reasons)


def test_a_spending_limiter_gets_none() -> None:
    life = people.limiter(Life()).until(110)
    assert life.mail(NAME) == []
    assert life.held_back(NAME) == [HeldBack("day 98, 10:00", "picks", "muted")]
