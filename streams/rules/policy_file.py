"""What holds for all campaigns: from `policy.yaml` to the journaled form (`docs/campaigns.md`)."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from streams.core.campaigns.limits import CHANNELS_WITHOUT_CONSENT
from streams.core.campaigns.policy import LONGEST_CAP_MS
from streams.rules.asked_segments import KnownScheme, nonexistent_segment
from streams.rules.campaign_models import Channel, SegmentFile, Tags
from streams.rules.spans import format_span
from streams.rules.values import HeldBack, Margin, Name, Percent, Span, Strict, TimeOfDay
from streams.settings import Settings
from streams.yaml_file import YamlFile

# A person names a handful of caps and a few dozen offers; each is looked at with every action.
_MAX_CAPS: Final = 10
_MAX_ROWS: Final = 100
# Beyond this nobody means a cap.
_MOST_ACTIONS: Final = 1000
_NONE: Final = "none"


def _quiet(value: object) -> object:
    return None if value == _NONE else value


class CapFile(Strict):
    """At most `actions` in any span of length `per`."""

    actions: int = Field(ge=1, le=_MOST_ACTIONS, description="At most so many actions")
    per: Span = Field(description="in any span of this length, at most 31d,")
    channel: Channel | None = Field(None, description="over this channel; over all if not given.")


class QuietHoursFile(Strict):
    """By the customer's clock, else by the shop's; may span midnight."""

    start: TimeOfDay = Field(alias="from", description='First minute that is quiet, as "21:00".')
    end: TimeOfDay = Field(alias="to", description='First minute that is not, as "08:00".')

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.start == self.end:
            raise ValueError("from and to are the same; write quiet_hours: none")
        return self


class FlagMuteFile(SegmentFile):
    """Who is in the segment or has the flag gets nothing of these kinds."""

    tags: Tags = Field(min_length=1, description="Tags of campaigns that send them nothing.")


class OfferFile(Strict):
    """A class of vouchers: a discount, or a perk that costs no margin."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["perk"]}, {"required": ["discount"]}]}
    )

    perk: Literal[True] | None = Field(None, description="Costs no margin.")
    discount: Percent | None = Field(None, description="So much off the goods, as 10%.")
    expires: Span = Field(description="How long a voucher holds.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.perk is None) == (self.discount is None):
            raise ValueError("give either discount or perk: true")
        return self


class OffersFile(Strict):
    """Which offers there are, and below which margin none is made."""

    classes: dict[Name, OfferFile] = Field(
        max_length=_MAX_ROWS, description="Classes of offers by name; campaigns name them."
    )
    floor: Margin = Field(
        description="Least margin left of the discounted price, for every item of the cart."
    )
    floors: dict[str, Margin] = Field(
        default_factory=dict, max_length=_MAX_ROWS, description="The same by category."
    )
    never_discounted: list[str] = Field(
        default_factory=list, max_length=_MAX_ROWS, description="Categories without discounts."
    )
    without_costs: Literal["perks", "all"] = Field(
        "perks",
        description="What may be offered where unit costs are not known: perks only, or all.",
    )


class PolicyFile(Strict):
    """`policy.yaml`."""

    caps: list[CapFile] = Field(max_length=_MAX_CAPS, description="Each holds beside the others.")
    quiet_hours: Annotated[
        QuietHoursFile | None,
        BeforeValidator(_quiet, json_schema_input_type=QuietHoursFile | Literal["none"]),
    ] = Field(description="When email, sms and push wait; none for never.")
    holdout: HeldBack = Field(
        description="Share of all customers who get nothing at all, to compare; 0% to 50%."
    )
    seasons: list[Annotated[int, Field(ge=1, le=4)]] = Field(
        min_length=1,
        max_length=4,
        description="Strongest quarters, until four complete ones tell them.",
    )
    mutes: list[FlagMuteFile] = Field(
        default_factory=list,
        max_length=_MAX_ROWS,
        description="What members of segments do not get.",
    )
    offers: OffersFile = Field(description="Vouchers.")


def journaled_policy(
    text: YamlFile, schemes: Mapping[str, KnownScheme], settings: Settings
) -> dict[str, Any]:
    """The policy as the core compiles it; raises `UsageError` with the line."""
    file = text.validate(PolicyFile)
    _check_caps(text, file)
    for index, mute in enumerate(file.mutes):
        unknown = nonexistent_segment(mute.scheme, mute.segment, schemes)
        if unknown is not None:
            raise text.complaint(("mutes", index), unknown)
    quiet = file.quiet_hours
    return {
        "time_zone": settings.time_zone,
        "quiet_hours": None
        if quiet is None
        else {"starts_minute": quiet.start, "ends_minute": quiet.end},
        "caps": [
            {"per_ms": one.per, "most": one.actions, "channel": one.channel} for one in file.caps
        ],
        "holdout_percent": file.holdout,
        "seasons": sorted(set(file.seasons)),
        "flag_mutes": [
            {"scheme": one.scheme, "segment": one.segment, "tags": sorted(set(one.tags))}
            for one in file.mutes
        ],
        "offers": _offers(file.offers),
    }


def _check_caps(text: YamlFile, file: PolicyFile) -> None:
    for index, cap in enumerate(file.caps):
        if cap.per > LONGEST_CAP_MS:
            raise text.error(
                ("caps", index, "per"),
                f"is longer than caps look back, {format_span(LONGEST_CAP_MS)}",
            )
        if cap.channel in CHANNELS_WITHOUT_CONSENT:
            raise text.error(
                ("caps", index, "channel"), f"is {cap.channel}, which reaches nobody and has no cap"
            )


def _offers(file: OffersFile) -> dict[str, Any]:
    return {
        "classes": {
            name: {
                "percent": one.discount or 0,
                "is_perk": one.perk is not None,
                "expires_ms": one.expires,
            }
            for name, one in file.classes.items()
        },
        "floor_percent": file.floor,
        "floors_percent": file.floors,
        "never_discounted": sorted(set(file.never_discounted)),
        "without_costs": file.without_costs == "all",
    }
