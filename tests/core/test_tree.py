"""The rule tree: operators at their limits, what is unknown, what is refused, and until when."""

from typing import Any

import pytest

from schemas.customers import Attributes
from streams.core.facts import facts_at
from streams.core.inputs import AttributeValue, Item
from streams.core.products import fold_lines, pack_lines, units_of
from streams.core.schemes.scheme import View
from streams.core.state import Attribute, Contact, CustomerState, Membership, Order, Return
from streams.core.tree import TreeError, compile_tree, journaled_tree
from streams.core.tree.dates import Date, age_at, birthday_ms, parse_date, parse_instant_ms
from streams.core.tree.errors import MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES
from streams.core.tree.fields import FACTS, JOURNALED_FACTS, LIST_ATTRIBUTES, TEXT_ATTRIBUTES
from tests.core.story import DAY, HOUR, T0

WINDOW = 730 * DAY
YEAR = 365 * DAY
EUR = 2


def attributes(**values: AttributeValue) -> dict[str, Attribute]:
    return {name: Attribute(value, T0, "e") for name, value in values.items()}


def order(at_ms: int, total_minor: int = 5_000, *items: Item, **fields: Any) -> Order:
    placed = Order(at_ms, f"e{at_ms}", total_minor, units=units_of(items), lines=pack_lines(items))
    return placed._replace(**fields)


def customer(*orders: Order, **values: AttributeValue) -> CustomerState:
    kept = {f"o{index}": one for index, one in enumerate(orders)}
    return CustomerState("C-1", orders=kept, attributes=attributes(**values))


def view(state: CustomerState, at_ms: int = T0, **segments: str | None) -> View:
    seen = View(state, facts_at(state, at_ms, WINDOW), at_ms)
    seen.segments.update(segments)
    return seen


def holds(tree: Any, state: CustomerState, at_ms: int = T0, **segments: str | None) -> bool:
    """Whether a tree as in a rule file holds; both ways of asking agree."""
    compiled = compile_tree(journaled_tree(tree, EUR), window_ms=WINDOW)
    seen = view(state, at_ms, **segments)
    assert compiled.probe(seen)[0] is compiled.test(seen)
    return compiled.test(seen)


def until(tree: Any, state: CustomerState, at_ms: int = T0) -> int | None:
    return compile_tree(journaled_tree(tree, EUR), window_ms=WINDOW).until_ms(view(state, at_ms))


def compares(operator: str, operand: object, value: AttributeValue) -> bool:
    return holds({"field": "attribute.a", operator: operand}, customer(a=value))


# -- operators -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "operand", "inside", "outside"),
    [
        ("eq", 3, [3.0, 3], [2.0, 4.0, "3", True]),
        ("eq", "m", ["m"], ["M", "l", "mm", ["m"]]),
        ("eq", True, [True], [False, 1.0, "True"]),
        ("eq", False, [False], [True, 0.0, ""]),
        ("eq", 1, [1.0], [True, "1"]),
        ("ne", 3, [2.0, 4.0], [3.0, "4", True, [], None]),
        ("ne", "m", ["n", ""], ["m", 4.0, ["n"], None]),
        ("ne", True, [False], [True, 0.0, None]),
        ("lt", 3, [2.999, -5.0], [3.0, 3.001, "1", False]),
        ("le", 3, [2.999, 3.0], [3.001, "3"]),
        ("gt", 3, [3.001], [3.0, 2.999, "4", True]),
        ("ge", 3, [3.0, 3.001], [2.999, "3"]),
        ("ge", 0.1, [0.1], [0.09]),
        ("lt", "m", ["l", "M", ""], ["m", "n", 0.0]),
        ("le", "m", ["l", "m"], ["ma"]),
        ("gt", "m", ["ma", "n"], ["m", "l"]),
        ("ge", "m", ["m", "n"], ["l", ["m"]]),
        ("in", ["a", "b"], ["a", "b"], ["c", "A", "ab", ["a"], 1.0]),
        ("in", [1, 2.5], [1.0, 2.5], [2.0, "1", True]),
        ("in", [True], [True], [False, 1.0]),
        ("between", [2, 4], [2.0, 3.3, 4.0], [1.999, 4.001, "3", True]),
        ("between", [3, 3], [3.0], [2.0, 4.0]),
        ("between", ["10", "12"], ["10", "11999", "12"], ["09", "120", 11.0]),
        ("contains", "run", [["run", "ski"], "trunk"], [["running"], ["RUN"], [], "ru", 1.0, True]),
        ("contains", ["run", "ski"], [["ski"], "skiing"], [["swim"], "swim"]),
        ("starts_with", "10", ["10", "10117"], ["1", "010", 10117.0, ["10"]]),
        ("starts_with", ["10", "2"], ["10117", "2"], ["31", ""]),
        ("exists", True, ["", 0.0, False, []], [None]),
        ("exists", False, [None], ["", 0.0, False, []]),
    ],
)
def test_operators(
    operator: str, operand: object, inside: list[AttributeValue], outside: list[AttributeValue]
) -> None:
    assert [compares(operator, operand, one) for one in inside] == [True] * len(inside)
    assert [compares(operator, operand, one) for one in outside] == [False] * len(outside)


