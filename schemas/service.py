"""Topic `shop.service`: contacts with customer service."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.amounts import check_amount, currency_digits
from schemas.events import InboundEvent, contract_type
from schemas.fields import CurrencyCode, Identifier, Label, MoneyAmount, described

Minutes = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class ServiceContacted(InboundEvent):
    """A customer turned to service. Sent again with the same contact_id, the latest one wins."""

    type: Annotated[Literal["service.contacted"], contract_type("service.contacted")]
    contact_id: Annotated[Identifier, described("The shop's id of the contact.", "S-3001")]
    channel: Annotated[Label, described("How the customer came: phone, chat, mail.", "phone")]
    minutes: Annotated[Minutes | None, described("Working time it took.", 12.5, "minutes")] = None
    cost: Annotated[
        MoneyAmount | None, described("What it cost the shop; needs currency.", "7.50", "currency")
    ] = None
    currency: Annotated[CurrencyCode | None, described("Currency of cost (ISO 4217).", "EUR")] = (
        None
    )
    topic: Annotated[Label | None, described("What it was about.", "delivery")] = None
    order_id: Annotated[Identifier | None, described("The order it was about.", "O-5001")] = None
    complaint: Annotated[bool, described("Whether the customer complained.", False)]

    @model_validator(mode="after")
    def _amounts_fit(self) -> Self:
        if self.currency is not None:
            digits = currency_digits(self.currency)
            if self.cost is not None:
                check_amount(self.cost, digits, "cost")
        elif self.cost is not None:
            raise PydanticCustomError(
                "missing_currency", "cost needs currency", {"field": "currency"}
            )
        return self
