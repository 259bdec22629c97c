"""What `explain` tells of campaigns: pauses, controls, outcomes, and the rule that decided."""

from typing import Any

import msgspec
import pytest

from streams.cli.timeline import Timeline
from streams.codec.journal import decode_input
from streams.codec.outputs import OutputEncoder
from streams.core import profile
from streams.core.inputs import (
    CampaignPaused,
    CustomerMerged,
    CustomerUpdated,
    Input,
    Sweep,
    Tick,
)
from streams.core.outputs import (
    ActionRequested,
    ActionSuppressed,
    CampaignOutcome,
    Forwarded,
    NotTaken,
    SegmentChanged,
)
from streams.core.values import DAY_MS, HOUR_MS
from streams.insights.deciding_rules import DecidingRules
from streams.insights.history import PAUSED, Entry, HistoryFold
from streams.rules.arming import resume
from streams.rules.files import rules_text as shipped_text
from streams.settings import load_settings
from tests.insights.campaigns import (
    NO_EXITS,
    NOW_MS,
    Shop,
    campaign,
    event,
    every_quarter,
    order,
    policy,
    rules,
    rules_text,
    step,
)


def folded(shop: Shop, customer_id: str) -> list[Entry]:
    """The history of one customer out of the shop's journal."""
    journal = shop.world.broker.journal[0]
    fold = HistoryFold(customer_id, 0)
    return [
        entry
        for record in journal.read(0, journal.end)
        for entry in fold.take(record.offset, decode_input(record.value or b""))
    ]


def told(entries: list[Entry]) -> list[dict[str, Any]]:
    """What it says, as it would be published."""
    encoder = OutputEncoder("EUR")
    return [
        msgspec.json.decode(encoder.encode(output).value)
        for entry in entries
        for output in entry.outputs
        if not isinstance(output, Forwarded | NotTaken)
    ]


def published(shop: Shop, customer_id: str) -> list[dict[str, Any]]:
    """What was published of the customer, topic by topic."""
    topics = ("segment-changes", "marketing.actions", "campaign.outcomes")
    return [
        one for topic in topics for one in shop.said(topic) if one["customer_id"] == customer_id
    ]


def ids(documents: list[dict[str, Any]]) -> list[str]:
    return sorted(one.get("action_id", "") + one.get("event_id", "") for one in documents)


def flooded() -> Shop:
    """Four who fall to At Risk a day apart, and a guard that lets two actions a week through."""
    few = campaign(
        flood={"most": 2, "per_ms": 7 * DAY_MS, "share_percent": 100},
        steps=[step(valid_for_ms=3 * DAY_MS)],
    )
    shop = Shop(rules_text(few, policy=policy()))
    shop.live_to(NOW_MS - 3 * DAY_MS, [order(n, f"c{n}", 96 - n) for n in range(1, 5)])
    return shop.live_to(NOW_MS)


def test_the_history_of_one_is_what_was_published_though_the_guard_paused() -> None:
    """Given a pause by others' actions and a person who ends it, each history tells the truth."""
    shop = flooded()
    shop.apply(resume(shop.text, "again"), NOW_MS)
    shop.live_to(NOW_MS + 60 * DAY_MS, [order(9, "c1", -1)])
    assert [one["type"] for one in published(shop, "c3") if "step" in one] == ["action.suppressed"]
    assert [one["type"] for one in published(shop, "c4") if "step" in one] == ["action.requested"]
    for customer_id in ("c1", "c2", "c4"):
        assert ids(told(folded(shop, customer_id))) == ids(published(shop, customer_id))
    outcomes = [one for one in told(folded(shop, "c1")) if one["type"] == "campaign.outcome"]
    assert [(one["stage"], one["orders"]) for one in outcomes] == [
        ("preliminary", 1),
        ("final", 1),
    ]