@pytest.mark.parametrize("operator", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_no_comparison_holds_without_a_value_and_its_opposite_does(operator: str) -> None:
    leaf = {"field": "attribute.a", operator: 3}
    for state in (customer(), customer(a=None)):
        assert not holds(leaf, state)
        assert holds({"not": leaf}, state)


def test_all_any_not() -> None:
    yes, no = {"field": "order_count", "ge": 0}, {"field": "order_count", "lt": 0}
    table = [
        ({"all": [yes, yes]}, True),
        ({"all": [yes, no]}, False),
        ({"any": [no, yes]}, True),
        ({"any": [no, no]}, False),
        ({"not": yes}, False),
        ({"not": {"any": [no, {"all": [yes, no]}]}}, True),
        ({"all": [no]}, False),
    ]
    assert [holds(tree, customer()) for tree, _ in table] == [answer for _, answer in table]


# -- facts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_count", 3),
        ("monetary", "119.97"),
        ("average_order_value", 39.99),
        ("return_rate", 0.0769),
        ("lifetime_order_count", 4),
        ("lifetime_monetary", 169.97),
        ("days_since_order", 10),
        ("median_gap", "20d"),
        ("units_per_order", 1.5),
        ("discount_share", 0.5),
        ("variation", 0.25),
        ("service_cost", 7.5),
        ("responds_to_offers", 0.5),
    ],
)
def test_facts_are_asked_by_name_in_the_units_of_people(field: str, value: object) -> None:
    state = customer(
        order(T0 - 900 * DAY, 5_000, Item("S", 1.0)),
        order(T0 - 500 * DAY, 3_999, Item("S", 1.0), cancelled=True),
        order(T0 - 50 * DAY, 4_999, Item("S", 1.0), returned_minor=1_000),
        order(T0 - 30 * DAY, 2_999, Item("S", 2.0)),
        order(T0 - 10 * DAY, 4_999, Item("S", 2.0), has_coupon=True),
    )
    if field == "variation":
        state = customer(order(T0 - 9 * DAY, 3_000), order(T0 - DAY, 5_000))
    if field == "discount_share":
        state = customer(order(T0 - 9 * DAY, 3_000), order(T0 - DAY, 3_000, has_coupon=True))
    state.contacts["s"] = Contact(T0 - DAY, "e", complaint=False, minutes=None, cost_minor=750)
    state.offers = [T0 - 11 * DAY, T0 - 5 * DAY]
    assert holds({"field": field, "eq": value}, state)
    assert not holds({"field": field, "gt": value}, state)
    assert holds({"field": field, "between": [value, value]}, state)
    assert holds({"field": field, "in": [value]}, state)


def test_facts_that_a_customer_has_not_are_unknown() -> None:
    known = {"order_count", "monetary", "lifetime_order_count", "lifetime_monetary", "service_cost"}
    for name in FACTS:
        assert holds({"field": name, "exists": True}, customer()) is (name in known), name


def test_money_is_whole_in_the_journal() -> None:
    tree = {"all": [{"field": "monetary", "ge": "99.90"}, {"field": "monetary", "lt": 1000}]}
    assert journaled_tree(tree, EUR) == {
        "all": [
            {"field": "monetary_minor", "ge": 9_990},
            {"field": "monetary_minor", "lt": 100_000},
        ]
    }
    assert journaled_tree({"field": "monetary", "ge": 99}, 0) == {
        "field": "monetary_minor",
        "ge": 99,
    }


