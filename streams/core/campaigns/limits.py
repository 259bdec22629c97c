"""Whether a step may be carried out now, must wait, or must not be: tested at that instant."""

from typing import NamedTuple

from streams.core.campaigns.definition import ACT, CART, DROP, STOP, Campaign, Variant
from streams.core.campaigns.offers import refusal_of_offer
from streams.core.campaigns.policy import ATTRIBUTE_TIME_ZONE, Policy
from streams.core.local_time.quiet import release_ms
from streams.core.local_time.zones import Zone, zone
from streams.core.moment import Moment
from streams.core.schemes.scheme import names_in
from streams.core.state import CustomerState, Run

# Channels that reach a system of the shop and not a person: no consent, no cap, no quiet hours.
CHANNELS_WITHOUT_CONSENT = frozenset({"webhook"})
# A letter waits in the box.
DISTURBING_CHANNELS = frozenset({"email", "sms", "push"})

QUIET_HOURS, CAPPED, PAUSED = "quiet_hours", "capped", "paused"


class Refused(NamedTuple):
    """Not now and not later: the reason is published, with a detail for people."""

    reason: str
    detail: str


class Held(NamedTuple):
    """Not now: look again at `until_ms`, for a `reason`."""

    until_ms: int
    reason: str


class Stopped(NamedTuple):
    """The campaign itself says that the run ends here."""


class Skipped(NamedTuple):
    """The campaign itself says that nothing is done at this step."""


class Allowed(NamedTuple):
    """Go ahead over these channels, with this variant."""

    variant: Variant
    channels: tuple[str, ...]


Verdict = Refused | Held | Stopped | Skipped | Allowed


def zone_of(state: CustomerState, policy: Policy) -> Zone:
    """The customer's time zone, the shop's where it is not known."""
    known = state.attributes.get(ATTRIBUTE_TIME_ZONE)
    found = zone(known.value) if known is not None and isinstance(known.value, str) else None
    return found or policy.zone


def reachable_channels(state: CustomerState, campaign: Campaign, policy: Policy) -> tuple[str, ...]:
    """The campaign's channels that the customer allows now."""
    return tuple(one for one in campaign.channels if is_allowed(state, one, policy))


def judge(state: CustomerState, campaign: Campaign, run: Run, moment: Moment) -> Verdict:
    """What becomes of the run's present step at this instant.

    What ends it for good is asked before what only delays it, so that nothing waits in vain.
    """
    step = campaign.steps[run.next_step]
    valid_until_ms = run.due_ms + step.valid_for_ms
    if moment.now_ms >= valid_until_ms:
        # Held until it was too late: what held it is the reason.
        detail = f"valid until {valid_until_ms}, decided at {moment.now_ms}"
        return Refused(run.waiting or "expired", detail)
    refused = _refused_by_customer(state, campaign, run, moment)
    if refused is not None:
        return refused
    variant = next((one for one in step.variants if _holds(one, moment)), None)
    if variant is None:
        return Refused("no_variant", f"no variant of step {step.name} is for this customer")
    if variant.does != ACT:
        return Stopped() if variant.does == STOP else Skipped()
    return _limited(state, campaign, run, variant, valid_until_ms, moment)


def _holds(variant: Variant, moment: Moment) -> bool:
    return variant.when is None or variant.when.test(moment.view)


def _refused_by_customer(
    state: CustomerState, campaign: Campaign, run: Run, moment: Moment
) -> Refused | None:
    """Whether the customer is one it is for, still."""
    if campaign.key == CART:
        cart = state.carts.get(run.key)
        # An order that settles this cart has ended the run; one for another cart has not.
        if cart is None or not (cart.items or cart.value_minor):
            return Refused("cart_gone", run.key)
    if campaign.exits.leaving and run.entered is not None:
        scheme, segment = run.entered
        if not is_member(state, scheme, segment):
            return Refused("left_segment", segment)
    active_until_ms = state.last_event_at_ms + campaign.quiet_ms
    if campaign.quiet_ms and active_until_ms > run.due_ms:
        return Refused("recent_event", f"the customer was active within {campaign.quiet_ms} ms")
    if campaign.when is not None and not campaign.when.test(moment.view):
        return Refused("condition", "the campaign is not for this customer any more")
    return None


def is_member(state: CustomerState, scheme: str, segment: str) -> bool:
    """Whether the customer is in the segment, or has the flag."""
    known = state.memberships.get(scheme)
    return known is not None and segment in names_in(known.segment)


