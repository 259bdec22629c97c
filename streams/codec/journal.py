"""Journal records: one byte for the kind, then msgpack of the input.

The kind stands outside, so that reading picks its decoder without looking into the value, and a
kind that a worker does not know is noticed before anything is decided.
"""

import msgspec

from streams.core import inputs
from streams.core.merging import MergedIn
from streams.errors import BrokenInvariant

# Never reuse a number: journals are kept for ever.
KINDS: dict[int, type[inputs.Input]] = {
    1: inputs.OrderPlaced,
    2: inputs.OrderCancelled,
    3: inputs.ReturnRegistered,
    4: inputs.CartUpdated,
    5: inputs.CartAbandoned,
    6: inputs.CustomerUpdated,
    7: inputs.ConsentChanged,
    8: inputs.CustomerErased,
    9: inputs.CustomerMerged,
    10: inputs.ServiceContacted,
    11: inputs.DeliveryReported,
    12: MergedIn,
    32: inputs.Tick,
    33: inputs.RulesApplied,
    34: inputs.CensusTaken,
    35: inputs.SnapshotTaken,
    36: inputs.Sweep,
    37: inputs.ProductsTaken,
    38: inputs.CampaignPaused,
    39: inputs.SegmentsRequested,
    40: inputs.GenerationBegun,
    41: inputs.CustomerMoved,
}
EVENT_TYPES: dict[type, str] = {
    inputs.OrderPlaced: "order.placed",
    inputs.OrderCancelled: "order.cancelled",
    inputs.ReturnRegistered: "return.registered",
    inputs.CartUpdated: "cart.updated",
    inputs.CartAbandoned: "cart.abandoned",
    inputs.CustomerUpdated: "customer.updated",
    inputs.ConsentChanged: "consent.changed",
    inputs.CustomerErased: "customer.erased",
    inputs.CustomerMerged: "customer.merged",
    inputs.ServiceContacted: "service.contacted",
    inputs.DeliveryReported: "delivery.reported",
    MergedIn: "customer.merged",
    inputs.Tick: "tick",
    inputs.RulesApplied: "rules.applied",
    inputs.CensusTaken: "census.taken",
    inputs.SnapshotTaken: "snapshot.taken",
    inputs.Sweep: "sweep",
    inputs.ProductsTaken: "products.taken",
    inputs.CampaignPaused: "campaign.paused",
    inputs.GenerationBegun: "generation.begun",
    inputs.CustomerMoved: "customer.moved",
    inputs.SegmentsRequested: "segments.requested",
}
_prefixes = {kind: bytes([number]) for number, kind in KINDS.items()}
_decoders = {number: msgspec.msgpack.Decoder(kind).decode for number, kind in KINDS.items()}
_encode = msgspec.msgpack.Encoder().encode


def encode_input(record: inputs.Input) -> bytes:
    """Bytes of one journal record."""
    return _prefixes[type(record)] + _encode(record)


def decode_input(value: bytes) -> inputs.Input:
    """One journal record; raises `BrokenInvariant` for a kind or layout this release cannot read."""
    try:
        return _decoders[value[0]](memoryview(value)[1:])
    except (KeyError, IndexError, msgspec.DecodeError) as error:
        raise BrokenInvariant(
            f"a journal record cannot be read ({type(error).__name__}: {error}); a newer release "
            "may have written it: run that release"
        ) from error
