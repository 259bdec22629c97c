"""The customers of the stories: what they did until they became who they are.

Each function tells a life to the moment that starts something, at `clock` of that day. Orders avoid
the two days after a letter of `potential_loyalist_nurture`: answering it says something, too.
"""

from tests.core.catalogue.life import Life, at

UNEVEN = (5_000, 9_000, 2_000, 7_000, 13_000, 11_000, 8_000)


def buyer(life: Life, clock: str = "10:00") -> Life:
    """One order on day 0: a New Buyer, One Time Buyer, Potential Loyalist and C customer."""
    return life.buys([0], clock=clock)


def back_after_risk(life: Life, clock: str = "10:00") -> Life:
    """Bought on day 0, was At Risk from day 90 on, and buys again on day 100."""
    return buyer(life).buys([100], 4_000, clock)


def second_time_buyer(life: Life, clock: str = "10:00") -> Life:
    """Two small orders, the second on day 30: still a C customer, and no New Buyer any more."""
    return buyer(life).buys([30], 4_000, clock)


def small_pair(life: Life, clock: str = "10:00") -> Life:
    """Two small orders on days 0 and 1, then silence: At Risk on day 91, a Sleeper on day 183."""
    return life.buys([0], 4_000).buys([1], 4_000, clock)


def heavy_buyer(life: Life, clock: str = "10:00") -> Life:
    """Three orders of 360.00 in all, every 20 days or so until day 41: an A customer.

    Slipping once silent for one and a half times the usual 20.5 days: on day 72 at 04:00.
    """
    return life.buys([0], 15_000).buys([20], 9_000).buys([41], 12_000, clock)


def frequent(life: Life, clock: str = "10:00") -> Life:
    """Three large orders by day 45, asked to refer friends after them, and a fourth on day 95."""
    life.buys([0], 15_000).buys([20], 9_000).buys([45], 12_000)
    return life.buys([95], 5_000, clock)


def loyal(life: Life, clock: str = "10:00") -> Life:
    """Four orders, the fourth on day 95: a Loyal Customer by RFM, and a Frequent Buyer."""
    for number, day in enumerate((0, 32, 64)):
        life.buys([day], UNEVEN[number])
    return life.buys([95], UNEVEN[3], clock)


def champion(life: Life, clock: str = "10:00") -> Life:
    """Six orders of 547.00 in all, the sixth on day 120: Champions, and one order short of VIP."""
    loyal(life).buys([110], UNEVEN[4])
    return life.buys([120], 18_700, clock)


def vip(life: Life, clock: str = "10:00") -> Life:
    """Seven orders of more than 500.00 in all by day 60, the last on that day."""
    for number, day in enumerate((0, 10, 20, 32, 40, 50)):
        life.buys([day], UNEVEN[number])
    return life.buys([60], UNEVEN[6], clock)


def limiter(life: Life, clock: str = "10:00") -> Life:
    """Four orders of one value and no answer to any offer: a Spending Limiter from day 95 on."""
    return life.buys([0, 32, 64]).buys([95], clock=clock)


def reverser(life: Life, clock: str = "10:00") -> Life:
    """Sends back most of three orders: a Revenue Reverser from day 72 on."""
    life.buys([0], 8_000).buys([33], 6_000).buys([66], 9_000)
    for number, day in enumerate((70, 71)):
        life.give_back(at(day), 4_000, f"o{number}")
    life.give_back(at(72, clock), 4_000, "o2")
    return life


def maximizer(life: Life, clock: str = "10:00") -> Life:
    """Three orders, each with a coupon: a Promotion Maximizer from day 40 on."""
    life.buys([0], 2_000, coupons=["WELCOME"]).buys([20], 5_000, coupons=["SPRING"])
    return life.buys([40], 1_000, clock, coupons=["SUMMER"])


def demander(life: Life, clock: str = "10:00") -> Life:
    """Three calls that cost 15.00 of 80.00: a Service Demander from day 52 on."""
    life.buys([0], 2_000).buys([20], 5_000).buys([40], 1_000)
    life.contact(at(50))
    life.contact(at(51))
    life.contact(at(52, clock))
    return life
