"""The present segments of a customer as the record of the compacted topic `customer-segments`.

A function of the memberships and of the schemes that run, so that whoever tells it, and however
often, tells the same. Measured with the shipped rules, an order costs 2 to 5 microseconds and 110 to
280 bytes more for it, of some 70 to 110 and 1,200 to 1,700: no reason for a setting.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from streams.codec.outputs import FIXED_HEADERS
from streams.codec.text import format_instant
from streams.core.schemes.scheme import Scheme, names_in
from streams.core.state import Membership

CUSTOMER_SEGMENTS = "customer-segments"
_TYPE = "customer.segments"
_encode = msgspec.json.Encoder().encode


def encode_segments(
    customer_id: str, memberships: Mapping[str, Membership], schemes: Sequence[Scheme]
) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """Value and CloudEvents headers; no value where the customer has no segment in any scheme.

    Schemes that no longer run are left out. `ce_id` holds how many changes there were so far.
    """
    told: dict[str, Any] = {}
    has_any, latest_ms = False, 0
    for scheme in schemes:
        member = memberships.get(scheme.name)
        if member is None:
            continue
        segment, _, since_ms, sequence = member
        has_any = has_any or segment is not None
        latest_ms = max(latest_ms, since_ms)
        told[scheme.name] = {
            "segment": names_in(segment) if scheme.is_flags else segment,
            "since": format_instant(since_ms),
            "sequence": sequence,
        }
    if not has_any:
        return None, []
    value = _encode(
        {"type": _TYPE, "schema_version": 1, "customer_id": customer_id, "segments": told}
    )
    changes = sum(member.sequence for member in memberships.values())
    headers = [
        ("ce_id", f"{customer_id}/{changes}".encode()),
        ("ce_type", _TYPE.encode()),
        ("ce_time", format_instant(latest_ms).encode()),
        *FIXED_HEADERS,
    ]
    return value, headers
