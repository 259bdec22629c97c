"""All campaigns of the rules, by what starts and ends them: an event pays only for its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streams.core.campaigns.definition import Campaign, compile_campaign
from streams.core.campaigns.triggers import Entry, Event
from streams.core.schemes.scheme import Shop

Segment = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """`current` by name; `retired` are older versions, by name and version, for runs under way.

    All lists are in order of priority and name. `timed` have a date or a timetable, `dated` a date,
    `present` were armed for present members. `arming` is what persons decided about campaigns, as
    journaled.
    """

    current: Mapping[str, Campaign]
    retired: Mapping[tuple[str, int], Campaign]
    arming: Mapping[str, Mapping[str, Any]]
    by_entry: Mapping[Segment, tuple[tuple[Campaign, Entry], ...]]
    by_leaving: Mapping[Segment, tuple[tuple[Campaign, Entry], ...]]
    by_event: Mapping[str, tuple[tuple[Campaign, Event], ...]]
    timed: tuple[Campaign, ...]
    dated: tuple[Campaign, ...]
    present: tuple[Campaign, ...]

    def find(self, name: str, version: int) -> Campaign | None:
        """The version by which a run began; None where the campaign was taken out of the rules."""
        campaign = self.current.get(name)
        if campaign is None or campaign.version == version:
            return campaign
        return self.retired.get((name, version), campaign)


def compile_book(
    raws: Iterable[Mapping[str, Any]],
    retired: Iterable[Mapping[str, Any]],
    arming: Mapping[str, Mapping[str, Any]],
    shop: Shop,
) -> Book:
    """A book from journaled campaigns; KeyError, TypeError and ValueError say what is wrong."""
    current = {raw["name"]: _compile(raw, arming, shop) for raw in raws}
    ordered = sorted(current.values(), key=lambda one: (one.priority, one.name))
    entries: dict[Segment, list[tuple[Campaign, Entry]]] = defaultdict(list)
    leavings: dict[Segment, list[tuple[Campaign, Entry]]] = defaultdict(list)
    events: dict[str, list[tuple[Campaign, Event]]] = defaultdict(list)
    for campaign in ordered:
        for entry in campaign.entries:
            found = leavings if entry.leaves else entries
            found[entry.scheme, entry.segment].append((campaign, entry))
        for event in campaign.events:
            events[event.event].append((campaign, event))
    return Book(
        current=current,
        retired={(raw["name"], raw["version"]): _compile(raw, arming, shop) for raw in retired},
        arming=dict(arming),
        by_entry={key: tuple(some) for key, some in entries.items()},
        by_leaving={key: tuple(some) for key, some in leavings.items()},
        by_event={key: tuple(some) for key, some in events.items()},
        timed=tuple(one for one in ordered if one.dates or one.timetables),
        dated=tuple(one for one in ordered if one.dates),
        present=tuple(one for one in ordered if one.present_since),
    )


def _compile(
    raw: Mapping[str, Any], arming: Mapping[str, Mapping[str, Any]], shop: Shop
) -> Campaign:
    try:
        return compile_campaign(raw, arming.get(raw["name"], {}), shop)
    except (KeyError, TypeError, ValueError) as error:
        text = f"no {error}" if isinstance(error, KeyError) else str(error)
        where = "" if text.startswith("campaign ") else f"campaign {raw['name']}: "
        raise ValueError(f"{where}{text}") from error
