"""What a customer bought: the lines of each order as compact text, and what is left of folded ones.

An order carries its lines as one text, which nobody takes apart before somebody asks: a test for one
sku or category is a search in a string. When an order leaves the whole history, its lines are added
up per category and sku (segments.md, Facts, *Products*).
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from math import fsum
from typing import Final, NamedTuple

from streams.core.inputs import Item
from streams.core.schemes.scheme import View
from streams.core.state import CustomerState, Order, Product, Products

FIELD_SEPARATOR: Final = "\x1f"
LINE_SEPARATOR: Final = "\x1e"
# 100 lines of 25 characters are 2.5 KB beside the 100 bytes an order has otherwise. A wholesaler's
# order has more: the skus with the fewest units are then one line per category.
MAX_LINES: Final = 100
# A state is written whole, into a record of 1 MiB at most that 600 KiB of remnants may already
# fill. Consumers' lines, five an order, stay below it for 2,000 orders.
MAX_LINES_BYTES: Final = 256 * 1024
# A shop shows a few dozen categories; 50 with names of 20 characters are 2 KB.
MAX_CATEGORIES: Final = 50
# What is suggested again after years is what was bought most: 20 skus are under 1 KB.
MAX_SKUS: Final = 20
# 2,048 bits, three for each sku. Wrong for 1 sku in 400 after 100 different ones and for 1 in 60
# after 200; of the few who bought 1,000 it says so half the time, and a suggestion less is made.
BLOOM_BYTES: Final = 256
_BLOOM_HASHES: Final = 3
# Units are kept to thousandths, so that their sum does not depend on the order of adding.
_UNITS_DIGITS: Final = 3
# Separators, and every other control character of ASCII and Latin-1, become blanks.
_CONTROLS: Final = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")


class Line(NamedTuple):
    """One line of an order; `category` is "" where none was given.

    `sku` is "" in a line that adds up the rest of a category in an order of very many lines.
    """

    sku: str
    units: float
    category: str


def clean(text: str) -> str:
    """A sku or category as lines hold it: control characters replaced by blanks."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def units_of(items: Iterable[Item]) -> float:
    """Quantities summed, to thousandths; the same in any order of the items."""
    return round(fsum([item.quantity for item in items]), _UNITS_DIGITS)


def pack_lines(items: Sequence[Item]) -> str:
    r"""The items of one order as text: `\x1e` before and after each line, `\x1f` between fields.

    A line is sku, units and category. Equal skus are one line, under the first category given. At
    most `MAX_LINES` lines have a sku; without items the text is empty.
    """
    if not items:
        return ""
    lines = [
        Line(clean(item.sku), item.quantity, clean(item.category) if item.category else "")
        for item in items
    ]
    # The usual order has nothing to be merged and nothing to be left out.
    if len({line.sku for line in lines}) < len(lines):
        lines = _merged(lines)
    return _packed(lines if len(lines) <= MAX_LINES else _shortened(lines))


def _merged(lines: Iterable[Line]) -> list[Line]:
    units: dict[str, list[float]] = {}
    categories: dict[str, str] = {}
    for line in lines:
        units.setdefault(line.sku, []).append(line.units)
        categories[line.sku] = categories.get(line.sku) or line.category
    return [Line(sku, fsum(some), categories[sku]) for sku, some in units.items()]


def _packed(lines: Iterable[Line]) -> str:
    texts = [
        f"{sku}\x1f{int(units) if units % 1 == 0 else _units_text(units)}\x1f{category}"
        for sku, units, category in lines
    ]
    return f"\x1e{LINE_SEPARATOR.join(texts)}\x1e"


def _units_text(units: float) -> str:
    rounded = round(float(units), _UNITS_DIGITS)
    return str(int(rounded)) if rounded.is_integer() else repr(rounded)


