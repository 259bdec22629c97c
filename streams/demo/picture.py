"""The picture of one instant of the demo, for a terminal of any size."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.demo.board import Action, Board, Change
from streams.demo.play import Frame
from streams.demo.wording import minute, move, short, speed

_WIDE: Final = 156
_PADDING: Final = 4
_BORDERS: Final = 2
_HEAD_ROWS: Final = 2
_SUM_ROWS: Final = 3
# The head says the year; news leave it out.
_YEAR: Final = len("2026-")
_LEAST_ROWS: Final = 2
# From the best segment to the worst.
_COLOURS: Final = ("green", "cyan", "blue", "yellow", "red")


def draw(
    frame: Frame, changes: Sequence[Change], actions: Sequence[Action], width: int, height: int
) -> RenderableType:
    """Draw a frame with the latest news, newest first, into `width` columns and `height` rows."""
    board = frame.board
    head = _head(frame)
    segments = _panel(
        f"{board.customers:,} customers by segment", _segments(board, width - _PADDING)
    )
    sums = _sums(frame)
    foot = _foot(frame)
    fixed = _HEAD_ROWS + len(board.ranking) + _BORDERS + _SUM_ROWS + len(frame.links) + 1
    left = height - fixed
    if width >= _WIDE:
        rows = max(_LEAST_ROWS, left - _BORDERS)
        news = Table.grid(expand=True, padding=0)
        news.add_column(ratio=1)
        news.add_column(ratio=1)
        news.add_row(
            _changes_panel(board, changes[:rows], rows), _actions_panel(board, actions[:rows], rows)
        )
        return Group(head, segments, news, sums, foot)
    rows = max(_LEAST_ROWS, (left - 2 * _BORDERS) // 2)
    extra = max(0, left - 2 * _BORDERS - 2 * rows)
    return Group(
        head,
        segments,
        _changes_panel(board, changes[: rows + extra], rows + extra),
        _actions_panel(board, actions[:rows], rows),
        sums,
        foot,
    )


def _head(frame: Frame) -> RenderableType:
    head = Table.grid(expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    head.add_column(justify="right", no_wrap=True)
    head.add_row(
        Text.assemble(("rfm-streams demo", "bold"), ("  " + frame.phase, _phase_style(frame))),
        Text(f"{minute(frame.now_ms)} UTC", style="bold"),
    )
    head.add_row(
        Text(frame.title, style="dim"),
        Text(f"{speed(frame.time_scale)}, {frame.events_per_s:,.0f} events/s", style="dim"),
    )
    return head


def _phase_style(frame: Frame) -> str:
    return "green" if frame.phase == "live" else "yellow"


def _segments(board: Board, width: int) -> RenderableType:
    names = max(map(len, board.ranking))
    room = max(5, width - names - 15)
    most = max([*(board.segments[name] for name in board.ranking), 1])
    total = max(1, board.customers)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    for _ in range(2):
        table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for name in board.ranking:
        count = board.segments[name]
        table.add_row(
            name,
            f"{count:,}",
            Text(f"{100 * count / total:.0f} %", style="dim"),
            Text(_bar(count / most, room), style=_colour(board, name)),
        )
    return table


def _bar(share: float, room: int) -> str:
    """Draw a bar in eighths of a column."""
    eighths = round(share * room * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]


def _colour(board: Board, segment: str | None) -> str:
    rank = board.rank(segment)
    if rank >= len(board.ranking):
        return "magenta"
    return _COLOURS[rank * len(_COLOURS) // len(board.ranking)]


def _changes_panel(board: Board, changes: Sequence[Change], rows: int) -> Panel:
    table = _news_table(4)
    for change in changes:
        previous, current = move(change)
        rank_before, rank_now = board.rank(change.previous), board.rank(change.current)
        arrow = "→" if change.previous is None else "↑" if rank_now < rank_before else "↓"
        table.add_row(
            Text(minute(change.at_ms)[_YEAR:], style="dim"),
            short(change.customer_id),
            Text.assemble(
                (previous, "dim" if change.previous is None else _colour(board, change.previous)),
                f" {arrow} ",
                (current, _colour(board, change.current)),
            ),
            Text(change.cause, style="dim"),
        )
    return _panel(f"Segment changes, {board.moves.total():,} so far", _filled(table, rows))


def _actions_panel(board: Board, actions: Sequence[Action], rows: int) -> Panel:
    table = _news_table(4)
    for action in actions:
        style = "bold cyan" if action.campaign.startswith("cart") else "bold yellow"
        table.add_row(
            Text(minute(action.at_ms)[_YEAR:], style="dim"),
            short(action.customer_id),
            Text.assemble((action.campaign, style), f" {action.step}"),
            Text(action.segment, style="dim"),
        )
    return _panel(f"Marketing actions, {board.fired.total():,} so far", _filled(table, rows))


def _news_table(columns: int) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    for column in range(columns):
        # The last column gives way first where there is little room.
        last = column == columns - 1
        table.add_column(
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if last else None,
            justify="right" if last else "left",
        )
    return table


def _filled(table: Table, rows: int) -> Table:
    for _ in range(rows - table.row_count):
        table.add_row(*[""] * len(table.columns))
    return table


def _sums(frame: Frame) -> RenderableType:
    board = frame.board
    fired = [f"{campaign} {count:,}" for campaign, count in sorted(board.fired.items())]
    cancelled = [f"cancelled {board.cancelled:,}"] if board.cancelled else []
    return Group(
        _line("Actions", fired),
        _line("Not sent", [*_by_reason("held back", board.held_back), *cancelled]),
        _line("Events", [f"{frame.events:,}", *_by_reason("dead letters", board.dead_letters)]),
    )


def _by_reason(title: str, counts: Counter[str]) -> list[str]:
    if not counts:
        return []
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common())
    return [f"{title} {counts.total():,} ({reasons})"]


def _line(title: str, parts: Iterable[str]) -> Text:
    text = Text(f" {title:<8}  ", style="bold", no_wrap=True, overflow="ellipsis")
    text.append(" · ".join(parts) or "none yet", style="not bold")
    return text


def _foot(frame: Frame) -> RenderableType:
    lines = [
        Text(
            f" {link.process:<8}  {link.url}/metrics  {link.url}/health/ready",
            style="dim",
            no_wrap=True,
            overflow="ellipsis",
        )
        for link in frame.links
    ]
    return Group(*lines, Text(" Ctrl-C ends everything", style="dim"))


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(
        content, title=f"[bold]{title}[/]", title_align="left", box=ROUNDED, border_style="dim"
    )
