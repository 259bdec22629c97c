"""Top products by segment and quarter, return rates per sku, and revenue per quarter."""

import datetime as dt
from collections import Counter
from random import Random

import pytest

from streams.core.population import products
from streams.core.population.products import (
    FrequentSkus,
    ProductCensus,
    Quarter,
    TopProduct,
    quarter_of,
)
from streams.core.values import DAY_MS as DAY

Q1, Q2 = Quarter(2026, 1), Quarter(2026, 2)
T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
IN_Q2 = T0 + 90 * DAY


def test_quarters_are_those_of_the_calendar() -> None:
    first = dt.date(1970, 1, 1)
    for days in range(366 * 140):
        date = first + dt.timedelta(days)
        assert quarter_of(days * DAY) == (date.year, (date.month + 2) // 3), date


def test_a_quarter_begins_at_midnight_utc() -> None:
    assert quarter_of(T0) == Q1
    assert quarter_of(T0 - 1) == Quarter(2025, 4)
    assert quarter_of(IN_Q2 - 1) == Q1
    assert quarter_of(IN_Q2) == Q2


# -- top products ----------------------------------------------------------------------------------


def test_top_products_are_of_one_segment_and_one_quarter() -> None:
    census = ProductCensus()
    census.count_order("Champions", T0, [("TEA", 2, None), ("POT", 1, "Kitchen")], 4_000)
    census.count_order("Champions", T0 + DAY, [("TEA", 1.5, None)], 1_000)
    census.count_order("At Risk", T0, [("SOAP", 9, None)], 900)
    census.count_order("Champions", IN_Q2, [("ICE", 3, None)], 700)
    assert census.top("Champions", Q1) == [
        TopProduct("TEA", orders=2, units_milli=3_500, net_minor=5_000, missed=0),
        TopProduct("POT", orders=1, units_milli=1_000, net_minor=4_000, missed=0),
    ]
    assert census.top("Champions", Q1, 1) == census.top("Champions", Q1)[:1]
    assert [one.sku for one in census.top("Champions", Q2)] == ["ICE"]
    assert [one.sku for one in census.top("At Risk", Q1)] == ["SOAP"]
    assert census.top("Lost Customers", Q1) == []


def test_most_orders_come_first_then_most_pieces_then_the_sku() -> None:
    census = ProductCensus()
    for lines in ([("B", 1, None), ("A", 1, None), ("C", 5, None)], [("D", 1, None)]):
        census.count_order("Champions", T0, lines, 100)
    census.count_order("Champions", T0, [("D", 1, None)], 100)
    assert [one.sku for one in census.top("Champions", Q1)] == ["D", "C", "A", "B"]


def test_two_lines_of_a_product_are_one_order_of_it() -> None:
    census = ProductCensus()
    census.count_order("Champions", T0, [("TEA", 2, None), ("TEA", 3, "Gifts")], 4_000)
    assert census.top("Champions", Q1) == [TopProduct("TEA", 1, 5_000, 4_000, 0)]


def test_the_rest_of_a_very_long_order_is_no_product() -> None:
    census = ProductCensus()
    census.count_order("Champions", T0, [("", 40, "Gifts")], 4_000)
    assert census.top("Champions", Q1) == []
    assert census.return_rates(1) == {}
    assert census.revenue_by_quarter() == {Q1: 4_000}


def test_an_order_of_nobody_s_segment_counts_for_the_shop_alone() -> None:
    census = ProductCensus()
    census.count_order(None, T0, [("TEA", 2, None)], 4_000)
    assert census.lists == {}
    assert census.return_rates(1) == {"TEA": 0.0}
    assert census.revenue_by_quarter() == {Q1: 4_000}


def test_lists_of_the_oldest_quarters_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "MAX_LISTS", 2)
    census = ProductCensus()
    for at_ms in (T0, IN_Q2, T0 + 190 * DAY, T0):
        census.count_order("Champions", at_ms, [("TEA", 1, None)], 100)
    assert [key[0] for key in sorted(census.lists)] == [Q2, Quarter(2026, 3)]
    assert census.revenue_by_quarter()[Q1] == 200, "revenue is kept"


# -- return rates and revenue ----------------------------------------------------------------------


def test_return_rates_are_pieces_returned_by_pieces_sold() -> None:
    census = ProductCensus()
    census.count_order("Champions", T0, [("SHOE", 3, None), ("TEA", 8, None)], 9_000)
    census.count_return([("SHOE", 1, None)])
    census.count_return([("HAT", 1, None)])
    assert census.return_rates(1) == {"SHOE": 0.3333, "TEA": 0.0}
    assert census.return_rates(4) == {"TEA": 0.0}, "HAT was never sold, of SHOE only three"