def _shortened(lines: list[Line]) -> list[Line]:
    """The lines of the most units, equal ones by sku, and one line per category for the rest."""
    lines.sort(key=lambda line: (-line.units, line.sku))
    rest: dict[str, list[float]] = {}
    for line in lines[MAX_LINES:]:
        rest.setdefault(line.category, []).append(line.units)
    # Skus may be the shop's 200 characters long, categories as well; of those no more than of skus.
    names = sorted(rest, key=lambda name: (-fsum(rest[name]), name))[:MAX_LINES]
    return lines[:MAX_LINES] + [Line("", fsum(rest[name]), name) for name in names]


def read_lines(text: str) -> Iterator[Line]:
    """The lines of a packed text, one by one."""
    for line in text[1:-1].split(LINE_SEPARATOR) if text else ():
        sku, units, category = line.split(FIELD_SEPARATOR)
        yield Line(sku, float(units), category)


def sku_mark(sku: str) -> str:
    """What a packed text contains exactly when it has a line of this sku."""
    return f"\x1e{clean(sku)}\x1f"


def category_mark(category: str) -> str:
    """What a packed text contains exactly when it has a line of this category."""
    return f"\x1f{clean(category)}\x1e"


def units_under(mark: str, text: str) -> float:
    """Units of the lines that `sku_mark` or `category_mark` stands for."""
    return fsum(
        [
            float(line.split(FIELD_SEPARATOR)[1])
            for line in text[1:-1].split(LINE_SEPARATOR)
            if mark in f"\x1e{line}\x1e"
        ]
    )


def product_facts(
    customer: View | CustomerState, *, sku: str | None = None, category: str | None = None
) -> Product | None:
    """Last bought, orders and units of one sku or one category, ever; None if it was not bought.

    From counting orders kept whole and from folded ones; a folded sku is known if it is among the
    customer's most bought, a folded category if it is among the 50. A view leaves out orders of
    value 0 where the shop does not count them; of a bare state they are part.

    Raises:
        ValueError: not exactly one of `sku` and `category` was given.

    """
    if (sku is None) == (category is None):
        raise ValueError("give either a sku or a category")
    mark = sku_mark(sku) if sku is not None else category_mark(category or "")
    known = folded_product(_state_of(customer), sku=sku, category=category)
    last_at_ms, orders = (known.last_at_ms, known.orders) if known else (0, 0)
    units = [known.units] if known else []
    for order in _counting(customer):
        if mark in order.lines:
            last_at_ms = max(last_at_ms, order.occurred_at_ms) if orders else order.occurred_at_ms
            orders += 1
            units.append(units_under(mark, order.lines))
    return Product(last_at_ms, orders, round(fsum(units), _UNITS_DIGITS)) if orders else None


def folded_product(
    state: CustomerState, *, sku: str | None = None, category: str | None = None
) -> Product | None:
    """What is known of one sku or category from folded orders alone."""
    if state.products is None:
        return None
    if sku is not None:
        return state.products.skus.get(clean(sku))
    return state.products.categories.get(clean(category or ""))


def has_bought(state: CustomerState, sku: str) -> bool:
    """Whether a counting order had this sku, however long ago.

    Of folded orders a filter answers: rarely yes for a sku that was not bought, never no for one
    that was. A sku beyond the `MAX_LINES` of one order is not seen.
    """
    mark = sku_mark(sku)
    if any(mark in order.lines and order.counts for order in state.orders.values()):
        return True
    return was_folded(state, sku)


def was_folded(state: CustomerState, sku: str) -> bool:
    """Whether a folded order had this sku, by the filter: rarely wrong, and then yes."""
    return state.products is not None and _is_in(state.products.bought, clean(sku))


def _state_of(customer: View | CustomerState) -> CustomerState:
    return customer.state if isinstance(customer, View) else customer


def _counting(customer: View | CustomerState) -> Iterable[Order]:
    if isinstance(customer, View):
        return customer.orders
    return [order for order in customer.orders.values() if order.counts]


