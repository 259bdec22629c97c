"""Files of the schemes with numbers: from `schemes/NAME.yaml` to the journaled form.

The files hold every number; a setting of the same meaning goes before them.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from schemas.currencies import MINOR_DIGITS
from streams.core.values import DAY_MS
from streams.rules.values import Count, Factor, Money, Percent, Span, Strict, whole_units
from streams.settings import Settings
from streams.yaml_file import YamlFile

# A rate is kept in thousandths of a minor unit: 0.60 a minute is 60 000.
_MILLI = 1000
_WEEK_MS = 7 * DAY_MS


class Ranked(Strict):
    """A scheme from best to worst, which may hold a fall by moving limits back."""

    hold: Span | None = None

    def hold_ms(self, settings: Settings) -> int | None:
        """How long a fall is held; None for not at all."""
        return self.hold or int(settings.hold_days * DAY_MS) or None


class SmallShopFile(Strict):
    frequent_orders: Count
    vip_orders: Count


class LoyaltyFile(Ranked):
    """`schemes/loyalty.yaml`."""

    vip: Percent
    small_shop: SmallShopFile


class ValueFile(Ranked):
    """`schemes/value.yaml`."""

    window: Span
    shares: Annotated[list[Percent], Field(min_length=2, max_length=2)]


class SlippingFile(Strict):
    factor: Factor
    at_least: Span
    few_orders: Span


class LifecycleFile(Strict):
    """`schemes/lifecycle.yaml`."""

    lost: Span
    sleeper: Span
    reactivated: Span
    new_buyer: Span
    slipping: SlippingFile


class FrequencyFile(Strict):
    """`schemes/frequency.yaml`."""

    window: Span
    frequent_orders: Count
    inactive: Span


class RevenueReverserFile(Strict):
    return_rate: Percent
    minimum_returns: Count
    minimum_orders: Count
    minimum_complaints: Count
    complaint_return_rate: Percent


class PromotionMaximizerFile(Strict):
    discount: Percent
    value_weight: Percent
    score: Percent
    minimum_orders: Count


class SpendingLimiterFile(Strict):
    minimum_orders: Count
    variation: Percent
    minimum_offers: Count
    response: Span


class ServiceDemanderFile(Strict):
    minimum_contacts: Count
    cost: Percent
    minute_rate: Money
    default_minutes: Count


class BulkBuyerFile(Strict):
    percent: Percent
    minimum_orders: Count


class BehaviourFile(Strict):
    """`schemes/behaviour.yaml`."""

    window: Span
    revenue_reverser: RevenueReverserFile
    promotion_maximizer: PromotionMaximizerFile
    spending_limiter: SpendingLimiterFile
    service_demander: ServiceDemanderFile
    bulk_buyer: BulkBuyerFile


def _loyalty(text: YamlFile, settings: Settings) -> dict[str, Any]:
    file = text.validate(LoyaltyFile)
    small = file.small_shop
    if not 2 < small.frequent_orders < small.vip_orders:  # noqa: PLR2004 - loyal from two orders
        raise text.complaint(
            ("small_shop",),
            f"frequent_orders ({small.frequent_orders}) must exceed the 2 of a Loyal Customer, and "
            f"vip_orders ({small.vip_orders}) must exceed both, or a segment stays empty",
        )
    return {
        "vip_percent": file.vip,
        "small_shop": small.model_dump(),
        "hold_ms": file.hold_ms(settings),
    }


def _value(text: YamlFile, settings: Settings) -> dict[str, Any]:
    file = text.validate(ValueFile)
    _within_window(text, file.window, settings)
    return {
        "window_ms": file.window,
        "shares_percent": _shares(text, file, settings),
        "hold_ms": file.hold_ms(settings),
    }


def census_value(text: YamlFile, settings: Settings) -> tuple[list[int], int]:
    """The shares, in per cent, and the window, in milliseconds, by which value is counted.

    They are those of scheme `value`, whether it runs or not; the window at most the RFM window.
    """
    file = text.validate(ValueFile)
    return _shares(text, file, settings), min(file.window, settings.window_days * DAY_MS)


def _shares(text: YamlFile, file: ValueFile, settings: Settings) -> list[int]:
    shares = settings.value_shares_percent or file.shares
    if shares[0] >= shares[1]:
        raise text.error(("shares",), f"must rise, found {shares[0]}% and {shares[1]}%")
    return list(shares)


def _lifecycle(text: YamlFile, settings: Settings) -> dict[str, Any]:
    file = text.validate(LifecycleFile)
    sleeper_ms = settings.sleeper_weeks * _WEEK_MS if settings.sleeper_weeks else file.sleeper
    if sleeper_ms >= file.lost:
        raise text.error(("sleeper",), "must be shorter than lost, or nobody is ever a Sleeper")
    if min(file.slipping.at_least, file.slipping.few_orders) >= sleeper_ms:
        raise text.error(("slipping",), "must begin before sleeper, or nobody is ever Slipping")
    return {
        "lost_ms": file.lost,
        "sleeper_ms": sleeper_ms,
        "reactivated_ms": file.reactivated,
        "new_ms": file.new_buyer,
        "slipping_factor_percent": file.slipping.factor,
        "slipping_floor_ms": file.slipping.at_least,
        "slipping_default_ms": file.slipping.few_orders,
    }


def _frequency(text: YamlFile, settings: Settings) -> dict[str, Any]:
    file = text.validate(FrequencyFile)
    if file.frequent_orders < 2:  # noqa: PLR2004 - with one order everybody who is active would be
        raise text.error(("frequent_orders",), "must be at least 2, or nobody is ever Occasional")
    _within_window(text, file.window, settings)
    return {
        "window_ms": file.window,
        "frequent_orders": file.frequent_orders,
        "inactive_ms": file.inactive,
    }


def _behaviour(text: YamlFile, settings: Settings) -> dict[str, Any]:
    file = text.validate(BehaviourFile)
    _within_window(text, file.window, settings)
    reverser, maximizer = file.revenue_reverser, file.promotion_maximizer
    limiter, demander = file.spending_limiter, file.service_demander
    rate = settings.service_minute_rate or demander.minute_rate
    units = 10 ** MINOR_DIGITS[settings.base_currency] * _MILLI
    try:
        minute_rate_milli = whole_units(rate, units)
    except ValueError as error:
        raise text.error(("service_demander", "minute_rate"), f"is wrong: {error}") from error
    return {
        "window_ms": file.window,
        "revenue_reverser": {
            "return_rate_percent": reverser.return_rate,
            "minimum_returns": reverser.minimum_returns,
            "minimum_orders": reverser.minimum_orders,
            "minimum_complaints": reverser.minimum_complaints,
            "complaint_return_rate_percent": reverser.complaint_return_rate,
        },
        "promotion_maximizer": {
            "discount_percent": maximizer.discount,
            "value_weight_percent": maximizer.value_weight,
            "score_percent": maximizer.score,
            "minimum_orders": maximizer.minimum_orders,
        },
        "spending_limiter": {
            "minimum_orders": limiter.minimum_orders,
            "variation_percent": limiter.variation,
            "minimum_offers": limiter.minimum_offers,
            "response_ms": limiter.response,
        },
        "service_demander": {
            "minimum_contacts": demander.minimum_contacts,
            "cost_percent": demander.cost,
            "minute_rate_milli": minute_rate_milli,
            "default_minutes": settings.service_default_minutes or demander.default_minutes,
        },
        "bulk_buyer": file.bulk_buyer.model_dump(),
    }


def _within_window(text: YamlFile, window_ms: int, settings: Settings) -> None:
    # Orders are kept one by one for the RFM window; what is older may be folded into sums.
    if window_ms > settings.window_days * DAY_MS:
        raise text.error(
            ("window",),
            f"({window_ms // DAY_MS} days) must not exceed window_days ({settings.window_days})",
        )


_READERS: Mapping[str, Callable[[YamlFile, Settings], dict[str, Any]]] = {
    "loyalty": _loyalty,
    "value": _value,
    "lifecycle": _lifecycle,
    "frequency": _frequency,
    "behaviour": _behaviour,
}


def journaled_scheme(text: YamlFile, name: str, settings: Settings) -> dict[str, Any]:
    """A scheme file as the core compiles it; raises `UsageError` with the line."""
    return {"kind": name, "name": name, **_READERS[name](text, settings)}
