"""What must hold at the instant a step fires, tested then and not before."""

from streams.core.campaigns.definition import Campaign
from streams.core.moment import Moment
from streams.core.rules import Rules
from streams.core.schemes.scheme import names_in
from streams.core.state import CustomerState, Run

# Channels that reach a system of the shop and not a person.
CHANNELS_WITHOUT_CONSENT = frozenset({"webhook"})


def reachable_channels(state: CustomerState, campaign: Campaign, rules: Rules) -> tuple[str, ...]:
    """The campaign's channels that the customer allows now."""
    return tuple(one for one in campaign.channels if _is_allowed(state, one, rules))


def _is_allowed(state: CustomerState, channel: str, rules: Rules) -> bool:
    if channel in CHANNELS_WITHOUT_CONSENT:
        return True
    consent = state.consents.get(channel)
    if consent is not None:
        return consent.granted
    policy = rules.consent_unknown.get(channel, "deny")
    return policy == "allow" or (policy == "after_purchase" and bool(state.orders))


def refusal_at_firing(
    state: CustomerState, campaign: Campaign, run: Run, valid_until_ms: int, moment: Moment
) -> tuple[str, str] | None:
    """Reason and detail why the step must not be carried out now, or None."""
    if moment.now_ms >= valid_until_ms:
        return "expired", f"valid until {valid_until_ms}, decided at {moment.now_ms}"
    if campaign.on_abandoned_cart:
        cart = state.carts.get(run.key)
        if cart is None or not (cart.items or cart.value_minor):
            return "cart_gone", run.key
        # An order that settles this cart has ended the run; one for another cart has not.
    if campaign.enters is not None:
        scheme, segment = campaign.enters
        membership = state.memberships.get(scheme)
        if membership is None or segment not in names_in(membership.segment):
            return "left_segment", segment
    active_until_ms = state.last_event_at_ms + campaign.quiet_ms
    if campaign.quiet_ms and active_until_ms > run.next_due_ms:
        return "recent_event", f"the customer was active within {campaign.quiet_ms} ms"
    if not reachable_channels(state, campaign, moment.rules):
        return "no_consent", f"none of {', '.join(campaign.channels)} is allowed"
    return None
