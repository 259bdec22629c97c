"""Topic `marketing.actions`: what marketing tools should do, stop, or know was held back."""

from typing import Annotated, Any, Literal

from schemas.events import Contract, SchemaVersion, contract_type, contract_version
from schemas.fields import Identifier, Instant, Label, described
from schemas.segment_changes import Cause, Segment

_ACTION_ID = "7e7c2d60-64f1-5a49-9d10-3c3f6f3f8a01"


class ActionRequested(Contract):
    """Carry this out once, between due_at and valid_until."""

    action_id: Annotated[
        Identifier,
        described("UUIDv5, the same whenever this decision is computed again.", _ACTION_ID),
    ]
    type: Annotated[Literal["action.requested"], contract_type("action.requested")] = (
        "action.requested"
    )
    schema_version: Annotated[SchemaVersion, contract_version()] = 1
    customer_id: Annotated[Identifier, described("Whom to address.", "C-1001")]
    campaign: Annotated[Label, described("The campaign.", "cart_reminder")]
    campaign_version: Annotated[int, described("The version of its definition.", 1)] = 1
    step: Annotated[Label, described("The step of the campaign.", "first")]
    channels: Annotated[list[Label], described("Channels that may be used, best first.", ["email"])]
    template: Annotated[Label, described("Which text to send.", "cart_reminder_first")]
    parameters: Annotated[
        dict[str, Any],
        described(
            "Values for the template. Of a cart: cart_id, value, currency, items (with return_rate "
            "where asked for and known) and checkout_url; voucher with class, expires_at and key; "
            "suggestions with sku, best first.",
            {"cart_id": "K-7001", "value": "99.90", "currency": "EUR"},
        ),
    ]
    segment_context: Annotated[
        dict[str, Segment],
        described("Scheme to segment at the decision.", {"rfm": "Potential Loyalists"}),
    ]
    cause: Annotated[
        Cause,
        described("Why it was decided.", {"kind": "clock"}),
    ]
    due_at: Annotated[Instant, described("When it is due.", "2026-03-01T10:30:00.000Z", "instant")]
    valid_until: Annotated[
        Instant,
        described("Do not carry it out later than this.", "2026-03-01T14:30:00.000Z", "instant"),
    ]
    control_group: Annotated[
        bool,
        described("True: do not send, only count. The customer is a control.", False),
    ]
    idempotency_key: Annotated[
        Identifier, described("Hand it to the provider, so that a retry sends nothing.", _ACTION_ID)
    ]


class ActionCancelled(Contract):
    """Do not carry out an action requested before, if it is not too late."""

    event_id: Annotated[
        Identifier,
        described("UUIDv5; the same as the ce_id header.", "f2f4bb2c-9d0f-5f0f-8a52-1c2d3e4f5a6b"),
    ]
    type: Annotated[Literal["action.cancelled"], contract_type("action.cancelled")] = (
        "action.cancelled"
    )
    schema_version: Annotated[SchemaVersion, contract_version()] = 1
    action_id: Annotated[Identifier, described("The action to leave undone.", _ACTION_ID)]
    customer_id: Annotated[Identifier, described("Whom it would have addressed.", "C-1001")]
    campaign: Annotated[Label, described("The campaign.", "cart_reminder")]
    reason: Annotated[Label, described("Why.", "order_placed")]
    decided_at: Annotated[
        Instant,
        described("Time of the log at the decision.", "2026-03-01T11:00:00.000Z", "instant"),
    ]


class ActionSuppressed(Contract):
    """An action that a rule held back. Nothing to do; told so that nothing is dropped silently."""

    event_id: Annotated[
        Identifier,
        described("UUIDv5; the same as the ce_id header.", "c1d7a1a0-5f4e-5b1b-9b7c-0a1b2c3d4e5f"),
    ]
    type: Annotated[Literal["action.suppressed"], contract_type("action.suppressed")] = (
        "action.suppressed"
    )
    schema_version: Annotated[SchemaVersion, contract_version()] = 1
    customer_id: Annotated[Identifier, described("Whom it would have addressed.", "C-1001")]
    campaign: Annotated[Label, described("The campaign.", "win_back_at_risk")]
    step: Annotated[Label, described("The step of the campaign.", "offer")]
    reason: Annotated[Label, described("Code of the rule that held it back.", "late")]
    detail: Annotated[
        str, described("The figures behind the reason; may be empty.", "9 d late, 7 d allowed")
    ] = ""
    decided_at: Annotated[
        Instant,
        described("Time of the log at the decision.", "2026-03-01T11:00:00.000Z", "instant"),
    ]
