"""Signatures of webhooks, by the Standard Webhooks specification (symmetric, version 1).

HMAC-SHA256 over `id.timestamp.body`, in base64 behind `v1,`. A receiver takes any library of that
name, or ten lines of its own (docs/delivery.md).
"""

import base64
import binascii
import hashlib
import hmac

from streams.errors import UsageError

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix, not a secret
# 24 bytes are the least that the specification takes.
MIN_SECRET_BYTES = 24


def read_secret(text: str) -> bytes:
    """The key's bytes: base64 behind `whsec_`, else the text itself."""
    if text.startswith(SECRET_PREFIX):
        try:
            key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error:
            raise UsageError(
                "settings: delivery_webhook_secret: what stands behind whsec_ is no base64 "
                "(set RFM_DELIVERY_WEBHOOK_SECRET)"
            ) from None
    else:
        key = text.encode()
    if len(key) < MIN_SECRET_BYTES:
        raise UsageError(
            f"settings: delivery_webhook_secret: it has {len(key)} bytes, at least "
            f"{MIN_SECRET_BYTES} are needed (set RFM_DELIVERY_WEBHOOK_SECRET)"
        )
    return key


def sign(key: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The value of the header `webhook-signature`."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp_s, body)
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
