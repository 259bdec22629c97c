"""What a customer is and allows: attributes and consent, last writer wins by the shop's time."""

from streams.core.history import is_newer
from streams.core.inputs import ConsentChanged, CustomerUpdated, DeliveryReported
from streams.core.state import Attribute, Consent, CustomerState

# Outcomes of a delivery by which a person says: no more.
_WITHDRAWING = frozenset({"unsubscribed", "complained", "bounced"})
# A state is read and written whole; a record of a shop's CRM has a few dozen fields.
MAX_ATTRIBUTES = 200


def record(state: CustomerState, event: ConsentChanged | DeliveryReported) -> bool:
    """Take in consent; False where nothing newer came."""
    if isinstance(event, ConsentChanged):
        return _record_consent(state, event.channel, event.granted, event)
    if event.outcome in _WITHDRAWING:
        return _record_consent(state, event.channel, False, event)
    return True


def record_attributes(state: CustomerState, event: CustomerUpdated) -> tuple[bool, list[str]]:
    """Take in attributes; False where nothing newer came, and the names there was no room for."""
    newer, left_out = False, []
    for name, value in event.attributes.items():
        known = state.attributes.get(name)
        if known is not None:
            if not is_newer(
                event.occurred_at_ms, event.event_id, known.occurred_at_ms, known.event_id
            ):
                continue
        elif len(state.attributes) >= MAX_ATTRIBUTES:
            left_out.append(name)
            continue
        # A removed attribute stays as None, so that an older value that comes late does not return.
        state.attributes[name] = Attribute(value, event.occurred_at_ms, event.event_id)
        newer = True
    return newer, left_out


def _record_consent(
    state: CustomerState,
    channel: str,
    granted: bool,
    event: ConsentChanged | DeliveryReported,
) -> bool:
    known = state.consents.get(channel)
    if known is not None and not is_newer(
        event.occurred_at_ms, event.event_id, known.occurred_at_ms, known.event_id
    ):
        return False
    state.consents[channel] = Consent(granted, event.occurred_at_ms, event.event_id)
    return True
