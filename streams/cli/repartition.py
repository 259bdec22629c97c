"""`repartition`: more or fewer journal partitions, every customer moved."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer

from streams.cli.context import check_kafka, open_store, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.output import confirm, note, print_fields, progress_bar
from streams.errors import UsageError
from streams.repartition.moving import Repartition
from streams.repartition.steps import Progress
from streams.settings import Settings

_HELP = described(
    "Give the journal another number of partitions: a next generation of journal and state topics is "
    "filled with every customer as rfm.state has them, and the positions of intake and deliver go with "
    "it. Stop intake, let decide come to the end of the journal, stop decide and deliver; this command "
    "refuses otherwise. One that was killed is run again and goes on. The old generation stays as it "
    "is, to be read; its processes stop and say which RFM_GENERATION and RFM_PARTITIONS to set.",
    "repartition --partitions 12 --dry-run",
    "repartition --partitions 12 --yes",
    "repartition --abandon --yes",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("repartition", help=_HELP)(_repartition)


def _repartition(
    ctx: typer.Context,
    partitions: Annotated[
        int | None, typer.Option(min=1, max=1000, metavar="N", help="Journal partitions to have.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and read everything, change nothing.")
    ] = False,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give up a move that was not finished.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    if (partitions is None) != abandon:
        raise UsageError("say either --partitions N or --abandon")
    settings = quiet_settings_of(ctx)
    check_kafka(settings, "rfm.journal", "rfm.state", "rfm.rules")
    open_store(settings)
    with _bars() as told:
        repartition = Repartition(settings, partitions or settings.partitions, told=told)
        try:
            if abandon:
                _abandon(repartition, settings, yes=yes)
            elif dry_run:
                _tell_plan(repartition, settings)
            else:
                _run(repartition, settings, yes=yes)
        finally:
            repartition.close()


def _run(repartition: Repartition, settings: Settings, *, yes: bool) -> None:
    outlook = repartition.look()
    names = f"RFM_GENERATION={outlook.generation} and RFM_PARTITIONS={outlook.partitions}"
    if outlook.is_done:
        note(f"generation {settings.generation} has moved already: set {names}")
        return
    again = "Go on moving" if outlook.begun is not None else "Move"
    question = (
        f"{again} every customer from {settings.partitions} to {outlook.partitions} partitions, into "
        f"generation {outlook.generation}?"
    )
    if not confirm(question, yes=yes):
        note("nothing was moved")
        return
    started_s = time.monotonic()
    repartition.run()
    note(
        f"moved in {time.monotonic() - started_s:.1f} s. Set {names} for every process, then start "
        "them: decide takes everybody in first, `rfm-streams status` shows how far it is. The topics "
        f"of generation {settings.generation} hold its history; delete them when nobody needs it"
    )


def _tell_plan(repartition: Repartition, settings: Settings) -> None:
    outlook = repartition.look()
    if outlook.is_done:
        note(f"generation {settings.generation} has moved already; nothing would be done")
        return
    reading = repartition.read()
    spread = reading.spread
    print_fields(
        [
            ("generation", f"{settings.generation} -> {outlook.generation}"),
            ("partitions", f"{settings.partitions} -> {outlook.partitions}"),
            ("customers", reading.customers),
            ("customers per partition", f"{min(spread)} to {max(spread)}"),
            ("rules version", reading.rules.version),
            ("begun before", "yes" if outlook.begun is not None else "no"),
        ]
    )
    note("nothing was changed; without --dry-run this is done")


def _abandon(repartition: Repartition, settings: Settings, *, yes: bool) -> None:
    question = (
        f"Give up moving generation {settings.generation}, and delete the topics of generation "
        f"{settings.generation + 1}?"
    )
    if not confirm(question, yes=yes):
        note("nothing was changed")
        return
    if repartition.abandon():
        note(f"generation {settings.generation} goes on as it stood: start its processes again")
    else:
        note("no move was begun; nothing was changed")


@contextmanager
def _bars() -> Iterator[Progress]:
    """One bar at a time, a new one for each thing that is being done."""
    with ExitStack() as shown:
        advance: Callable[[int], None] = lambda count: None  # noqa: E731 - until the first bar
        present, reached = "", 0

        def told(doing: str, done: int, of: int) -> None:
            nonlocal advance, present, reached
            if doing != present:
                shown.close()
                advance = shown.enter_context(progress_bar(doing, of))
                present, reached = doing, 0
            advance(done - reached)
            reached = done

        yield told
