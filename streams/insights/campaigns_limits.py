"""What the shop's limits on all campaigns mean for one of them, in words."""

from streams.core.campaigns.definition import DROP, Campaign
from streams.core.campaigns.limits import CHANNELS_WITHOUT_CONSENT
from streams.core.campaigns.policy import Cap, Policy
from streams.rules.spans import format_span
from streams.rules.values import minute_text

Rows = list[tuple[str, str]]


def limit_rows(campaign: Campaign, policy: Policy) -> Rows:
    """Names and values, in the order in which they are asked; the guard as it was armed."""
    flood = campaign.flood
    return [
        *_offers(campaign, policy),
        ("muted", _mutes(campaign, policy)),
        ("consent where unknown", _consent(campaign, policy)),
        ("quiet hours", _quiet_hours(campaign, policy)),
        ("caps", _caps(campaign, policy)),
        ("holdout", f"{policy.holdout_percent} % of all customers get nothing"),
        (
            "guard",
            (
                f"pauses beyond {flood.most} actions in {format_span(flood.per_ms)}, or "
                f"{flood.share_percent} % of the customers; each partition takes its share"
            ),
        ),
    ]


def cap_words(cap: Cap) -> str:
    """Such as `3 per 7d`, of one channel `1 per 1d by sms`."""
    channel = f" by {cap.channel}" if cap.channel is not None else ""
    return f"{cap.most} per {format_span(cap.per_ms)}{channel}"


def _offers(campaign: Campaign, policy: Policy) -> Rows:
    names = {variant.offer for step in campaign.steps for variant in step.variants if variant.offer}
    if not names:
        return []
    offers = policy.offers
    said: list[str] = []
    for name in sorted(names):
        voucher = offers.vouchers[name]
        worth = f"{voucher.percent} % off" if voucher.percent else "costs no margin"
        said.append(f"{name} ({worth}, for {format_span(voucher.expires_ms)})")
    floor = f"; {offers.floor_percent} % of a price are left above its cost"
    return [("offers", ", ".join(said) + floor)]


def _mutes(campaign: Campaign, policy: Policy) -> str:
    flags = [
        f"{segment} ({', '.join(sorted(campaign.tags & muted))})"
        for (_, segment), muted in sorted(policy.flag_mutes.items())
        if campaign.tags & muted
    ]
    return f"for {', '.join(flags)}" if flags else "for no segment"


def _consent(campaign: Campaign, policy: Policy) -> str:
    said = [
        f"{one} needs none"
        if one in CHANNELS_WITHOUT_CONSENT
        else f"{one} {policy.consent_unknown.get(one, 'deny')}"
        for one in campaign.channels
    ]
    return ", ".join(said)


def _quiet_hours(campaign: Campaign, policy: Policy) -> str:
    quiet = policy.quiet_hours
    if quiet is None or not campaign.keeps_quiet_hours:
        return "none"
    span = f"{minute_text(quiet.starts_minute)} to {minute_text(quiet.ends_minute)}"
    return f"{span} by the customer's clock, by the shop's where that is unknown"


def _caps(campaign: Campaign, policy: Policy) -> str:
    caps = [cap for cap in policy.caps if cap.channel is None or cap.channel in campaign.channels]
    if not campaign.is_capped or not caps:
        return "none"
    beyond = "dropped" if campaign.beyond_cap == DROP else "held until there is room"
    return f"{' and '.join(cap_words(cap) for cap in caps)}; beyond them {beyond}"
