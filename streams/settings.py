"""Settings: environment variables `RFM_*`, then the TOML file of `--config`, then these defaults."""

import difflib
import json
import os
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from schemas.currencies import MINOR_DIGITS
from streams import environment
from streams.bounded_text import MAX_FILE_BYTES
from streams.core.local_time.zones import NAMES as TIME_ZONES
from streams.environment import read_secret_files, unknown_variables
from streams.errors import UsageError

PREFIX = environment.PREFIX

ConsentPolicy = Literal["deny", "after_purchase", "allow"]
FourLimits = Annotated[list[Decimal], Field(min_length=4, max_length=4)]
Share = Annotated[int, Field(ge=1, le=99)]

# In the order in which they are asked; `attributes` may look at the answers of all others.
SCHEMES = ("rfm", "loyalty", "value", "lifecycle", "frequency", "behaviour", "attributes")
# Few and large segments to begin with (segments.md, Presets).
PRESETS = {"starter": ("rfm", "loyalty"), "full": SCHEMES}


class Settings(BaseSettings):
    """Everything a person may choose. Each field's description says what for."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    namespace: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_-]{0,40}$",
        description="Prefix of every topic, group, transactional id and Redis key.",
    )
    generation: int = Field(1, ge=1, description="Life of journal and state, 1 for the first.")
    instance: str = Field(
        "main",
        pattern=r"^[A-Za-z0-9_.-]{1,80}$",
        description="Stable name of this process; two processes of one role need two names.",
    )
    kafka_bootstrap_servers: str = Field("localhost:9092", description="Kafka, host:port,...")
    kafka: dict[str, str] = Field(
        default_factory=dict,
        description="Further client settings by librdkafka's names, such as security.protocol.",
    )
    kafka_password: SecretStr | None = Field(None, description="sasl.password, kept out of sight.")
    redis_url: SecretStr = Field(
        SecretStr("redis://localhost:6379/0"),
        description="Redis, redis:// or rediss://; a cluster as redis+cluster://host:port,host:port.",
    )
    partitions: int = Field(
        6, ge=1, le=1000, description="Journal partitions; others by `rfm-streams repartition`."
    )
    replication_factor: int = Field(1, ge=1, le=9, description="Copies of each partition.")
    clock: Literal["wall", "event"] = Field(
        "wall", description="wall: time is now. event: time is what the events say (loads, demo)."
    )
    base_currency: str = Field("EUR", description="Currency of all sums and limits (ISO 4217).")
    exchange_rates: dict[str, dict[date, Decimal]] = Field(
        default_factory=dict,
        description="Worth of one unit of a currency in the base currency, by first day it holds.",
    )
    guest_customer_ids: Annotated[frozenset[str], NoDecode] = Field(
        frozenset({"", "0", "guest", "null"}),
        description="Customer ids that stand for nobody; in the environment separated by commas.",
    )
    future_tolerance_s: int = Field(
        300, ge=0, description="How far ahead of the clock an event's time may lie."
    )
    max_record_bytes: int = Field(
        256 * 1024, ge=1024, le=8 * 1024 * 1024, description="Largest event that is used."
    )
    max_clock_difference_s: float = Field(
        5.0, gt=0, description="Stop when this clock and the broker's differ by more."
    )
    metrics_host: str = Field("127.0.0.1", description="Where metrics and health are served.")
    metrics_port: int = Field(9464, ge=0, le=65535, description="First port; 0 picks free ones.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level of log lines."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="auto: text on a terminal, else JSON."
    )
    rules_dir: Path | None = Field(
        None,
        description="Folder with maps/, schemes/, campaigns/ and policy.yaml: own maps, files in place "
        "of shipped ones, all campaigns. The shipped rules if unset.",
    )
    schemes: str = Field(
        "starter",
        description="What runs: `starter` (rfm, loyalty), `full` (all), or names separated by commas: "
        "rfm (always), loyalty, value, lifecycle, frequency, behaviour, attributes.",
    )
    rfm_maps: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Further maps from scores to segments, each a scheme rfm_NAME: eleven, grid, "
        "rf_ten, three_by_three or own ones; in the environment a JSON list, or separated by commas.",
    )
    scoring: Literal["fixed", "quantile"] = Field(
        "fixed",
        description="fixed: the limits below. quantile: fifths of the customers with an order in the "
        "window, and the limits below while there are too few of them.",
    )
    window_days: int = Field(730, ge=1, description="Orders younger than this make F and M.")
    recency_limits_days: FourLimits = Field(
        [Decimal(30), Decimal(90), Decimal(180), Decimal(365)],
        description="Spans for R 5, 4, 3, 2; older is 1.",
    )
    frequency_limits: FourLimits = Field(
        [Decimal(2), Decimal(4), Decimal(6), Decimal(10)], description="Orders for F 2, 3, 4, 5."
    )
    monetary_limits: FourLimits = Field(
        [Decimal(100), Decimal(250), Decimal(500), Decimal(1000)],
        description="Net money for M 2, 3, 4, 5, in the base currency.",
    )
    pinned_recency_days: FourLimits | None = Field(
        None, description="Cut points between R 5, 4, 3, 2 and 1 that do not move, in days."
    )
    pinned_frequency: FourLimits | None = Field(
        None, description="Cut points between F 1, 2, 3, 4 and 5 that do not move."
    )
    pinned_monetary: FourLimits | None = Field(
        None, description="Cut points between M 1, 2, 3, 4 and 5 that do not move."
    )
    pinned_edge: Literal["left_closed", "right_closed"] = Field(
        "right_closed",
        description="Where a pinned cut point itself belongs: right_closed to what lies below it, as "
        "for quantiles, left_closed to what lies above, as for fixed limits.",
    )
    hold_days: float = Field(
        0,
        ge=0,
        description="In schemes from best to worst, how long a fall by moving limits alone must last "
        "before it counts; 0 for no time at all.",
    )
    value_shares_percent: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Shares of all value at which A and B end; schemes/value.yaml if unset."
    )
    sleeper_weeks: int | None = Field(
        None,
        ge=1,
        le=520,
        description="Weeks of silence that make a sleeper; schemes/lifecycle.yaml if unset.",
    )
    service_minute_rate: Decimal | None = Field(
        None,
        gt=0,
        decimal_places=5,
        description="What a minute of service costs where a contact does not say, in the base "
        "currency; schemes/behaviour.yaml if unset.",
    )
    service_default_minutes: int | None = Field(
        None,
        ge=1,
        le=1440,
        description="Minutes of a contact that says neither cost nor minutes; "
        "schemes/behaviour.yaml if unset.",
    )
    population_minimum_customers: int = Field(
        500, ge=1, description="Limits move only from this many customers with orders on."
    )
    population_minimum_history_days: float = Field(
        180, ge=0, description="Limits move only where the oldest order is at least this old."
    )
    snapshot_every_hours: float = Field(
        24, gt=0, description="How often the whole base is measured and moving limits move."
    )
    sweep_customers_per_s: int = Field(
        10_000, ge=1, description="How many customers a second are decided anew after that."
    )
    count_zero_value_orders: bool = Field(
        default=True, description="Whether an order of value 0 counts."
    )
    max_event_age_hours: float = Field(
        4, gt=0, description="Older events change state and start no campaign."
    )
    cart_abandoned_after_minutes: float = Field(
        60, gt=0, description="A cart without update or order for this long is abandoned."
    )
    time_zone: str = Field(
        "UTC",
        description="Time zone of the shop, as Europe/Berlin: of schedules, and of customers whose "
        "own is not known.",
    )
    consent_unknown: dict[str, ConsentPolicy] = Field(
        default_factory=dict,
        description="Per channel, what to do with customers who never said yes or no (deny).",
    )
    max_batch_records: int = Field(
        10_000, ge=1, le=100_000, description="Records per transaction; more is no faster."
    )
    cached_states: int = Field(
        200_000, ge=0, description="Customers kept decoded per decide process, about 2 KB each."
    )
    delivery_transports: dict[str, str] = Field(
        default_factory=dict,
        description="Transport by channel (email, webhook, file, console or one of your own; `*` for "
        "all others). By default email goes to email, everything else to webhook.",
    )
    delivery_webhook_url: str | None = Field(
        None, pattern=r"^https?://[^\s]+$", description="Where the delivery stage posts actions."
    )
    delivery_webhook_secret: SecretStr | None = Field(
        None,
        description="What webhooks are signed with: 24 characters or more, or whsec_ + base64.",
    )
    delivery_smtp_host: str | None = Field(None, description="The server that takes our mails.")
    delivery_smtp_port: int | None = Field(
        None, ge=1, le=65535, description="Its port; 587, 465 or 25 if unset, by delivery_smtp_tls."
    )
    delivery_smtp_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="starttls, tls from the first byte, or none (a server on this host).",
    )
    delivery_smtp_user: str | None = Field(
        None, description="Login at the server, if it wants one."
    )
    delivery_smtp_password: SecretStr | None = Field(None, description="Its password.")
    delivery_smtp_ca_file: Path | None = Field(
        None, description="Certificates to trust, where the server has one of your own authority."
    )
    delivery_from: str | None = Field(
        None, description="Sender of mails, `Shop <news@shop.example>`; its name signs the texts."
    )
    delivery_unsubscribe_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s]+$",
        description="Link to unsubscribe, for List-Unsubscribe and the texts; {action_id}, "
        "{customer_id} and {channel} are filled in.",
    )
    delivery_templates_dir: Path | None = Field(
        None, description="Folder with own templates of mails, LANGUAGE/NAME/, before the shipped."
    )
    delivery_language: str = Field(
        "en",
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="Language of mails to customers whose own is not known or has no templates.",
    )
    delivery_rate_per_s: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="Most deliveries a second by transport and process; 10 where nothing is said.",
    )
    delivery_timeout_s: float = Field(
        10.0, gt=0, le=30, description="An attempt that takes longer has failed, and is made again."
    )
    delivery_remember_days: float = Field(
        7, gt=0, description="How long Redis knows which actions went out."
    )
    delivery_file: Path | None = Field(
        None, description="Where the transport file appends what it would send, personal data too."
    )
    leave_on_stop: bool = Field(
        default=False,
        description="Give partitions of intake and decide to the others at once when stopping: for "
        "workers that come and go. Off, a restart within 10 s moves none.",
    )
    shutdown_timeout_s: float = Field(
        10.0, gt=0, description="After this a stopping process ends the hard way, which is safe."
    )

    @field_validator("guest_customer_ids", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return frozenset(value.split(",")) if isinstance(value, str) else value

    @field_validator("schemes", mode="before")
    @classmethod
    def _one_text(cls, value: object) -> object:
        return ",".join(map(str, value)) if isinstance(value, list | tuple) else value

    @field_validator("schemes")
    @classmethod
    def _known_schemes(cls, value: str) -> str:
        unknown = sorted(set(_names(value)) - set(SCHEMES)) if value not in PRESETS else []
        if unknown:
            raise ValueError(
                f"there is no scheme or preset {unknown[0]!r}; known are {', '.join(PRESETS)} and "
                f"{', '.join(SCHEMES)}"
            )
        return value

    @field_validator("rfm_maps", mode="before")
    @classmethod
    def _map_names(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        # As a list is written in every other variable, too.
        return json.loads(value) if value.startswith("[") else _names(value)

    @field_validator("rfm_maps")
    @classmethod
    def _possible_maps(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
                raise ValueError(f"{name!r} is no name of a map: small letters, digits and _")
            if value.count(name) > 1:
                raise ValueError(f"{name} stands twice")
            if name == "five":
                raise ValueError("five is the map of scheme rfm, which always runs")
        return value

    @field_validator("value_shares_percent")
    @classmethod
    def _rising_shares(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and value[0] >= value[1]:
            raise ValueError("the share of A must be below that of A and B together")
        return value

    @field_validator("pinned_recency_days", "pinned_frequency", "pinned_monetary")
    @classmethod
    def _rising_cut_points(cls, value: list[Decimal] | None) -> list[Decimal] | None:
        # Cut points of a real base repeat: most customers order once.
        if value is not None and value != sorted(value):
            raise ValueError("cut points must not fall")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, value: str) -> str:
        if value in TIME_ZONES:
            return value
        close = difflib.get_close_matches(value, TIME_ZONES, n=1)
        meant = f"did you mean {close[0]}?" if close else "write one as Europe/Berlin"
        raise ValueError(f"there is no time zone {value!r}; {meant}")

    @field_validator("base_currency")
    @classmethod
    def _known_currency(cls, value: str) -> str:
        if value not in MINOR_DIGITS:
            raise ValueError(f"{value!r} is not a currency of ISO 4217")
        return value

    @model_validator(mode="after")
    def _window_exceeds_recency(self) -> Self:
        for name in ("recency_limits_days", "frequency_limits", "monetary_limits"):
            limits = getattr(self, name)
            if list(limits) != sorted(set(limits)):
                raise ValueError(f"{name} must be four rising numbers")
        if self.recency_limits_days[-1] >= self.window_days:
            raise ValueError(
                f"window_days ({self.window_days}) must exceed the largest recency limit "
                f"({self.recency_limits_days[-1]}), or the lowest R always comes with the lowest "
                "F and M"
            )
        pinned = self.pinned_recency_days
        if pinned is not None and pinned[-1] >= self.window_days:
            raise ValueError(
                f"window_days ({self.window_days}) must exceed the largest pinned_recency_days "
                f"({pinned[-1]})"
            )
        return self

    def chosen_schemes(self) -> tuple[str, ...]:
        """The schemes that run, in the order in which they are asked; `rfm` always does."""
        named = PRESETS.get(self.schemes) or _names(self.schemes)
        return tuple(name for name in SCHEMES if name == "rfm" or name in named)

    def kafka_config(self) -> dict[str, Any]:
        """Client settings for librdkafka that every client shares."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.kafka_bootstrap_servers,
            "client.id": f"rfm-{self.instance}",
            **self.kafka,
        }
        if self.kafka_password is not None:
            config["sasl.password"] = self.kafka_password.get_secret_value()
        return config


