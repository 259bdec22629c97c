"""A recipient from what decide knows of a customer. Nothing is changed there."""

from streams.core.campaigns.limits import is_allowed
from streams.core.rules import Rules
from streams.core.state import CustomerState
from streams.deliver.ports import Recipient

# Attributes that hold a channel's address. Push and post are addressed by the receiver itself.
_ADDRESS_ATTRIBUTES = {"email": "email", "sms": "phone"}


def recipient_of(state: CustomerState, rules: Rules, channels: tuple[str, ...]) -> Recipient:
    """Whom to address, and over which of these channels that is allowed now."""
    addresses = {
        channel: address
        for channel in channels
        if (name := _ADDRESS_ATTRIBUTES.get(channel)) is not None
        and (address := _text(state, name)) is not None
    }
    # Whoever came back after an erasure is a customer like any other.
    is_erased = (
        state.erased_at_ms is not None
        and state.last_event_at_ms <= state.erased_at_ms
        and not state.attributes
    )
    return Recipient(
        customer_id=state.customer_id,
        first_name=_text(state, "first_name"),
        language=_text(state, "language"),
        addresses=addresses,
        allowed=frozenset(one for one in channels if is_allowed(state, one, rules.policy)),
        erased=is_erased,
    )


def _text(state: CustomerState, name: str) -> str | None:
    attribute = state.attributes.get(name)
    if attribute is None or not isinstance(attribute.value, str):
        return None
    return attribute.value.strip() or None
