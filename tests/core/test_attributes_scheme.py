"""Scheme `attributes`: flags of the shop's own, and the shipped examples one by one."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import pytest
import yaml

from streams.core.facts import facts_at
from streams.core.inputs import AttributeValue, Item
from streams.core.products import pack_lines, units_of
from streams.core.schemes.attributes import (
    MAX_CONDITIONS,
    MAX_SEGMENTS,
    Attributes,
    compile_scheme,
)
from streams.core.schemes.scheme import Answer, Shop, View
from streams.core.state import Attribute, CustomerState, Order
from streams.core.tree import TreeError, journaled_tree
from tests.core.story import DAY, T0

WINDOW = 730 * DAY
SHOP = Shop(WINDOW, 500, 180 * DAY, count_zero_value_orders=True)
EVERYBODY = {"field": "order_count", "ge": 0}
NOBODY = {"field": "order_count", "lt": 0}


def compiled(*segments: tuple[str, Any], name: str = "attributes") -> Attributes:
    rows = [{"name": flag, "when": when} for flag, when in segments]
    return compile_scheme({"kind": "attributes", "name": name, "segments": rows}, SHOP)


def view(state: CustomerState, segments: Mapping[str, str | None] | None = None) -> View:
    seen = View(state, facts_at(state, T0, WINDOW), T0)
    seen.segments.update(segments or {})
    return seen


def test_flags_are_sorted_in_the_answer_and_stand_as_written_in_the_rules() -> None:
    scheme = compiled(("Zebra", EVERYBODY), ("Nobody", NOBODY), ("Ape", EVERYBODY))
    assert scheme.segments == ("Zebra", "Nobody", "Ape")
    assert scheme.classify(view(CustomerState("C-1"))) == Answer("Ape|Zebra", None)
    assert compiled(("Nobody", NOBODY)).classify(view(CustomerState("C-1"))) == Answer(None, None)


def test_what_the_scheme_says_of_itself() -> None:
    scheme = compiled(
        ("A", {"segment": {"scheme": "rfm", "in": ["Champions"]}}),
        ("B", {"bought": {"sku": "S", "within_ms": 5}}),
        ("C", {"bought": {"sku": "T", "within_ms": 3}}),
    )
    assert (scheme.name, scheme.kind) == ("attributes", "attributes")
    assert scheme.is_flags
    assert not scheme.is_ranked
    assert not scheme.uses_population
    assert scheme.hold_ms is None
    assert scheme.under(None) is scheme
    assert scheme.asked == {("rfm", "Champions")}


def test_the_first_flag_to_turn_says_until_when() -> None:
    state = CustomerState("C-1", orders={"o": Order(T0, "e", 5_000)})
    scheme = compiled(
        ("Recent", {"field": "last_order_at", "within_ms": 30 * DAY}),
        ("Silent", {"field": "days_since_order", "ge": 20}),
        ("Known", {"field": "attribute.email", "exists": True}),
    )
    assert scheme.classify(view(state)) == Answer("Recent", T0 + 20 * DAY)
    later = View(state, facts_at(state, T0 + 25 * DAY, WINDOW), T0 + 25 * DAY)
    assert scheme.classify(later) == Answer("Recent|Silent", T0 + 30 * DAY)


def test_the_window_of_the_shop_is_that_of_its_return_rate() -> None:
    orders = {"o": Order(T0 - 10 * DAY, "e", 5_000, returned_minor=5_000)}
    raw = {
        "kind": "attributes",
        "name": "attributes",
        "segments": [{"name": "Returns", "when": {"field": "return_rate", "ge": 0.5}}],
    }
    scheme = compile_scheme(raw, SHOP._replace(window_ms=400 * DAY))
    state = CustomerState("C-1", orders=orders)
    answer = scheme.classify(View(state, facts_at(state, T0, 400 * DAY), T0))
    assert answer == Answer("Returns", T0 + 390 * DAY)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([], f"between 1 and {MAX_SEGMENTS} segments, found 0"),
        (
            [(f"S{index}", EVERYBODY) for index in range(MAX_SEGMENTS + 1)],
            f"between 1 and {MAX_SEGMENTS} segments, found {MAX_SEGMENTS + 1}",
        ),
        ([("A", EVERYBODY), ("A", NOBODY)], "two segments are named 'A'"),
        ([("", EVERYBODY)], "segments[0]: '' is no name of 1 to 200 characters"),
        (
            [("A", EVERYBODY), (" ", EVERYBODY)],
            "segments[1]: ' ' is no name of 1 to 200 characters",
        ),
        ([(3, EVERYBODY)], "segments[0]: 3 is no name of 1 to 200 characters"),
        (
            [("A|B", EVERYBODY)],
            "segments[0]: 'A|B' contains '|' or a control character, and '|' stands between flags",
        ),
        (
            [("A", {"all": [EVERYBODY, {"field": "colour", "eq": 1}]})],
            "segment 'A': all[1].field: unknown field 'colour'; known are attribute.<name>, ",
        ),
        (
            [("A", {"segment": {"scheme": "attributes", "in": ["B"]}}), ("B", EVERYBODY)],
            "segment 'A': a tree of scheme 'attributes' cannot ask for 'attributes'",
        ),
        (
            [(f"S{index}", {"any": [EVERYBODY] * 19}) for index in range(21)],
            f"420 conditions in all segments together; at most {MAX_CONDITIONS}",
        ),
    ],
)
def test_wrong_segments_are_refused(segments: list[tuple[Any, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        compiled(*segments)
    assert str(refused.value).startswith(message)


def test_an_error_of_a_tree_keeps_its_path() -> None:
    with pytest.raises(TreeError) as refused:
        compiled(("A", {"not": {"field": "colour", "eq": 1}}))
    assert refused.value.path == ("not", "field")


# -- the shipped examples --------------------------------------------------------------------------


@cache
def shipped() -> Attributes:
    text = files("streams.rules").joinpath("schemes", "attributes.yaml").read_text("utf-8")
    rows = [
        (row["name"], journaled_tree(row["when"], 2)) for row in yaml.safe_load(text)["segments"]
    ]
    return compiled(*rows)


class Somebody(NamedTuple):
    """Attributes, orders as (age in ms, total in minor units, items), and an RFM segment."""

    attributes: Mapping[str, AttributeValue] = {}
    orders: tuple[tuple[int, int, tuple[Item, ...]], ...] = ()
    rfm: str | None = None

    def flags(self) -> set[str]:
        state = CustomerState("C-1")
        for name, value in self.attributes.items():
            state.attributes[name] = Attribute(value, T0, "e")
        for index, (age_ms, total_minor, items) in enumerate(self.orders):
            state.orders[f"o{index}"] = Order(
                T0 - age_ms,
                f"e{index}",
                total_minor,
                units=units_of(items),
                lines=pack_lines(items),
            )
        segment = shipped().classify(view(state, {"rfm": self.rfm})).segment
        return set(segment.split("|")) if segment else set()


def who(**attributes: AttributeValue) -> Somebody:
    return Somebody(attributes)


def coffee(*ages_ms: int, units: float = 1.0, last_units: float | None = None) -> Somebody:
    some = [units] * len(ages_ms)
    if last_units is not None:
        some[-1] = last_units
    items = [(Item("C-1", one, category="coffee"),) for one in some]
    return Somebody(
        orders=tuple((age, 1_000, one) for age, one in zip(ages_ms, items, strict=True))
    )


def spends(*totals_minor: int) -> Somebody:
    return Somebody(orders=tuple((DAY, one, ()) for one in totals_minor))


def bulk(*units: float) -> Somebody:
    return Somebody(orders=tuple((DAY, 1_000, (Item("S", one),)) for one in units))


def every(gap_ms: int, times: int = 3) -> Somebody:
    return Somebody(orders=tuple((index * gap_ms, 1_000, ()) for index in range(times)))


EXAMPLES: list[tuple[str, list[Somebody], list[Somebody]]] = [
    (
        "Young Adults",
        [who(birth_date="2008-01-01"), who(birth_date="1996-01-02")],
        [who(birth_date="2008-01-02"), who(birth_date="1996-01-01"), who()],
    ),
    (
        "Seniors",
        [who(birth_date="1961-01-01")],
        [who(birth_date="1961-01-02"), who(birth_date="unknown")],
    ),
    ("Women", [who(gender="female")], [who(gender="male"), who(gender="diverse"), who()]),
    (
        "Families",
        [who(household=3.0), who(household="family"), who(household="single parent")],
        [who(household=2.0), who(household="couple"), who()],
    ),
    (
        "High Income",
        [who(income_band="60-80k"), who(income_band="over 100k")],
        [who(income_band="40-60k"), who()],
    ),
    (
        "Graduates",
        [who(education="university"), who(education="college")],
        [who(education="school"), who()],
    ),
    (
        "DACH Region",
        [who(country="DE"), who(country="AT"), who(country="CH")],
        [who(country="LI"), who()],
    ),
    ("Bavaria", [who(region="Bayern"), who(region="Bavaria")], [who(region="Hessen"), who()]),
    (
        "Munich",
        [who(country="DE", postal_code="80331"), who(country="DE", postal_code="81929")],
        [
            who(country="DE", postal_code="82008"),
            who(country="DE", postal_code="79999"),
            who(country="FR", postal_code="80331"),
            who(postal_code="80331"),
        ],
    ),
    (
        "Sustainability Minded",
        [who(values=["price", "fair trade"]), who(values=["organic"])],
        [who(values=["fair"]), who(values=[]), who()],
    ),
    (
        "Outdoor Lifestyle",
        [who(lifestyle=["urban", "outdoor"]), who(lifestyle="very outdoor")],
        [who(lifestyle=["outdoors"]), who(lifestyle="indoor"), who()],
    ),
    (
        "Sports Enthusiasts",
        [who(interests=["running"]), who(interests=["chess", "cycling"])],
        [who(interests=["runner"]), who(interests=["chess"]), who()],
    ),
    (
        "Regular Coffee Drinkers",
        [coffee(DAY, 2 * DAY, 90 * DAY - 1)],
        [coffee(DAY, 2 * DAY, 90 * DAY), coffee(DAY, 2 * DAY)],
    ),
    (
        "Occasional Coffee Drinkers",
        [coffee(365 * DAY - 1), coffee(DAY, 2 * DAY, 90 * DAY)],
        [coffee(365 * DAY), coffee(DAY, 2 * DAY, 90 * DAY - 1), who()],
    ),
    (
        "Coffee in Large Quantities",
        [coffee(DAY, 365 * DAY - 1, units=12), coffee(DAY, units=24)],
        [coffee(DAY, 365 * DAY, units=12), coffee(DAY, 2 * DAY, units=12, last_units=11.999)],
    ),
    (
        "Large Quantity Buyers",
        [bulk(20, 20, 20), bulk(1, 1, 58)],
        [bulk(20, 20, 19.99), bulk(20, 20)],
    ),
    (
        "High Spend per Order",
        [spends(20_000, 20_000, 20_000)],
        [spends(20_000, 20_000, 19_998), spends(20_000, 20_000)],
    ),
    ("Monthly Buyers", [every(31 * DAY)], [every(31 * DAY + 1), every(DAY, times=2)]),
    (
        "Champions with a Birthday on File",
        [Somebody({"birth_date": "1984-05-23"}, rfm="Champions")],
        [
            Somebody({"birth_date": None}, rfm="Champions"),
            Somebody({"birth_date": "1984-05-23"}, rfm="Loyal Customers"),
            Somebody({"birth_date": "1984-05-23"}),
        ],
    ),
]


@pytest.mark.parametrize(("name", "inside", "outside"), EXAMPLES, ids=[row[0] for row in EXAMPLES])
def test_a_shipped_example_has_members_and_others_just_outside(
    name: str, inside: list[Somebody], outside: list[Somebody]
) -> None:
    assert all(name in one.flags() for one in inside)
    assert not any(name in one.flags() for one in outside)


def test_every_shipped_example_is_tried() -> None:
    assert shipped().segments == tuple(row[0] for row in EXAMPLES)