def secret_settings() -> tuple[str, ...]:
    """Settings that are never printed, and that a file may hold (`RFM_NAME_FILE`)."""
    fields = Settings.model_fields.items()
    return tuple(
        name for name, info in fields if SecretStr in (info.annotation, *get_args(info.annotation))
    )


def ignored_variables() -> dict[str, str | None]:
    """Variables of the environment that look like settings and are none, and what may be meant."""
    return unknown_variables(Settings.model_fields, secret_settings(), os.environ)


def load_settings(config: Path | None = None, **overrides: object) -> Settings:
    """Settings from the environment and, behind it, a TOML file; raises `UsageError` in one line."""
    if config is not None and not config.is_file():
        raise UsageError(f"--config {config}: no such file")
    if config is not None and config.stat().st_size > MAX_FILE_BYTES:
        raise UsageError(f"--config {config}: is larger than {MAX_FILE_BYTES // 1024} KiB")
    in_files: dict[str, Any] = {**read_secret_files(secret_settings(), os.environ)}

    class _Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources = [init_settings, env_settings, InitSettingsSource(settings_cls, in_files)]
            if config is not None:
                sources.append(TomlConfigSettingsSource(settings_cls, config))
            return tuple(sources)

    try:
        found = _Sourced(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise UsageError(_first_complaint(error)) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"settings: {error}") from None
    return Settings.model_construct(**dict(found))


def _names(value: str) -> tuple[str, ...]:
    return tuple(name for part in value.split(",") if (name := part.strip()))


def _first_complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    message = first["msg"].removeprefix("Value error, ")
    if not path:
        return f"settings: {message}{more}"
    known = path.split(".")[0] in Settings.model_fields
    hint = f"set {PREFIX}{path.split('.')[0].upper()}" if known else "no such setting"
    return f"settings: {path}: {message} ({hint}){more}"
