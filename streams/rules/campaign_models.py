"""What a campaign file may say, field by field. Editors and `docs/campaigns.md` show these words."""

from calendar import monthrange
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from streams.core.campaigns.definition import MAX_ROUNDS, MAX_STEPS
from streams.core.population.products import REPORTED
from streams.core.values import DAY_MS, HOUR_MS
from streams.rules.values import (
    Count,
    Duration,
    HeldBack,
    Name,
    Share,
    Span,
    Strict,
    TimeOfDay,
    Weekday,
    duration_ms,
)

# A rule tree: `streams/rules/editor_schemas.py` says its form.
CONDITION: Final = {"x-rule-tree": True}
Condition = Annotated[Any, WithJsonSchema(CONDITION)]
EventName = Literal[
    "order.placed",
    "order.cancelled",
    "return.registered",
    "cart.updated",
    "cart.abandoned",
    "customer.updated",
    "consent.changed",
    "service.contacted",
]
Channel = Literal["email", "sms", "push", "post", "webhook"]
# What starts a campaign, each under its own word; and those that a customer enters and leaves.
KINDS: Final = ("enters", "leaves", "gains", "loses", "event", "date", "schedule")
BY_SEGMENT: Final = KINDS[:4]
# Nobody thinks of a campaign in more kinds than this; each is looked up at every step.
MAX_TAGS: Final = 20
_MAX_SEGMENTS: Final = 50
_LEAP_YEAR: Final = 2000
_DAYS_OF_ALL_MONTHS: Final = 28


def _as_event(value: object) -> object:
    return {"event": value} if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _re_entry(value: object) -> int | None:
    if value == "never":
        return None
    try:
        return 0 if value == "each" else duration_ms(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is neither each nor never nor a duration as 60d") from error


def _seasons(value: object) -> object:
    if value == "strongest":
        return value
    quarters = value if isinstance(value, list) else [value]
    if not quarters or any(one not in {1, 2, 3, 4} for one in quarters):
        raise ValueError(f"{value!r} is neither strongest nor a list of quarters as [3, 4]")
    return sorted(set(quarters))


def _one_of(names: Sequence[str]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in names]})


ReEntry = Annotated[
    int | None,
    BeforeValidator(
        _re_entry,
        json_schema_input_type=Annotated[str, Field(pattern="^(each|never|[0-9]{1,9} *[smhdw])$")],
    ),
]
Seasons = Annotated[
    Literal["strongest"] | list[int],
    BeforeValidator(
        _seasons,
        json_schema_input_type=Literal["strongest"] | list[Annotated[int, Field(ge=1, le=4)]],
    ),
]
Tags = Annotated[list[Name], Field(max_length=MAX_TAGS)]


class SegmentFile(Strict):
    """A segment, or a flag, of a scheme."""

    scheme: str = Field(description="Name of the scheme, running or not.")
    segment: str = Field(description="Name of its segment or flag.")


class LeavingFile(SegmentFile):
    direction: Literal["up", "down"] | None = Field(
        None, description="Only to a better (up) or a worse (down) segment; for ordered schemes."
    )


class EnteringFile(LeavingFile):
    direction: Literal["up", "down"] | None = Field(
        None,
        description="Only from a worse (up) or a better (down) segment; for ordered schemes. Who "
        "comes from none goes up.",
    )
    origins: list[str] | None = Field(
        None, alias="from", min_length=1, description="Only from one of these segments."
    )


