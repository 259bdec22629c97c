"""When a campaign's calendar comes round, in the shop's time zone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from .shop_clock import instant, local

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from .campaign_files import Campaign, Policy, Trigger

_MONTHS_OF_QUARTER = 3


def calendar(
    campaigns: Iterable[Campaign], policy: Policy, zone: str, from_ms: int, until_ms: int
) -> list[tuple[int, str]]:
    """When each campaign with a schedule comes round between two instants, as (ms, name), sorted."""
    first, last = local(from_ms, zone).date(), local(until_ms, zone).date()
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    return sorted(
        (instant(day, trigger.minute, zone), campaign.name)
        for campaign in campaigns
        for trigger in campaign.triggers
        if trigger.kind == "schedule"
        for day in days
        if _comes_round(trigger, day) and _in_season(trigger, day, policy)
    )


def _comes_round(trigger: Trigger, day: date) -> bool:
    match trigger.every:
        case "day":
            return True
        case "week":
            return day.weekday() == trigger.weekday
        case "month":
            return day.day == trigger.day
        case "quarter":
            return day.day == 1 and day.month % _MONTHS_OF_QUARTER == 1
        case "year":
            return (day.month, day.day) == (trigger.month, trigger.day)
    message = f"teach the oracle every {trigger.every!r}"
    raise ValueError(message)


def _in_season(trigger: Trigger, day: date, policy: Policy) -> bool:
    if trigger.seasons is None:
        return True
    quarter = (day.month - 1) // _MONTHS_OF_QUARTER + 1
    # Which quarters are the strongest is told by a snapshot that counted sales; these did not.
    known = policy.seasons if trigger.seasons == "strongest" else trigger.seasons
    return quarter in known