def test_the_journal_holds_every_key_and_turning_it_again_changes_nothing() -> None:
    once = journaled_tree(
        {
            "any": [
                {"not": {"bought": {"category": "tea", "within": "26w", "at_least_units": 1.5}}},
                {"field": "last_order_at", "within": "36h"},
                {"field": "median_gap", "between": ["7d", "90d"]},
                {"segment": {"scheme": "rfm", "in": ["Champions"]}},
            ]
        },
        EUR,
    )
    assert once["any"][:3] == [
        {
            "not": {
                "bought": {
                    "category": "tea",
                    "sku": None,
                    "within_ms": 182 * DAY,
                    "at_least": 1,
                    "at_least_units_milli": 1_500,
                }
            }
        },
        {"field": "last_order_at", "within_ms": 36 * HOUR},
        {"field": "median_gap_ms", "between": [7 * DAY, 90 * DAY]},
    ]
    assert journaled_tree(once, EUR) == once


def test_days_since_an_order_are_whole_days() -> None:
    state = customer(order(T0 - 30 * DAY))
    assert not holds({"field": "days_since_order", "ge": 30}, state, T0 - 1)
    assert holds({"field": "days_since_order", "ge": 30}, state, T0)
    assert holds({"field": "days_since_order", "eq": 30}, state, T0 + DAY - 1)
    assert holds({"field": "days_since_order", "eq": 0}, state, T0 - 31 * DAY)
    for operator, turns in [("ge", [T0]), ("gt", [T0 + DAY]), ("eq", [T0, T0 + DAY])]:
        leaf = {"field": "days_since_order", operator: 30}
        assert until(leaf, state, T0 - 20 * DAY) == turns[0], operator
        assert until(leaf, state, turns[0]) == (turns[1] if turns[1:] else None), operator
    assert until({"field": "days_since_order", "ge": 30}, customer()) is None


# -- age -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("born", "age", "turns"),
    [
        ("2008-01-01", 18, "2026-01-01"),
        ("2007-12-31", 18, "2025-12-31"),
        ("2008-02-29", 17, "2025-03-01"),
        ("2008-02-29", 20, "2028-02-29"),
        ("1908-02-29", 92, "2000-02-29"),
        ("1896-02-29", 4, "1900-03-01"),
        ("2000-12-31", 0, "2000-12-31"),
        ("1970-01-01", 1, "1971-01-01"),
    ],
)
def test_an_age_begins_at_midnight_utc_of_the_birthday(born: str, age: int, turns: str) -> None:
    state = customer(birth_date=born)
    instant = parse_instant_ms(turns)
    assert instant is not None
    assert holds({"field": "age", "eq": age}, state, instant)
    assert not holds({"field": "age", "ge": age}, state, instant - 1)
    assert until({"field": "age", "ge": age}, state, instant - 1) == instant


@pytest.mark.parametrize(
    "born",
    ["", "1984", "84-05-23", "1984-5-23", "1985-02-29", "1900-02-29", "1984-13-01", "1984-00-10",
     "1984-04-31", "0000-01-01", "1984-05-23T00:00:00Z", "1984-05-23 ", "198\u0664-05-23", 1984.0, True,
     ["1984-05-23"], None],
)  # fmt: skip
def test_a_birth_date_that_is_none_is_unknown(born: AttributeValue) -> None:
    state = customer(birth_date=born)
    assert not holds({"field": "age", "ge": 0}, state)
    assert not holds({"field": "age", "exists": True}, state)
    assert until({"field": "age", "ge": 18}, state) is None


def test_nobody_has_an_age_before_birth() -> None:
    state = customer(birth_date="2026-01-02")
    assert not holds({"field": "age", "exists": True}, state, T0)
    assert not holds({"field": "age", "lt": 18}, state, T0)
    assert until({"field": "age", "lt": 18}, state, T0) == T0 + DAY
    assert until({"field": "age", "exists": True}, state, T0) == T0 + DAY
    assert holds({"field": "age", "exists": True}, state, T0 + DAY)


def test_ages_on_every_day_of_eight_years() -> None:
    birth = Date(1992, 2, 29)
    expected = 7
    for year in range(2000, 2008):
        turns = birthday_ms(birth, year - 1992)
        assert age_at(birth, turns - 1) == expected
        for day in range(364):
            assert age_at(birth, turns + day * DAY) == year - 1992
        expected = year - 1992


def test_within_a_range_of_ages_both_birthdays_are_seen() -> None:
    leaf = {"field": "age", "between": [18, 29]}
    state = customer(birth_date="2008-01-02")
    assert until(leaf, state, T0) == parse_instant_ms("2026-01-02")
    thirty = parse_instant_ms("2038-01-02")
    assert until(leaf, state, T0 + 2 * DAY) == thirty
    assert thirty is not None
    assert holds(leaf, state, thirty - 1)
    assert not holds(leaf, state, thirty)
    assert until(leaf, state, thirty) is None


