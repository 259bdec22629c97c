"""An action as JSON, as webhooks and trial channels hand it on."""

from typing import Any

import msgspec

from streams.deliver.channels.channel import Delivery

_encode = msgspec.json.Encoder(order="sorted").encode


def message_of(delivery: Delivery) -> dict[str, Any]:
    """The action as published, the channel chosen and the recipient.

    Nothing in it tells attempts apart: a receiver that compares bodies under one idempotency key
    finds them equal, as long as the customer stays the same.
    """
    recipient = delivery.recipient
    return {
        "channel": delivery.channel,
        "recipient": {
            "customer_id": recipient.customer_id,
            "address": delivery.address,
            "first_name": recipient.first_name,
            "language": recipient.language,
        },
        "action": dict(delivery.action.body),
    }


def encode_message(message: dict[str, Any]) -> bytes:
    """JSON with sorted names, so that equal messages are equal bytes."""
    return _encode(message)
