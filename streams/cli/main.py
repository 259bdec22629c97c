"""`rfm-streams`: the command line as a whole, its exit codes and its one line per error.

Exit codes: 0 done, 1 something did not answer (try again), 2 bad arguments, settings or files,
3 a broken invariant, 4 another process took over, 130 interrupted.
"""

import os
import signal
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    import typer

USAGE, INTERRUPTED = 2, 130


def main() -> None:
    """The program."""
    problem = foreign_package()
    if problem is not None:
        sys.stderr.write(f"rfm-streams: {problem}\n")
        sys.exit(USAGE)
    signal.signal(signal.SIGINT, _interrupt)
    sys.exit(run(sys.argv[1:]))


_interrupts: list[int] = []


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Remember it: where it comes in the middle of a client's call, that call's error hides it."""
    _interrupts.append(number)
    signal.default_int_handler(number, frame)


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code, errors are one line on stderr."""
    import typer

    command = typer.main.get_command(build_app())
    try:
        # No arguments at all: a person looks around.
        returned = command.main(
            arguments or ["--help"], prog_name="rfm-streams", standalone_mode=False
        )
    except Exception as error:  # noqa: BLE001 - the outermost place: said in one line, never hidden
        return _report(error)
    return returned if isinstance(returned, int) else 0


def build_app() -> "typer.Typer":
    """The app with every command. Each module of commands has a function `register(app)`."""
    import typer

    from streams.cli import (
        backtest,
        campaigns,
        check_settings,
        customers,
        dead_letters,
        demo,
        export,
        publish,
        redis_states,
        repartition,
        replay,
        rules,
        run,
        schemas_export,
        segments,
        status,
        thresholds,
        topics,
    )
    from streams.cli.context import Invocation

    app = typer.Typer(
        name="rfm-streams",
        help="Event-driven customer segmentation for web shops: orders, returns and carts in; RFM "
        "segments and marketing actions out, exactly once, on Apache Kafka and Redis.",
        no_args_is_help=False,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def options(
        ctx: typer.Context,
        config: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="Settings in TOML; environment variables RFM_* win over it.",
            ),
        ] = None,
        show_version: Annotated[
            bool,
            typer.Option(
                "--version",
                help="Print the version and end.",
                is_eager=True,
                callback=print_version,
            ),
        ] = False,
    ) -> None:
        # `--version` ended the program before, in its callback.
        del show_version
        ctx.obj = Invocation(config)

    # In the order in which a person meets the commands.
    for module in (
        demo,
        run,
        publish,
        replay,
        backtest,
        export,
        customers,
        segments,
        thresholds,
        campaigns,
        status,
        dead_letters,
        topics,
        rules,
        redis_states,
        repartition,
        schemas_export,
        check_settings,
    ):
        module.register(app)
    return app


def print_version(wanted: bool) -> None:
    """Print the version and end, where `--version` was given."""
    import typer

    if wanted:
        typer.echo(f"rfm-streams {installed_version()}")
        raise typer.Exit


def installed_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("rfm-streams")
    except PackageNotFoundError:
        return "(not installed)"


def foreign_package() -> str | None:
    """Say so where `schemas` is not ours: a foreign package of that name would win silently."""
    ours = Path(__file__).resolve().parent.parent.parent
    spec = find_spec("schemas")
    found = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
    if found == ours:
        return None
    return (
        f"the packages streams ({ours}) and schemas ({found or 'nowhere'}) must come from one "
        "folder: another installed package is called schemas, uninstall it or use a fresh virtual "
        "environment"
    )


def _report(error: Exception) -> int:
    if _is_debugging():
        traceback.print_exception(error)
    text, code = ("stopped", INTERRUPTED) if _interrupts else _explain(error)
    sys.stderr.write(f"rfm-streams: {' '.join(text.split())}\n")
    return code


def _is_debugging() -> bool:
    return os.environ.get("RFM_LOG_LEVEL", "").lower() == "debug"


def _explain(error: Exception) -> tuple[str, int]:
    """One line and the exit code."""
    import redis
    import typer
    from confluent_kafka import KafkaError, KafkaException

    from streams.errors import RfmError, Transient

    if isinstance(error, Transient):
        return _advised(str(error)), error.exit_code
    if isinstance(error, RfmError):
        return str(error), error.exit_code
    if isinstance(error, typer.TyperException):
        return _usage(error), error.exit_code
    if isinstance(error, typer.Abort):
        return "stopped, nothing was done", INTERRUPTED
    if isinstance(error, KafkaException):
        cause: KafkaError = error.args[0]
        wrong = (KafkaError._INVALID_ARG, KafkaError._UNKNOWN_PROTOCOL)  # noqa: SLF001 - public names
        if cause.code() in wrong:
            return f"Kafka client settings (RFM_KAFKA): {cause.str()}", USAGE
        return _advised(f"Kafka: {cause.str()}"), 1
    if isinstance(error, redis.RedisError):
        return _advised(f"Redis: {error}"), 1
    hint = "" if _is_debugging() else " (RFM_LOG_LEVEL=debug shows where)"
    return f"unexpected {type(error).__name__}: {error}{hint}", 1


def _usage(error: Exception) -> str:
    text = str(getattr(error, "message", error))
    formatted = getattr(error, "format_message", None)
    if formatted is not None:
        text = str(formatted()).replace("Value error, ", "")
    ctx = getattr(error, "ctx", None)
    return f"{text} See `{ctx.command_path} --help`" if ctx is not None else text


def _advised(text: str) -> str:
    """What to check, where the text does not say it."""
    if "RFM_" in text or "rfm-streams" in text:
        return text
    if "Redis" in text:
        return f"{text}: check that Redis runs, and RFM_REDIS_URL"
    return f"{text}: check that Kafka runs, and RFM_KAFKA_BOOTSTRAP_SERVERS"


if __name__ == "__main__":
    main()
