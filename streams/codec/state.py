"""Customer states as bytes: one msgpack array, its first element the version of the layout.

Written by position, so fields are only ever added at the end, with a new version; older versions
are brought up to date on reading, newer ones stop the worker.
"""

from typing import NamedTuple

import msgspec

from streams.core.state import (
    Attribute,
    Cart,
    Consent,
    CustomerState,
    Folded,
    Membership,
    Order,
    Remnant,
    Return,
    Run,
)
from streams.errors import BrokenInvariant

VERSION = 1


class _FoldedRecord(NamedTuple):
    order_count: int
    net_minor: int
    remnants: dict[int, Remnant]


class _StateRecord(NamedTuple):
    version: int
    next_due_ms: int | None
    rules_version: int
    last_event_at_ms: int
    orders: dict[str, Order]
    memberships: dict[str, Membership]
    seen: dict[int, int]
    returns: dict[str, Return]
    cancellations: dict[str, int]
    attributes: dict[str, Attribute]
    consents: dict[str, Consent]
    carts: dict[str, Cart]
    runs: list[Run]
    starts: dict[str, int]
    folded: _FoldedRecord | None
    erased_at_ms: int | None
    beyond_history_count: int
    merged_into: str | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StateRecord).decode
# Version and next due instant; everything behind them is skipped, not decoded.
_decode_due = msgspec.msgpack.Decoder(
    tuple[(int, int | None, *[msgspec.Raw] * (len(_StateRecord._fields) - 2))]  # type: ignore[misc]
).decode


def encode_state(state: CustomerState) -> bytes:
    """Bytes of a state, without the customer id, which is the key."""
    folded = state.folded
    return _encode(
        (
            VERSION,
            state.next_due_ms,
            state.rules_version,
            state.last_event_at_ms,
            state.orders,
            state.memberships,
            state.seen,
            state.returns,
            state.cancellations,
            state.attributes,
            state.consents,
            state.carts,
            state.runs,
            state.starts,
            folded and (folded.order_count, folded.net_minor, folded.remnants),
            state.erased_at_ms,
            state.beyond_history_count,
            state.merged_into,
        )
    )


def decode_state(customer_id: str, value: bytes) -> CustomerState:
    """The state of a customer; raises `BrokenInvariant` where the bytes are of another version."""
    try:
        record = _decode(value)
    except msgspec.DecodeError as error:
        raise BrokenInvariant(
            f"the stored state of a customer cannot be read as version {VERSION} ({error}); a newer "
            "worker may have written it: run that release, or `rfm-streams redis rebuild`"
        ) from error
    if record.version != VERSION:
        raise BrokenInvariant(
            f"the stored state of a customer has version {record.version}, this release reads "
            f"{VERSION}; run the release that wrote it, or `rfm-streams redis rebuild`"
        )
    folded = record.folded
    return CustomerState(
        customer_id=customer_id,
        orders=record.orders,
        returns=record.returns,
        cancellations=record.cancellations,
        folded=Folded(*folded) if folded is not None else None,
        seen=record.seen,
        memberships=record.memberships,
        attributes=record.attributes,
        consents=record.consents,
        carts=record.carts,
        runs=record.runs,
        starts=record.starts,
        last_event_at_ms=record.last_event_at_ms,
        erased_at_ms=record.erased_at_ms,
        beyond_history_count=record.beyond_history_count,
        next_due_ms=record.next_due_ms,
        merged_into=record.merged_into,
        rules_version=record.rules_version,
    )


def decode_next_due(value: bytes) -> int | None:
    """Only the next due instant of a state, at a fraction of the price of all of it."""
    try:
        version, next_due_ms, *_ = _decode_due(value)
    except msgspec.DecodeError:
        version, next_due_ms = None, None
    return next_due_ms if version == VERSION else decode_state("", value).next_due_ms
