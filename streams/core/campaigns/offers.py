"""Whether an offer may be made: never one that loses money (seeds S3)."""

from streams.core.campaigns.policy import Offers, Voucher
from streams.core.inputs import Item
from streams.core.state import Cart


def refusal_of_offer(voucher: Voucher, cart: Cart | None, offers: Offers) -> str | None:
    """Why the offer would go below the margin, or None.

    It is judged by the cart it is about; an offer on nothing in particular has no known costs.
    """
    if not voucher.percent:
        return None if voucher.is_perk or offers.without_costs else "its cost is not known"
    items = cart.items if cart is not None else ()
    if not items:
        return None if offers.without_costs else "no items whose costs are known"
    for item in items:
        problem = _refusal_of_item(item, voucher, offers)
        if problem is not None:
            return problem
    return None


def _refusal_of_item(item: Item, voucher: Voucher, offers: Offers) -> str | None:
    category = item.category or ""
    if category in offers.never_discounted:
        return f"{category} is never discounted"
    price, cost = item.unit_price_micro, item.unit_cost_micro
    if price is None or cost is None:
        return None if offers.without_costs else f"cost or price of {item.sku} is not known"
    left_percent = price * (100 - voucher.percent)
    floor = offers.floors_percent.get(category, offers.floor_percent)
    # Left over of the discounted price, in ten-thousandths of the price, without any fraction.
    if (left_percent - cost * 100) * 100 < left_percent * floor:
        return f"{item.sku} would be left with a margin below {floor} %"
    return None
