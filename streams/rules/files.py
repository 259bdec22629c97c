"""Rule files in YAML, checked and turned into the one JSON document that is journaled."""

import json
import re
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from schemas.currencies import MINOR_DIGITS
from streams.core.rules import RulesError, compile_rules
from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from streams.errors import UsageError
from streams.settings import Settings

HISTORY_MARGIN_DAYS = 100
# Producers retry for hours and replay a day at most; a week covers a broken weekend.
DUPLICATES_DAYS = 7
_UNITS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


def _duration_ms(value: object) -> int:
    match = re.fullmatch(r"(\d+)\s*([smhd])", str(value))
    if match is None:
        raise ValueError(f"{value!r} is no duration; write 30s, 15m, 4h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def _range(value: object) -> tuple[int, int]:
    match = re.fullmatch(r"([1-5])(?:-([1-5]))?", str(value))
    if match is None:
        raise ValueError(f"{value!r} is no score; write 3 or 2-5")
    return int(match[1]), int(match[2] or match[1])


Model = TypeVar("Model", bound=BaseModel)
Duration = Annotated[int, BeforeValidator(_duration_ms)]
Range = Annotated[tuple[int, int], BeforeValidator(_range)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SegmentRow(_Strict):
    """One segment of a map and the cells in which it wins."""

    name: str
    when: list[dict[Literal["r", "f", "m"], Range]]


class MapFile(_Strict):
    """`rfm.yaml`."""

    segments: list[SegmentRow]


class Entry(_Strict):
    scheme: Literal["rfm"]
    segment: str


class TriggerFile(_Strict):
    """What starts a campaign: an abandoned cart, or entering a segment by one of `causes`."""

    event: Literal["cart.abandoned"] | None = None
    enters: Entry | None = None
    causes: list[Literal["event", "clock"]]


class StepFile(_Strict):
    """One action, `after` the start (carts: after the cart's latest change)."""

    name: str
    after: Duration
    template: str
    valid_for: Duration
    offer: str | None = None


class CampaignFile(_Strict):
    """`campaigns/NAME.yaml`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1)
    priority: int
    channels: list[Literal["email", "sms", "push", "post", "webhook"]] = Field(min_length=1)
    trigger: TriggerFile
    quiet: Duration = 0
    re_entry: Duration | Literal["never"] = 0
    group: str | None = None
    group_gap: Duration = 0
    max_start_delay: Duration = 7 * DAY_MS
    ends_on_order: bool = True
    steps: list[StepFile] = Field(min_length=1)

    def journaled(self) -> dict[str, Any]:
        """The form in which the core compiles it."""
        if (self.trigger.event is None) == (self.trigger.enters is None):
            raise ValueError("trigger: give either event or enters")
        return {
            "name": self.name,
            "version": self.version,
            "priority": self.priority,
            "channels": self.channels,
            "trigger": self.trigger.model_dump(),
            "quiet_ms": self.quiet,
            "re_entry_ms": None if self.re_entry == "never" else self.re_entry,
            "group": self.group,
            "group_gap_ms": self.group_gap,
            "max_start_delay_ms": self.max_start_delay,
            "ends_on_order": self.ends_on_order,
            "steps": [
                {
                    "name": step.name,
                    "after_ms": step.after,
                    "template": step.template,
                    "valid_for_ms": step.valid_for,
                    "offer": step.offer,
                }
                for step in self.steps
            ],
        }


def rules_text(settings: Settings) -> str:
    """The rules of the settings and rule files as canonical JSON; raises `UsageError`."""
    if settings.rules_dir is not None:
        return _text_of(settings, settings.rules_dir)
    with as_file(files("streams.rules")) as shipped:
        return _text_of(settings, shipped)


def _text_of(settings: Settings, folder: Path) -> str:
    rows = _load(folder / "rfm.yaml", MapFile).segments
    campaigns: list[dict[str, Any]] = []
    for path in sorted((folder / "campaigns").glob("*.yaml")):
        try:
            campaigns.append(_load(path, CampaignFile).journaled())
        except ValueError as error:
            raise UsageError(f"{path}: {error}") from error
    names = [campaign["name"] for campaign in campaigns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{folder / 'campaigns'}: two files define {', '.join(twice)}")
    minor = 10 ** MINOR_DIGITS[settings.base_currency]
    document = {
        "base_currency": settings.base_currency,
        "window_ms": settings.window_days * DAY_MS,
        "history_margin_ms": HISTORY_MARGIN_DAYS * DAY_MS,
        "duplicates_ms": DUPLICATES_DAYS * DAY_MS,
        "count_zero_value_orders": settings.count_zero_value_orders,
        "recency_limits_ms": [int(limit * DAY_MS) for limit in settings.recency_limits_days],
        "frequency_limits": [int(limit) for limit in settings.frequency_limits],
        "monetary_limits_minor": [int(limit * minor) for limit in settings.monetary_limits],
        "rfm_map": [row.model_dump() for row in rows],
        "max_event_age_ms": int(settings.max_event_age_hours * HOUR_MS),
        "cart_abandoned_after_ms": int(settings.cart_abandoned_after_minutes * MINUTE_MS),
        "consent_unknown": settings.consent_unknown,
        "campaigns": campaigns,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    try:
        compile_rules(text, 1)
    except RulesError as error:
        raise UsageError(f"{folder}: {error}") from error
    return text


def _load(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: {str(error).replace(chr(10), ' ')}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {where}: {first['msg']}") from error
