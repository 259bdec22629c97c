"""The demo's parts: its shop, what the outputs add up to, and how both views write it."""

import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from streams.codec.outputs import ACTIONS, SEGMENT_CHANGES
from streams.codec.text import format_instant
from streams.core.rules import RFM, compile_rules
from streams.core.values import DAY_MS
from streams.demo.board import Action, Board, Change
from streams.demo.build import demo_settings
from streams.demo.ending import Ending
from streams.demo.lines import LineView, summary_lines
from streams.demo.memory_stage import MemoryStage
from streams.demo.picture import draw
from streams.demo.play import Frame, Play
from streams.demo.processors import environment_of
from streams.demo.shop import Till, open_shop
from streams.demo.stages import Link
from streams.demo.wording import speed
from streams.files.events import Event
from streams.rules.files import rules_text
from streams.settings import PREFIX, Settings, load_settings
from streams.simulation.shop import simulate

START_MS = 1_700_006_400_000
RANKING = ("Champions", "Loyal Customers", "Potential Loyalists", "At Risk", "Lost Customers")


def small_shop(days: int) -> Iterator[Event]:
    for event in simulate(3, 60, START_MS, START_MS + days * DAY_MS):
        yield Event(event.topic, event.customer_id, event.value, event.occurred_at_ms)


def changed(previous: str | None, current: str | None, at_ms: int) -> bytes:
    body = {
        "scheme": "rfm",
        "customer_id": "C-1",
        "previous": previous,
        "current": current,
        "cause": {"kind": "clock"},
        "effective_at": format_instant(at_ms),
        "decided_at": format_instant(at_ms),
    }
    return json.dumps(body).encode()


def requested(campaign: str, at_ms: int) -> bytes:
    body: dict[str, Any] = {
        "type": "action.requested",
        "customer_id": "C-1",
        "campaign": campaign,
        "step": "first",
        "segment_context": {},
        "parameters": {},
        "due_at": format_instant(at_ms),
    }
    return json.dumps(body).encode()


def frame_of(board: Board, phase: str = "live") -> Frame:
    links = [Link("intake", "http://127.0.0.1:40001"), Link("decide", "http://127.0.0.1:40002")]
    return Frame(phase, "here", links, 86_400, START_MS, START_MS + DAY_MS, 70, 70.0, board)


def test_the_shop_is_the_same_each_time_in_order_and_goes_on_with_newcomers() -> None:
    first = list(itertools.islice(open_shop(7, START_MS), 6_000))
    again = list(itertools.islice(open_shop(7, START_MS), 6_000))

    assert first == again
    customers_by_month: dict[int, set[str | None]] = {}
    for event in first:
        month = (event.occurred_at_ms - START_MS) // (30 * DAY_MS)
        customers_by_month.setdefault(month, set()).add(event.key)
    assert customers_by_month[1] - customers_by_month[0]
    assert customers_by_month[2] - customers_by_month[1] - customers_by_month[0]


def test_the_till_gives_every_event_once_when_its_time_has_come() -> None:
    events = list(small_shop(30))
    till = Till(iter(events))

    pieces = [till.take_until(START_MS + day * DAY_MS) for day in range(31)]

    assert [event for piece in pieces for event in piece] == events
    for day, piece in enumerate(pieces):
        assert all(event.occurred_at_ms < START_MS + day * DAY_MS for event in piece)


def test_the_board_counts_customers_from_the_start_and_news_from_going_live() -> None:
    board = Board(RANKING, START_MS + DAY_MS)

    board.take(SEGMENT_CHANGES, changed(None, "Champions", START_MS))
    board.take(ACTIONS, requested("cart_reminder", START_MS))
    board.take(SEGMENT_CHANGES, changed("Champions", "At Risk", START_MS + 2 * DAY_MS))
    board.take(ACTIONS, requested("win_back_at_risk", START_MS + 2 * DAY_MS))

    assert +board.segments == {"At Risk": 1}
    assert board.before == {"changes": 1, "actions": 1}
    assert board.moves == {("Champions", "At Risk"): 1}
    assert board.fired == {"win_back_at_risk": 1}
    changes, actions = board.take_news()
    assert [change.current for change in changes] == ["At Risk"]
    assert [action.campaign for action in actions] == ["win_back_at_risk"]
    assert board.take_news() == ([], [])


def test_on_the_memory_backend_the_board_agrees_with_the_states() -> None:
    # given a stage that is fed day by day
    settings = demo_settings(load_settings())
    rules = rules_text(settings)
    board = Board(compile_rules(rules, 1).scheme(RFM).segments, START_MS)
    stage = MemoryStage(settings, rules)
    till = Till(small_shop(400))
    # when more than a year passes
    for day in range(0, 401, 10):
        until_ms = START_MS + day * DAY_MS
        stage.publish(till.take_until(until_ms), until_ms)
        stage.collect(board)
    # then the sums of the changes are the memberships
    memberships = Counter(
        state.memberships["rfm"].segment
        for state in stage.replay.states()
        if "rfm" in state.memberships and state.memberships["rfm"].segment is not None
    )
    assert +board.segments == memberships
    assert board.fired["cart_reminder"]
    assert board.fired["win_back_at_risk"]
    assert board.decided_ms > START_MS + 390 * DAY_MS


