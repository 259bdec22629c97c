"""What a customer bought: packed lines, folded orders, and facts that do not depend on an order."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.facts import facts_at
from streams.core.inputs import Item
from streams.core.products import (
    BLOOM_BYTES,
    MAX_CATEGORIES,
    MAX_LINES,
    MAX_LINES_BYTES,
    MAX_SKUS,
    Line,
    bound_lines,
    category_mark,
    fold_lines,
    has_bought,
    merge_products,
    pack_lines,
    product_facts,
    read_lines,
    sku_mark,
    units_of,
    units_under,
)
from streams.core.schemes.scheme import View
from streams.core.state import CustomerState, Order, Product, Products
from tests.core.story import DAY, T0
from tests.properties.profiles import tried

WINDOW = 730 * DAY


def item(sku: str, quantity: float = 1.0, category: str | None = None) -> Item:
    return Item(sku, quantity, category=category)


def order(at_ms: int, *items: Item, total_minor: int = 1_000, **fields: object) -> Order:
    placed = Order(at_ms, f"e{at_ms}", total_minor, units=units_of(items), lines=pack_lines(items))
    return placed._replace(**fields)  # type: ignore[arg-type]


def customer(*orders: Order) -> CustomerState:
    return CustomerState("C-1", orders={f"o{index}": one for index, one in enumerate(orders)})


def view(state: CustomerState, *, zero_value_orders: bool = True) -> View:
    facts = facts_at(state, T0, WINDOW, count_zero_value_orders=zero_value_orders)
    return View(state, facts, T0)


# -- lines -----------------------------------------------------------------------------------------


def test_lines_come_back_as_they_were_packed() -> None:
    text = pack_lines([item("S-1", 2, "shoes"), item("S-2", 0.25), item("S-3", 1.5, "bags")])
    assert list(read_lines(text)) == [
        Line("S-1", 2.0, "shoes"),
        Line("S-2", 0.25, ""),
        Line("S-3", 1.5, "bags"),
    ]
    assert text == "\x1eS-1\x1f2\x1fshoes\x1eS-2\x1f0.25\x1f\x1eS-3\x1f1.5\x1fbags\x1e"


def test_no_items_are_no_text() -> None:
    assert pack_lines([]) == ""
    assert list(read_lines("")) == []
    assert units_of([]) == 0.0


def test_equal_skus_are_one_line_under_the_first_category_given() -> None:
    items = [item("S-1", 0.1), item("S-2", 1, "bags"), item("S-1", 0.2, "shoes"), item("S-1", 3)]
    assert list(read_lines(pack_lines(items))) == [
        Line("S-1", 3.3, "shoes"),
        Line("S-2", 1.0, "bags"),
    ]


def test_units_are_the_same_in_any_order_of_the_lines() -> None:
    quantities = [0.1, 0.2, 0.3, 1e6, 0.7]
    sums = {units_of([item("S", q) for q in some]) for some in itertools.permutations(quantities)}
    texts = {
        pack_lines([item("S", q) for q in some]) for some in itertools.permutations(quantities)
    }
    assert sums == {1_000_001.3}
    assert len(texts) == 1


def test_control_characters_become_blanks_and_are_found_as_they_came() -> None:
    text = pack_lines([item("a\x1eb\x1fc", 1, "x\x1f9\x1ey\n"), item("d\x85", 2)])
    assert list(read_lines(text)) == [Line("a b c", 1.0, "x 9 y "), Line("d ", 2.0, "")]
    assert sku_mark("a\x1eb\x1fc") in text
    assert category_mark("x\x1f9\x1ey\n") in text


def test_a_mark_finds_whole_names_only() -> None:
    text = pack_lines([item("shoe", 2, "shoes"), item("shoes", 3, "shoe")])
    assert units_under(sku_mark("shoe"), text) == 2.0
    assert units_under(category_mark("shoe"), text) == 3.0
    for mark in (sku_mark("sho"), sku_mark("hoe"), category_mark("sho"), category_mark("2")):
        assert mark not in text


def test_beyond_the_most_lines_the_least_units_are_added_up_by_category() -> None:
    few = [item(f"few-{index}", 1, f"c{index % 2}") for index in range(5)]
    many = [item(f"many-{index}", 2, "c0") for index in range(MAX_LINES)]
    lines = list(read_lines(pack_lines(few + many)))
    assert [line.sku for line in lines if line.sku] == sorted(one.sku for one in many)
    assert {line.category: line.units for line in lines if not line.sku} == {"c0": 3.0, "c1": 2.0}
    assert sum(line.units for line in lines) == units_of(few + many)


def test_exactly_the_most_lines_are_kept_as_they_are() -> None:
    items = [item(f"S-{index}") for index in range(MAX_LINES)]
    assert [line.sku for line in read_lines(pack_lines(items))] == [one.sku for one in items]


@tried(100)
@given(
    st.lists(
        st.builds(
            item,
            st.text(min_size=1, max_size=4),
            st.floats(0.001, 1e6),
            st.none() | st.text(max_size=3),
        ),
        max_size=8,
    )
)
def test_any_items_are_packed_and_read(items: list[Item]) -> None:
    text = pack_lines(items)
    lines = list(read_lines(text))
    assert sum(1 for line in lines if line.sku) == len({line.sku for line in lines})
    assert all(sku_mark(one.sku) in text for one in items)
    assert sum(line.units for line in lines) == pytest.approx(units_of(items), abs=0.01)


# -- facts -----------------------------------------------------------------------------------------


def test_facts_are_of_counting_orders_and_count_an_order_once() -> None:
    state = customer(
        order(T0 - 9 * DAY, item("S-1", 2, "shoes"), item("S-2", 1, "shoes")),
        order(T0 - 5 * DAY, item("S-1", 4, "shoes")),
        order(T0 - 3 * DAY, item("S-1", 8, "shoes"), cancelled=True),
        order(T0 - 1 * DAY, item("S-1", 8, "shoes"), returned_minor=1_000),
    )
    for asked in (state, view(state)):
        assert product_facts(asked, sku="S-1") == Product(T0 - 5 * DAY, 2, 6.0)
        assert product_facts(asked, category="shoes") == Product(T0 - 5 * DAY, 2, 7.0)
        assert product_facts(asked, sku="S-3") is None
    assert has_bought(state, "S-2")
    assert not has_bought(state, "S-3")


def test_a_product_only_in_orders_that_do_not_count_was_not_bought() -> None:
    state = customer(
        order(T0, item("S-1", 1, "shoes"), cancelled=True),
        order(T0, item("S-1", 1, "shoes"), returned_minor=1_000),
    )
    assert product_facts(state, category="shoes") is None
    assert not has_bought(state, "S-1")


def test_an_order_of_value_zero_is_left_out_where_the_shop_says_so() -> None:
    state = customer(order(T0, item("S-1"), total_minor=0))
    assert product_facts(view(state), sku="S-1") == Product(T0, 1, 1.0)
    assert product_facts(view(state, zero_value_orders=False), sku="S-1") is None
    fold_lines(state, state.orders.values(), count_zero_value_orders=False)
    assert state.products is None


def test_either_a_sku_or_a_category() -> None:
    for asked in ({}, {"sku": "a", "category": "b"}):
        with pytest.raises(ValueError, match="either a sku or a category"):
            product_facts(customer(), **asked)


@tried(60)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.floats(0.001, 1e6)), max_size=8
    ),
    st.randoms(use_true_random=False),
)
def test_the_same_orders_in_any_order_give_the_same_facts(
    bought: list[tuple[int, str, float]], shuffle: random.Random
) -> None:
    orders = [order(T0 + day * DAY, item(sku, units, sku * 2)) for day, sku, units in bought]
    shuffled = shuffle.sample(orders, k=len(orders))
    for sku in "abc":
        assert product_facts(customer(*orders), sku=sku) == product_facts(
            customer(*shuffled), sku=sku
        )
        assert product_facts(customer(*orders), category=sku * 2) == product_facts(
            customer(*shuffled), category=sku * 2
        )


# -- folding ---------------------------------------------------------------------------------------


def test_folding_changes_no_fact_of_what_is_kept() -> None:
    orders = [
        order(T0 + index * DAY, item("S-1", 0.1, "shoes"), item(f"only-{index}", 2, "bags"))
        for index in range(6)
    ]
    whole, state = customer(*orders), customer(*orders)
    gone = [state.orders.pop(f"o{index}") for index in range(3)]
    fold_lines(state, gone[:1])
    fold_lines(state, gone[1:])
    for asked in ({"sku": "S-1"}, {"category": "shoes"}, {"category": "bags"}, {"sku": "only-0"}):
        assert product_facts(state, **asked) == product_facts(whole, **asked)
    assert all(has_bought(state, f"only-{index}") for index in range(6))
    assert state.products is not None
    assert len(state.products.bought) == BLOOM_BYTES


def test_what_does_not_count_is_not_folded() -> None:
    state = CustomerState("C-1")
    fold_lines(state, [order(T0, item("S-1"), cancelled=True), order(T0)])
    assert state.products is None


def test_the_most_bought_skus_are_kept_and_ties_go_by_name() -> None:
    state = CustomerState("C-1")
    names = [f"S-{index:02}" for index in range(MAX_SKUS + 5)]
    fold_lines(state, [order(T0, item(name)) for name in reversed(names)])
    fold_lines(state, [order(T0, item("twice")), order(T0 + DAY, item("twice"))])
    assert state.products is not None
    assert sorted(state.products.skus) == [*names[: MAX_SKUS - 1], "twice"]
    assert product_facts(state, sku=names[-1]) is None
    assert all(has_bought(state, name) for name in names), "the filter forgets none"


def test_at_most_so_many_categories_the_least_bought_leave() -> None:
    state = CustomerState("C-1")
    often = [order(T0, item("S", 1, f"c{index:02}")) for index in range(MAX_CATEGORIES)] * 2
    fold_lines(state, often)
    fold_lines(state, [order(T0 + DAY, item("S", 1, "new"))])
    assert state.products is not None
    assert sorted(state.products.categories) == [f"c{n:02}" for n in range(MAX_CATEGORIES)]


def test_the_order_of_folding_makes_no_difference_within_the_bounds() -> None:
    orders = [
        order(T0 + index, item(f"S-{index % 7}", 0.1 + index, f"c{index % 3}"))
        for index in range(40)
    ]
    found: list[Products | None] = []
    for seed in range(5):
        state = CustomerState("C-1")
        shuffled = random.Random(seed).sample(orders, k=len(orders))
        for at in range(0, len(shuffled), 1 + seed):
            fold_lines(state, shuffled[at : at + 1 + seed])
        found.append(state.products)
    assert all(one == found[0] for one in found)


def test_the_filter_is_rarely_wrong() -> None:
    state = CustomerState("C-1")
    fold_lines(state, [order(T0, item(f"S-{index}")) for index in range(200)])
    wrong = sum(has_bought(state, f"other-{index}") for index in range(2_000))
    assert all(has_bought(state, f"S-{index}") for index in range(200))
    assert 0 < wrong < 80, "1 in 60 is what 2,048 bits and three hashes give"


def test_the_filter_is_the_same_everywhere() -> None:
    # Bits stand in states that other releases and machines read: these never change.
    state = CustomerState("C-1")
    fold_lines(state, [order(T0, item("SHOE-42"))])
    assert state.products is not None
    bits = [
        8 * index + bit
        for index, byte in enumerate(state.products.bought)
        for bit in range(8)
        if byte >> bit & 1
    ]
    assert bits == [235, 967, 1296]


def test_two_customers_become_one() -> None:
    one, other = CustomerState("A"), CustomerState("B")
    fold_lines(one, [order(T0, item("S-1", 1, "shoes"))])
    fold_lines(other, [order(T0 + DAY, item("S-1", 2, "shoes"), item("S-2", 1, "bags"))])
    assert one.products is not None
    before = Products(dict(one.products.categories), dict(one.products.skus), one.products.bought)
    merged = merge_products(one.products, other.products)
    assert merged is not None
    assert merged.skus["S-1"] == Product(T0 + DAY, 2, 3.0)
    assert merged.categories["bags"] == Product(T0 + DAY, 1, 1.0)
    assert merged == merge_products(other.products, one.products)
    assert all(has_bought(CustomerState("A", products=merged), sku) for sku in ("S-1", "S-2"))
    assert one.products == before
    assert merge_products(None, one.products) == one.products
    assert merge_products(None, None) is None


def test_lines_of_the_oldest_orders_are_folded_where_they_are_too_many() -> None:
    def huge(at_ms: int, name: str) -> Order:
        return order(at_ms, *[item(f"{name}-{index}-{'x' * 190}", 1, "c") for index in range(100)])

    orders = [huge(T0 + index, f"S{index}") for index in range(MAX_LINES_BYTES // 20_000 + 3)]
    state = customer(*orders)
    bound_lines(state)
    sizes = [len(one.lines) for one in state.orders.values()]
    assert sum(sizes) <= MAX_LINES_BYTES < sum(sizes) + len(orders[0].lines)
    assert sizes[0] == 0
    assert sizes[-1] > 0
    assert [one.total_minor for one in state.orders.values()] == [1_000] * len(orders)
    assert has_bought(state, f"S0-0-{'x' * 190}")
    assert product_facts(state, category="c") == Product(
        orders[-1].occurred_at_ms, len(orders), 100.0 * len(orders)
    )
    kept = dict(state.orders)
    bound_lines(state)
    assert state.orders == kept