def _limited(
    state: CustomerState,
    campaign: Campaign,
    run: Run,
    variant: Variant,
    valid_until_ms: int,
    moment: Moment,
) -> Verdict:
    policy = moment.rules.policy
    refused = _refused_by_policy(state, campaign, run, variant, moment)
    if refused is not None:
        return refused
    channels = reachable_channels(state, campaign, policy)
    if not channels:
        return Refused("no_consent", f"none of {', '.join(campaign.channels)} is allowed")
    if campaign.is_dry_run:
        return Refused("dry_run", f"over {', '.join(channels)}, if the campaign were armed")
    if moment.guard.holds(campaign):
        return Held(valid_until_ms, PAUSED)
    if campaign.keeps_quiet_hours:
        held = _held_by_quiet_hours(state, channels, valid_until_ms, moment)
        if held is not None:
            return held
    if campaign.is_capped:
        return _capped(state, campaign, variant, channels, valid_until_ms, moment)
    return Allowed(variant, channels)


def _refused_by_policy(
    state: CustomerState, campaign: Campaign, run: Run, variant: Variant, moment: Moment
) -> Refused | None:
    policy = moment.rules.policy
    if variant.offer is not None:
        voucher = policy.offers.vouchers.get(variant.offer)
        if voucher is None:
            # Of a version that has retired: the policy knows only what is offered today.
            return Refused("offer_gone", f"there is no offer {variant.offer} any more")
        cart = state.carts.get(run.key) if campaign.key == CART else None
        problem = refusal_of_offer(voucher, cart, policy.offers)
        if problem is not None:
            return Refused("below_margin", f"{voucher.name}: {problem}")
    for tag in sorted(campaign.tags):
        until_ms = state.mutes.get(tag, 0)
        if until_ms > moment.now_ms:
            return Refused("muted", f"no {tag} until {until_ms}")
    for (scheme, segment), tags in policy.flag_mutes.items():
        muted = campaign.tags & tags
        if muted and is_member(state, scheme, segment):
            return Refused("muted", f"no {', '.join(sorted(muted))} for {segment}")
    return None


def is_allowed(state: CustomerState, channel: str, policy: Policy) -> bool:
    """Whether the customer may be reached over a channel now."""
    if channel in CHANNELS_WITHOUT_CONSENT:
        return True
    consent = state.consents.get(channel)
    if consent is not None:
        return consent.granted
    unknown = policy.consent_unknown.get(channel, "deny")
    return unknown == "allow" or (unknown == "after_purchase" and bool(state.orders))


def _held_by_quiet_hours(
    state: CustomerState, channels: tuple[str, ...], valid_until_ms: int, moment: Moment
) -> Verdict | None:
    quiet = moment.rules.policy.quiet_hours
    if quiet is None or DISTURBING_CHANNELS.isdisjoint(channels):
        return None
    at = zone_of(state, moment.rules.policy)
    until_ms = release_ms(at, moment.now_ms, quiet.starts_minute, quiet.ends_minute)
    if until_ms == moment.now_ms:
        return None
    if until_ms >= valid_until_ms:
        return Refused(QUIET_HOURS, f"quiet until {until_ms}, valid until {valid_until_ms}")
    return Held(until_ms, QUIET_HOURS)


def _capped(
    state: CustomerState,
    campaign: Campaign,
    variant: Variant,
    channels: tuple[str, ...],
    valid_until_ms: int,
    moment: Moment,
) -> Verdict:
    """The channels that caps leave; none left: wait for the first to be free, or not at all."""
    free_ms = {one: _free_ms(state, one, moment) for one in channels}
    open_now = tuple(one for one in channels if free_ms[one] <= moment.now_ms)
    if open_now:
        return Allowed(variant, open_now)
    until_ms = min(free_ms.values())
    if campaign.beyond_cap == DROP or until_ms >= valid_until_ms:
        return Refused(CAPPED, f"enough was sent until {until_ms}, valid until {valid_until_ms}")
    return Held(until_ms, CAPPED)


def _free_ms(state: CustomerState, channel: str, moment: Moment) -> int:
    """From when on the caps allow one more action over this channel."""
    if channel in CHANNELS_WITHOUT_CONSENT:
        return moment.now_ms
    free_ms = moment.now_ms
    for cap in moment.rules.policy.caps:
        if cap.channel is not None and cap.channel != channel:
            continue
        counted = [
            one.at_ms for one in state.sent if cap.channel is None or cap.channel in one.channels
        ]
        if len(counted) >= cap.most:
            free_ms = max(free_ms, counted[-cap.most] + cap.per_ms)
    return free_ms
