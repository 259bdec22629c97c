"""Topic `shop.orders`: orders and their cancellation."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

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
    described,
)

CURRENCY: Final = described("Currency of every amount in this message (ISO 4217).", "EUR")


class OrderItem(Contract):
    """One line of an order."""

    sku: Annotated[Identifier, described("Stock keeping unit of the product.", "SHOE-42")]
    quantity: Annotated[Quantity, described("How many were bought.", 1, "pieces")]
    unit_price: Annotated[
        SignedAmount,
        described(
            "Price of one piece before any discount, up to six decimals; below zero only for a "
            "line that corrects another.",
            "99.90",
            "currency",
        ),
    ]
    discount: Annotated[
        MoneyAmount,
        described("Discount on the whole line; part of discount_total.", "10.00", "currency"),
    ] = 0
    unit_cost: Annotated[
        MoneyAmount | None,
        described("What one piece costs the shop, up to six decimals.", "48.50", "currency"),
    ] = None
    category: Annotated[Label | None, described("The shop's product category.", "shoes")] = None
    name: Annotated[
        FreeText | None, described("Product name as customers read it.", "Trail shoe, size 42")
    ] = None


class OrderPlaced(InboundEvent):
    """A customer ordered. Sent again with the same order_id, the latest one wins."""

    type: Annotated[Literal["order.placed"], contract_type("order.placed")]
    order_id: Annotated[Identifier, described("The shop's id of the order.", "O-5001")]
    currency: Annotated[CurrencyCode, CURRENCY]
    total: Annotated[
        MoneyAmount,
        described(
            "What the customer pays for the goods: after discount, before shipping.",
            "89.90",
            "currency",
        ),
    ]
    discount_total: Annotated[
        MoneyAmount, described("All discounts on the order together.", "10.00", "currency")
    ] = 0
    coupons: Annotated[list[Label], described("Codes the customer redeemed.", ["SPRING10"])] = (
        Field(default_factory=list)
    )
    items: Annotated[
        list[OrderItem], described("What was ordered, line by line.", [OrderItem.example()])
    ] = Field(default_factory=list)
    channel: Annotated[Label | None, described("Where the order came from.", "web")] = None
    cart_id: Annotated[
        Identifier | None,
        described("The cart that became this order; ends that cart's reminders.", "K-7001"),
    ] = None

    @model_validator(mode="after")
    def _amounts_fit(self) -> Self:
        digits = currency_digits(self.currency)
        check_amount(self.total, digits, "total")
        if self.discount_total:
            check_amount(self.discount_total, digits, "discount_total")
        for index, item in enumerate(self.items):
            check_price(item.unit_price, f"items.{index}.unit_price")
            check_price(item.unit_cost, f"items.{index}.unit_cost")
            if item.discount:
                check_amount(item.discount, digits, f"items.{index}.discount")
        return self


class OrderCancelled(InboundEvent):
    """An order will not be fulfilled: it no longer counts."""

    type: Annotated[Literal["order.cancelled"], contract_type("order.cancelled")]
    order_id: Annotated[Identifier, described("The cancelled order.", "O-5001")]
    reason: Annotated[FreeText | None, described("Why, in the shop's words.", "out of stock")] = (
        None
    )
