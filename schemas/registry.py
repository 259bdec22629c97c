"""Which contract travels on which topic."""

from typing import Final

from schemas.actions import ActionCancelled, ActionRequested, ActionSuppressed
from schemas.carts import CartAbandoned, CartUpdated
from schemas.customer_segments import CustomerSegments
from schemas.customers import ConsentChanged, CustomerErased, CustomerMerged, CustomerUpdated
from schemas.deliveries import DeliveryReported
from schemas.events import Contract, TimeMark
from schemas.orders import OrderCancelled, OrderPlaced
from schemas.outcomes import CampaignOutcome
from schemas.returns import ReturnRegistered
from schemas.segment_changes import SegmentChanged
from schemas.service import ServiceContacted

CustomerEvent = (
    OrderPlaced
    | OrderCancelled
    | ReturnRegistered
    | CartUpdated
    | CartAbandoned
    | CustomerUpdated
    | ConsentChanged
    | CustomerErased
    | CustomerMerged
    | ServiceContacted
    | DeliveryReported
)
Inbound = CustomerEvent | TimeMark

INBOUND: Final[dict[str, tuple[type[Contract], ...]]] = {
    "shop.orders": (OrderPlaced, OrderCancelled),
    "shop.returns": (ReturnRegistered,),
    "shop.carts": (CartUpdated, CartAbandoned),
    "shop.customers": (CustomerUpdated, ConsentChanged, CustomerErased, CustomerMerged),
    "shop.service": (ServiceContacted,),
    "marketing.deliveries": (DeliveryReported,),
}
"""Public topic to its contracts; `time.mark` is allowed on each of them besides."""

OUTBOUND: Final[dict[str, tuple[type[Contract], ...]]] = {
    "segment-changes": (SegmentChanged,),
    "customer-segments": (CustomerSegments,),
    "marketing.actions": (ActionRequested, ActionCancelled, ActionSuppressed),
    "campaign.outcomes": (CampaignOutcome,),
}

INBOUND_TYPES: Final[dict[str, str]] = {
    contract.contract_name(): topic
    for topic, contracts in INBOUND.items()
    for contract in contracts
}
"""Type to the topic it belongs on."""
