"""Topic `marketing.deliveries`: what became of an action."""

from typing import Annotated, Literal

from schemas.events import InboundEvent, contract_type
from schemas.fields import FreeText, Identifier, Label, described


class DeliveryReported(InboundEvent):
    """A marketing tool tells what became of an action it carried out."""

    type: Annotated[Literal["delivery.reported"], contract_type("delivery.reported")]
    action_id: Annotated[
        Identifier,
        described("The action_id of action.requested.", "7e7c2d60-64f1-5a49-9d10-3c3f6f3f8a01"),
    ]
    channel: Annotated[Label, described("The channel it went out by.", "email")]
    outcome: Annotated[
        Literal["sent", "failed", "bounced", "opened", "clicked", "unsubscribed", "complained"],
        described(
            "What happened; unsubscribed, complained and bounced withdraw consent for the channel. A "
            "mailbox that is full for now has not bounced for good: report failed.",
            "sent",
        ),
    ]
    detail: Annotated[
        FreeText | None, described("The provider's own words.", "250 2.0.0 accepted")
    ] = None
