"""Laws of campaigns, over drawn campaigns, limits and lives: what no combination of rules may break."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.inputs import CustomerUpdated
from streams.core.outputs import ActionRequested, ActionSuppressed
from tests.core.campaign_docs import campaign, enters, on_event, schedule, step
from tests.core.story import DAY, HOUR, T0, Story, rules

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
TRIGGERS: tuple[list[dict[str, Any]], ...] = (
    [on_event("order.placed")],
    [on_event("order.placed", {"field": "order_count", "ge": 2}), enters("At Risk", "clock")],
    [enters("Potential Loyalists", "event")],
    [enters("At Risk", "clock"), enters("Lost Customers", "clock")],
    [schedule("week", 9 * 60, weekday=2)],
    [schedule("day", 22 * 60)],
)
EXITS = {"events": [{"event": "order.placed", "when": None}], "segments": [], "leaving": False}
DRAWN_STEPS = st.lists(
    st.tuples(st.integers(0, 240), st.sampled_from([6, 30, 100])), min_size=1, max_size=3
)


@st.composite
def drawn_campaigns(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        steps = [
            step(f"s{index}", after * HOUR, valid_for_ms=valid * HOUR)
            for index, (after, valid) in enumerate(sorted(draw(DRAWN_STEPS)))
        ]
        if draw(st.booleans()):
            steps[-1] |= {"every_ms": 3 * DAY, "rounds": 3}
        found.append(
            campaign(
                f"c{number}",
                draw(st.sampled_from(TRIGGERS)),
                steps,
                priority=draw(st.integers(0, 3)),
                exits=EXITS,
                re_entry_ms=draw(st.sampled_from([0, 2 * DAY, None])),
                group=draw(st.sampled_from([None, "g"])),
                group_gap_ms=5 * DAY,
                beyond_cap=draw(st.sampled_from(["defer", "drop"])),
                control_percent=draw(st.sampled_from([0, 50])),
                channels=draw(st.sampled_from([["email"], ["email", "sms"]])),
            )
        )
    return found


POLICIES = st.fixed_dictionaries(
    {
        "time_zone": st.sampled_from(ZONES),
        "quiet_hours": st.sampled_from([None, {"starts_minute": 1260, "ends_minute": 480}]),
        "caps": st.sampled_from(
            [
                [],
                [{"per_ms": 16 * HOUR, "most": 1, "channel": None}],
                [
                    {"per_ms": 16 * HOUR, "most": 1, "channel": "email"},
                    {"per_ms": 7 * DAY, "most": 3, "channel": None},
                ],
            ]
        ),
    }
)
# What happens, and after how many hours.
LIVES = st.lists(
    st.tuples(
        st.sampled_from(["order", "order", "cancel", "no", "yes", "zone", "time", "jump"]),
        st.integers(0, 200),
    ),
    min_size=1,
    max_size=25,
)


class Life:
    """A story that looks at the customer after every step of it."""

    def __init__(self, campaigns: list[dict[str, Any]], policy: dict[str, Any]) -> None:
        self.policy = policy
        self.campaigns = {one["name"]: one for one in campaigns}
        self.story = Story(rules(campaigns=campaigns, policy=policy, consent_unknown={}))
        # From when on it holds: what was allowed, where the customer lives.
        self.consents: list[tuple[int, bool]] = []
        self.zones: list[tuple[int, str]] = [(0, policy["time_zone"])]
        self.orders: list[int] = []
        self.placed: dict[str, int] = {}
        # Campaign, step and due instant of what was held, and the base of its run.
        self.held: dict[tuple[str, str, int], int] = {}

    def live(self, happenings: list[tuple[str, int]]) -> None:
        at_ms = T0
        self.consent(at_ms, granted=True)
        for number, (kind, hours) in enumerate(happenings):
            # Not on the hour, so that no event falls on the instant of a timer.
            at_ms += hours * HOUR + 1
            self.happen(kind, at_ms, number)
            self.look()
        for _ in range(60):
            at_ms += DAY
            self.story.pass_time(at_ms)
            self.look()

    def happen(self, kind: str, at_ms: int, number: int) -> None:
        story = self.story
        match kind:
            case "order":
                self.orders.append(at_ms)
                event = story.order(at_ms, order_id=f"o{number}")
                self.placed[event.event_id] = at_ms
            case "cancel":
                story.cancel(at_ms, f"o{number - 1}")
            case "yes" | "no":
                self.consent(at_ms, granted=kind == "yes")
            case "zone":
                self.zones.append((at_ms, ZONES[number % len(ZONES)]))
                story.take(CustomerUpdated, at_ms, attributes={"time_zone": self.zones[-1][1]})
            case _:
                story.pass_time(at_ms, jump=kind == "jump")

    def consent(self, at_ms: int, *, granted: bool) -> None:
        self.consents.append((at_ms, granted))
        for channel in ("email", "sms"):
            self.story.consent(at_ms, granted=granted, channel=channel)

    def look(self) -> None:
        runs = [run for run in self.story.state.runs if run.is_live]
        keys = [(run.campaign, run.key) for run in runs]
        assert len(set(keys)) == len(keys), "one live run per key"
        grouped = [run for run in runs if self.campaigns[run.campaign]["group"] == "g"]
        assert len(grouped) <= 1, "one live run per group"
        for run in runs:
            if run.waiting:
                name = self.campaigns[run.campaign]["steps"][run.next_step]["name"]
                self.held[run.campaign, name, run.due_ms] = run.base_ms


def at(history: list[tuple[int, Any]], at_ms: int) -> Any:
    """What held at an instant, given since when each held."""
    return [value for since, value in history if since <= at_ms][-1]


LIFE = settings(max_examples=120, deadline=None)


@LIFE
@given(drawn_campaigns(), POLICIES, LIVES)
def test_limits_hold_whatever_happens(
    campaigns: list[dict[str, Any]], policy: dict[str, Any], happenings: list[tuple[str, int]]
) -> None:
    life = Life(campaigns, policy)
    life.live(happenings)
    asked = life.story.said(ActionRequested)

    for cap in policy["caps"]:
        counted = sorted(
            one.decided_at_ms for one in asked if cap["channel"] in (None, *one.channels)
        )
        for first, last in zip(counted, counted[cap["most"] :], strict=False):
            assert last - first >= cap["per_ms"], "never above a cap in any rolling period"
    for one in asked:
        assert one.due_at_ms <= one.decided_at_ms < one.valid_until_ms
        assert at(life.consents, one.decided_at_ms), "nothing without consent"
        if policy["quiet_hours"]:
            zone = ZoneInfo(at(life.zones, one.decided_at_ms))
            hour = datetime.fromtimestamp(one.decided_at_ms / 1000, UTC).astimezone(zone).hour
            assert 8 <= hour < 21, "nothing in quiet hours"
    assert len({one.action_id for one in asked}) == len(asked)


@LIFE
@given(drawn_campaigns(), POLICIES, LIVES)
def test_an_exit_is_the_end(
    campaigns: list[dict[str, Any]], policy: dict[str, Any], happenings: list[tuple[str, int]]
) -> None:
    """No step of a run that began before an order is carried out after it."""
    life = Life(campaigns, policy)
    life.live(happenings)
    for one in life.story.said(ActionRequested):
        began_ms = life.placed.get(one.cause.event_id or "")
        if began_ms is not None:
            crossed = [order for order in life.orders if began_ms < order < one.decided_at_ms]
            assert not crossed, "the order ended the run"


@LIFE
@given(drawn_campaigns(), POLICIES, LIVES)
def test_what_is_held_is_sent_or_said(
    campaigns: list[dict[str, Any]], policy: dict[str, Any], happenings: list[tuple[str, int]]
) -> None:
    """Given enough time, nothing waits any more, and a replay says the same with the same ids."""
    life, again = Life(campaigns, policy), Life(campaigns, policy)
    life.live(happenings)
    again.live(happenings)
    assert [repr(one) for one in life.story.outputs] == [repr(one) for one in again.story.outputs]

    last_order_ms = max(life.orders, default=0)
    sent = {(one.campaign, one.step, one.due_at_ms) for one in life.story.said(ActionRequested)}
    dropped = {(one.campaign, one.step) for one in life.story.said(ActionSuppressed)}
    live = [run for run in life.story.state.runs if run.is_live]
    waiting = {(run.campaign, run.due_ms) for run in live}
    for (name, held_step, due_ms), base_ms in life.held.items():
        # An order ends the runs that began before it, also while they wait.
        if base_ms > last_order_ms:
            said = (name, held_step, due_ms) in sent or (name, held_step) in dropped
            assert said or (name, due_ms) in waiting
    for name, one in life.campaigns.items():
        if life.orders and one["triggers"] == [on_event("order.placed")]:
            answers = [
                said.step
                for said in life.story.outputs
                if isinstance(said, ActionRequested | ActionSuppressed)
                and said.campaign == name
                and said.decided_at_ms >= last_order_ms
            ]
            assert one["steps"][0]["name"] in answers, (
                "the last order was answered, or it is said why not"
            )
    for run in live:
        valid_ms = life.campaigns[run.campaign]["steps"][run.next_step]["valid_for_ms"]
        assert run.due_ms + valid_ms >= life.story.now_ms, "nothing waits in vain"
