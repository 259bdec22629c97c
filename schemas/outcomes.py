"""Topic `campaign.outcomes`: what customers did after a campaign addressed them, or held them as controls."""

from typing import Annotated, Literal

from schemas.events import Contract, SchemaVersion, contract_type, contract_version
from schemas.fields import Count, CurrencyCode, Identifier, Instant, Label, SignedAmount, described


class CampaignOutcome(Contract):
    """One run of a campaign for one customer, told twice: when its time is over, and finally.

    Count one of the two per run. The difference between controls and the others is the effect.
    """

    event_id: Annotated[
        Identifier,
        described("UUIDv5; the same as the ce_id header.", "0a4f7f0e-7f43-5f0b-8f0e-1c2d3e4f5a6b"),
    ]
    type: Annotated[Literal["campaign.outcome"], contract_type("campaign.outcome")] = (
        "campaign.outcome"
    )
    schema_version: Annotated[SchemaVersion, contract_version()] = 1
    customer_id: Annotated[Identifier, described("Whose run it was.", "C-1001")]
    campaign: Annotated[Label, described("The campaign.", "cart_reminder")]
    campaign_version: Annotated[int, described("The version of its definition.", 1)]
    segment: Annotated[
        str | None,
        described("Segment of scheme rfm at the first action.", "Potential Loyalists"),
    ]
    control_group: Annotated[bool, described("True: a control, to whom nothing was sent.", False)]
    stage: Annotated[
        Literal["preliminary", "final"],
        described("preliminary at counted_until, final after 30 more days.", "final"),
    ]
    actions: Annotated[
        Count, described("Actions asked for, or that would have been.", 2, "actions")
    ]
    first_action_at: Annotated[
        Instant, described("The first action.", "2026-03-01T10:30:00.000Z", "instant")
    ]
    counted_until: Annotated[
        Instant,
        described("7 days after the last action.", "2026-03-09T10:30:00.000Z", "instant"),
    ]
    orders: Annotated[
        Count, described("Counting orders from the first action to counted_until.", 1, "orders")
    ]
    net: Annotated[
        SignedAmount,
        described("What is left of them after returns; may be negative.", "79.90", "currency"),
    ]
    currency: Annotated[CurrencyCode, described("Base currency (ISO 4217).", "EUR")]
    opened: Annotated[bool, described("Whether a message was opened.", True)]
    clicked: Annotated[bool, described("Whether a link was followed.", True)]
    unsubscribed: Annotated[bool, described("Whether the customer had enough of it.", False)]
    decided_at: Annotated[
        Instant,
        described("Time of the log at the decision.", "2026-04-08T10:30:00.000Z", "instant"),
    ]
