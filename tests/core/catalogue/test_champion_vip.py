"""`champion_vip`: the VIP programme, for Champions by RFM and VIPs by loyalty."""

from tests.core.catalogue import people
from tests.core.catalogue.life import BERTA, HeldBack, Life, Mail, at, base, best_of, shop

NAME = "champion_vip"
PROGRAMME = Mail("day 121, 10:00", NAME, "club_benefit")
# Limits by which six orders are enough for a VIP, and by which hardly any are.
EASIER = base(
    number=9, percentiles={"lifetime_orders": [4] * 99, "lifetime_net_minor": [30_000] * 99}
)
HARDER = base(
    number=8, percentiles={"lifetime_orders": [40] * 99, "lifetime_net_minor": [900_000] * 99}
)


def test_a_champion_is_invited_the_next_day_at_ten_with_premium_picks() -> None:
    life = people.champion(Life()).until(200)
    assert life.member_of("rfm") == "Champions"
    assert life.mail(NAME) == [PROGRAMME]
    [action] = life.actions(NAME)
    assert action.suggestions == best_of("Champions", 8)


def returning_vip(life: Life) -> Life:
    """Six large orders long ago and a seventh: a VIP by lifetime, by RFM not even loyal."""
    for number in range(6):
        life.order(at(0), 20_000 + number, order_id=f"old{number}")
    life.until(860).forget().buys([870], 3_000)
    assert life.member_of("loyalty") == "VIP"
    assert life.member_of("rfm") == "Potential Loyalists"
    return life


def test_a_vip_who_is_no_champion_is_invited_too() -> None:
    life = returning_vip(Life())
    assert life.until(880).mail(NAME) == [Mail("day 871, 10:00", NAME, "club_benefit")]


def test_a_champion_who_becomes_a_vip_is_invited_once() -> None:
    """The seventh order makes a VIP two weeks after the programme was offered."""
    life = people.champion(Life()).buys([135], 6_000).until(200)
    assert life.member_of("loyalty") == "VIP"
    assert life.mail(NAME) == [PROGRAMME]
    assert life.held_back(NAME) == [HeldBack("day 135, 10:00", "programme", "re_entry")]


def test_both_at_once_are_one_invitation() -> None:
    life = people.vip(Life()).until(100)
    assert (life.member_of("rfm"), life.member_of("loyalty")) == ("Champions", "VIP")
    assert life.mail(NAME) == [Mail("day 61, 10:00", NAME, "club_benefit")]


def test_a_vip_by_moving_limits_is_invited_at_the_next_own_order_and_not_forgotten() -> None:
    """Else a VIP made by limits would be ignored for ever (campaigns.md, Triggers)."""
    life = people.frequent(Life(shop(of=HARDER))).buys([100, 110], 4_000).until(150)
    life.forget().base_moves(EASIER)
    assert life.member_of("loyalty") == "VIP"
    assert life.until(158).mail(NAME) == []
    life.buys([160], 1_000).until(170)
    assert life.mail(NAME) == [Mail("day 161, 10:00", NAME, "club_benefit")]


def test_only_an_order_counts_as_that() -> None:
    life = people.frequent(Life(shop(of=HARDER))).buys([100, 110], 4_000).until(150)
    life.forget().base_moves(EASIER)
    life.contact(at(160))
    life.cart(at(161))
    life.give_back(at(162), 100)
    assert life.until(175).mail(NAME) == []


def test_a_vip_by_merging_two_accounts_is_invited_at_the_next_own_order() -> None:
    old, life = Life(customer_id=BERTA), people.frequent(Life()).until(100)
    for number in range(3):
        old.order(at(60 + number), 7_000, order_id=f"other{number}", backfill=True)
    old.merges_into(life, at(100))
    assert life.member_of("loyalty") == "VIP"
    assert life.until(110).mail(NAME) == []
    life.buys([111], 1_000).until(120)
    assert life.mail(NAME) == [Mail("day 112, 10:00", NAME, "club_benefit")]


def test_another_order_before_the_invitation_does_not_end_it() -> None:
    life = people.champion(Life()).buys([120.5], 100)
    assert life.until(130).mail(NAME) == [PROGRAMME]


def test_a_cancellation_before_the_invitation_ends_it() -> None:
    life = people.champion(Life())
    life.cancel(at(120, "18:00"), "o5")
    assert life.member_of("rfm") == "Loyal Customers"
    assert not life.is_in(NAME)
    assert (life.until(200).mail(NAME), life.held_back(NAME)) == ([], [])


def test_limits_that_move_away_before_the_invitation_end_it() -> None:
    life = returning_vip(Life())
    assert life.is_in(NAME)
    life.base_moves(HARDER)
    assert life.member_of("loyalty") == "Frequent Buyer"
    assert not life.is_in(NAME)
    assert life.until(880).mail(NAME) == []


def test_not_again_within_a_year() -> None:
    """Silent until At Risk, and a Champion again with one order."""
    for day, reasons in ((320, ["re_entry"]), (500, [])):
        life = people.champion(Life(shop(of=HARDER))).until(310).forget()
        assert life.member_of("rfm") == "At Risk"
        life.buys([day], 4_000)
        assert life.member_of("rfm") == "Champions"
        life.until(day + 2)
        assert [one.reason for one in life.held_back(NAME)] == reasons
        assert len(life.mail(NAME)) == (not reasons)


def test_a_spending_limiter_gets_no_premium_cross_selling() -> None:
    life = people.limiter(Life()).buys([105, 115, 125], 5_100).until(140)
    assert "Spending Limiter" in (life.member_of("behaviour") or "")
    assert life.mail(NAME) == []
