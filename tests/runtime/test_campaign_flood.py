"""A campaign that would reach everybody stops by itself, waits for a person, and then goes on.

A shop in three partitions, sixty customers in each, who all bought on the same day. Customers of a
control group (a tenth) are decided on like all others, and never sent to.
"""

import json
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry

from streams.adapters.memory import MemoryLog, MemoryStateLog
from streams.codec.journal import decode_input, encode_input
from streams.codec.state import decode_state
from streams.core.campaigns.control import is_control
from streams.core.inputs import CampaignPaused, Input, RulesApplied
from streams.insights.campaigns_dry_run import scheduled_limit
from streams.metrics.decide import DecideMetrics
from streams.rules import arming
from streams.rules.files import rules_text
from streams.runtime.cycle import Cycle
from streams.runtime.steps import CycleSettings
from streams.settings import Settings
from tests.core.story import DAY, HOUR, MINUTE, T0
from tests.runtime.journals import order
from tests.runtime.world import World

PARTITIONS: Final = 3
EACH: Final = 60
AT_RISK: Final = "win_back_at_risk"
# In a small shop a hundred: below that a share of the customers says nothing.
MOST: Final = 100
# Slow enough to see: a partition's sixty customers take twelve seconds.
PER_SECOND: Final = 5


def day(number: float, clock_ms: int = 10 * HOUR) -> int:
    """An instant so many days after the beginning, at 10:00."""
    return T0 + int(number * DAY) + clock_ms


@cache
def shipped() -> str:
    """All schemes, the win-backs alone: a shop in which all buy on one day floods with the others."""
    document = json.loads(
        rules_text(
            Settings.model_construct(
                schemes="full",
                consent_unknown={"email": "allow"},
                sweep_customers_per_s=PER_SECOND,
            )
        )
    )
    document["campaigns"] = [
        one for one in document["campaigns"] if one["name"] in {AT_RISK, "win_back_lost"}
    ]
    document["arming"] = {}
    return arming.canonical(document)


