"""What holds for all campaigns: caps, quiet hours, consent, offers, mutes, who is held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from streams.core.local_time.zones import Zone, zone

# A cap looks back over what was sent; beyond a month nobody thinks in caps.
LONGEST_CAP_MS: Final = 31 * 86_400_000
ATTRIBUTE_TIME_ZONE: Final = "time_zone"


class Cap(NamedTuple):
    """At most `most` actions in any `per_ms`, over one channel or (None) over all."""

    per_ms: int
    most: int
    channel: str | None


class QuietHours(NamedTuple):
    """From and to, minutes of the customer's local day; may span midnight."""

    starts_minute: int
    ends_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """A class of offer: `percent` off the goods, or a perk that costs no margin (`percent` 0)."""

    name: str
    percent: int
    is_perk: bool
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """Which offers may be made.

    What is left of a price after the offer must exceed the cost by `floor_percent` of that price,
    `floors_percent` by category. Nothing of `never_discounted` categories is discounted. Without
    known prices and costs only perks go out, unless `without_costs` allows all.
    """

    vouchers: Mapping[str, Voucher]
    floor_percent: int
    floors_percent: Mapping[str, int]
    never_discounted: frozenset[str]
    without_costs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits on all campaigns together.

    `zone` is the shop's: of schedules, and of customers without one of their own. `flag_mutes` maps
    (scheme, segment) to the tags that its members do not get. `holdout_percent` of all customers get
    nothing at all. `seasons` are the strongest quarters where revenue does not tell.
    """

    zone: Zone
    quiet_hours: QuietHours | None
    caps: tuple[Cap, ...]
    consent_unknown: Mapping[str, str]
    offers: Offers
    flag_mutes: Mapping[tuple[str, str], frozenset[str]]
    holdout_percent: int
    seasons: frozenset[int]

    @property
    def longest_cap_ms(self) -> int:
        """How far back caps look."""
        return max((cap.per_ms for cap in self.caps), default=0)


def compile_policy(raw: Mapping[str, Any], consent_unknown: Mapping[str, str]) -> Policy:
    """The policy from its journaled form; KeyError, TypeError and ValueError say what is wrong."""
    shop_zone = zone(raw["time_zone"])
    if shop_zone is None:
        raise ValueError(f"there is no time zone {raw['time_zone']!r}")
    caps = tuple(Cap(int(one["per_ms"]), int(one["most"]), one["channel"]) for one in raw["caps"])
    for cap in caps:
        if not 0 < cap.per_ms <= LONGEST_CAP_MS or cap.most < 1:
            raise ValueError(f"a cap is at least 1 action in at most 31 days, found {cap}")
    quiet = raw["quiet_hours"]
    offers = raw["offers"]
    return Policy(
        zone=shop_zone,
        quiet_hours=QuietHours(quiet["starts_minute"], quiet["ends_minute"]) if quiet else None,
        caps=caps,
        consent_unknown=dict(consent_unknown),
        offers=Offers(
            vouchers={
                name: Voucher(
                    name=name,
                    percent=int(one["percent"]),
                    is_perk=bool(one["is_perk"]),
                    expires_ms=int(one["expires_ms"]),
                )
                for name, one in offers["classes"].items()
            },
            floor_percent=int(offers["floor_percent"]),
            floors_percent={name: int(one) for name, one in offers["floors_percent"].items()},
            never_discounted=frozenset(offers["never_discounted"]),
            without_costs=bool(offers["without_costs"]),
        ),
        flag_mutes={
            (one["scheme"], one["segment"]): frozenset(one["tags"]) for one in raw["flag_mutes"]
        },
        holdout_percent=int(raw["holdout_percent"]),
        seasons=frozenset(int(one) for one in raw["seasons"]),
    )
