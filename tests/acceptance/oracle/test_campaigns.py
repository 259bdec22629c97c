"""The oracle of campaigns judged by hand: short lives whose actions anybody can count.

Times are London's; in 2011 its clocks went forward on 27 March and back on 30 October.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.acceptance.oracle.campaign_files import Policy, read_campaigns, read_policy
from tests.acceptance.oracle.campaigns import (
    Change,
    Happening,
    Shop,
    Told,
    is_control,
    told_about,
)
from tests.acceptance.oracle.customer_facts import DAY_MS, Facts, Order, Return
from tests.acceptance.oracle.rule_trees import Tree, holds
from tests.acceptance.oracle.schedules import calendar

ZONE = "Europe/London"
POLICY = """
caps: [{actions: 1, per: 16h}, {actions: 3, per: 7d}]
quiet_hours: {from: "21:00", to: "08:00"}
holdout: 0%
seasons: [3, 4]
mutes: [{scheme: behaviour, segment: Spending Limiter, tags: [cross_sell]}]
offers: {classes: {gift: {perk: true, expires: 1d}, tenth: {discount: 10%, expires: 1d}}, floor: 10%}
"""


def at(text: str) -> int:
    """A London time such as 2011-03-01 09:00, in ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)


def order(text: str, *changes: Change) -> Happening:
    return Happening(at(text), "event", changes, "order.placed", Order(at(text), 5_000))


def given_back(text: str) -> Happening:
    return Happening(at(text), "event", (), "return.registered", Return(at(text), 1_000))


def clock(text: str, *changes: Change) -> Happening:
    return Happening(at(text), "clock", changes)


def enters(segment: str, before: str | None = None, scheme: str = "rfm") -> Change:
    old = frozenset() if before is None else frozenset({before})
    return Change(scheme, old, frozenset({segment}))


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY, "utf-8")
    return read_policy(file)


