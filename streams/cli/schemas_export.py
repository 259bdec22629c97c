"""`schemas export`: the public contracts as JSON Schema and AsyncAPI."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.export import GENERATED, BreakingChangeError, differences, export
from streams.cli.help_text import described
from streams.cli.output import note
from streams.errors import UsageError

_HELP = described(
    "Write the contract of every message as JSON Schema (2020-12), and one AsyncAPI 3 document. "
    "Refuses to replace an export that the new one would break.",
    "schemas export contracts/",
    "schemas export --check",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The public contracts.", rich_markup_mode=None)
    group.command("export", help=_HELP)(_export)

    # A group of one command would lose the command's name otherwise.
    @group.callback()
    def contracts() -> None:
        pass

    app.add_typer(group, name="schemas", help="The public contracts.")


def _export(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to; the committed folder if unset.")
    ] = GENERATED,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where DIR is not up to date.")
    ] = False,
) -> None:
    if check:
        different = differences(folder)
        if different:
            raise UsageError(
                f"{folder} differs from the contracts in {', '.join(different)}: run "
                "`rfm-streams schemas export` and commit the result"
            )
        note(f"{folder} is up to date")
        return
    try:
        paths = export(folder)
    except BreakingChangeError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error
    note(f"{len(paths)} files written to {folder}")
