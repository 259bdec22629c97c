"""Customer states as bytes: one msgpack array, its first element the version of the layout.

Written by position, so fields are only ever added at the end, with a new version; older versions
are brought up to date on reading (`UPCASTS`), newer ones stop the worker.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from streams.core.population.counted import Counted
from streams.core.state import (
    Attribute,
    Attribution,
    Cart,
    Consent,
    Contact,
    CustomerState,
    Folded,
    Held,
    Membership,
    Order,
    Product,
    Products,
    Remnant,
    Return,
    Run,
    Sent,
)
from streams.errors import BrokenInvariant

VERSION = 1

# A state of one version as the version behind it has it: the array without the version itself, fields
# added at its end. What `Head` reads stands at the front in every version. One step for each version
# there ever was: states are read for as long as customers stay away, and are written in the present
# version when they next change. tests/contract/test_state_versions.py has bytes of each.
UPCASTS: dict[int, Callable[[list[Any]], list[Any]]] = {}


class _FoldedRecord(NamedTuple):
    order_count: int
    net_minor: int
    remnants: dict[int, Remnant]


class _ProductsRecord(NamedTuple):
    categories: dict[str, Product]
    skus: dict[str, Product]
    bought: bytes


class _StateRecord(NamedTuple):
    version: int
    next_due_ms: int | None
    rules_version: int
    limits_number: int
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
    contacts: dict[str, Contact]
    offers: list[int]
    products: _ProductsRecord | None
    counted: Counted | None
    held: dict[str, Held]
    pending: dict[str, int]
    mutes: dict[str, int]
    sent: list[Sent]
    attributions: list[Attribution]


class Head(msgspec.Struct, array_like=True, frozen=True):
    """The front of a state; what stands behind it is skipped, not decoded."""

    version: int
    next_due_ms: int | None
    rules_version: int
    limits_number: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StateRecord).decode
_decode_head = msgspec.msgpack.Decoder(Head).decode


def encode_state(state: CustomerState) -> bytes:
    """Bytes of a state, without the customer id, which is the key."""
    folded, products = state.folded, state.products
    return _encode(
        (
            VERSION,
            state.next_due_ms,
            state.rules_version,
            state.limits_number,
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
            state.contacts,
            state.offers,
            products and (products.categories, products.skus, products.bought),
            state.counted,
            state.held,
            state.pending,
            state.mutes,
            state.sent,
            state.attributions,
        )
    )


def decode_state(customer_id: str, value: bytes) -> CustomerState:
    """The state of a customer, brought up to date.

    Raises `BrokenInvariant` where the bytes are of a newer version, or of none that is known.
    """
    record = _read(value)
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
        limits_number=record.limits_number,
        contacts=record.contacts,
        offers=record.offers,
        products=Products(*record.products) if record.products is not None else None,
        counted=record.counted,
        held=record.held,
        pending=record.pending,
        mutes=record.mutes,
        sent=record.sent,
        attributions=record.attributions,
    )


def decode_head(value: bytes) -> Head:
    """Only the front of a state, at a fraction of the price of all of it; raises as `decode_state`."""
    try:
        head = _decode_head(value)
    except msgspec.DecodeError as error:
        raise _unreadable(str(error)) from error
    _require_known(head.version)
    return head


def _read(value: bytes) -> _StateRecord:
    try:
        record = _decode(value)
    except msgspec.DecodeError:
        # Another length, most likely: of another version, or of none.
        pass
    else:
        if record.version == VERSION:
            return record
    try:
        return _decode(_upcast(value))
    except (msgspec.DecodeError, TypeError) as error:
        raise _unreadable(str(error)) from error


def _upcast(value: bytes) -> bytes:
    """Bytes of the present version, from those of an older one."""
    version, *fields = msgspec.msgpack.decode(value)
    _require_known(version)
    for step in range(version, VERSION):
        fields = UPCASTS[step](fields)
    return _encode((VERSION, *fields))


def _require_known(version: int) -> None:
    if version > VERSION:
        raise BrokenInvariant(
            f"the stored state of a customer has version {version}, this release reads up to "
            f"{VERSION}: a newer release wrote it, and only that one or a later one can go on. Start "
            "that release again"
        )
    if any(step not in UPCASTS for step in range(version, VERSION)):
        raise _unreadable(f"it has version {version}")


def _unreadable(why: str) -> BrokenInvariant:
    return BrokenInvariant(
        f"the stored state of a customer cannot be read as version {VERSION} ({why}): run the "
        "release that wrote it, or `rfm-streams redis rebuild`"
    )
