"""Topic `shop.carts`: carts as they fill, empty and are left behind."""

from typing import Annotated, Literal, Self

from pydantic import model_validator

from schemas.amounts import check_amount, check_price, currency_digits
from schemas.events import Contract, InboundEvent, contract_type
from schemas.fields import (
    CurrencyCode,
    FreeText,
    Identifier,
    Label,
    MoneyAmount,
    Quantity,
    SignedAmount,
    Url,
    described,
)
from schemas.orders import CURRENCY


class CartItem(Contract):
    """One line of a cart."""

    sku: Annotated[Identifier, described("Stock keeping unit of the product.", "SHOE-42")]
    quantity: Annotated[Quantity, described("How many lie in the cart.", 1, "pieces")]
    unit_price: Annotated[
        SignedAmount | None,
        described("Price of one piece, up to six decimals.", "99.90", "currency"),
    ] = None
    category: Annotated[Label | None, described("The shop's product category.", "shoes")] = None
    name: Annotated[
        FreeText | None, described("Product name as customers read it.", "Trail shoe, size 42")
    ] = None


class _Cart(InboundEvent):
    cart_id: Annotated[Identifier, described("The shop's id of the cart.", "K-7001")]
    currency: Annotated[CurrencyCode, CURRENCY]
    value: Annotated[
        MoneyAmount, described("Value of all that lies in the cart.", "99.90", "currency")
    ]
    items: Annotated[
        list[CartItem],
        described("All lines; an empty list is an emptied cart.", [CartItem.example()]),
    ]
    checkout_url: Annotated[
        Url | None,
        described("Where the customer goes on with this cart.", "https://shop.example/cart/K-7001"),
    ] = None

    @model_validator(mode="after")
    def _amounts_fit(self) -> Self:
        check_amount(self.value, currency_digits(self.currency), "value")
        for index, item in enumerate(self.items):
            check_price(item.unit_price, f"items.{index}.unit_price")
        return self


class CartUpdated(_Cart):
    """A cart changed. Shops that send only this have abandonment derived for them."""

    type: Annotated[Literal["cart.updated"], contract_type("cart.updated")]


class CartAbandoned(_Cart):
    """The shop itself says that a cart was left behind."""

    type: Annotated[Literal["cart.abandoned"], contract_type("cart.abandoned")]