class Teller:
    """Tells a customer of whom nobody is a control, under campaigns given as YAML."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.folder = folder
        self.policy = policy

    def tell(
        self,
        until: str,
        happenings: list[Happening],
        *campaigns: str,
        standstills: Sequence[tuple[int, int]] = (),
    ) -> list[Told]:
        for index, text in enumerate(campaigns):
            whole = f"version: 1\nchannels: [email]\ncontrol: 0%\n{text}"
            (self.folder / f"c{index}.yaml").write_text(whole, "utf-8")
        known = read_campaigns(self.folder)
        dates = calendar(known.values(), self.policy, ZONE, happenings[0].at_ms, at(until))
        shop = Shop(known, dates, self.policy, ZONE, {"email": "after_purchase"})
        return told_about("C-1", happenings, shop, at(until), standstills)

    def said(self, until: str, happenings: list[Happening], *campaigns: str) -> list[str]:
        """As "campaign: time" or "campaign: reason"."""
        told = self.tell(until, happenings, *campaigns)
        return [f"{one.campaign}: {one.reason or _clock_time(one.decided_ms)}" for one in told]


def _clock_time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(ZONE)).strftime("%Y-%m-%d %H:%M")


@pytest.fixture
def teller(tmp_path: Path, policy: Policy) -> Teller:
    folder = tmp_path / "campaigns"
    folder.mkdir()
    return Teller(folder, policy)


def campaign(name: str, trigger: str, *more: str, priority: int = 50, step: str = "") -> str:
    step = step or "after: 0s, valid_for: 7d, template: t"
    lines = [f"name: {name}", f"priority: {priority}", f"trigger: {trigger}", *more]
    return "\n".join([*lines, f"steps: [{{name: one, {step}}}]", ""])


BY_ORDER = "{event: order.placed}"
CHAMPION = "{enters: {scheme: rfm, segment: Champions}, causes: [event]}"
AT_RISK = "{enters: {scheme: rfm, segment: At Risk}, causes: [clock]}"


def test_the_policy_is_read_as_it_is_meant(policy: Policy) -> None:
    assert [(cap.actions, cap.per_ms) for cap in policy.caps] == [
        (1, 2 * DAY_MS // 3),
        (3, 7 * DAY_MS),
    ]
    assert policy.quiet_hours == (21 * 60, 8 * 60)
    assert policy.perks == frozenset({"gift"})
    assert policy.needs_costs


def test_a_field_that_nobody_taught_it_is_an_error(teller: Teller) -> None:
    with pytest.raises(ValueError, match="moon"):
        teller.tell(
            "2011-03-02", [order("2011-03-01 10:00")], campaign("c", BY_ORDER, "moon: full")
        )
    with pytest.raises(ValueError, match="median_gap"):
        holds({"field": "median_gap", "ge": "3"}, Facts(0, (), ()), {})


def test_conditions() -> None:
    facts = Facts(10 * DAY_MS, (Order(0, 9_999), Order(DAY_MS, 1)), (Return(DAY_MS, 500),))
    member = {"rfm": frozenset({"Champions"})}
    asked: list[tuple[Tree, bool]] = [
        ({"field": "order_count", "ge": "2"}, True),
        ({"field": "monetary", "eq": "95"}, True),
        ({"field": "monetary", "gt": "95"}, False),
        ({"field": "days_since_order", "lt": "9"}, False),
        ({"segment": {"scheme": "rfm", "in": ["At Risk", "Champions"]}}, True),
        ({"not": {"any": [{"segment": {"scheme": "value", "in": ["A"]}}]}}, True),
        (
            {"all": [{"field": "return_rate", "eq": "0.05"}, {"field": "order_count", "eq": "3"}]},
            False,
        ),
    ]
    for tree, met in asked:
        assert holds(tree, facts, member) is met, tree


def test_what_a_cause_does_not_permit_waits_for_the_next_own_order(teller: Teller) -> None:
    became = Happening(at("2011-03-05 00:00"), "population", (enters("Champions"),))
    nurture = campaign("vip", CHAMPION, "exits: {events: []}")
    first, later = order("2011-03-01 10:00"), order("2011-03-09 10:00")
    assert teller.said("2011-04-01", [first, became, later], nurture) == ["vip: 2011-03-09 10:00"]
    left = clock("2011-03-07 10:00", enters("At Risk", "Champions"))
    assert teller.said("2011-04-01", [first, became, left, later], nurture) == []


def test_history_that_is_filled_back_starts_nothing_and_waits(teller: Teller) -> None:
    at_ms = at("2011-03-09 10:00")
    old = Happening(at_ms, "backfill", (enters("Champions"),), "order.placed", Order(0, 5_000))
    both = campaign("vip", CHAMPION), campaign("thanks", BY_ORDER)
    assert teller.said("2011-04-01", [old, old], *both) == []
    live = order("2011-03-10 10:00")
    said = teller.said("2011-04-01", [old, live])
    assert said == ["thanks: 2011-03-10 10:00", "vip: 2011-03-11 08:00"], "the day's cap"


def test_a_fortnight_at_nine_is_nine_in_summer_too(teller: Teller) -> None:
    letter = campaign(
        "letter", CHAMPION,
        step='after: 14d, at: "09:00", every: 14d, valid_for: 7d, template: t',
    )  # fmt: skip
    said = teller.said("2011-04-20", [order("2011-03-01 15:00", enters("Champions"))], letter)
    assert said == [f"letter: 2011-{day} 09:00" for day in ("03-16", "03-30", "04-13")]


def test_every_week_on_monday_leaves_no_monday_out(teller: Teller) -> None:
    letter = campaign(
        "letter", CHAMPION,
        step='after: 1d, at: "09:00", on: monday, every: 7d, valid_for: 7d, template: t',
    )  # fmt: skip
    said = teller.said("2011-04-05", [order("2011-03-15 15:00", enters("Champions"))], letter)
    assert said == [f"letter: 2011-{day} 09:00" for day in ("03-21", "03-28", "04-04")]


def test_quiet_hours_hold_until_eight_and_the_day_s_cap_until_there_is_room(teller: Teller) -> None:
    first, second = campaign("b", BY_ORDER, priority=2), campaign("a", BY_ORDER, priority=1)
    said = teller.said("2011-03-29", [order("2011-03-26 22:00")], first, second)
    # 08:00 and 16 h are midnight: the other waits until the next morning, an hour less away.
    assert said == ["a: 2011-03-27 08:00", "b: 2011-03-28 08:00"]


def test_what_waits_too_long_is_not_sent(teller: Teller) -> None:
    brief = campaign("brief", BY_ORDER, step="after: 0s, valid_for: 4h, template: t")
    assert teller.said("2011-03-29", [order("2011-03-26 22:00")], brief) == ["brief: expired"]
    none = campaign(
        "brief", BY_ORDER, "quiet_hours: false", step="after: 0s, valid_for: 4h, template: t"
    )
    assert teller.said("2011-03-29", [order("2011-03-26 22:00")], none) == [
        "brief: 2011-03-26 22:00"
    ]


def test_three_a_week(teller: Teller) -> None:
    daily = campaign(
        "daily", CHAMPION, step="after: 1d, every: 1d, rounds: 4, valid_for: 1d, template: t",
    )  # fmt: skip
    said = teller.said("2011-04-01", [order("2011-03-01 10:00", enters("Champions"))], daily)
    assert said == [*(f"daily: 2011-03-{day:02} 10:00" for day in (2, 3, 4)), "daily: expired"]


def test_of_one_group_the_first_by_priority_and_nobody_within_the_gap(teller: Teller) -> None:
    shared = "group: g", "group_gap: 60d"
    personal = campaign("personal", AT_RISK, *shared, priority=1)
    plain = campaign(
        "plain", "{enters: {scheme: lifecycle, segment: Sleeper}, causes: [clock]}", *shared
    )
    risk = enters("At Risk"), enters("Sleeper", scheme="lifecycle")
    life = [
        order("2010-12-01 10:00"),
        clock("2011-03-01 10:00", *reversed(risk)),
        order("2011-03-10 10:00", enters("Champions", "At Risk"), enters("Active", "Sleeper", "lifecycle")),
        clock("2011-04-30 10:59", enters("Sleeper", "Active", "lifecycle")),
    ]  # fmt: skip
    said = teller.said("2011-06-01", life, personal, plain)
    assert said == ["plain: group_running", "personal: 2011-03-01 10:00", "plain: group_gap"]
    life[-1] = clock("2011-04-30 11:00", enters("Sleeper", "Active", "lifecycle"))
    assert teller.said("2011-06-01", life)[-1] == "plain: 2011-04-30 11:00", "summer's 60 days"


def test_not_while_the_customer_was_active_lately(teller: Teller) -> None:
    quiet = campaign("win", AT_RISK, "quiet: 30d")
    for last, said in (
        ("2011-01-30 10:01", "recent_event"),
        ("2011-01-30 10:00", "2011-03-01 10:00"),
    ):
        life = [
            order("2010-12-01 10:00"),
            given_back(last),
            clock("2011-03-01 10:00", enters("At Risk")),
        ]
        assert teller.said("2011-04-01", life, quiet) == [f"win: {said}"]


def test_what_a_standstill_made_late_is_not_made_up_for(teller: Teller) -> None:
    win = campaign("win", AT_RISK)
    life = [order("2010-12-01 10:00"), clock("2011-03-01 10:00", enters("At Risk"))]
    for end, said in (("2011-03-08 09:00", "2011-03-08 09:00"), ("2011-03-08 11:00", "late_start")):
        stood = (at("2011-02-01 00:00"), at(end))
        told = teller.tell("2011-04-01", life, win, standstills=[stood])
        assert [one.reason or _clock_time(one.decided_ms) for one in told] == [said]
        assert told[0].decided_ms == at(end)


def test_exits_and_leaving_end_a_run_without_a_word(teller: Teller) -> None:
    later = campaign("later", CHAMPION, step="after: 5d, valid_for: 7d, template: t")
    begun = order("2011-03-01 10:00", enters("Champions"))
    assert teller.said("2011-04-01", [begun], later) == ["later: 2011-03-06 10:00"]
    for end in (
        order("2011-03-02 10:00"),
        clock("2011-03-02 10:00", enters("At Risk", "Champions")),
    ):
        assert teller.said("2011-04-01", [begun, end]) == []


def test_re_entry_mutes_and_offers_say_why_not(teller: Teller) -> None:
    twice = [order("2011-03-01 10:00"), order("2011-03-05 10:00")]
    again = campaign("c", BY_ORDER, "re_entry: 30d")
    assert teller.said("2011-04-01", twice, again) == ["c: 2011-03-01 10:00", "c: re_entry"]
    cheap = campaign("c", BY_ORDER, step="after: 0s, valid_for: 7d, template: t, offer: tenth")
    assert teller.said("2011-04-01", twice[:1], cheap) == ["c: below_margin"]
    tagged = campaign("c", BY_ORDER, "tags: [cross_sell]")
    limited = Change("behaviour", frozenset(), frozenset({"Spending Limiter"}))
    assert teller.said("2011-04-01", [order("2011-03-01 10:00", limited)], tagged) == ["c: muted"]


def test_a_schedule_reaches_whom_the_shop_knows(teller: Teller) -> None:
    season = campaign(
        "season", '{schedule: {every: quarter, at: "09:00", seasons: strongest}}',
        "exits: {events: []}",
    )  # fmt: skip
    known = given_back("2011-06-01 10:00")
    assert teller.said("2011-12-01", [known], season) == ["season: no_consent"] * 2
    said = teller.said("2011-12-01", [order("2011-06-01 10:00")], season)
    assert said == ["season: 2011-07-01 09:00", "season: 2011-10-01 09:00"]


def test_a_tenth_are_controls_for_ever() -> None:
    controls = [number for number in range(10_000) if is_control("c", str(number), 10)]
    assert 900 < len(controls) < 1_100
    assert not any(is_control("c", str(number), 0) for number in controls)
