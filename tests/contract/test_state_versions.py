"""States are read for ever: what a release wrote, every later one reads.

There is one layout so far. Whoever adds the next one puts a step into `UPCASTS`, and leaves the bytes
below as they are.
"""

import base64
from typing import Any

import msgspec
import pytest

from streams.codec import state as codec
from streams.codec.state import VERSION, decode_head, decode_state, encode_state
from streams.core.inputs import Item
from streams.core.state import Cart, Consent, CustomerState, Membership, Order
from streams.errors import BrokenInvariant

KNOWN = CustomerState(
    "C-1",
    orders={"O-1": Order(1_000, "e1", 5_000, units=2.0, lines="S\t2")},
    memberships={"rfm": Membership("Champions", None, 1_000, 1)},
    seen={77: 1_000},
    consents={"email": Consent(granted=True, occurred_at_ms=900, event_id="e0")},
    carts={"K": Cart(1_500, "e2", 900, None, (Item("S", 1.0),), None, abandoned=False)},
    starts={"cart_reminder": 500},
    last_event_at_ms=1_500,
    next_due_ms=9_000,
    rules_version=3,
    limits_number=2,
)
# `encode_state(KNOWN)` of the release that had each version.
WRITTEN: dict[int, str] = {
    1: (
        "+yEQ_%_ArS0?h^7fum0?F`LZ;=%QsY%@c^i0KfnM!plGa00000005&?2{M7Ba%OFmsY7UCZE$ICZgarR"
        "1Ly&PP0a)7fPjF3rDbhlX>60j%>#s@WiWxEOP9?B+@fVN%>#tMk(Z%U%Rle{000000Kfpiz`(%5kb$jZ"
        "VRCd|a%F94Ze(S0%>nelzyQF2kifuzfPj#Y"
    ),
}


def rewritten(state: CustomerState, version: int, drop: int = 0, add: int = 0) -> bytes:
    """The bytes of a state under another version, shorter or longer at their end."""
    fields: list[Any] = msgspec.msgpack.decode(encode_state(state))
    fields = fields[: len(fields) - drop] + [None] * add
    return msgspec.msgpack.encode([version, *fields[1:]])


def test_there_are_bytes_of_every_version() -> None:
    assert WRITTEN.keys() == set(range(1, VERSION + 1))
    assert codec.UPCASTS.keys() == set(range(1, VERSION))


@pytest.mark.parametrize("version", WRITTEN)
def test_what_was_written_once_is_read_for_ever(version: int) -> None:
    assert decode_state("C-1", base64.b85decode(WRITTEN[version])) == KNOWN


def test_an_older_version_is_brought_up_to_date_step_by_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Two versions ago there were no attributions, and before that none of the actions sent either.
    monkeypatch.setitem(codec.UPCASTS, VERSION - 1, lambda fields: [*fields, []])
    monkeypatch.setitem(codec.UPCASTS, VERSION - 2, lambda fields: [*fields, []])
    old = rewritten(KNOWN, VERSION - 2, drop=2)
    assert decode_state("C-1", old) == KNOWN
    assert decode_head(old).next_due_ms == 9_000
    assert encode_state(decode_state("C-1", old)) == encode_state(KNOWN)


@pytest.mark.parametrize("read", [lambda value: decode_state("C-1", value), decode_head])
def test_a_newer_version_stops_the_worker_and_says_what_to_do(read: Any) -> None:
    with pytest.raises(BrokenInvariant, match=rf"version {VERSION + 1}.*newer release.*Start"):
        read(rewritten(KNOWN, VERSION + 1, add=1))


@pytest.mark.parametrize("read", [lambda value: decode_state("C-1", value), decode_head])
def test_an_older_version_without_a_way_to_this_one_is_refused(read: Any) -> None:
    with pytest.raises(BrokenInvariant, match="run the release that wrote it"):
        read(rewritten(KNOWN, VERSION - 1))
