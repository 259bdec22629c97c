"""Products to suggest: what the customer's segment buys at this season, without what is owned."""

from collections.abc import Sequence

from streams.core.population.products import Quarter, quarter_of
from streams.core.population.snapshot import Sales, Snapshot, TopList
from streams.core.products import has_bought
from streams.core.rules import RFM
from streams.core.state import NO_MEMBERSHIP, CustomerState


def suggest(state: CustomerState, snapshot: Snapshot | None, now_ms: int, most: int) -> list[str]:
    """Up to `most` skus, the best first; none before the shop's sales were counted.

    From the list of the customer's segment (scheme `rfm`): of this quarter a year ago where that is
    known, because what sells follows the season, then of the latest quarters.
    """
    if not most or snapshot is None or snapshot.sales is None:
        return []
    segment = state.memberships.get(RFM, NO_MEMBERSHIP).segment
    if segment is None:
        return []
    found: list[str] = []
    for products in _lists(snapshot.sales, segment, now_ms):
        for product in products.products:
            if product.sku not in found and not has_bought(state, product.sku):
                found.append(product.sku)
                if len(found) == most:
                    return found
    return found


def return_rates(skus: Sequence[str], snapshot: Snapshot | None) -> dict[str, float]:
    """How likely each product comes back, where enough of it was sold to say so."""
    if snapshot is None or snapshot.sales is None:
        return {}
    wanted = set(skus)
    return {one.sku: one.return_rate for one in snapshot.sales.sold if one.sku in wanted}


def _lists(sales: Sales, segment: str, now_ms: int) -> list[TopList]:
    year, number = quarter_of(now_ms)
    season = Quarter(year - 1, number)
    own = [one for one in sales.top if one.segment == segment]
    return sorted(own, key=lambda one: (one.quarter != season, (-one.quarter[0], -one.quarter[1])))