# -- instants --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-01", T0),
        ("2026-01-01T00:00:00Z", T0),
        ("2026-01-01t01:00:00.1239+01:00", T0 + 123),
        ("2025-12-31T23:30:00-00:30", T0),
        ("2025-12-31T23:59:60Z", T0),
        ("1969-12-31T23:59:59.5z", -500),
        ("2026-01-01T00:00:00", None),
        ("2026-01-01 00:00:00Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-01-01T24:00:00Z", None),
        ("2026-01-01T00:00:61Z", None),
        ("yesterday", None),
        (1767225600000.0, None),
        (None, None),
    ],
)
def test_instants_of_attributes(text: object, instant: int | None) -> None:
    assert parse_instant_ms(text) == instant


def test_dates_are_those_of_the_calendar() -> None:
    assert parse_date("2000-02-29") == Date(2000, 2, 29)
    assert parse_instant_ms("0001-01-01") == -62_135_596_800_000
    assert parse_instant_ms("9999-12-31") == 253_402_214_400_000


def test_an_attribute_within_days() -> None:
    leaf = {"field": "attribute.last_login", "within": "30d"}
    state = customer(last_login="2026-01-01T00:00:00Z")
    assert [holds(leaf, state, T0 + at) for at in (-1, 0, 30 * DAY - 1, 30 * DAY)] == [
        False,
        True,
        True,
        False,
    ]
    assert until(leaf, state, T0 - DAY) == T0
    assert until(leaf, state, T0) == T0 + 30 * DAY
    assert until(leaf, state, T0 + 30 * DAY) is None
    for unknown in (customer(), customer(last_login="soon"), customer(last_login=5.0)):
        assert not holds(leaf, unknown)
        assert until(leaf, unknown) is None


@pytest.mark.parametrize("field", ["first_order_at", "last_order_at"])
def test_an_order_within_days_is_a_span(field: str) -> None:
    leaf = {"field": field, "within": "30d"}
    state = customer(order(T0))
    assert [holds(leaf, state, T0 + at) for at in (-1, 0, 30 * DAY - 1, 30 * DAY)] == [
        True,
        True,
        True,
        False,
    ]
    assert until(leaf, state, T0 - 1) == T0 + 30 * DAY
    assert until(leaf, customer()) is None


# -- products --------------------------------------------------------------------------------------


def drinker() -> CustomerState:
    """Coffee 100, 60 and 30 days ago, 2, 4 and 0.5 units; tea 30 days ago; a cancelled coffee."""
    coffee = [("C-1", 2.0), ("C-2", 4.0), ("C-1", 0.5)]
    orders = [
        order(T0 - days * DAY, 1_000, Item(sku, units, category="coffee"))
        for days, (sku, units) in zip((100, 60, 30), coffee, strict=True)
    ]
    tea = order(T0 - 30 * DAY + 1, 1_000, Item("T-1", 9.0, category="tea"))
    gone = order(T0 - DAY, 1_000, Item("C-1", 9.0, category="coffee"), cancelled=True)
    return customer(*orders, tea, gone)


@pytest.mark.parametrize(
    ("bought", "answer", "turns"),
    [
        ({"category": "coffee"}, True, None),
        ({"category": "coffee", "at_least": 3}, True, None),
        ({"category": "coffee", "at_least": 4}, False, None),
        ({"category": "coff"}, False, None),
        ({"sku": "C-1", "at_least": 2}, True, None),
        ({"sku": "C-1", "at_least": 3}, False, None),
        ({"sku": "coffee"}, False, None),
        ({"category": "coffee", "within": "90d"}, True, T0 + 60 * DAY),
        ({"category": "coffee", "within": "90d", "at_least": 2}, True, T0 + 30 * DAY),
        ({"category": "coffee", "within": "90d", "at_least": 3}, False, None),
        ({"category": "coffee", "within": "60d", "at_least": 2}, False, None),
        ({"category": "coffee", "within": "61d", "at_least": 2}, True, T0 + DAY),
        ({"category": "coffee", "at_least_units": 6.5}, True, None),
        ({"category": "coffee", "at_least_units": 6.501}, False, None),
        ({"category": "coffee", "within": "90d", "at_least_units": 4.5}, True, T0 + 30 * DAY),
        ({"category": "coffee", "within": "90d", "at_least_units": 5}, False, None),
        ({"category": "tea", "within": "90d", "at_least_units": 9}, True, T0 + 60 * DAY + 1),
    ],
)
def test_bought(bought: dict[str, object], answer: bool, turns: int | None) -> None:
    state = drinker()
    assert holds({"bought": bought}, state) is answer
    assert until({"bought": bought}, state) == turns
    if turns is not None:
        assert holds({"bought": bought}, state, turns - 1)
        assert not holds({"bought": bought}, state, turns)


