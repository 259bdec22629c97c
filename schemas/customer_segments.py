"""Topic `customer-segments`: the present segments of each customer, to start from."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.events import Contract, SchemaVersion, contract_type, contract_version
from schemas.fields import Identifier, Instant, Label, described
from schemas.segment_changes import Segment


class PresentSegment(Contract):
    """Where a customer is in one scheme, and which change led there."""

    segment: Annotated[
        Segment,
        described(
            "`current` of that change: null where the customer is in none. Flag schemes: sorted "
            "list.",
            "Potential Loyalists",
        ),
    ]
    since: Annotated[
        Instant, described("`effective_at` of that change.", "2026-03-01T09:30:00.000Z", "instant")
    ]
    sequence: Annotated[
        int,
        Field(ge=1),
        described(
            "`sequence` of that change: the next one has this number plus one.", 3, "changes"
        ),
    ]


class CustomerSegments(Contract):
    """All segments of a customer as of the latest change of any of them.

    Written with that change in one transaction. Compacted by customer id; a null value where no
    segment is left: erased, merged into another customer, or without any counting order.
    """

    type: Annotated[Literal["customer.segments"], contract_type("customer.segments")] = (
        "customer.segments"
    )
    schema_version: Annotated[SchemaVersion, contract_version()] = 1
    customer_id: Annotated[Identifier, described("The customer.", "C-1001")]
    segments: Annotated[
        dict[Label, PresentSegment],
        described(
            "By scheme; a scheme in which the customer never had a segment is left out.",
            {
                "rfm": PresentSegment.example(),
                "behaviour": {
                    **PresentSegment.example(),
                    "segment": ["Bulk Buyer"],
                    "sequence": 1,
                },
            },
        ),
    ]