class ScheduleFile(Strict):
    """A calendar in the shop's time zone."""

    every: Literal["day", "week", "month", "quarter", "year"] = Field(
        description="day; week with on; month with day; quarter (its first day); year with month "
        "and day."
    )
    at: TimeOfDay = Field(description='Local time of the shop, as "09:00".')
    on: Weekday | None = Field(None, description="Day of the week, as monday.")
    day: int | None = Field(
        None, ge=1, le=31, description="Day of the month, to 28 if every month."
    )
    month: int | None = Field(None, ge=1, le=12, description="Month, 1 to 12.")
    seasons: Seasons | None = Field(
        None,
        description="Only in these quarters of the year: a list as [3, 4], or strongest for the two "
        "with the highest mean net revenue.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"week": ["on"], "month": ["day"], "year": ["month", "day"]}.get(self.every, [])
        for name in ("on", "day", "month"):
            given = getattr(self, name) is not None
            if given != (name in needed):
                raise ValueError(f"every {self.every} {'takes no' if given else 'needs'} {name}")
        if self.day is not None:
            days = _DAYS_OF_ALL_MONTHS
            if self.month is not None:
                days = monthrange(_LEAP_YEAR, self.month)[1]
            if self.day > days:
                raise ValueError(f"there is no day {self.day} every {self.every}; at most {days}")
        return self


class TriggerFile(Strict):
    """What starts a campaign: exactly one of the first seven fields."""

    model_config = _one_of(KINDS)

    enters: EnteringFile | None = Field(None, description="Enters a segment.")
    leaves: LeavingFile | None = Field(None, description="Leaves a segment.")
    gains: SegmentFile | None = Field(None, description="Gains a flag.")
    loses: SegmentFile | None = Field(None, description="Loses a flag.")
    event: EventName | None = Field(
        None, description="An event of the customer, or a cart that was left behind."
    )
    date: Literal["birthday", "first_order"] | None = Field(
        None, description="Each year on the birthday, or on the day of the first order."
    )
    schedule: ScheduleFile | None = Field(None, description="A calendar.")
    causes: list[Literal["event", "clock"]] | None = Field(
        None,
        min_length=1,
        description="By what: an event of the customer, the clock, or both. To be given for segments "
        "and flags; an event is by event, cart.abandoned by both. What other causes bring "
        "(moving limits, new rules, back-filled history) waits for the customer's next order.",
    )
    when: Condition = Field(
        None, description="With event and schedule: only for customers who meet this at the start."
    )
    at: TimeOfDay | None = Field(
        None, description='With date: time of day, by the customer\'s clock, as "09:00".'
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [name for name in KINDS if getattr(self, name) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            raise ValueError(f"give exactly one of {', '.join(KINDS)}, found {found}")
        (kind,) = kinds
        if self.at is None and kind == "date":
            raise ValueError('date needs at, the time of day, as "09:00"')
        if self.at is not None and kind != "date":
            raise ValueError(f"at belongs to date, not to {kind}")
        if self.when is not None and kind not in {"event", "schedule"}:
            raise ValueError(
                f"when belongs to event and schedule; beside {kind} use the campaign's"
            )
        if self.causes is None and kind in BY_SEGMENT:
            raise ValueError(f"{kind} needs causes: event, clock or both")
        if self.causes is not None and kind in {"date", "schedule"}:
            raise ValueError(f"{kind} takes no causes: it is the clock")
        if (
            kind == "event"
            and self.event != "cart.abandoned"
            and self.causes not in (None, ["event"])
        ):
            raise ValueError("only cart.abandoned may come by the clock")
        return self

    @property
    def kind(self) -> str:
        """The word by which it is written."""
        return next(name for name in KINDS if getattr(self, name) is not None)


class MutesFile(Strict):
    """What a start silences."""

    tags: Tags = Field(min_length=1, description="Campaigns with any of these tags send nothing.")
    span: Span = Field(alias="for", description="For how long, from the start on.")


class ExitEventFile(Strict):
    event: EventName = Field(description="Type of the event.")
    when: Condition = Field(None, description="Only where the customer meets this then.")


ExitEvent = Annotated[
    ExitEventFile,
    BeforeValidator(_as_event, json_schema_input_type=EventName | ExitEventFile),
]


class ExitsFile(Strict):
    """What ends a run at once, also while it waits."""

    events: list[ExitEvent] = Field(
        default_factory=lambda: [ExitEventFile.model_validate({"event": "order.placed"})],
        max_length=MAX_TAGS,
        description="Events, each as order.placed or with a condition; [order.placed] if not given.",
    )
    segments: list[SegmentFile] = Field(
        default_factory=list, max_length=_MAX_SEGMENTS, description="Entering one of these."
    )
    leaving: bool | None = Field(
        None,
        description="Leaving the segment by which it started; true if not given, where one did.",
    )


class GuardFile(Strict):
    """The blast-radius guard: beyond it the campaign pauses and waits for a person."""

    actions: Count = Field(10_000, description="At most so many actions, 10000 if not given,")
    per: Span = Field(HOUR_MS, description="in any span of this length, 1h if not given,")
    share: Share = Field(20, description="and to at most this share of the customers, 20%.")


class VariantFile(Strict):
    """What a step does for those who meet `when`: exactly one of template, skip and stop."""

    model_config = _one_of(("template", "skip", "stop"))

    when: Condition = Field(None, description="For whom; everybody if not given.")
    template: Name | None = Field(None, description="The text to send.")
    offer: Name | None = Field(None, description="A class of offer of the policy, with a template.")
    skip: Literal[True] | None = Field(None, description="Do nothing at this step.")
    stop: Literal[True] | None = Field(None, description="End the run.")

    @model_validator(mode="after")
    def _one_deed(self) -> Self:
        if [self.template, self.skip, self.stop].count(None) != 2:  # noqa: PLR2004 - one of three
            raise ValueError("give exactly one of template, skip and stop")
        if self.offer is not None and self.template is None:
            raise ValueError("an offer needs a template")
        return self


class StepFile(Strict):
    """One action: a template, or variants of which the first that matches counts."""

    model_config = _one_of(("template", "variants"))

    name: Name = Field(description="Name, unique in the campaign.")
    after: Duration = Field(
        description="How long after the start; of a cart, after its latest change."
    )
    at: TimeOfDay | None = Field(
        None, description='Waits for this time of the customer\'s day, as "09:00".'
    )
    on: Annotated[
        list[Weekday] | None,
        BeforeValidator(_as_list, json_schema_input_type=Weekday | list[Weekday] | None),
    ] = Field(None, min_length=1, description="With at: waits for one of these days, as [monday].")
    every: Span | None = Field(
        None, description="Repeats at this distance, at least 1d; the last step only."
    )
    rounds: int | None = Field(
        None,
        ge=2,
        le=MAX_ROUNDS,
        description=f"With every: how often in all; {MAX_ROUNDS} if not given.",
    )
    valid_for: Span = Field(
        description="How long it may be held back (quiet hours, caps, pause) before it is not sent."
    )
    template: Name | None = Field(None, description="The text to send.")
    offer: Name | None = Field(None, description="A class of offer of the policy.")
    variants: list[VariantFile] | None = Field(
        None, min_length=1, max_length=MAX_STEPS, description="In place of template and offer."
    )

    @model_validator(mode="after")
    def _right(self) -> Self:
        if (self.template is None) == (self.variants is None):
            raise ValueError("give either template or variants")
        if self.offer is not None and self.template is None:
            raise ValueError("an offer stands in the variant whose template it goes with")
        if self.on is not None and self.at is None:
            raise ValueError('on needs at, the time of day, as "09:00"')
        if self.rounds is not None and self.every is None:
            raise ValueError("rounds needs every")
        if self.every is not None and self.every < DAY_MS:
            raise ValueError("every is at least 1d: nobody wants more of one campaign")
        if self.every is not None and self.valid_for > self.every:
            raise ValueError("valid_for must not exceed every, or two rounds go out at once")
        return self


class CampaignFile(Strict):
    """`campaigns/NAME.yaml`."""

    model_config = _one_of(("trigger", "triggers"))

    name: Name = Field(description="Small letters, digits and _; unique.")
    version: int = Field(ge=1, description="Raise it with every change: runs keep theirs.")
    priority: int = Field(ge=0, le=1000, description="At one instant a lower one goes first.")
    channels: list[Channel] = Field(min_length=1, description="Over which it may go, best first.")
    tags: Tags = Field(default_factory=list, description="What kind of message it is, for mutes.")
    key: Literal["customer", "cart"] | None = Field(
        None,
        description="One run at a time per customer or per cart; cart if not given, where carts "
        "start it.",
    )
    trigger: TriggerFile | None = Field(None, description="What starts it.")
    triggers: list[TriggerFile] | None = Field(
        None, min_length=1, max_length=MAX_STEPS, description="Several of them; any starts it."
    )
    when: Condition = Field(
        None,
        description="Only for customers who meet this, at the start and again at each step.",
    )
    quiet: Duration = Field(0, description="Not within this time of any event of the customer.")
    re_entry: ReEntry = Field(
        0, description="When it may start again: each cause (if not given), never, or after 60d."
    )
    group: Name | None = Field(
        None, description="Of campaigns of one group only one runs at a time."
    )
    group_gap: Duration = Field(0, description="And not within this time of another's start.")
    mutes: MutesFile | None = Field(None, description="What a start silences.")
    exits: ExitsFile = Field(
        default_factory=lambda: ExitsFile.model_validate({}), description="What ends it."
    )
    max_start_delay: Duration = Field(
        7 * DAY_MS, description="A start that comes later than this is not made; 7d if not given."
    )
    caps: Literal["defer", "drop", "none"] = Field(
        "defer", description="Beyond a cap of the policy: wait, leave it, or know none."
    )
    quiet_hours: bool = Field(default=True, description="Whether quiet hours hold it back.")
    control: HeldBack = Field(10, description="Share that gets nothing, to compare; 0% to 50%.")
    guard: GuardFile = Field(
        default_factory=lambda: GuardFile.model_validate({}),
        description="When it pauses by itself.",
    )
    suggestions: int = Field(
        0, ge=0, le=REPORTED, description="How many products to suggest; none if not given."
    )
    return_rates: bool = Field(
        default=False, description="Whether the cart's items carry how likely they come back."
    )
    armed: bool = Field(default=True, description="false: starts nothing until a person arms it.")
    dry_run: bool = Field(default=False, description="true: decides and counts, and sends nothing.")
    steps: list[StepFile] = Field(
        min_length=1, max_length=MAX_STEPS, description="What it does, in order of time."
    )

    def all_triggers(self) -> list[tuple[tuple[str | int, ...], TriggerFile]]:
        """Each trigger with where it stands in the file."""
        if self.trigger is not None:
            return [(("trigger",), self.trigger)]
        return [(("triggers", at), one) for at, one in enumerate(self.triggers or ())]
