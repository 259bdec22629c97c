"""The demo on a terminal: one calm picture that changes in place."""

import time
from collections import deque
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from streams.demo.board import Action, Change
from streams.demo.picture import draw
from streams.demo.play import Frame

_DRAW_EVERY_S: Final = 0.25
# News come faster than anyone reads: one line of each kind in this time, the rest is in the sums.
_NEWS_EVERY_S: Final = 0.5
_NEWS_KEPT: Final = 40


class ScreenView:
    """`View` in place of the terminal's content. Use it in a `with` block."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`, a terminal."""
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._changes: deque[Change] = deque(maxlen=_NEWS_KEPT)
        self._actions: deque[Action] = deque(maxlen=_NEWS_KEPT)
        self._news_s = 0.0
        self._drawn_s = 0.0

    def show(self, frame: Frame) -> None:
        """Draw, unless it was done a moment ago."""
        now_s = time.monotonic()
        if now_s - self._news_s >= _NEWS_EVERY_S:
            self._news_s = now_s
            self._pick(*frame.board.take_news())
        if now_s - self._drawn_s < _DRAW_EVERY_S:
            return
        self._drawn_s = now_s
        width, height = self._console.size
        picture = draw(frame, list(self._changes), list(self._actions), width, height)
        self._live.update(picture, refresh=True)

    def _pick(self, changes: list[Change], actions: list[Action]) -> None:
        """Take one of each: a move before a newcomer, the rarest campaign before the others."""
        moves = [change for change in changes if change.previous is not None]
        if changes:
            self._changes.appendleft((moves or changes)[-1])
        if actions:
            per_campaign = {action.campaign: action for action in actions}
            counts = {
                name: sum(one.campaign == name for one in self._actions) for name in per_campaign
            }
            self._actions.appendleft(per_campaign[min(counts, key=counts.__getitem__)])

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.__exit__(error_type, error, traceback)
