"""What the shop sold, from the states of its customers, and how much of it a snapshot says."""

from streams.core.history import MAX_RETURN_LINES_BYTES, fold
from streams.core.inputs import Item, OrderCancelled, OrderPlaced, ReturnRegistered
from streams.core.machine import apply
from streams.core.population.products import LISTED, ProductCensus, Quarter, Sold, TopProduct
from streams.core.population.sales import (
    MAX_SALES_BYTES,
    QUARTERS,
    RATED,
    count_customer,
    take_sales,
)
from streams.core.rules import compile_rules
from streams.core.state import CustomerState, Membership, Order
from streams.core.values import DAY_MS as DAY
from tests.core.story import T0, rules_document
from tests.runtime.journals import order

RULES = compile_rules(rules_document(), 1)
QUARTER = Quarter(2026, 1)
SEGMENT = "Champions"


def bought(state: CustomerState, index: int, *items: Item, total_minor: int = 1_000) -> None:
    placed = order(index, "A", T0 + index, total_minor)
    placed.items = list(items)
    decide(state, placed)


def brought_back(
    state: CustomerState, index: int, order_id: str | None, amount_minor: int, *items: Item
) -> None:
    back = ReturnRegistered(
        event_id=f"b{index}",
        customer_id="A",
        occurred_at_ms=T0 + index,
        received_at_ms=T0 + index,
        identity=10_000 + index,
        source="shop",
        return_id=f"r{index}",
        order_id=order_id,
        amount_minor=amount_minor,
        items=list(items),
    )
    decide(state, back)


def decide(state: CustomerState, event: OrderPlaced | OrderCancelled | ReturnRegistered) -> None:
    apply(state, event, RULES, event.received_at_ms, "any")


def counted(state: CustomerState, as_of_ms: int = T0 + DAY, *, zero: bool = True) -> ProductCensus:
    state.memberships["rfm"] = Membership(SEGMENT, None, T0, 1)
    census = ProductCensus()
    count_customer(census, state, as_of_ms, count_zero_value_orders=zero)
    return census


def test_an_order_that_came_back_whole_was_sold_and_brings_nothing() -> None:
    """Given two sales of a hat, one of them undone; then half of the hats come back."""
    state = CustomerState("A")
    bought(state, 1, Item("HAT", 1.0))
    bought(state, 2, Item("HAT", 1.0))
    brought_back(state, 3, "o1", 1_000, Item("HAT", 1.0))
    census = counted(state)
    assert census.best_sellers(9) == [Sold("HAT", 2_000, 1_000)]
    assert census.best_sellers(9)[0].return_rate == 0.5
    assert census.top(SEGMENT, QUARTER) == [TopProduct("HAT", 1, 1_000, 1_000, 0)]
    assert census.revenue_by_quarter() == {QUARTER: 1_000}


def test_a_return_lowers_revenue_once_with_its_order_or_without() -> None:
    state = CustomerState("A")
    bought(state, 1, Item("HAT", 1.0))
    brought_back(state, 2, "o1", 300)
    brought_back(state, 3, None, 50)
    assert counted(state).revenue_by_quarter() == {QUARTER: 1_000 - 300 - 50}


def test_a_cancelled_order_was_never_sold_and_nothing_of_it_comes_back() -> None:
    state = CustomerState("A")
    bought(state, 1, Item("HAT", 1.0))
    brought_back(state, 2, "o1", 300, Item("HAT", 1.0))
    cancelled = OrderCancelled(
        event_id="c",
        customer_id="A",
        occurred_at_ms=T0 + 3,
        received_at_ms=T0 + 3,
        identity=7,
        source="shop",
        order_id="o1",
    )
    decide(state, cancelled)
    assert counted(state) == ProductCensus()


def test_orders_of_value_0_count_where_they_count_for_the_shop() -> None:
    state = CustomerState("A")
    bought(state, 1, Item("GIFT", 1.0), total_minor=0)
    assert counted(state).best_sellers(9) == [Sold("GIFT", 1_000, 0)]
    assert counted(state, zero=False).best_sellers(9) == []


def test_only_what_occurred_before_the_boundary_is_counted() -> None:
    state = CustomerState("A")
    bought(state, 1, Item("HAT", 1.0))
    brought_back(state, 2, None, 300, Item("HAT", 1.0))
    assert counted(state, T0 + 1) == ProductCensus()
    assert counted(state, T0 + 2).revenue_by_quarter() == {QUARTER: 1_000}
    assert counted(state, T0 + 3).revenue_by_quarter() == {QUARTER: 700}


def test_a_customer_with_very_many_returns_keeps_the_lines_of_the_latest() -> None:
    state = CustomerState("A")
    for index in range(40):
        items = [Item(f"{index:02}-{line:02}-".ljust(40, "x"), 1.0) for line in range(90)]
        brought_back(state, index, None, 1, *items)
    kept = [index for index in range(40) if state.returns[f"r{index}"].lines]
    assert kept == list(range(40 - len(kept), 40))
    sizes = [len(one.lines.encode()) for one in state.returns.values()]
    assert MAX_RETURN_LINES_BYTES - max(sizes) < sum(sizes) <= MAX_RETURN_LINES_BYTES
    before = dict(state.returns)
    fold(state, T0 + DAY, RULES)
    assert state.returns == before


def test_a_snapshot_says_no_more_than_fits() -> None:
    """Given eleven quarters and skus of the greatest length; then the latest, and fewer products."""
    census = ProductCensus()
    for age in range(11):
        state = CustomerState("A")
        at_ms = T0 - age * 91 * DAY
        for index in range(LISTED):
            lines = f"\x1e{f'{index:03}'.ljust(200, 'ß')}\x1f{index + 1}\x1f\x1e"
            state.orders[f"o{age}-{index}"] = Order(at_ms, "e", 1_000, lines=lines)
        state.memberships["rfm"] = Membership(SEGMENT, None, T0, 1)
        count_customer(census, state, T0 + 1, count_zero_value_orders=True)
    sales = take_sales(census, T0 + 1)
    assert len({one.quarter for one in sales.top}) == QUARTERS
    assert sales.top[-1].quarter == QUARTER
    assert len(sales.revenue) == 11
    assert 0 < len(sales.top[0].products) < 20
    assert 0 < len(sales.sold) < RATED
    assert sales.sold == census.best_sellers(len(sales.sold)), "those with most pieces"
    texts = [one.sku for one in sales.sold] + [p.sku for one in sales.top for p in one.products]
    assert sum(len(text.encode()) for text in texts) <= MAX_SALES_BYTES


def test_the_best_sellers_have_most_pieces_then_come_by_sku() -> None:
    state = CustomerState("A")
    bought(state, 1, Item("B", 2.0), Item("A", 2.0), Item("C", 9.0), Item("D", 1.0))
    assert [one.sku for one in take_sales(counted(state), T0).sold] == ["C", "A", "B", "D"]
