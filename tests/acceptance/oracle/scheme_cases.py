"""For each segment of each scheme, customers in it and just beside it, counted by hand."""

from __future__ import annotations

from typing import Any

from .hand_cases import DAY_MS, NOW_MS, Event, _event, back, cancel, many, order
from .thresholds import Thresholds

# A base whose limits are round: repeat buyers order 3 times on average (30 / 10).
BASE = Thresholds(
    number=1,
    as_of_ms=NOW_MS,
    customers=500,
    buyers=600,
    repeat_buyers=10,
    repeat_orders=30,
    history_ms=180 * DAY_MS,
    percentiles={
        "recency_ms": [percent * DAY_MS for percent in range(1, 100)],
        "frequency": [(percent + 19) // 20 for percent in range(1, 100)],
        "monetary_minor": [percent * 100 for percent in range(1, 100)],
        "lifetime_orders": [5] * 99,
        "lifetime_net_minor": [50_000] * 99,
        "value_minor": [0] * 99,
        "units_milli": [10_000] * 99,
    },
    thirds={"frequency": [1, 3], "monetary_minor": [10_000, 30_000], "recency_ms": [1, 2]},
    value_limits_minor=[100_000, 20_000],
)

Case = tuple[str, str, list[Event], str | None]


def orders(*days: float, total: str = "10.00", **more: Any) -> list[Event]:
    """One order for each number of days before now."""
    return [order(f"o{number}", at, total, **more) for number, at in enumerate(days)]


def sold(*totals: object, days: float = 1, **more: Any) -> list[Event]:
    """One order for each total, all of them `days` ago."""
    return [order(f"o{number}", days, total, **more) for number, total in enumerate(totals)]


def backs(count: int, amount: str, days: float = 1) -> list[Event]:
    """`count` returns of `amount` each that name no order."""
    return [back(f"b{number}", days, amount) for number in range(count)]


def contact(name: str, days: float, *, ms: int = 0, complaint: bool = False, **more: Any) -> Event:
    """A contact with the shop's service."""
    return _event("service.contacted", f"s-{name}", days, ms,
                  **{"contact_id": name, "channel": "mail", "complaint": complaint, **more})  # fmt: skip


def contacts(count: int, **more: Any) -> list[Event]:
    """`count` contacts of yesterday."""
    return [contact(f"{number}", 1, **more) for number in range(count)]


def pieces(count: object) -> dict[str, Any]:
    """An order's items: `count` pieces in two lines of which one is a single piece."""
    return {"items": [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": count}]}


_SLOW = (  # gaps of 100 days, then twelve of 4 days: the median looks at the latter only
    *(48 + 100 * back_then for back_then in (3, 2, 1)),
    *(48 - 4 * step for step in range(13)),
)

LOYALTY: list[Case] = [
    ("loyalty", "one order", orders(1), "One Time Buyer"),
    ("loyalty", "one order, long ago", orders(900), "One Time Buyer"),
    ("loyalty", "two orders, one of them cancelled", [*orders(1, 2), cancel("o1", 1)],
     "One Time Buyer"),
    ("loyalty", "two orders", orders(1, 800), "Loyal Customer"),
    ("loyalty", "as many as the mean", orders(1, 2, 3), "Loyal Customer"),
    ("loyalty", "above the mean", orders(1, 2, 3, 900), "Frequent Buyer"),
    ("loyalty", "at the cut of orders", sold(*["500.00"] * 5), "Frequent Buyer"),
    ("loyalty", "above the cut of orders, at the cut of revenue",
     [*sold(*["100.00"] * 5), order("x", 1, "0.00")], "Frequent Buyer"),
    ("loyalty", "above both cuts", [*sold(*["100.00"] * 5), order("x", 1, "0.01")], "VIP"),
    ("loyalty", "above both cuts, years ago", sold(*["100.00"] * 6, days=900), "VIP"),
    ("loyalty", "a loose return takes it below",
     [*sold(*["100.00"] * 5), order("x", 1, "0.01"), back("b", 1, "0.01")], "Frequent Buyer"),
    ("loyalty", "returns only", backs(1, "5.00"), None),
    ("loyalty", "cancelled only", [*orders(1), cancel("o0", 1)], None),
]  # fmt: skip

SMALL: list[Case] = [
    ("loyalty", "one", orders(1), "One Time Buyer"),
    ("loyalty", "one and a returned one",
     [*orders(1, 2), back("b", 1, "10.00", order_id="o1")], "One Time Buyer"),
    ("loyalty", "two", orders(1, 2), "Loyal Customer"),
    ("loyalty", "three", many(3, "900.00"), "Loyal Customer"),
    ("loyalty", "four", many(4, "1.00"), "Frequent Buyer"),
    ("loyalty", "nine", many(9, "900.00"), "Frequent Buyer"),
    ("loyalty", "ten", many(10, "1.00"), "VIP"),
    ("loyalty", "eleven", many(11, "1.00", 900), "VIP"),
    ("value", "nobody has a class yet", sold("5000.00"), None),
    ("behaviour", "nobody buys in bulk yet", sold("1.00", "3.00", "5.00", **pieces(999)), None),
    ("rfm_three_by_three", "R3 F1 M1", sold("249.99", days=179), "Recent"),
    ("rfm_three_by_three", "R2 F1 M2", sold("250.00", days=180), "At Risk"),
    ("rfm_three_by_three", "R1 F3 M3", sold("334.00", "333.00", "333.00", days=365),
     "Needs Attention"),
    ("rfm_three_by_three", "R3 F2 M3", sold("500.00", "500.00"), "Champions"),
    ("rfm_three_by_three", "R3 F2 M2", sold("500.00", "499.99"), "Loyal"),
    ("rfm_three_by_three", "R1 F2 M1", sold("1.00", "1.00", days=400), "Inactive"),
]  # fmt: skip

VALUE: list[Case] = [
    ("value", "the least A", sold("1000.00"), "A"),
    ("value", "A by two orders", sold("500.00", "600.00"), "A"),
    ("value", "a cent below A", sold("999.99"), "B"),
    ("value", "the least B", sold("200.00", days=364.9), "B"),
    ("value", "a cent below B", sold("199.99"), "C"),
    ("value", "net of nothing", [*sold("50.00"), back("b", 1, "50.00")], "C"),
    ("value", "below zero", [*sold("50.00"), back("b", 1, "5000.00")], "C"),
    ("value", "the return has left the window", [*sold("1000.00"), back("b", 365, "5.00")], "A"),
    ("value", "the return is in it", [*sold("1000.00"), back("b", 365, "5.00", ms=1)], "B"),
    ("value", "the order has left the window", sold("1000.00", days=365), None),
    ("value", "returns only", backs(1, "5.00"), None),
]  # fmt: skip

LIFECYCLE: list[Case] = [
    ("lifecycle", "returns only", backs(1, "5.00"), "Prospect"),
    ("lifecycle", "cancelled only", [*orders(1), cancel("o0", 1)], "Prospect"),
    ("lifecycle", "silent for 365 days", orders(365), "Lost"),
    ("lifecycle", "silent for long", orders(800, 500, 400), "Lost"),
    ("lifecycle", "silent for a moment less than 365 days", [order("1", 365, "1.00", ms=1)],
     "Sleeper"),
    ("lifecycle", "silent for 26 weeks", orders(190, 186, 182), "Sleeper"),
    ("lifecycle", "silent for a moment less than 26 weeks", [order("1", 182, "1.00", ms=1)],
     "Slipping"),
    ("lifecycle", "back after 200 days", orders(220, 20), "Reactivated"),
    ("lifecycle", "back, and again since", orders(250, 29, 5), "Reactivated"),
    ("lifecycle", "back for 30 days", orders(300, 30), "Active"),
    ("lifecycle", "back after exactly 26 weeks", orders(202, 20), "Reactivated"),
    ("lifecycle", "back after a moment less", [order("1", 202, "1.00", ms=1), *orders(20)],
     "Active"),
    ("lifecycle", "a cancelled order is no presence",
     [*orders(250, 100, 20), cancel("o1", 99)], "Reactivated"),
    ("lifecycle", "the first order yesterday", orders(1), "New Buyer"),
    ("lifecycle", "the first order almost 90 days ago", [order("1", 90, "1.00", ms=1)],
     "New Buyer"),
    ("lifecycle", "the first order 90 days ago", orders(90), "Slipping"),
    ("lifecycle", "two orders, silent for 90 days", orders(91, 90), "Slipping"),
    ("lifecycle", "two orders, almost", orders(91, 89.99), "Active"),
    ("lifecycle", "median 30 of 20 and 40, silent for 45", orders(105, 85, 45), "Slipping"),
    ("lifecycle", "median 30 of 20 and 40, almost", orders(105, 85, 44.99), "Active"),
    ("lifecycle", "median 40 of 20, 40 and 90, silent for 60", orders(210, 190, 150, 60),
     "Slipping"),
    ("lifecycle", "median 40 of 20, 40 and 90, almost", orders(210, 190, 150, 60 - 1e-6), "Active"),
    ("lifecycle", "a quick buyer has 30 days", orders(40, 35, 30), "Slipping"),
    ("lifecycle", "a quick buyer within 30 days", orders(40, 35, 29.99), "Active"),
    ("lifecycle", "the last 12 gaps only", orders(*(at + 30 for at in _SLOW)), "Slipping"),
    ("lifecycle", "three orders at one instant", orders(40, 40, 40), "Slipping"),
]  # fmt: skip

FREQUENCY: list[Case] = [
    ("frequency", "four", orders(1, 2, 3, 364), "Frequent"),
    ("frequency", "five", orders(1, 1, 1, 1, 1), "Frequent"),
    ("frequency", "the fourth has left the year", orders(1, 2, 3, 365), "Occasional"),
    ("frequency", "one", orders(364.9), "Occasional"),
    ("frequency", "silent for a year", orders(365, 366, 367, 368), "Inactive"),
    ("frequency", "silent for long", orders(900), "Inactive"),
    ("frequency", "never ordered", backs(1, "5.00"), None),
]

# Three orders of 10.00, 20.00 and 70.00 vary too much to be a fixed budget.
_MIXED = ("10.00", "20.00", "70.00")
_REVERSER, _PROMOTED, _LIMITED = "Revenue Reverser", "Promotion Maximizer", "Spending Limiter"
_SERVED, _BULK = "Service Demander", "Bulk Buyer"
# Mean 100 and deviations of 25: the variation is 0.25 exactly.
_BUDGET = ("75.00", "125.00", "75.00", "125.00")

BEHAVIOUR: list[Case] = [
    ("behaviour", "nothing special", sold(*_MIXED), None),
    ("behaviour", "never ordered", backs(5, "5.00"), None),
    ("behaviour", "a rate of 0.3", [*sold(*_MIXED), *backs(3, "10.00")], None),
    ("behaviour", "a rate above 0.3", [*sold(*_MIXED), *backs(3, "10.01")], _REVERSER),
    ("behaviour", "returns of known orders count",
     [*sold(*_MIXED), *backs(2, "1.00"), back("x", 1, "60.00", order_id="o2")], _REVERSER),
    ("behaviour", "two returns", [*sold(*_MIXED), *backs(2, "20.00")], None),
    ("behaviour", "two orders", [*sold("10.00", "90.00"), *backs(3, "20.00")], None),
    ("behaviour", "a return of a year ago",
     [*sold(*_MIXED), *backs(2, "20.00"), back("old", 365, "20.00")], None),
    ("behaviour", "three complaints and a rate above 0.2",
     [*sold("100.00"), back("b", 1, "20.01"), *contacts(3, complaint=True, cost="0.00",
                                                         currency="EUR")], _REVERSER),
    ("behaviour", "three complaints and a rate of 0.2",
     [*sold("100.00"), back("b", 1, "20.00"), *contacts(3, complaint=True, cost="0.00",
                                                         currency="EUR")], None),
    ("behaviour", "coupons on everything", sold(*_MIXED, coupons=["A"]), _PROMOTED),
    ("behaviour", "discounts of a fifth",
     [order("1", 1, "80.00", discount_total="20.00"), order("2", 1, "8.00", discount_total="2.00"),
      order("3", 1, "8.00")], _PROMOTED),
    ("behaviour", "a cent less than a fifth",
     [order("1", 1, "80.00", discount_total="19.99"), order("2", 1, "8.00", discount_total="2.00"),
      order("3", 1, "8.00")], None),
    # 0.8 x 0.5 + 0.2 x 1 / 1 is 0.6 for half of the value in all orders; two thirds of the orders
    # and 7/12 of the value make 0.6 exactly.
    ("behaviour", "exactly 0.6",
     [order("1", 1, "30.00", coupons=["A"]), order("2", 1, "40.00", coupons=["A"]),
      order("3", 1, "50.00")], _PROMOTED),
    ("behaviour", "a little below 0.6",
     [order("1", 1, "30.00", coupons=["A"]), order("2", 1, "39.90", coupons=["A"]),
      order("3", 1, "50.00")], None),
    ("behaviour", "two promoted orders only", sold("10.00", "70.00", coupons=["A"]), None),
    ("behaviour", "a variation of 0.25", sold(*_BUDGET), _LIMITED),
    ("behaviour", "four equal orders", sold(*["20.00"] * 4), _LIMITED),
    ("behaviour", "a little more variation", sold(*_BUDGET[:3], "125.01"), None),
    ("behaviour", "three equal orders", sold(*["20.00"] * 3), None),
    ("behaviour", "three equal orders and one of a year ago",
     [*sold(*["20.00"] * 3), order("x", 365, "20.00")], None),
    ("behaviour", "a return makes them differ",
     [*sold(*["20.00"] * 4), back("b", 1, "15.00", order_id="o0")], None),
    ("behaviour", "ten minutes at 0.60 each time, 10 %",
     [*sold("180.00"), *contacts(3, minutes=10)], None),
    ("behaviour", "ten minutes at 0.60 each time, a little more than 10 %",
     [*sold("179.99"), *contacts(3, minutes=10)], _SERVED),
    ("behaviour", "unknown times are 8 minutes: 14.40", [*sold("143.99"), *contacts(3)], _SERVED),
    ("behaviour", "unknown times are 8 minutes: 10 %", [*sold("144.00"), *contacts(3)], None),
    ("behaviour", "a given cost goes before the minutes",
     [*sold("30.00"), *contacts(3, minutes=60, cost="1.00", currency="EUR")], None),
    ("behaviour", "two contacts", [*sold("5.00"), *contacts(2, minutes=60)], None),
    ("behaviour", "net below zero and some cost",
     [*sold("5.00"), back("b", 1, "6.00"), *contacts(3, cost="0.01", currency="EUR")], _SERVED),
    ("behaviour", "11 pieces an order", sold(*_MIXED, **pieces(10)), _BULK),
    ("behaviour", "10 pieces an order", sold(*_MIXED, **pieces(9)), None),
    ("behaviour", "a third of a piece above the cut",
     [*sold("10.00", "20.00", **pieces(9)), order("x", 1, "70.00", **pieces(10))], _BULK),
    ("behaviour", "a large order is not three", sold("5.00", "90.00", **pieces(999)), None),
    ("behaviour", "two flags, sorted",
     sold(*["20.00"] * 4, **pieces(999)), f"{_BULK}|{_LIMITED}"),
]  # fmt: skip

# Offers of these customers, in days before now, and whether they limit their spending.
OFFERS: list[tuple[str, tuple[float, ...], str | None]] = [
    ("two, none followed", (20, 10), _LIMITED),
    ("two, one followed after 47 hours", (20, 5 + 47 / 24), None),
    ("two, one followed after 48 hours", (20, 5 + 2), _LIMITED),
    ("one, followed after an hour", (5 + 1 / 24,), _LIMITED),
    ("two, of which an order was the occasion", (20, 5), _LIMITED),
    ("two, the followed one a year ago", (20, 10, 365 + 1), _LIMITED),
]

THIRDS: list[Case] = [
    ("rfm_three_by_three", "333", sold(*["100.00"] * 4), "Champions"),
    ("rfm_three_by_three", "323", sold("150.00", "150.01", days=179), "Champions"),
    ("rfm_three_by_three", "322", sold("150.00", "150.00"), "Loyal"),
    ("rfm_three_by_three", "321", sold("50.00", "50.00"), "Loyal"),
    ("rfm_three_by_three", "312", sold("100.01"), "Recent"),
    ("rfm_three_by_three", "223", sold("300.00", "0.01", days=180), "Recent"),
    ("rfm_three_by_three", "213", sold("300.01", days=200), "Needs Attention"),
    ("rfm_three_by_three", "132", sold(*["50.00"] * 4, days=365), "Needs Attention"),
    ("rfm_three_by_three", "212", sold("300.00", days=364), "At Risk"),
    ("rfm_three_by_three", "131", sold(*["1.00"] * 4, days=400), "At Risk"),
    ("rfm_three_by_three", "111", sold("100.00", days=365), "Inactive"),
    ("rfm_three_by_three", "121", sold("1.00", "1.00", days=800), "Inactive"),
]

_QUANTITY, _SPEND, _MONTHLY = "Large Quantity Buyers", "High Spend per Order", "Monthly Buyers"
# Days before now with gaps of 90 days, which nobody calls monthly.
_SELDOM = (1, 91, 181)

ATTRIBUTES: list[Case] = [
    ("attributes", "20 pieces an order", orders(*_SELDOM, **pieces(19)), _QUANTITY),
    ("attributes", "19 pieces an order", orders(*_SELDOM, **pieces(18)), None),
    ("attributes", "20 pieces in two orders", orders(1, 91, **pieces(19)), None),
    ("attributes", "200.00 an order", orders(*_SELDOM, total="200.00"), _SPEND),
    ("attributes", "199.995 an order are 200.00",
     [*orders(*_SELDOM, total="200.00"), order("x", 271, "199.98")], _SPEND),
    ("attributes", "a little less",
     [*orders(*_SELDOM, total="200.00"), order("x", 271, "199.97")], None),
    ("attributes", "200.00 in two orders", orders(1, 91, total="200.00"), None),
    ("attributes", "a loose return is off no order",
     [*orders(*_SELDOM, total="200.00"), *backs(1, "300.00")], _SPEND),
    ("attributes", "gaps of 31 and 31 days", orders(1, 32, 63), _MONTHLY),
    ("attributes", "gaps of 1 and 61 days", orders(1, 2, 63), _MONTHLY),
    ("attributes", "gaps of 31 and 32 days", orders(1, 32, 64), None),
    ("attributes", "one gap of a day", orders(1, 2), None),
    ("attributes", "all three", orders(1, 2, 3, total="200.00", **pieces(99)),
     f"{_SPEND}|{_QUANTITY}|{_MONTHLY}"),
]  # fmt: skip

UNDER_BASE = [*LOYALTY, *VALUE, *LIFECYCLE, *FREQUENCY, *BEHAVIOUR, *THIRDS, *ATTRIBUTES]

# Two or more cells of each segment, as scores R, F, M (`grid`: all of one half of F + M).
MAP_CELLS: dict[str, dict[str, str]] = {
    "rfm_eleven": {
        "Champions": "555 445", "Loyal": "543 335", "Potential Loyalist": "553 323 441 333",
        "New Customers": "512 311", "Promising": "525 313 415", "Need Attention": "535 324",
        "About To Sleep": "331 251", "At Risk": "255 124 134", "Cannot Lose Them": "155 113",
        "Hibernating": "332 211", "Lost": "111 151",
    },
    "rfm_grid": {
        "Champions": "555 544 553 445 554 455", "Loyal": "524 515 542 435 345",
        "Potential Loyalist": "512 521 422 433 333 324", "Recent": "511",
        "Promising": "411 311", "Needs Attention": "312 322 212 222 223 233",
        "About To Sleep": "211", "At Risk": "244 225 252 133 114", "Can't Lose": "155 134 152",
        "Hibernating": "112 121 122", "Lost": "111",
    },
    "rfm_rf_ten": {
        "Hibernating": "115 221 122", "At Risk": "131 245", "Can't Lose": "151 255",
        "About to Sleep": "311 325", "Need Attention": "331 335", "Loyal": "341 355 445 451",
        "Promising": "411 415", "New": "511 515", "Potential Loyalists": "421 435 521 535",
        "Champions": "541 555",
    },
}  # fmt: skip
