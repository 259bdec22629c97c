"""Topic `shop.returns`: goods that come back."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.amounts import check_amount, currency_digits
from schemas.events import Contract, InboundEvent, contract_type
from schemas.fields import CurrencyCode, FreeText, Identifier, MoneyAmount, Quantity, described
from schemas.orders import CURRENCY


class ReturnedItem(Contract):
    """One product that came back."""

    sku: Annotated[Identifier, described("Stock keeping unit of the product.", "SHOE-42")]
    quantity: Annotated[Quantity, described("How many came back.", 1, "pieces")]


class ReturnRegistered(InboundEvent):
    """Goods came back and their value is refunded."""

    type: Annotated[Literal["return.registered"], contract_type("return.registered")]
    return_id: Annotated[Identifier, described("The shop's id of the return.", "R-9001")]
    order_id: Annotated[
        Identifier | None,
        described("The order the goods belong to; leave it out where it is not known.", "O-5001"),
    ] = None
    currency: Annotated[CurrencyCode, CURRENCY]
    amount: Annotated[
        MoneyAmount,
        described("Value of the returned goods as refunded; above zero.", "89.90", "currency"),
    ]
    items: Annotated[list[ReturnedItem], described("What came back.", [ReturnedItem.example()])] = (
        Field(default_factory=list)
    )
    reason: Annotated[FreeText | None, described("Why, in the customer's words.", "too small")] = (
        None
    )

    @model_validator(mode="after")
    def _amounts_fit(self) -> Self:
        check_amount(self.amount, currency_digits(self.currency), "amount")
        if float(self.amount) == 0:
            raise PydanticCustomError(
                "money", "a return has an amount above zero", {"field": "amount"}
            )
        return self