def test_people_read_every_kind_of_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given all that can come of an event, a dead letter among it; then each is a line."""
    monkeypatch.setattr(profile, "MAX_ATTRIBUTES", 1)
    shop = flooded()
    shared: dict[str, Any] = {
        "customer_id": "c1", "occurred_at_ms": NOW_MS, "received_at_ms": NOW_MS, "source": "shop",
    }  # fmt: skip
    many = CustomerUpdated(event_id="many", identity=71, attributes={"a": 1.0, "b": 2.0}, **shared)
    merged = CustomerMerged(event_id="away", identity=72, into_customer_id="c2", **shared)
    shop.live_to(NOW_MS + DAY_MS, [many, merged])
    fold = HistoryFold("c1", 0)
    journal = shop.world.broker.journal[0]
    timeline = Timeline(2, "EUR", fold.deciding)
    kinds = set()
    for record in journal.read(0, journal.end):
        for entry in fold.take(record.offset, decode_input(record.value or b"")):
            document = timeline.describe(entry)
            kinds |= {one["type"] for one in document["outputs"]}
            timeline.print_entry(document)
    assert kinds >= {"segment.changed", "action.requested", "not_taken", "forwarded"}
    said = " ".join(capsys.readouterr().out.split())
    assert "event many became a dead letter: the customer has 1 attributes" in said
    assert "goes on to customer c2" in said


def test_whom_a_pause_may_have_hit_is_told() -> None:
    """Given that c3 made the guard pause, only all customers together tell that; the note says so."""
    entries = {name: folded(flooded(), name) for name in ("c1", "c3")}
    assert not [one for one in entries["c1"] if one.event_type == PAUSED]
    (pause,) = [one for one in entries["c3"] if one.event_type == PAUSED]
    assert pause.note == (
        "again paused by the guard of partition 0: its actions since then may have been held "
        "instead, see marketing.actions"
    )


def test_a_pause_of_another_partition_holds_from_its_record_on() -> None:
    fold = HistoryFold("a", 0)
    text = rules_text(campaign(steps=[step(), step("second", DAY_MS)]), policy=policy())
    paused = CampaignPaused(
        received_at_ms=NOW_MS + HOUR_MS, campaign="again", release=0, partition=5
    )
    journal: list[Input] = [
        rules(text),
        order(1, "a", 90),
        Tick(received_at_ms=NOW_MS, continuous=True),
        paused,
        Tick(received_at_ms=NOW_MS + 3 * DAY_MS, continuous=True),
    ]
    entries = [one for offset, record in enumerate(journal) for one in fold.take(offset, record)]
    said = [(type(one).__name__, entry.event_type) for entry in entries for one in entry.outputs]
    assert said[-2:] == [("ActionRequested", "clock"), ("ActionSuppressed", "clock")]
    (suppressed,) = [
        one for entry in entries for one in entry.outputs if isinstance(one, ActionSuppressed)
    ]
    assert (suppressed.step, suppressed.reason) == ("second", "paused")
    (note,) = [entry.note for entry in entries if entry.event_type == PAUSED]
    assert note == "again paused by the guard of partition 5"


def test_every_decision_names_the_rule_that_made_it() -> None:
    text = rules_text(campaign(control_percent=100), policy=policy())
    fold = HistoryFold("a", 0)
    tick = Tick(received_at_ms=NOW_MS, continuous=True)
    journal: list[Input] = [rules(text, 3), order(1, "a", 90), tick]
    entries = [one for offset, record in enumerate(journal) for one in fold.take(offset, record)]
    change, action = entries[-1].outputs
    assert isinstance(change, SegmentChanged)
    assert fold.deciding.of_change(change) == (
        "R3 F1 M1, At Risk: R 3; or F 2-5, R 2; or M 3-5, R 2; or F 3-5, M 3-5, R 1"
    )
    assert isinstance(action, ActionRequested)
    assert action.is_control
    assert fold.deciding.of_action(action, entries[-1].rules_version) == (
        "again version 1, step offer: starts by enters At Risk of rfm by the clock"
    )
    # Of rules that the journal no longer has nothing is said.
    assert DecidingRules().of_change(change) == DecidingRules().of_action(action, 3) == ""


def test_gained_and_lost_flags_name_their_own_rule() -> None:
    fold = HistoryFold("a", 0)
    text = shipped_text(load_settings(schemes="rfm,attributes"))
    journal: list[Input] = [
        rules(text),
        order(1, "a", 2),
        CustomerUpdated(**event(2, "a", NOW_MS - DAY_MS), attributes={"gender": "female"}),
        CustomerUpdated(**event(3, "a", NOW_MS), attributes={"gender": "male"}),
    ]
    entries = [one for offset, record in enumerate(journal) for one in fold.take(offset, record)]
    gained, swapped = (
        fold.deciding.of_change(one)
        for entry in entries[1:]
        for one in entry.outputs
        if isinstance(one, SegmentChanged) and one.scheme == "attributes"
    )
    assert gained.startswith("Women: gender is female")
    assert "no longer Women: gender is female" in swapped


def test_an_outcome_is_told_of_controls_too() -> None:
    shop = Shop(rules_text(campaign(control_percent=100), policy=policy()))
    shop.live_to(NOW_MS, [order(1, "a", 120)])
    outcomes = [
        output
        for entry in folded(shop, "a")
        for output in entry.outputs
        if isinstance(output, CampaignOutcome)
    ]
    assert [(one.is_control, one.stage) for one in outcomes] == [(True, "preliminary")]


def test_what_a_calendar_called_for_before_the_sweep_came_is_told() -> None:
    """Given new rules the day before their calendar, and a sweep that comes an hour after it."""
    quarterly = campaign(triggers=[every_quarter()], exits=NO_EXITS)
    first_april_ms = NOW_MS + 30 * DAY_MS - HOUR_MS
    journal: list[Input] = [
        rules(rules_text(policy=policy())),
        order(1, "a", -28),
        rules(rules_text(quarterly, policy=policy()), 2, first_april_ms - DAY_MS // 2),
        Sweep(
            received_at_ms=first_april_ms + HOUR_MS,
            rules_version=2,
            limits_number=0,
            customers=["a"],
            done=True,
        ),
    ]
    fold = HistoryFold("a", 0)
    entries = [one for offset, record in enumerate(journal) for one in fold.take(offset, record)]
    (action,) = entries[-1].outputs
    assert isinstance(action, ActionRequested)
    assert (action.cause.kind, action.due_at_ms) == ("clock", first_april_ms)
