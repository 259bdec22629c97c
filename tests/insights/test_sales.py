"""What a snapshot says was sold, as a document and as the lists of the latest quarter."""

from streams.core.population.products import Quarter, Sold, TopProduct
from streams.core.population.snapshot import QuarterRevenue, Sales, TopList
from streams.insights.thresholds import latest_lists, sales_document

OLD, NEW = Quarter(2025, 4), Quarter(2026, 1)
TEA = TopProduct("TEA", 3, 4_500, 7_000, 0)
SALES = Sales(
    1_767_312_000_000,
    [TopList(OLD, "Champions", [TEA]), TopList(NEW, "At Risk", [TEA]), TopList(NEW, "Lost", [TEA])],
    [Sold("TEA", 4_500, 1_500)],
    [QuarterRevenue(OLD, 100), QuarterRevenue(NEW, -5)],
)


def test_the_latest_quarter_has_a_list_for_each_segment() -> None:
    assert [one.segment for one in latest_lists(SALES)] == ["At Risk", "Lost"]
    assert latest_lists(SALES._replace(top=[])) == []


def test_the_document_has_every_quarter_and_rates() -> None:
    document = sales_document(SALES, "EUR")
    assert document["sold_before"] == "2026-01-02T00:00:00.000Z"
    assert [one["quarter"] for one in document["top_products"]] == ["2025-Q4", "2026-Q1", "2026-Q1"]
    assert document["top_products"][0]["products"][0]["units_milli"] == 4_500
    assert document["best_sellers"] == [
        {"sku": "TEA", "sold_milli": 4_500, "returned_milli": 1_500, "return_rate": 0.3333}
    ]
    assert document["revenue"] == [
        {"quarter": "2025-Q4", "net_minor": 100},
        {"quarter": "2026-Q1", "net_minor": -5},
    ]