def test_bought_in_folded_orders() -> None:
    state = drinker()
    fold_lines(state, [state.orders.pop("o0"), state.orders.pop("o1")])
    for bought, answer in [
        ({"category": "coffee", "at_least": 3, "at_least_units": 6.5}, True),
        ({"category": "coffee", "at_least": 4}, False),
        ({"category": "coffee", "at_least_units": 6.6}, False),
        ({"sku": "C-2"}, True),
        ({"sku": "C-2", "at_least": 2}, False),
        ({"sku": "C-3"}, False),
        ({"category": "coffee", "within": "90d", "at_least": 2}, True),
        ({"category": "coffee", "within": "365d", "at_least": 3}, False),
        ({"category": "coffee", "within": "50d", "at_least": 2}, False),
        ({"category": "coffee", "within": "60d", "at_least": 2}, False),
        ({"category": "coffee", "within": "61d", "at_least": 2}, True),
    ]:
        assert holds({"bought": bought}, state) is answer, bought
    assert until({"bought": {"category": "coffee", "within": "90d", "at_least": 2}}, state) == (
        T0 + 30 * DAY
    )


def test_a_folded_order_may_be_younger_than_one_that_came_late() -> None:
    asked = {"bought": {"category": "coffee", "within": "90d", "at_least": 2}}
    state = customer(order(T0 - 80 * DAY, 1_000, Item("C-1", 1.0, category="coffee")))
    fold_lines(state, [order(T0 - 30 * DAY, 1_000, Item("C-1", 1.0, category="coffee"))])
    assert until(asked, state) == T0 + 10 * DAY
    assert holds(asked, state, T0 + 10 * DAY - 1)
    assert not holds(asked, state, T0 + 10 * DAY)


def test_a_sku_known_to_the_filter_only_was_bought_once() -> None:
    state = drinker()
    fold_lines(state, [state.orders.pop("o1")])
    assert state.products is not None
    state.products.skus.clear()
    assert holds({"bought": {"sku": "C-2"}}, state)
    assert not holds({"bought": {"sku": "C-2", "at_least": 2}}, state)
    assert not holds({"bought": {"sku": "C-2", "within": "365d"}}, state)
    assert not holds({"bought": {"sku": "C-1", "at_least": 3}}, state), "whole orders count once"


# -- segments --------------------------------------------------------------------------------------


def test_a_segment_of_this_instant_goes_before_the_latest_membership() -> None:
    leaf = {"segment": {"scheme": "rfm", "in": ["Champions", "At Risk"]}}
    state = customer()
    assert not holds(leaf, state)
    state.memberships["rfm"] = Membership("At Risk", None, T0, 1)
    assert holds(leaf, state)
    assert not holds(leaf, state, rfm=None)
    assert not holds(leaf, state, rfm="Lost Customers")
    assert holds(leaf, state, rfm="Champions")
    assert not holds(leaf, state, rfm="Champions in Rome")


def test_a_flag_among_others() -> None:
    leaf = {"segment": {"scheme": "behaviour", "in": ["Bulk Buyer", "Service Demander"]}}
    assert holds(leaf, customer(), behaviour="Promotion Maximizer|Service Demander")
    assert holds(leaf, customer(), behaviour="Bulk Buyer")
    assert not holds(leaf, customer(), behaviour="Promotion Maximizer|Spending Limiter")


def test_a_tree_says_which_segments_it_asks_for() -> None:
    tree = compile_tree(
        {
            "all": [
                {"segment": {"scheme": "rfm", "in": ["Champions", "At Risk"]}},
                {"not": {"segment": {"scheme": "value", "in": ["C"]}}},
                {"bought": {"sku": "S", "within_ms": 5}},
            ]
        }
    )
    assert tree.asked == {("rfm", "Champions"), ("rfm", "At Risk"), ("value", "C")}
    assert tree.conditions == 5


# -- until -----------------------------------------------------------------------------------------


def test_window_facts_turn_when_the_next_order_or_return_leaves() -> None:
    state = customer(order(T0 - 700 * DAY), order(T0 - DAY))
    for field in ("order_count", "monetary", "average_order_value", "return_rate"):
        assert until({"field": field, "ge": 2}, state) == T0 + 30 * DAY, field
    for field in ("lifetime_order_count", "lifetime_monetary", "median_gap", "units_per_order"):
        leaf = {"field": field, "exists": True}
        assert until(leaf, state) is None, field


