"""A real shop's campaigns: every action and every suppression of every customer, told twice.

The product replays the file with all schemes and the shipped campaigns armed. The oracle reads the
campaigns' files with its own reader and tells each customer's life anew, event by event; it is given
the segments, which other tests judge, and shares no code with `streams/`. Of some customers in
`make test`, of all in `make soak`.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import chain, pairwise
from typing import NamedTuple

import pytest

from streams.adapters.memory.log import Published
from streams.codec.rates import Rates
from streams.intake.reading import Limits
from streams.replay.replay import DeadLetter, Replay
from tests.acceptance.campaign_lives import Lives, Taken, lives_of, told_by
from tests.acceptance.campaign_shop import (
    ALL,
    CONSENT,
    CURRENCY,
    FAR_MS,
    SOME,
    UCI,
    Size,
    armed_rules,
    as_shipped,
    recomputed,
    shop_events,
)
from tests.acceptance.oracle.campaign_files import Campaign, Policy
from tests.acceptance.oracle.campaigns import Told
from tests.acceptance.oracle.customer_facts import DAY_MS
from tests.acceptance.oracle.tellings import telling_differences
from tests.once import once

# Half a year behind the end of the file, so that silence has put many at risk.
UNTIL_MS = 1_339_246_200_000

pytestmark = [
    pytest.mark.skipif(not UCI.is_file(), reason=f"the shop's file is not at {UCI}"),
    # Seconds for some of the shop, minutes for all on a machine that others use too.
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("campaign_oracle"),
]


class Both(NamedTuple):
    """What either side tells, and what the oracle was given."""

    streamed: list[Told]
    recomputed: list[list[Told]]
    lives: Lives


def replayed(size: Size) -> Both:
    """One pass over the file, live: time passes as it did, and every timer fires when it is due."""
    changes: list[dict[str, object]] = []
    told: list[Told] = []

    def deliver(topic: str, record: Published) -> None:
        if topic == "segment-changes":
            changes.append(json.loads(record.value))
        elif topic == "marketing.actions" and (one := told_by(record)) is not None:
            told.append(one)

    def refuse(letter: DeadLetter) -> None:
        raise AssertionError(letter)

    events = shop_events(size)
    replay = Replay(armed_rules(size), Limits(), Rates(CURRENCY, {}), FAR_MS, deliver, refuse)
    for event in events:
        replay.take(event)
    replay.move_to(UNTIL_MS)
    replay.finish()
    lives = lives_of([Taken(event.value, event.occurred_at_ms) for event in events], changes)
    return Both(told, list(recomputed(lives, UNTIL_MS, *as_shipped())), lives)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(SOME, id="some"),
        pytest.param(ALL, id="all", marks=pytest.mark.soak),
    ],
)
def both(request: pytest.FixtureRequest) -> Both:
    found = once(f"campaigns-{request.param.customers}", lambda: replayed(request.param))
    assert len(found.lives) == request.param.customers
    return found


def test_campaigns_do_what_the_oracle_tells(both: Both) -> None:
    """Given a shop's whole file, every action and suppression of everybody is the same."""
    assert telling_differences(both.streamed, chain.from_iterable(both.recomputed)) == []


def test_what_orders_and_silence_can_start_was_started(both: Both) -> None:
    """Otherwise campaigns that do nothing on either side would be taken for right."""
    campaigns, _ = as_shipped()
    # No file of orders has carts, contacts or discounts.
    started_by_nothing_here = {
        "budget_cart_offer", "cart_reminder", "return_fit_help", "self_service", "deal_membership",
    }  # fmt: skip
    asked = {told.campaign for told in both.streamed if not told.reason}
    assert asked == set(campaigns) - started_by_nothing_here
    assert {told.reason for told in both.streamed} >= {
        "", "condition", "recent_event", "already_running", "re_entry", "group_running",
        "group_gap", "muted", "no_consent",
    }  # fmt: skip
    assert {told.is_control for told in both.streamed} == {True, False}


def test_nobody_is_won_back_twice_within_the_gap_of_the_group(both: Both) -> None:
    """Counted on what was asked for alone: by the first step of each run of the group."""
    campaigns, _ = as_shipped()
    group = {name: one for name, one in campaigns.items() if one.group == "reactivation"}
    due: dict[str, list[tuple[int, Campaign]]] = defaultdict(list)
    for told in both.streamed:
        campaign = group.get(told.campaign)
        if campaign is not None and told.due_ms and told.step == campaign.steps[0].name:
            due[told.customer].append((told.due_ms, campaign))
    assert len(group) == 4
    assert Counter(len(found) for found in due.values())[2] > 10
    for customer, found in due.items():
        ordered = sorted(found, key=lambda one: one[0])
        for (before_ms, before), (after_ms, _) in pairwise(ordered):
            # A first step that waits for a time of day is due up to a day after its start.
            waited_ms = DAY_MS if before.steps[0].minute is not None else 0
            assert after_ms >= before_ms - waited_ms + before.group_gap_ms, customer


BENT: dict[str, Callable[[Campaign], Campaign]] = {
    "re-entry": lambda one: one._replace(re_entry_ms=0),
    "quiet": lambda one: one._replace(quiet_ms=0),
    "groups": lambda one: one._replace(group=None),
    "gaps of groups": lambda one: one._replace(group_gap_ms=0),
    "mutes of runs": lambda one: one._replace(mutes=frozenset()),
    "exits by events": lambda one: one._replace(exit_events=()),
    "exits by leaving": lambda one: one._replace(leaving_ends=False),
    "control groups": lambda one: one._replace(control_percent=0),
    "priority": lambda one: one._replace(priority=1),
    "conditions": lambda one: one._replace(when=None),
    "deferring": lambda one: one._replace(caps="drop"),
    "directions": lambda one: one._replace(
        triggers=tuple(each._replace(direction=None) for each in one.triggers)
    ),
    "causes": lambda one: one._replace(
        triggers=tuple(
            each._replace(causes=frozenset({"event", "clock", "population"}))
            for each in one.triggers
        )
    ),
}
BENT_POLICIES: dict[str, Callable[[Policy], Policy]] = {
    "the cap of a day": lambda one: one._replace(caps=one.caps[1:]),
    "the cap of a week": lambda one: one._replace(caps=one.caps[:1]),
    "quiet hours": lambda one: one._replace(quiet_hours=None),
    "mutes of flags": lambda one: one._replace(mutes=()),
}


@pytest.mark.parametrize("both", [pytest.param(SOME, id="some")], indirect=True)
@pytest.mark.parametrize("without", [*BENT, *BENT_POLICIES, "consent"])
def test_the_comparison_sees_each_rule(both: Both, without: str) -> None:
    """Given an oracle that knows one rule less, it tells something else of this very shop."""
    campaigns, policy = as_shipped()
    if without in BENT:
        campaigns = {name: BENT[without](one) for name, one in campaigns.items()}
    elif without in BENT_POLICIES:
        policy = BENT_POLICIES[without](policy)
    consent = {"email": "allow"} if without == "consent" else CONSENT
    bent = recomputed(both.lives, UNTIL_MS, campaigns, policy, consent=consent)
    assert any(one != other for one, other in zip(bent, both.recomputed, strict=True))