def fold_lines(
    state: CustomerState, orders: Iterable[Order], *, count_zero_value_orders: bool = True
) -> None:
    """Add the lines of orders that leave the whole history to `state.products`.

    Orders that do not count have no part; what is returned or cancelled afterwards stays bought.
    """
    counting = [
        order
        for order in orders
        if order.lines and order.counts and (order.total_minor or count_zero_value_orders)
    ]
    if not counting:
        return
    products = state.products or Products()
    bought: set[str] = set()
    for order in counting:
        at_ms = order.occurred_at_ms
        by_category: dict[str, list[float]] = {}
        for sku, units, category in read_lines(order.lines):
            if category:
                by_category.setdefault(category, []).append(units)
            if sku:
                bought.add(sku)
                _add(products.skus, sku, Product(at_ms, 1, units))
        for category, some in by_category.items():
            _add(products.categories, category, Product(at_ms, 1, fsum(some)))
    products.bought = _with(products.bought, bought)
    _bound(products)
    state.products = products


def bound_lines(state: CustomerState, *, count_zero_value_orders: bool = True) -> None:
    """Fold the lines of the oldest orders beyond `MAX_LINES_BYTES`; the orders stay whole.

    To be called when an order was recorded. The newest order always keeps its lines.
    """
    if len(state.orders) <= 1:
        return
    total = sum([_size(order.lines) for order in state.orders.values()])
    if total <= MAX_LINES_BYTES:
        return
    by_age = sorted(state.orders, key=lambda key: (state.orders[key].occurred_at_ms, key))
    folded: list[Order] = []
    for order_id in by_age[:-1]:
        if total <= MAX_LINES_BYTES:
            break
        order = state.orders[order_id]
        total -= _size(order.lines)
        folded.append(order)
        state.orders[order_id] = order._replace(lines="")
    fold_lines(state, folded, count_zero_value_orders=count_zero_value_orders)


def merge_products(one: Products | None, other: Products | None) -> Products | None:
    """Products of two customers who turned out to be one; neither is changed.

    An order that was folded at both counts twice.
    """
    if one is None or other is None:
        return one or other
    merged = Products(dict(one.categories), dict(one.skus), _united(one.bought, other.bought))
    for name, product in other.categories.items():
        _add(merged.categories, name, product)
    for name, product in other.skus.items():
        _add(merged.skus, name, product)
    _bound(merged)
    return merged


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _add(products: dict[str, Product], name: str, more: Product) -> None:
    known = products.get(name)
    if known is None:
        products[name] = more._replace(units=round(more.units, _UNITS_DIGITS))
        return
    products[name] = Product(
        max(known.last_at_ms, more.last_at_ms),
        known.orders + more.orders,
        round(known.units + more.units, _UNITS_DIGITS),
    )


def _bound(products: Products) -> None:
    if len(products.categories) > MAX_CATEGORIES:
        products.categories = _most_bought(products.categories, MAX_CATEGORIES)
    if len(products.skus) > MAX_SKUS:
        products.skus = _most_bought(products.skus, MAX_SKUS)


def _most_bought(products: dict[str, Product], most: int) -> dict[str, Product]:
    """Those of the most orders, then the most units, then the latest; ties by name."""

    def rank(name: str) -> tuple[int, float, int, str]:
        product = products[name]
        return -product.orders, -product.units, -product.last_at_ms, name

    return {name: products[name] for name in sorted(products, key=rank)[:most]}


def _bits(sku: str) -> list[tuple[int, int]]:
    """(byte, mask) of each bit of a sku."""
    digest = blake2b(sku.encode(), digest_size=2 * _BLOOM_HASHES).digest()
    places = [
        int.from_bytes(digest[at : at + 2], "big") % (8 * BLOOM_BYTES)
        for at in range(0, len(digest), 2)
    ]
    return [(place // 8, 1 << place % 8) for place in places]


def _with(bought: bytes, skus: Iterable[str]) -> bytes:
    filled = bytearray(bought or bytes(BLOOM_BYTES))
    for sku in skus:
        for index, mask in _bits(sku):
            filled[index] |= mask
    return bytes(filled)


def _is_in(bought: bytes, sku: str) -> bool:
    return bool(bought) and all(bought[index] & mask for index, mask in _bits(sku))


def _united(one: bytes, other: bytes) -> bytes:
    if not one or not other:
        return one or other
    return bytes(left | right for left, right in zip(one, other, strict=True))