def test_a_fully_returned_order_holds_up_the_return_rate_until_it_leaves() -> None:
    state = customer(
        order(T0 - 700 * DAY, 5_000, returned_minor=5_000), order(T0 - 10 * DAY, 5_000)
    )
    leaf = {"field": "return_rate", "ge": 0.5}
    assert until(leaf, state) == T0 + 30 * DAY
    assert holds(leaf, state, T0 + 30 * DAY - 1)
    assert not holds(leaf, state, T0 + 30 * DAY)
    state.returns["r"] = Return(T0 - 720 * DAY, "e", None, 1)
    assert until(leaf, state) == T0 + 10 * DAY


def test_facts_of_a_year_turn_when_what_they_count_leaves_it() -> None:
    state = customer(order(T0 - 300 * DAY, has_coupon=True), order(T0 - 100 * DAY, 4_000))
    state.contacts["s"] = Contact(
        T0 - 200 * DAY, "e", complaint=False, minutes=1.0, cost_minor=None
    )
    state.contacts["t"] = Contact(
        T0 - 400 * DAY, "e", complaint=False, minutes=1.0, cost_minor=None
    )
    state.offers = [T0 - HOUR]
    assert until({"field": "discount_share", "ge": 0.5}, state) == T0 + 65 * DAY
    assert until({"field": "variation", "ge": 0.1}, state) == T0 + 65 * DAY
    assert until({"field": "service_cost", "ge": 1}, state) == T0 + 165 * DAY
    assert until({"field": "responds_to_offers", "ge": 1}, state) == T0 + 47 * HOUR


def test_conditions_that_decide_alone_hold_the_answer() -> None:
    state = customer(order(T0 - 10 * DAY), country="DE")
    recent = {"field": "last_order_at", "within": "30d"}  # holds, until in 20 days
    longer = {"field": "last_order_at", "within": "90d"}  # holds, until in 80 days
    silent = {"field": "days_since_order", "ge": 60}  # fails, until in 50 days
    german = {"field": "attribute.country", "eq": "DE"}
    table = [
        ({"all": [recent, longer]}, T0 + 20 * DAY),
        ({"any": [recent, longer]}, T0 + 80 * DAY),
        ({"any": [longer, recent]}, T0 + 80 * DAY),
        ({"all": [recent, silent]}, T0 + 50 * DAY),
        ({"any": [recent, silent]}, T0 + 20 * DAY),
        ({"any": [recent, german]}, None),
        ({"all": [recent, {"not": german}]}, None),
        ({"not": {"all": [recent, silent]}}, T0 + 50 * DAY),
    ]
    assert [until(tree, state) for tree, _ in table] == [due for _, due in table]


# -- what is refused -------------------------------------------------------------------------------

