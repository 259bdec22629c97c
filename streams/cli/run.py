"""`rfm-streams run`: the processors."""

from enum import StrEnum
from typing import Annotated

import structlog
import typer

from streams.adapters.system_clock import SystemClock
from streams.cli.context import settings_of
from streams.cli.help_text import described
from streams.deliver.installed import require_installed
from streams.errors import RfmError
from streams.logs import configure_logging
from streams.processes.startup import prepare
from streams.processes.stop import Stop, exit_now
from streams.processes.supervisor import GRACE_S, Supervisor, plan_workers
from streams.processes.worker import Role, Worker, run_worker, with_logged_clients
from streams.rules.files import rules_text
from streams.settings import Settings, ignored_variables

_HELP = described(
    "Run the processors until SIGTERM or Ctrl-C: intake, decide, deliver, or several. Without a name "
    "intake and decide: nothing leaves the building unless deliver is named. Missing topics are "
    "created and the first rules journaled. Several workers are processes of their own, started "
    "again when they die. Metrics and health are served per process; the addresses are printed.",
    "run",
    "run decide --workers 2",
    "run intake",
    "run intake decide deliver",
)


class RoleName(StrEnum):
    """What a process does."""

    INTAKE = "intake"
    DECIDE = "decide"
    DELIVER = "deliver"


_DEFAULT = (RoleName.INTAKE, RoleName.DECIDE)


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(help=_HELP)
    def run(
        ctx: typer.Context,
        roles: Annotated[
            list[RoleName] | None,
            typer.Argument(
                metavar="[intake] [decide] [deliver]", help="Default: intake and decide."
            ),
        ] = None,
        workers: Annotated[int, typer.Option(min=1, max=256, help="Processes of decide.")] = 1,
        intake_workers: Annotated[
            int,
            typer.Option(min=1, max=256, help="Processes of intake; one under RFM_CLOCK=event."),
        ] = 1,
        deliver_workers: Annotated[
            int, typer.Option(min=1, max=256, help="Processes of deliver.")
        ] = 1,
    ) -> None:
        settings = settings_of(ctx)
        named: list[Role] = [role.value for role in roles or _DEFAULT]
        if "deliver" in named:
            _check_delivery(settings)
        planned = plan_workers(settings, named, workers, intake_workers, deliver_workers)
        # What can be wrong in files is said before anything starts.
        rules_text(settings)
        if len(planned) == 1:
            _run_here(settings, planned[0])
        else:
            _supervise(settings, planned)


def _check_delivery(settings: Settings) -> None:
    require_installed()
    from streams.deliver.transports import build_channels

    build_channels(settings, SystemClock())


def _run_here(settings: Settings, worker: Worker) -> None:
    configure_logging(settings, role=worker.role, instance=worker.instance(settings))
    _warn_of_variables()
    stop = Stop(settings.shutdown_timeout_s)
    exit_now(run_worker(settings, worker, stop, prepare_first=True))


def _supervise(settings: Settings, workers: list[Worker]) -> None:
    configure_logging(settings, role="supervisor", instance=settings.instance)
    _warn_of_variables()
    # Behind the workers' own deadline and the supervisor's patience with them.
    stop = Stop(settings.shutdown_timeout_s + 2 * GRACE_S)
    try:
        prepare(with_logged_clients(settings), {worker.role for worker in workers})
        code = Supervisor(settings, workers).run(stop)
    except RfmError as error:
        typer.echo(f"rfm-streams: {' '.join(str(error).split())}", err=True)
        code = error.exit_code
    exit_now(code)


def _warn_of_variables() -> None:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
    for name, meant in ignored_variables().items():
        log.warning(
            "an environment variable is no setting and is ignored", variable=name, meant=meant
        )