def test_a_rate_that_was_mostly_missed_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "SOLD", 1)
    monkeypatch.setattr(products, "_MOST_SOLD", 2)
    census = ProductCensus()
    # SHOE is cut with two occurrences behind it; when it comes again these two are missing.
    for sku in ("SHOE", "SHOE", "TEA", "TEA", "TEA", "HAT"):
        census.count_order(None, T0, [(sku, 10, None)], 100)
    census.count_return([("SHOE", 10, None)])
    assert census.sold.entries["SHOE"][:2] == [1, 2]
    for _ in range(18):
        assert census.return_rates(1) == {"TEA": 0.0}
        census.count_order(None, T0, [("SHOE", 10, None)], 100)
    census.count_order(None, T0, [("SHOE", 10, None)], 100)
    assert census.return_rates(1) == {"SHOE": 0.0526, "TEA": 0.0}


def test_revenue_is_exact_less_refunds_in_their_own_quarter() -> None:
    census = ProductCensus()
    census.count_order("Champions", IN_Q2, [], 10**15)
    census.count_order("At Risk", T0, [], 7)
    census.count_refund(IN_Q2, 10)
    assert list(census.revenue_by_quarter().items()) == [(Q1, 7), (Q2, 10**15 - 10)]


# -- bounds, merging, plain form -------------------------------------------------------------------


def skewed(seed: int, count: int) -> list[str]:
    """Skus as shops sell them: a few often, very many once."""
    dice = Random(seed)
    return [f"S{int(1_000 ** dice.random()) - 1}" for _ in range(count)]


def test_what_comes_often_is_kept_and_its_error_is_known() -> None:
    skus = skewed(1, 20_000)
    true = Counter(skus)
    sketch = FrequentSkus(50, 75)
    for sku in skus:
        sketch.count(sku, 1, 2)
        assert len(sketch.entries) <= 75
    assert sketch.floor <= len(skus) // 50
    for sku, (seen, missed, first, second) in sketch.entries.items():
        assert seen <= true[sku] <= seen + missed
        assert (first, second) == (seen, 2 * seen)
    for sku, count in true.items():
        assert sku in sketch.entries or count <= sketch.floor
    assert [sku for sku, _ in true.most_common(10)] == sorted(
        sketch.entries, key=lambda sku: -sketch.entries[sku][0]
    )[:10]


def test_merged_sketches_still_know_their_error() -> None:
    parts = [skewed(seed, 4_000) for seed in range(5)]
    sketches = []
    for skus in parts:
        sketches.append(sketch := FrequentSkus(50, 75))
        for sku in skus:
            sketch.count(sku, 1, 0)
    whole = FrequentSkus(50, 75)
    whole.merge(sketches)
    true = Counter(sku for skus in parts for sku in skus)
    assert len(whole.entries) <= 75
    assert whole.floor <= 20_000 // 50
    assert whole.entries["S0"][1] == 0, "held everywhere from its first time on"
    for sku, (seen, missed, _, _) in whole.entries.items():
        assert seen <= true[sku] <= seen + missed
    for sku, count in true.items():
        assert sku in whole.entries or count <= whole.floor


def shop_part(seed: int) -> ProductCensus:
    census, dice = ProductCensus(), Random(seed)
    for sku in skewed(seed, 3_000):
        at_ms = T0 + dice.randrange(180) * DAY
        segment = dice.choice(["Champions", "At Risk", None])
        lines = [(sku, dice.randint(1, 9), None), (f"{sku}-{seed}", 1, None)]
        census.count_order(segment, at_ms, lines, dice.randint(0, 9_000))
        if dice.random() < 0.1:
            census.count_return([(sku, 1, None)])
    return census


def merged(parts: list[ProductCensus]) -> ProductCensus:
    whole = ProductCensus()
    whole.merge(*parts)
    return whole


def test_partitions_merge_to_the_same_whole_in_any_order() -> None:
    parts = [shop_part(seed) for seed in range(4)]
    whole = merged(parts)
    assert any(one.floor for one in whole.lists.values()), "bounds were reached"
    assert merged(parts[::-1]).to_plain() == whole.to_plain()
    assert merged([parts[2], parts[0], parts[3], parts[1]]).to_plain() == whole.to_plain()
    assert sum(whole.revenue_minor.values()) == sum(
        minor for part in parts for minor in part.revenue_minor.values()
    )


def test_counting_goes_on_from_the_plain_form_as_from_the_original() -> None:
    census = shop_part(1)
    assert any(one.floor for one in census.lists.values()), "bounds were reached"
    again = ProductCensus.from_plain(census.to_plain())
    assert again == census
    for number in range(200):
        for one in (census, again):
            one.count_order("Champions", T0, [(f"NEW-{number}", 1, None)], 1)
    assert again.to_plain() == census.to_plain()


def test_another_form_is_refused() -> None:
    plain = ProductCensus().to_plain()
    with pytest.raises(ValueError, match="form"):
        ProductCensus.from_plain({**plain, "form": 0})
    with pytest.raises(KeyError):
        ProductCensus.from_plain({"form": 1})