FIELDS = (
    "attribute.<name>, order_count, monetary, average_order_value, return_rate, "
    "lifetime_order_count, lifetime_monetary, days_since_order, first_order_at, last_order_at, age, "
    "median_gap, units_per_order, discount_share, variation, service_cost, responds_to_offers"
)
OPERATORS = "eq, ne, lt, le, gt, ge, in, between, contains, starts_with, exists, within"
HINT = "quote it: YAML reads true as no text, 10117 as a number and 2026-01-31 as a date"
LEAF = {"field": "attribute.a", "eq": 1}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (None, "tree: a condition is a mapping, found None"),
        ([LEAF], f"tree: a condition is a mapping, found {[LEAF]}"),
        ({}, "tree: a condition has one operator, found none; use all or any"),
        (
            {"and": [LEAF]},
            "tree: unknown operator 'and'; known are all, any, not, field, bought, segment",
        ),
        (
            {"any": [LEAF], "not": LEAF},
            "tree: a condition has one operator, found any, not; use all or any",
        ),
        ({"all": []}, "all: all needs a list of at least one condition, found []"),
        ({"any": LEAF}, f"any: any needs a list of at least one condition, found {LEAF}"),
        (
            {"all": [LEAF, {"not": {"any": [{"oder": []}]}}]},
            (
                "all[1].not.any[0]: unknown operator 'oder'; "
                "known are all, any, not, field, bought, segment"
            ),
        ),
        (
            {"field": "order_cuont", "ge": 1},
            f"field: unknown field 'order_cuont'; known are {FIELDS}",
        ),
        (
            {"field": "attribute.", "ge": 1},
            f"field: unknown field 'attribute.'; known are {FIELDS}",
        ),
        ({"field": 3, "ge": 1}, f"field: unknown field 3; known are {FIELDS}"),
        (
            {"field": "order_count", "equals": 1},
            f"tree: unknown operator 'equals' for order_count; known are {OPERATORS}",
        ),
        ({"field": "order_count"}, "tree: a field needs exactly one operator, found none"),
        (
            {"field": "order_count", "ge": 1, "lt": 4},
            "tree: a field needs exactly one operator, found ge, lt",
        ),
        (
            {"not": {"field": "order_count", "ge": "4"}},
            "not.ge: order_count is a number, compared with texts: '4'",
        ),
        (
            {"field": "order_count", "ge": True},
            "ge: order_count is a number, compared with true and false: True",
        ),
        (
            {"field": "order_count", "contains": "1"},
            "contains: contains asks texts, order_count is a number; compare it with ge",
        ),
        (
            {"field": "attribute.a", "eq": None},
            f"eq: None is no text, number, true or false; {HINT}",
        ),
        (
            {"field": "attribute.a", "eq": float("nan")},
            f"eq: nan is no text, number, true or false; {HINT}",
        ),
        (
            {"field": "attribute.a", "gt": True},
            "gt: true and false have no order; use eq, not gt",
        ),
        (
            {"field": "attribute.country", "eq": False},
            f"eq: attribute.country is text, compared with true and false: False; {HINT}",
        ),
        (
            {"field": "attribute.country", "in": ["DE", False]},
            f"in: mixes texts and true and false; {HINT}",
        ),
        (
            {"field": "attribute.postal_code", "starts_with": 10},
            f"starts_with: starts_with needs text, found 10; {HINT}",
        ),
        (
            {"field": "attribute.postal_code", "between": [10115, 14199]},
            f"between: attribute.postal_code is text, compared with numbers: 10115; {HINT}",
        ),
        (
            {"field": "attribute.interests", "eq": "running"},
            "eq: attribute.interests is a list; ask what it contains",
        ),
        (
            {"field": "attribute.values", "starts_with": "fair"},
            "starts_with: attribute.values is a list; ask what it contains",
        ),
        (
            {"field": "attribute.a", "contains": ""},
            f"contains: contains needs text, found ''; {HINT}",
        ),
        ({"field": "attribute.a", "in": []}, "in: in needs a list of values, found []"),
        ({"field": "attribute.a", "in": "DE"}, "in: in needs a list of values, found 'DE'"),
        (
            {"field": "attribute.a", "in": list(range(MAX_VALUES + 1))},
            f"in: {MAX_VALUES + 1} values; at most {MAX_VALUES}, or use starts_with",
        ),
        (
            {"field": "age", "between": [18]},
            "between: between needs two values, lowest and highest, found [18]",
        ),
        (
            {"field": "age", "between": [29, 18]},
            "between: between 29 and 18 lies nothing: give the lowest first",
        ),
        ({"field": "age", "exists": "yes"}, "exists: exists is true or false, found 'yes'"),
        (
            {"field": "last_order_at", "ge": 5},
            "ge: last_order_at is an instant: ask it within or exists",
        ),
        ({"field": "age", "within": "30d"}, "within: within asks for an instant, age is none"),
        (
            {"field": "attribute.a", "within": "soon"},
            "within: 'soon' is no duration; write 4h, 90d or 26w",
        ),
        (
            {"field": "attribute.a", "within": "0d"},
            "within: 0 is no duration of at least 1",
        ),
        (
            {"all": [{"field": "median_gap", "le": 30}]},
            "all[0].le: 30 is no duration; write 4h, 90d or 26w",
        ),
        (
            {"field": "monetary", "ge": "99.999"},
            "ge: '99.999' has more than 2 decimals",
        ),
        ({"field": "monetary", "ge": "a lot"}, "ge: 'a lot' is no amount; write 100 or 99.90"),
        ({"field": "monetary", "in": [1, True]}, "in: True is no amount; write 100 or 99.90"),
        ({"field": "monetary", "ge": 10**12}, f"ge: {10**12} is no amount; write 100 or 99.90"),
        (
            {"field": "units_per_order", "ge": "x"},
            "ge: 'x' is no number of pieces; write 100 or 99.90",
        ),
        (
            {"bought": "coffee"},
            "bought: bought needs category, sku, within, at_least, at_least_units",
        ),
        (
            {"bought": {"categry": "coffee"}},
            (
                "bought: unknown key 'categry'; "
                "known are category, sku, within, at_least, at_least_units"
            ),
        ),
        ({"bought": {"at_least": 2}}, "bought: bought needs either a category or a sku, as text"),
        (
            {"bought": {"sku": "a", "category": "b"}},
            "bought: bought needs either a category or a sku, as text",
        ),
        ({"bought": {"sku": 42}}, "bought: bought needs either a category or a sku, as text"),
        (
            {"bought": {"sku": "a", "at_least": 0}},
            "bought.at_least: 0 is no number of orders of at least 1",
        ),
        (
            {"bought": {"sku": "a", "at_least": True}},
            "bought.at_least: True is no number of orders of at least 1",
        ),
        (
            {"bought": {"sku": "a", "at_least_units": 0}},
            "bought.at_least_units: 0 is no number of pieces of at least 1",
        ),
        (
            {"bought": {"sku": "a", "within": 90}},
            "bought.within: 90 is no duration; write 4h, 90d or 26w",
        ),
        (
            {"segment": {"scheme": "rfm"}},
            "segment: segment needs scheme and in, for example scheme: rfm, in: [At Risk]",
        ),
        (
            {"segment": {"scheme": "", "in": ["A"]}},
            "segment.scheme: '' is no name of a scheme",
        ),
        (
            {"segment": {"scheme": "rfm", "in": "At Risk"}},
            "segment.in: in needs a list of names of segments, found 'At Risk'",
        ),
    ],
)
def test_a_wrong_tree_is_refused_with_its_place(tree: object, message: str) -> None:
    with pytest.raises(TreeError) as refused:
        compile_tree(journaled_tree(tree, EUR))
    assert str(refused.value) == message


