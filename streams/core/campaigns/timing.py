"""When the calendar or a date of the customer starts something."""

from streams.core.campaigns.definition import Campaign
from streams.core.campaigns.limits import zone_of
from streams.core.campaigns.policy import Policy
from streams.core.campaigns.triggers import BIRTHDAY, STRONGEST, Date, Timetable
from streams.core.local_time.calendar import next_date_ms, quarter_of
from streams.core.moment import Moment
from streams.core.population.products import quarter_of as quarter_of_utc
from streams.core.population.snapshot import Sales
from streams.core.rules import Rules
from streams.core.state import CustomerState
from streams.core.tree.dates import parse_date
from streams.core.tree.fields import BIRTH_DATE

# Complete quarters before the strongest are known; the strongest are two (campaigns.md).
_QUARTERS_KNOWN = 4
_STRONGEST = 2


def is_due(campaign: Campaign, state: CustomerState, moment: Moment, at_ms: int) -> bool:
    """Whether one of the campaign's calendars or dates is exactly now."""
    policy = moment.rules.policy
    for timetable in campaign.timetables if moment.rules.upcoming.is_at(at_ms) else ():
        if timetable.schedule.next_ms(policy.zone, at_ms - 1) == at_ms and (
            timetable.when is None or timetable.when.test(moment.view)
        ):
            return _in_season(timetable, moment.rules, at_ms)
    return any(_date_ms(state, date, moment, at_ms - 1) == at_ms for date in campaign.dates)


def next_ms(state: CustomerState, moment: Moment, after_ms: int) -> int | None:
    """The first instant after `after_ms` at which a calendar or date may start something."""
    found = moment.rules.upcoming.next_ms(after_ms)
    for campaign in moment.rules.book.dated:
        on_ms = next_date_ms_of(campaign, state, moment, after_ms)
        if on_ms is not None:
            found = on_ms if found is None else min(found, on_ms)
    return found


def next_date_ms_of(
    campaign: Campaign, state: CustomerState, moment: Moment, after_ms: int
) -> int | None:
    """The first instant after `after_ms` of the campaign's dates; None where the customer has none."""
    instants = [_date_ms(state, date, moment, after_ms) for date in campaign.dates]
    return min((one for one in instants if one is not None), default=None)


def first_timetable_ms(campaign: Campaign, policy: Policy, after_ms: int) -> int | None:
    """The first instant of the campaign's calendars after `after_ms`."""
    instants = [one.schedule.next_ms(policy.zone, after_ms) for one in campaign.timetables]
    return min(instants, default=None)


def _date_ms(state: CustomerState, date: Date, moment: Moment, after_ms: int) -> int | None:
    zone = zone_of(state, moment.rules.policy)
    if date.date == BIRTHDAY:
        known = state.attributes.get(BIRTH_DATE)
        born = parse_date(known.value) if known is not None else None
        return born and next_date_ms(zone, born.month, born.day, date.minute, after_ms)
    first_ms = moment.view.facts.first_order_at_ms
    if first_ms is None:
        return None
    day = zone.civil_date(first_ms)
    return next_date_ms(zone, day.month, day.day, date.minute, max(after_ms, first_ms))


def _in_season(timetable: Timetable, rules: Rules, at_ms: int) -> bool:
    if timetable.seasons is None:
        return True
    quarter = quarter_of(rules.policy.zone, at_ms)[1]
    if timetable.seasons != STRONGEST:
        return quarter in timetable.seasons
    snapshot = rules.snapshot
    strongest = strongest_quarters(snapshot.sales, at_ms) if snapshot is not None else None
    return quarter in (strongest or rules.policy.seasons)


def strongest_quarters(sales: Sales | None, now_ms: int) -> frozenset[int] | None:
    """The two quarters of a year with the highest mean net revenue over complete quarters.

    None while fewer than four complete ones are known. Equal ones: the earlier in the year.
    """
    if sales is None or not sales.revenue:
        return None
    begun = min(one.quarter for one in sales.revenue)
    present = quarter_of_utc(now_ms)
    # The first quarter with revenue is where counting began, and rarely whole; the present is not.
    complete = [one for one in sales.revenue if begun < one.quarter < present]
    by_number: dict[int, list[int]] = {}
    for one in complete:
        by_number.setdefault(one.quarter.number, []).append(one.net_minor)
    if len(complete) < _QUARTERS_KNOWN or len(by_number) < _QUARTERS_KNOWN:
        return None
    ranked = sorted(by_number, key=lambda number: (-_mean_milli(by_number[number]), number))
    return frozenset(ranked[:_STRONGEST])


def _mean_milli(values: list[int]) -> int:
    return sum(values) * 1000 // len(values)