def hasty(text: str, first_days: int) -> str:
    """Rules by which R falls after so many days already, and At Risk with it."""
    document = json.loads(text)
    days = [first_days // 2, first_days, 180, 365]
    document["schemes"][0]["scores"]["r"]["limits"] = [one * DAY for one in days]
    return arming.canonical(document)


def customers(partition: int) -> list[str]:
    return [f"C-{partition}-{number}" for number in range(EACH)]


def controls(customer_ids: Iterable[str]) -> int:
    """How many of them are in the campaign's control group."""
    return sum(is_control(AT_RISK, one, 10) for one in customer_ids)


CONTROLS: Final = sum(controls(customers(number)) for number in range(PARTITIONS))


class Said(NamedTuple):
    """What the topic of actions says about somebody."""

    name: str
    type: str
    is_control: bool
    reason: str | None


class Shop:
    """The world, one worker at a time, and what came of it. All buy on day 0, or those of `first`."""

    def __init__(self, text: str, first: slice = slice(None)) -> None:
        self.world = World(PARTITIONS)
        self.world.clock.move_to(T0)
        self.version = 0
        self.text = text
        self.restart()
        self.take_rules(text, T0)
        self.buy(0, first)

    def restart(self) -> None:
        """A worker takes over; the one before it is fenced, as after a crash."""
        world = self.world
        self.registry = CollectorRegistry()
        self.metrics = DecideMetrics(self.registry, world.clock, wall_clock=True)
        self.cycle = Cycle(
            MemoryLog(world.broker),
            MemoryStateLog(world.broker),
            world.store,
            world.clock,
            self.metrics,
            CycleSettings(partitions=PARTITIONS, surveys=False),
        )
        self.settle()

    def take_rules(self, text: str, at_ms: int) -> None:
        """New rules come to each partition's journal."""
        self.until(at_ms)
        self.version += 1
        self.text = text
        record = RulesApplied(received_at_ms=at_ms, version=self.version, rules=text)
        for partition in range(PARTITIONS):
            self.world.broker.append(partition, encode_input(record))
        self.settle()

    def buy(self, number: int, who: slice) -> None:
        """An order of each of them on a day, one a millisecond."""
        self.until(day(number))
        for partition in range(PARTITIONS):
            for place, customer_id in list(enumerate(customers(partition)))[who]:
                index = 10_000 * number + 1_000 * partition + place
                placed = order(index, customer_id, day(number) + place)
                self.world.broker.append(partition, encode_input(placed))
        self.settle()

    def until(self, at_ms: int) -> "Shop":
        """Let the clock reach an instant, hour by hour."""
        clock = self.world.clock
        while clock.now_ms() < at_ms:
            clock.move_to(min(at_ms, clock.now_ms() + 6 * HOUR))
            self.settle()
        return self

    def settle(self, seconds: float = 2.0) -> None:
        """Let the worker cycle for some seconds of that clock."""
        for _ in range(int(seconds * 10)):
            if not self.cycle.run_once():
                self.world.clock.sleep(0.1)

    # -- what came of it ---------------------------------------------------------------------------

    def said(self) -> list[Said]:
        """What was said about the campaign, in order."""
        values = [
            msgspec.json.decode(one.value)
            for one in self.world.broker.outputs.get("marketing.actions", [])
        ]
        return [
            Said(
                one.get("action_id") or one["event_id"],
                one["type"],
                one.get("control_group", False),
                one.get("reason"),
            )
            for one in values
            if one["campaign"] == AT_RISK
        ]

    @property
    def sent(self) -> int:
        """Actions that go to somebody."""
        return sum(one.type == "action.requested" and not one.is_control for one in self.said())

    @property
    def suppressed(self) -> Counter[str | None]:
        """Reasons for which something was held back for good."""
        return Counter(one.reason for one in self.said() if one.type == "action.suppressed")

    @property
    def waiting(self) -> Counter[str]:
        """For what runs of the campaign wait, over all customers."""
        found: Counter[str] = Counter()
        for partition in range(PARTITIONS):
            for customer_id, value in self.world.store.scan(partition):
                state = decode_state(customer_id, value)
                found.update(
                    run.waiting for run in state.runs if run.campaign == AT_RISK and run.is_live
                )
        return found

    @property
    def paused_in(self) -> list[int]:
        """Partitions in which the campaign is held."""
        found = []
        for number, partition in sorted(self.cycle.partitions.items()):
            assert partition.rules is not None
            if partition.guard.holds(partition.rules.book.current[AT_RISK]):
                found.append(number)
        return found

    @property
    def is_said_paused(self) -> bool:
        """What the metric says."""
        self.metrics.show_partitions()
        return self.registry.get_sample_value("rfm_campaign_paused", {"campaign": AT_RISK}) == 1

    def journaled(self, partition: int, kind: type[Input]) -> list[Any]:
        """What stands in a partition's journal of a kind."""
        journal = self.world.broker.journal[partition]
        records = [decode_input(one.value or b"") for one in journal.read(0, journal.end)]
        return [one for one in records if isinstance(one, kind)]


def flooded() -> Shop:
    """At Risk after 60 days instead of 90, from day 50 on: all at once, by the clock, on day 60."""
    shop = Shop(shipped())
    shop.take_rules(hasty(shipped(), 60), day(50))
    return shop.until(day(60)).until(day(60, 10 * HOUR + MINUTE))


# -- new rules that move everybody ---------------------------------------------------------------------


def test_a_limit_that_makes_everybody_at_risk_reaches_nobody() -> None:
    """Silent for 70 days when At Risk begins at 60: by the rules, and these start nothing."""
    shop = Shop(shipped())
    shop.take_rules(hasty(shipped(), 60), day(70))
    shop.settle(60)
    changes = [
        msgspec.json.decode(one.value) for one in shop.world.broker.outputs["segment-changes"]
    ]
    moved = [one for one in changes if one["cause"]["kind"] == "rules" and one["scheme"] == "rfm"]
    assert Counter(one["current"] for one in moved) == {"At Risk": PARTITIONS * EACH}
    assert (shop.said(), shop.paused_in) == ([], [])


def test_when_the_clock_then_moves_everybody_at_once_the_campaign_stops_at_the_limit() -> None:
    shop = flooded()
    assert 0 < shop.sent <= MOST
    assert sum(shop.waiting.values()) == shop.waiting["paused"] > 0, "the others are held"
    assert shop.suppressed == {}, "and nothing is lost"


def test_it_pauses_in_every_partition_and_says_so() -> None:
    shop = flooded()
    assert shop.paused_in == list(range(PARTITIONS))
    assert shop.is_said_paused
    for partition in range(PARTITIONS):
        told = {(one.campaign, one.release) for one in shop.journaled(partition, CampaignPaused)}
        assert told == {(AT_RISK, 0)}


def test_it_stays_paused_until_a_person_says_so() -> None:
    """Not when the guard's hour is over, and not when another worker takes over."""
    shop = flooded()
    sent = shop.sent
    shop.until(day(61))
    shop.restart()
    shop.until(day(62))
    assert shop.paused_in == list(range(PARTITIONS))
    assert (shop.sent, shop.suppressed) == (sent, {})


def test_one_partition_alone_that_is_flooded_pauses_it_for_all() -> None:
    """The first to reach its share tells the others, where one customer is at risk a bit later."""
    shop = Shop(shipped(), first=slice(0))
    others = [[f"C-{partition}-0"] for partition in range(PARTITIONS)]
    for partition, some in enumerate([others[0], customers(1), others[2]]):
        for place, customer_id in enumerate(some):
            number = 0 if partition == 1 else 1
            placed = order(1_000 * partition + place, customer_id, day(number) + place)
            shop.world.broker.append(partition, encode_input(placed))
    shop.settle()
    shop.until(day(92))
    assert shop.paused_in == list(range(PARTITIONS))
    assert 0 < shop.sent <= MOST // PARTITIONS
    assert len(shop.said()) + shop.waiting["paused"] == 1 + EACH + 1, "nobody is lost"


# -- and goes on ---------------------------------------------------------------------------------------


def test_resumed_the_others_go_out_partition_by_partition_at_the_rate_of_sweeps() -> None:
    shop = flooded()
    sent = shop.sent
    held = PARTITIONS * EACH - CONTROLS - sent
    shop.take_rules(arming.resume(shop.text, AT_RISK), day(61))
    growth = [shop.sent - sent]
    for _ in range(60):
        shop.settle(1)
        growth.append(shop.sent - sent)
    assert growth[-1] == held
    steps = [at for at, (one, later) in enumerate(pairwise(growth)) if later > one]
    assert len(steps) >= PARTITIONS - 1, "one partition after the other"
    assert all(later - one >= MOST // PARTITIONS // PER_SECOND for one, later in pairwise(steps))
    assert len(shop.said()) == PARTITIONS * EACH, "everybody, in the end"
    assert not shop.is_said_paused
    names = [one.name for one in shop.said()]
    assert len(set(names)) == len(names), "and nobody twice"


def test_what_is_of_no_use_any_more_is_suppressed_and_the_others_are_released() -> None:
    """Most bought on day 0; fifteen in each partition on day 5, and are held as well."""
    shop = Shop(shipped(), first=slice(45))
    shop.buy(5, slice(45, None))
    shop.until(day(90.1))
    said, held = len(shop.said()), shop.waiting["paused"]
    assert 0 < shop.sent <= MOST
    shop.until(day(95.1))
    assert len(shop.said()) == said
    assert shop.waiting["paused"] == held + 15 * PARTITIONS
    # The offers of day 90 are valid for a week, those of day 95 still are on day 98.
    shop.until(day(98))
    assert shop.suppressed == {"paused": held}
    shop.take_rules(arming.resume(shop.text, AT_RISK), day(98))
    shop.settle(60)
    assert shop.suppressed == {"paused": held}
    assert len(shop.said()) == said + held + 15 * PARTITIONS
    assert shop.waiting == {}


def test_what_is_released_is_tested_again() -> None:
    """Some of those who are held order meanwhile: they are at risk no more."""
    shop = flooded()
    said, held = len(shop.said()), shop.waiting["paused"]
    shop.buy(61, slice(45, None))
    still = shop.waiting["paused"]
    assert 0 < still < held
    shop.take_rules(arming.resume(shop.text, AT_RISK), day(62))
    shop.settle(60)
    assert len(shop.said()) == said + still


def test_a_flood_that_goes_on_pauses_it_again() -> None:
    """Resuming is no way around the guard: it counts anew, and stops at the same limit again."""
    shop = Shop(arming.arm(shipped(), AT_RISK, "future", 1, 30))
    shop.until(day(90.1))
    sent = [0, shop.sent]
    for release in range(3):
        assert shop.paused_in == list(range(PARTITIONS))
        shop.take_rules(arming.resume(shop.text, AT_RISK), day(91 + release))
        shop.settle(60)
        sent.append(shop.sent)
    assert all(0 < later - one <= 30 for one, later in pairwise(sent))


def test_a_pause_told_late_does_not_undo_a_resume() -> None:
    """A partition reads of the pause after it has read of the resume."""
    shop = flooded()
    shop.take_rules(arming.resume(shop.text, AT_RISK), day(61))
    shop.settle(60)
    late = CampaignPaused(received_at_ms=day(61), campaign=AT_RISK, release=0, partition=0)
    shop.world.broker.append(2, encode_input(late))
    shop.settle()
    assert shop.paused_in == []


# -- armed for who is there already --------------------------------------------------------------------


def armed_for_present(most: int | None = None) -> Shop:
    """All are At Risk since day 90; on day 100 somebody arms the campaign for them."""
    shop = Shop(arming.disarm(shipped(), AT_RISK))
    shop.until(day(99))
    assert shop.said() == []
    shop.take_rules(arming.arm(shop.text, AT_RISK, "present", 2, most), day(100))
    shop.settle(60)
    return shop


def test_armed_for_present_members_it_stops_at_the_limit_too() -> None:
    shop = armed_for_present()
    assert 0 < shop.sent <= MOST
    assert shop.paused_in == list(range(PARTITIONS))
    assert shop.is_said_paused
    assert len(shop.said()) + shop.waiting["paused"] == PARTITIONS * EACH, "all the others wait"


def test_armed_with_a_number_it_stops_at_that_number() -> None:
    shop = armed_for_present(most=30)
    assert 0 < shop.sent <= 30
    assert len(shop.said()) + shop.waiting["paused"] == PARTITIONS * EACH


def test_and_goes_on_as_often_as_somebody_has_looked_at_it() -> None:
    """Each time up to the limit, until all of them are reached."""
    shop = armed_for_present()
    looked = 0
    while shop.waiting:
        before = shop.sent
        looked += 1
        shop.take_rules(arming.resume(shop.text, AT_RISK), day(100) + looked * HOUR)
        shop.settle(60)
        assert 0 < shop.sent - before <= MOST
    assert shop.sent == PARTITIONS * EACH - CONTROLS
    assert len(shop.said()) == PARTITIONS * EACH


def test_armed_for_as_many_as_were_counted_and_a_fifth_more_it_reaches_all_of_them() -> None:
    """Eighteen members: twelve of them in one partition, three in each of the others."""
    shop = Shop(arming.disarm(shipped(), AT_RISK), first=slice(3))
    for place, customer_id in enumerate(customers(0)[3:12]):
        placed = order(50_000 + place, customer_id, day(0) + 100 + place)
        shop.world.broker.append(0, encode_input(placed))
    shop.until(day(99))
    most = scheduled_limit({0: 12, 1: 3, 2: 3}, 3)
    shop.take_rules(arming.arm(shop.text, AT_RISK, "present", 2, most), day(100))
    shop.settle(60)
    assert len(shop.said()) == 18
    assert shop.paused_in == []


def test_armed_for_coming_members_it_reaches_nobody_who_is_there() -> None:
    shop = Shop(arming.disarm(shipped(), AT_RISK))
    shop.take_rules(arming.arm(shop.text, AT_RISK, "future", 2, None), day(100))
    shop.settle(60)
    assert shop.said() == []