def test_a_tree_of_a_rule_file_cannot_pass_for_a_journaled_one() -> None:
    for tree, message in [
        ({"field": "monetary", "ge": 100}, "field: monetary is journaled as monetary_minor"),
        (
            {"field": "last_order_at", "within": "30d"},
            "within: within is journaled as within_ms",
        ),
        (
            {"bought": {"sku": "a", "within": "30d"}},
            "bought.within: within is journaled as within_ms",
        ),
    ]:
        with pytest.raises(TreeError) as refused:
            compile_tree(tree)
        assert str(refused.value) == message


def test_the_path_of_an_error_leads_to_its_place() -> None:
    with pytest.raises(TreeError) as refused:
        compile_tree({"all": [LEAF, {"not": {"field": "x", "eq": 1}}]})
    assert refused.value.path == ("all", 1, "not", "field")


def test_a_tree_has_a_depth_and_a_size() -> None:
    deepest: Any = LEAF
    for _ in range(MAX_DEPTH):
        deepest = {"not": deepest}
    assert compile_tree(journaled_tree(deepest, EUR)).conditions == MAX_DEPTH + 1
    widest = {"any": [LEAF] * (MAX_CONDITIONS - 1)}
    assert compile_tree(journaled_tree(widest, EUR)).conditions == MAX_CONDITIONS
    for wrong, said in [
        ({"not": deepest}, f"nested deeper than {MAX_DEPTH}"),
        ({"any": [LEAF] * MAX_CONDITIONS}, f"more than {MAX_CONDITIONS} conditions"),
    ]:
        for read in (compile_tree, lambda tree: journaled_tree(tree, EUR)):
            with pytest.raises(TreeError, match=said):
                read(wrong)


def test_a_tree_that_contains_itself_is_refused() -> None:
    # YAML can say that: `&a {not: *a}`.
    tree: dict[str, Any] = {}
    tree["not"] = tree
    for read in (compile_tree, lambda one: journaled_tree(one, EUR)):
        with pytest.raises(TreeError, match="nested deeper"):
            read(tree)


def test_the_kinds_of_the_well_known_attributes_are_those_of_the_contract() -> None:
    kinds: dict[str, set[str]] = {"text": set(), "list": set()}
    for name, known in Attributes.model_json_schema()["properties"].items():
        types = {one.get("type") for one in known["anyOf"]} - {"null"}
        if types == {"string"}:
            kinds["text"].add(name)
        elif types == {"array"}:
            kinds["list"].add(name)
    assert kinds == {"text": set(TEXT_ATTRIBUTES), "list": set(LIST_ATTRIBUTES)}


def test_journaled_names_say_their_unit() -> None:
    assert {name for name in JOURNALED_FACTS if name not in FACTS} == {
        "monetary_minor",
        "lifetime_monetary_minor",
        "average_order_value_minor",
        "service_cost_minor",
        "median_gap_ms",
        "units_per_order_milli",
    }
