"""A real shop with its campaigns armed, on the product's side and on the oracle's."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from streams.files.events import Event
from streams.files.mapping import load_mapping
from streams.files.reading import read_events
from streams.rules.arming import arm
from streams.rules.files import rules_text
from streams.settings import Settings
from tests.acceptance.campaign_lives import Lives
from tests.acceptance.oracle.campaign_files import Campaign, Policy, read_campaigns, read_policy
from tests.acceptance.oracle.campaigns import Shop, Told, told_about
from tests.acceptance.oracle.schedules import calendar

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("RFM_SHARED_DATA", ROOT.parent / "shared" / "data"))
UCI = SHARED / "uci_online_retail_2010-12_2011-12.csv.gz"
CURRENCY = "GBP"
FAR_MS = 4_102_444_800_000  # 2100: an instant that no event of the file is ahead of
ZONE = "Europe/London"
CONSENT = {"email": "after_purchase"}
_RULES = ROOT / "streams" / "rules"
# Their files leave these to a person; what such a one counts at arming is another test's.
_BY_HAND = ("loyalty_bonus", "season_opener")


class Size(NamedTuple):
    """Every n-th customer, how many that are, and how many make a population."""

    every: int
    customers: int
    minimum_customers: int
    snapshot_every_hours: int


# Weekly snapshots of few customers: limits move in either, and few take seconds.
SOME = Size(15, 292, 100, 7 * 24)
ALL = Size(1, 4371, 500, 24)


def armed_rules(size: Size) -> str:
    """All schemes and shipped campaigns as journaled, every campaign armed."""
    text = rules_text(
        Settings.model_construct(
            schemes="full",
            base_currency=CURRENCY,
            time_zone=ZONE,
            consent_unknown=CONSENT,
            population_minimum_customers=size.minimum_customers,
            snapshot_every_hours=size.snapshot_every_hours,
        )
    )
    for name in _BY_HAND:
        text = arm(text, name, "future", 1, None)
    return text


def shop_events(size: Size) -> list[Event]:
    """The file's orders and returns of some customers, in order of time."""
    with read_events([UCI], load_mapping(ROOT / "examples" / "uci.yaml")) as read:
        events = list(read)
    customers = sorted({event.key or "" for event in events})
    chosen = set(customers[:: size.every])
    return [event for event in events if event.key in chosen]


def as_shipped() -> tuple[dict[str, Campaign], Policy]:
    """Campaigns and policy as the oracle reads them."""
    return read_campaigns(_RULES / "campaigns"), read_policy(_RULES / "policy.yaml")


def recomputed(
    lives: Lives,
    until_ms: int,
    campaigns: Mapping[str, Campaign],
    policy: Policy,
    *,
    consent: Mapping[str, str] = CONSENT,
    standstills: Sequence[tuple[int, int]] = (),
) -> Iterator[list[Told]]:
    """What the oracle tells of each customer, in the order of `lives`."""
    from_ms = min(happenings[0].at_ms for happenings in lives.values())
    dates = calendar(campaigns.values(), policy, ZONE, from_ms, until_ms)
    shop = Shop(campaigns, dates, policy, ZONE, consent)
    for customer, happenings in lives.items():
        yield told_about(customer, happenings, shop, until_ms, standstills)
