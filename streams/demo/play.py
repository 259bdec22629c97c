"""The course of the demo: months of history at once, then life on a fast clock."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from streams.core.values import DAY_MS
from streams.demo.board import Board
from streams.demo.ending import Ending
from streams.demo.shop import Till
from streams.demo.stages import Link, Stage

# History is sent in pieces, so that the view and Ctrl-C are never far.
_PIECE_MS: Final = 7 * DAY_MS
_FRAME_S: Final = 0.1
# Time moves in steps: each costs a time mark in every partition.
_STEP_S: Final = 0.5
_CATCH_UP_WITHIN_S: Final = 60.0
# The shop does not run away from processors that cannot keep up: its clock waits for them.
_LEAD_S: Final = 5.0
_LEAD_MS: Final = 3 * DAY_MS
_RATE_OVER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Frame:
    """How things stand. Times are ms since 1970 (UTC); `time_scale` as for `Play`."""

    phase: str
    title: str
    links: Sequence[Link]
    time_scale: float
    started_ms: int
    now_ms: int
    events: int
    events_per_s: float
    board: Board


class View(Protocol):
    """Shows frames as they come."""

    def show(self, frame: Frame) -> None:
        """Show how things stand; takes the board's news."""


class Play:
    """One run of the demo on a stage."""

    def __init__(
        self,
        stage: Stage,
        till: Till,
        board: Board,
        view: View,
        ending: Ending,
        *,
        time_scale: float,
    ) -> None:
        """Prepare to play; `time_scale` is simulated seconds per second."""
        self._stage = stage
        self._till = till
        self._board = board
        self._view = view
        self._ending = ending
        self._time_scale = time_scale
        self._started_ms = self._now_ms = 0
        self._events = 0
        self._published: deque[tuple[float, int]] = deque()

    def run(self, start_ms: int, seconds: float | None) -> Frame:
        """Play from `start_ms`, live from the board's `live_ms` on; returns how things stand then.

        Ends after `seconds` (history included) or when told to. Raises what the stage raises.
        """
        ends_s = None if seconds is None else time.monotonic() + seconds
        self._started_ms = self._now_ms = start_ms
        self._load_history(ends_s)
        self._live(ends_s)
        return self._look("ended")

    def _load_history(self, ends_s: float | None) -> None:
        live_ms = self._board.live_ms
        while self._now_ms < live_ms and not self._is_over(ends_s):
            self._move_to(min(self._now_ms + _PIECE_MS, live_ms))
            self._look("loading history")
        until_s = time.monotonic() + _CATCH_UP_WITHIN_S
        while self._board.decided_ms < live_ms - DAY_MS and not self._is_over(ends_s):
            if time.monotonic() > until_s:  # a quiet shop may have nothing to decide that day
                return
            self._look("loading history")
            self._ending.nap(_FRAME_S)

    def _live(self, ends_s: float | None) -> None:
        looked_s = time.monotonic()
        self._started_ms, self._events = self._now_ms, 0
        self._published.clear()
        while not self._is_over(ends_s):
            self._ending.nap(_FRAME_S)
            now_s = time.monotonic()
            phase = "live"
            if now_s - looked_s >= _STEP_S:
                if self._is_ahead():
                    phase = "waiting for the processors"
                else:
                    self._move_to(self._now_ms + int((now_s - looked_s) * 1000 * self._time_scale))
                looked_s = now_s
            self._look(phase)

    def _move_to(self, until_ms: int) -> None:
        events = self._till.take_until(until_ms)
        self._stage.publish(events, until_ms)
        self._now_ms = until_ms
        self._events += len(events)
        self._published.append((time.monotonic(), len(events)))

    def _is_ahead(self) -> bool:
        lead_ms = max(_LEAD_MS, _LEAD_S * 1000 * self._time_scale)
        return self._now_ms - self._board.decided_ms > lead_ms

    def _is_over(self, ends_s: float | None) -> bool:
        return self._ending.requested or (ends_s is not None and time.monotonic() >= ends_s)

    def _look(self, phase: str) -> Frame:
        self._stage.collect(self._board)
        frame = Frame(
            phase,
            self._stage.title,
            self._stage.links,
            self._time_scale,
            self._started_ms,
            self._now_ms,
            self._events,
            self._rate(),
            self._board,
        )
        self._view.show(frame)
        return frame

    def _rate(self) -> float:
        now_s = time.monotonic()
        while self._published and self._published[0][0] < now_s - _RATE_OVER_S:
            self._published.popleft()
        if not self._published:
            return 0.0
        seconds = max(now_s - self._published[0][0], _STEP_S)
        return sum(count for _, count in self._published) / seconds
