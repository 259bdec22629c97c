"""The demo without a terminal: one plain line for each thing that happens, within reason."""

import time
from collections.abc import Callable
from typing import Final

from streams.core.values import DAY_MS
from streams.demo.board import Action, Change
from streams.demo.play import Frame
from streams.demo.wording import day, minute, move, short, speed

_LINES_PER_S: Final = 20
"""More than a person can read. What is beyond it is counted."""
_STATUS_EVERY_S: Final = 5.0


class LineView:
    """`View` of plain lines, through `say`. The first action of each campaign always has one."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Write through `say`, which takes a line."""
        self._say = say
        self._phase = ""
        self._campaigns: set[str] = set()
        self._second_s = 0.0
        self._left = _LINES_PER_S
        self._unsaid = 0
        self._status_s = 0.0

    def show(self, frame: Frame) -> None:
        """Say what is new, and now and then how things stand."""
        changes, actions = frame.board.take_news()
        if frame.phase != self._phase:
            self._phase = frame.phase
            self._open(frame)
        self._refill()
        for action in actions:
            self._say_first(action)
        for change in changes:
            self._say_one(_change_line(change))
        for action in actions:
            self._say_one(_action_line(action))
        now_s = time.monotonic()
        if now_s - self._status_s >= _STATUS_EVERY_S:
            self._status_s = now_s
            self._say(_status_line(frame))

    def _open(self, frame: Frame) -> None:
        if frame.phase == "live":
            for link in frame.links:
                self._say(f"{link.process}: {link.url}/metrics {link.url}/health/ready")
            self._say(f"live from {minute(frame.now_ms)}, {speed(frame.time_scale)}")
        elif frame.phase != "ended":
            self._say(f"{frame.phase}: {frame.title}")

    def _refill(self) -> None:
        now_s = time.monotonic()
        if now_s - self._second_s < 1.0:
            return
        if self._unsaid:
            self._say(f"and {self._unsaid} more changes and actions")
        self._second_s, self._left, self._unsaid = now_s, _LINES_PER_S, 0

    def _say_one(self, line: str) -> None:
        if self._left:
            self._left -= 1
            self._say(line)
        else:
            self._unsaid += 1

    def _say_first(self, action: Action) -> None:
        if action.campaign not in self._campaigns:
            self._campaigns.add(action.campaign)
            self._say(f"first {action.campaign} fired: {_action_line(action)}")


def _change_line(change: Change) -> str:
    previous, current = move(change)
    return (
        f"{minute(change.at_ms)} change {short(change.customer_id)} {previous} -> {current} "
        f"by {change.cause}"
    )


def _action_line(action: Action) -> str:
    return (
        f"{minute(action.at_ms)} action {short(action.customer_id)} {action.campaign} "
        f"{action.step}{f', offer {action.offer}' if action.offer else ''}"
    )


def _status_line(frame: Frame) -> str:
    board = frame.board
    segments = ", ".join(f"{name} {board.segments[name]}" for name in board.ranking)
    return (
        f"{frame.phase}: {day(frame.now_ms)}, {frame.events} events, "
        f"{frame.events_per_s:.0f}/s, {board.dead_letters.total()} dead letters; {segments}"
    )


def summary_lines(frame: Frame) -> list[str]:
    """Sum a play up: changes by from and to, actions by campaign."""
    board = frame.board
    days = (frame.now_ms - frame.started_ms) / DAY_MS
    played = f"{days:.1f} simulated days, {day(frame.started_ms)} to {day(frame.now_ms)}"
    before = f"{board.before['changes']} changes and {board.before['actions']} actions"
    lines = [
        f"{frame.events} events in {played}, after {before} of history",
        "segments: " + ", ".join(f"{name} {board.segments[name]}" for name in board.ranking),
        f"segment changes: {board.moves.total()}",
        *(
            f"  {previous} -> {current}: {count}"
            for (previous, current), count in board.moves.most_common()
        ),
        f"actions: {board.fired.total()}",
        *(f"  {campaign}: {count}" for campaign, count in board.fired.most_common()),
    ]
    if board.cancelled:
        lines.append(f"actions cancelled: {board.cancelled}")
    for title, counts in (("held back", board.held_back), ("dead letters", board.dead_letters)):
        reasons = ", ".join(f"{reason} {count}" for reason, count in counts.most_common())
        lines.append(f"{title}: {counts.total()}{f' ({reasons})' if reasons else ''}")
    return lines