def test_a_play_goes_through_history_and_life_and_ends_in_time() -> None:
    settings = demo_settings(load_settings())
    rules = rules_text(settings)
    board = Board(compile_rules(rules, 1).scheme(RFM).segments, START_MS + 100 * DAY_MS)
    lines: list[str] = []
    play = Play(
        MemoryStage(settings, rules),
        Till(small_shop(3_000)),
        board,
        LineView(lines.append),
        Ending(),
        time_scale=30 * DAY_MS / 1000,
    )

    last = play.run(START_MS, seconds=4)

    assert last.phase == "ended"
    assert last.started_ms == START_MS + 100 * DAY_MS
    assert last.now_ms > last.started_ms
    assert board.before["changes"]
    assert board.moves
    assert lines[0].startswith("loading history: memory backend")
    assert [line for line in lines if line.startswith("live from 2024-02-")]


def test_told_to_end_a_play_ends_at_once() -> None:
    settings = demo_settings(load_settings())
    board = Board(RANKING, START_MS + 1_000 * DAY_MS)
    ending = Ending()
    ending.hold()
    ending.signalled(15, None)
    stage = MemoryStage(settings, rules_text(settings))

    till = Till(small_shop(9))
    last = Play(stage, till, board, LineView(print), ending, time_scale=1).run(START_MS, None)

    assert last.now_ms == START_MS


def test_lines_name_the_first_action_of_each_campaign_however_much_happens() -> None:
    board = Board(RANKING, START_MS)
    for number in range(100):
        board.take(SEGMENT_CHANGES, changed(None, "Champions", START_MS + number))
    for campaign in ("cart_reminder", "win_back_lost", "win_back_lost"):
        board.take(ACTIONS, requested(campaign, START_MS))
    lines: list[str] = []

    LineView(lines.append).show(frame_of(board))

    firsts = [line.split()[1] for line in lines if line.startswith("first ")]
    assert firsts == ["cart_reminder", "win_back_lost"]
    assert 1 < sum(" change " in line for line in lines) < 100
    summary = summary_lines(frame_of(board))
    assert "  new -> Champions: 100" in summary
    assert "  win_back_lost: 2" in summary


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (200, 50)])
def test_the_picture_fits_its_terminal(width: int, height: int) -> None:
    board = Board(RANKING, START_MS)
    for number, segment in enumerate(RANKING * 7):
        board.take(SEGMENT_CHANGES, changed(None, segment, START_MS + number))
    board.take(ACTIONS, requested("win_back_at_risk", START_MS))
    for reason in ("invalid_json", "invalid_time", "unknown_type", "missing_field", "guest"):
        board.refuse(reason)
    changes = [
        Change(START_MS, "0123456789", "Potential Loyalists", "Loyal Customers", "order.placed")
    ] * 40
    actions = [Action(START_MS, "0123456789", "cart_reminder", "first", "At Risk", "")] * 40
    console = Console(file=io.StringIO(), width=width, height=height)

    console.print(draw(frame_of(board), changes, actions, width, height))

    drawn = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(drawn) == height
    assert max(map(len, drawn)) <= width
    text = "\n".join(drawn)
    for shown in (*RANKING, "35 customers", "win_back_at_risk 1", "dead letters 5", "1 s = 1 day"):
        assert shown in text
    for link in ("http://127.0.0.1:40001/metrics", "http://127.0.0.1:40002/health/ready"):
        assert link in text


def test_the_processors_get_just_the_settings_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RFM_CONSENT_UNKNOWN", '{"email": "allow"}')
    monkeypatch.setenv("RFM_EXCHANGE_RATES", '{"USD": {"2024-01-01": "0.91"}}')
    monkeypatch.setenv("RFM_GUEST_CUSTOMER_IDS", "guest,nobody")
    monkeypatch.setenv("RFM_NAMESPACE", "theirs")
    monkeypatch.setenv("RFM_KAFKA", '{"security.protocol": "ssl"}')
    settings = demo_settings(load_settings())
    for name in ("CONSENT_UNKNOWN", "EXCHANGE_RATES", "GUEST_CUSTOMER_IDS", "NAMESPACE", "KAFKA"):
        monkeypatch.delenv(PREFIX + name)
    for name, text in environment_of(settings).items():
        monkeypatch.setenv(name, text)

    found = load_settings()

    assert dict(found) == dict(settings)
    assert found.namespace == ""
    assert found.kafka == {}
    assert found.consent_unknown == {"email": "allow"}
    assert isinstance(found, Settings)


@pytest.mark.parametrize(
    ("time_scale", "text"),
    [
        (1, "1 s = 1 second"),
        (3_600, "1 s = 1 hour"),
        (86_400, "1 s = 1 day"),
        (216_000, "1 s = 2.5 days"),
        (604_800, "1 s = 1 week"),
    ],
)
def test_speed_is_said_in_words(time_scale: float, text: str) -> None:
    assert speed(time_scale) == text
