"""Topic `segment-changes`: a customer's segment in one scheme is another one."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.events import Contract, SchemaVersion, contract_type, contract_version
from schemas.fields import (
    Count,
    CurrencyCode,
    Identifier,
    Instant,
    Label,
    SignedAmount,
    described,
)

Segment = Label | list[Label] | None
Score = Annotated[int, Field(ge=1, le=5)]


class Cause(Contract):
    """Why something was decided."""

    kind: Annotated[
        Literal["event", "clock", "population", "rules", "backfill", "merge", "erasure"],
        described(
            "event: something the customer did; clock: time passed; population: thresholds moved; "
            "rules: rules changed; backfill: history was loaded; merge, erasure: of the customer.",
            "event",
        ),
    ]
    event_id: Annotated[
        Identifier | None,
        described("The event behind it, if any.", "0f9c1c52-5d4b-4c8e-9a61-0e1f6f1f7d11"),
    ] = None
    event_type: Annotated[Label | None, described("Type of that event.", "order.placed")] = None


class Scores(Contract):
    """RFM scores, 5 is best."""

    r: Annotated[Score, described("Recency.", 5, "score 1 to 5")]
    f: Annotated[Score, described("Frequency.", 2, "score 1 to 5")]
    m: Annotated[Score, described("Monetary value.", 2, "score 1 to 5")]


class SegmentFacts(Contract):
    """The customer's figures at the decision, in the base currency."""

    last_order_at: Annotated[
        Instant | None,
        described("Latest order that counts.", "2026-03-01T09:30:00.000Z", "instant"),
    ] = None
    order_count: Annotated[Count, described("Counting orders in the window.", 2, "orders")]
    monetary: Annotated[
        SignedAmount,
        described("Net of orders and returns in the window.", "189.80", "currency"),
    ]
    currency: Annotated[CurrencyCode, described("Base currency (ISO 4217).", "EUR")]
    average_order_value: Annotated[
        SignedAmount | None,
        described("Net of counting orders by their number; null at none.", "94.90", "currency"),
    ] = None
    return_rate: Annotated[
        float | None,
        described("Returned by gross in the window; null at gross 0.", 0.25, "ratio"),
    ] = None
    lifetime_order_count: Annotated[Count, described("Counting orders ever.", 3, "orders")]
    lifetime_monetary: Annotated[
        SignedAmount, described("Net of orders and returns ever.", "249.70", "currency")
    ]


class SegmentChanged(Contract):
    """A customer changed segment, entered a scheme or left it."""

    event_id: Annotated[
        Identifier,
        described(
            "UUIDv5, the same whenever this decision is computed again: use it to recognise "
            "repetitions.",
            "3b241101-e2bb-5255-8caf-4136c566a962",
        ),
    ]
    type: Annotated[Literal["segment.changed"], contract_type("segment.changed")] = (
        "segment.changed"
    )
    schema_version: Annotated[SchemaVersion, contract_version()] = 1
    customer_id: Annotated[Identifier, described("The customer.", "C-1001")]
    scheme: Annotated[Label, described("The scheme of segments.", "rfm")]
    previous: Annotated[
        Segment,
        described("Segment before; null for the first. Flag schemes: sorted list.", "At Risk"),
    ]
    current: Annotated[
        Segment,
        described(
            "Segment now; null after erasure or when no counting order remains. Flag schemes: "
            "sorted list.",
            "Potential Loyalists",
        ),
    ]
    scores: Annotated[Scores | None, described("RFM scores, in RFM schemes.", Scores.example())] = (
        None
    )
    facts: Annotated[SegmentFacts, described("Figures behind it.", SegmentFacts.example())]
    cause: Annotated[Cause, described("Why it changed.", Cause.example())]
    effective_at: Annotated[
        Instant,
        described("When it became true for the shop.", "2026-03-01T09:30:00.000Z", "instant"),
    ]
    decided_at: Annotated[
        Instant,
        described("Time of the log at the decision.", "2026-03-01T09:30:00.412Z", "instant"),
    ]
    sequence: Annotated[
        int,
        Field(ge=1),
        described("Counts the changes per customer and scheme, without gaps.", 3, "changes"),
    ]
    rules_version: Annotated[Count, described("Version of the rules that decided.", 1)]
    snapshot: Annotated[
        Count | None,
        described("Number of the threshold snapshot, where thresholds move.", 17),
    ] = None
