"""What the simulated shop sells, and the people who sign up. Fixed, so that a seed says it all."""

from typing import Final, NamedTuple


class Product(NamedTuple):
    """One product. Prices are minor units of the shop's currency."""

    sku: str
    name: str
    category: str
    price_minor: int
    cost_minor: int


class Region(NamedTuple):
    """Where a customer lives, as `customer.updated` says it."""

    language: str
    country: str
    time_zone: str
    postal_digits: int


# Category, its cheapest and its dearest price: wide enough that the M limits of the default rules
# (100, 250, 500, 1000) separate customers by what they buy and not only by how often.
_CATEGORIES: Final = (
    ("socks", 490, 1990),
    ("books", 790, 3490),
    ("toys", 990, 5990),
    ("kitchen", 1490, 8990),
    ("garden", 1290, 9990),
    ("shirts", 1990, 6990),
    ("shoes", 3990, 14990),
    ("bags", 2990, 19990),
    ("coats", 6990, 29990),
    ("audio", 4990, 34990),
)
_PRODUCTS_PER_CATEGORY: Final = 20
# A shop's cost share; only its order of magnitude matters, for campaigns that guard the margin.
_COST_PERCENT: Final = 55


def _stock() -> tuple[Product, ...]:
    products = []
    for category, cheapest, dearest in _CATEGORIES:
        step = (dearest - cheapest) // (_PRODUCTS_PER_CATEGORY - 1)
        for number in range(_PRODUCTS_PER_CATEGORY):
            price = (cheapest + number * step) // 100 * 100 + 90
            products.append(
                Product(
                    sku=f"{category[:3].upper()}-{number + 1:04d}",
                    name=f"{category.capitalize()} {number + 1}",
                    category=category,
                    price_minor=price,
                    cost_minor=price * _COST_PERCENT // 100,
                )
            )
    return tuple(sorted(products, key=lambda product: (product.price_minor, product.sku)))


PRODUCTS: Final = _stock()
"""All products, cheapest first: a behaviour shops on a stretch of this shelf."""

FIRST_NAMES: Final = (
    "Anna",
    "Ben",
    "Chloé",
    "David",
    "Elif",
    "Felix",
    "Greta",
    "Hannes",
    "Ida",
    "Jürgen",
    "Katarzyna",
    "Liam",
    "Mia",
    "Noah",
    "Olga",
    "Paul",
    "Rosa",
    "Søren",
    "Thea",
    "Zoë",
)

REGIONS: Final = (
    Region("de", "DE", "Europe/Berlin", 5),
    Region("de", "DE", "Europe/Berlin", 5),
    Region("de", "AT", "Europe/Vienna", 4),
    Region("en", "IE", "Europe/Dublin", 4),
    Region("en", "NL", "Europe/Amsterdam", 4),
)

INTERESTS: Final = ("running", "cooking", "music", "reading", "gardening", "travel")
