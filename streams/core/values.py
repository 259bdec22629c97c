"""Small values used everywhere in the core: durations, causes and stable ids."""

from hashlib import sha1
from typing import NamedTuple

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# The UUIDv5 namespace of this product: every id it makes is a name in it. Never to be changed, or a
# replay would give other ids.
_ID_NAMESPACE = bytes.fromhex("6d0c3f0f2a5b5f0e9a3a7a1f5f0c2f61")


class Cause(NamedTuple):
    """Why something was decided; `kind` as in the contract of `segment.changed`."""

    kind: str
    event_id: str | None = None
    event_type: str | None = None


def stable_id(*parts: str) -> str:
    """UUIDv5 of the parts: the same decision has the same id in every replay.

    Each part is preceded by its length, so that no two lists of parts make the same name.
    """
    name = "".join([f"{len(part)}:{part}" for part in parts]).encode()
    # UUIDv5 is defined over SHA-1; nothing here is a secret.
    digest = bytearray(sha1(_ID_NAMESPACE + name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
