"""`demo`: a simulated shop on a fast clock, with everything behind it."""

import sys
from contextlib import ExitStack
from typing import Annotated, Final

import typer
from rich.console import Console

from streams.adapters.system_clock import SystemClock
from streams.cli.context import settings_of
from streams.cli.help_text import described
from streams.cli.output import note
from streams.core.rules import RFM, compile_rules
from streams.core.values import DAY_MS
from streams.demo.board import Board
from streams.demo.build import demo_settings, set_stage
from streams.demo.ending import Ending, ending_by_signals
from streams.demo.lines import LineView, summary_lines
from streams.demo.play import Frame, Play, View
from streams.demo.screen import ScreenView
from streams.demo.shop import Till, open_shop
from streams.rules.files import rules_text
from streams.settings import Settings

_SEED: Final = 7
# The shop opened so long ago, and so much of that is sent at once: enough for every segment.
_OPENED_MS: Final = 456 * DAY_MS
_HISTORY_MS: Final = 200 * DAY_MS
_DAY_PER_SECOND: Final = 86_400.0

_HELP = described(
    "Watch a simulated shop: customers move through segments, win-backs and cart reminders are "
    "fired.\n\n"
    "Starts an embedded Apache Kafka and Redis in a temporary folder, intake and decide, and a "
    "shop with a thousand customers on a fast clock. The first start fetches the broker (44 MB); "
    "where that fails the demo runs on the memory backend. Ctrl-C ends everything, nothing stays. "
    "RFM_* settings hold, except for servers, names and the clock.",
    "demo",
    "demo --seconds 60",
    "demo --time-scale 3600",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", help=_HELP)(_demo)


def _demo(
    ctx: typer.Context,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="N", min=1, help="End N seconds after everything has started."),
    ] = None,
    time_scale: Annotated[
        float,
        typer.Option(
            metavar="X", min=1, max=31_536_000, help="Simulated seconds per second; 86400 is a day."
        ),
    ] = _DAY_PER_SECOND,
) -> None:
    settings = demo_settings(settings_of(ctx))
    with ending_by_signals() as ending:
        try:
            with ExitStack() as cleanup:
                try:
                    last = _play(settings, ending, cleanup, seconds, time_scale)
                finally:
                    ending.hold()  # what was started is now ended in peace
        except KeyboardInterrupt:
            note("ended before the shop opened, nothing is left")
            return
    for line in summary_lines(last):
        typer.echo(line)


def _play(
    settings: Settings,
    ending: Ending,
    cleanup: ExitStack,
    seconds: float | None,
    time_scale: float,
) -> Frame:
    rules = compile_rules(rules_text(settings), 1)
    start_ms = (SystemClock().now_ms() - _OPENED_MS) // DAY_MS * DAY_MS
    stage = set_stage(settings, start_ms, cleanup, note)
    ending.hold()
    with ExitStack() as showing:
        view: View = LineView(typer.echo)
        if sys.stdout.isatty():
            view = showing.enter_context(ScreenView(Console()))
        board = Board(rules.scheme(RFM).segments, start_ms + _HISTORY_MS)
        till = Till(open_shop(_SEED, start_ms))
        last = Play(stage, till, board, view, ending, time_scale=time_scale).run(start_ms, seconds)
    note("ending")
    return last
