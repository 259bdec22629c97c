"""One worker: a processor with its metrics, health and main loop, in this very process."""

import sys
from dataclasses import dataclass, field
from typing import Literal

import structlog
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)

from streams.adapters.kafka.members import GroupMembers
from streams.adapters.system_clock import SystemClock
from streams.bootstrap import check_access, names_of
from streams.decide.process import DecideProcess
from streams.errors import BrokenInvariant, Denied, Fenced, RfmError, Transient
from streams.health import Health, HealthServer
from streams.intake.process import IntakeProcess
from streams.logs import librdkafka_settings
from streams.processes.garbage import GarbageCollection
from streams.processes.processor import Processor
from streams.processes.startup import check_kafka, check_redis, prepare, retry_while_absent
from streams.processes.stop import Stop
from streams.processes.surroundings import Surroundings
from streams.processes.watchdog import Watchdog
from streams.settings import Settings

Role = Literal["intake", "decide", "deliver"]
ROLES: tuple[Role, ...] = ("intake", "decide", "deliver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process of a run. `number` counts within the role, `place` within the whole run."""

    role: Role
    number: int
    place: int
    restarts: dict[str, int] = field(default_factory=dict)

    def instance(self, settings: Settings) -> str:
        """Its name among all processes of its role, the same after every restart."""
        return f"{settings.instance}-{self.number}"


def run_worker(settings: Settings, worker: Worker, stop: Stop, *, prepare_first: bool) -> int:
    """Run until told to stop; returns the exit code. Errors become one log line."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
    settings = with_logged_clients(settings)
    registry = CollectorRegistry()
    try:
        processor = _build(settings, worker, registry)
    except RfmError as error:
        return _report(error)
    code = 0
    try:
        health = _serve(settings, worker, processor, registry)
        _watch_surroundings(settings, processor, health)
        if prepare_first:
            prepare(settings, [worker.role])
        watchdog = Watchdog(health)
        watchdog.start()
        _run_processor(processor, stop, health)
        watchdog.stop()
    except Exception as error:  # noqa: BLE001 - the outermost place of a process: said, then ended
        code = _report(_explained(settings, worker.role, error))
    _close(processor, stop, code)
    if code == 0:
        log.info("stopped")
    return code


def _report(error: Exception) -> int:
    """Log an error in one line, with its traceback only where nobody expected it; the exit code."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
    if not isinstance(error, RfmError):
        log.error("unexpected error, the process ends", exc_info=error)
        return RfmError.exit_code
    if isinstance(error, Fenced):
        said = "fenced: another process took over, this one ends"
    elif isinstance(error, BrokenInvariant):
        said = "stopped: going on could lose or double a decision"
    else:
        said = "cannot run"
    log.error(said, cause=str(error))
    return error.exit_code


def _explained(settings: Settings, role: Role, error: Exception) -> Exception:
    """An error of the client, which often names no topic, with all that the login lacks."""
    if not isinstance(error, Denied):
        return error
    try:
        check_access(_quiet(settings), [role])
    except Denied as lacking:
        return lacking if str(lacking) == str(error) else Denied(f"{error}. {lacking}")
    except RfmError:
        pass  # what was said first is said
    return error


def _serve(
    settings: Settings, worker: Worker, processor: Processor, registry: CollectorRegistry
) -> Health:
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    quiet = _quiet(settings)
    health = Health(
        SystemClock(),
        worker.role,
        processor.reasons,
        {"kafka": lambda: check_kafka(quiet), "redis": lambda: check_redis(settings)},
    )
    port = settings.metrics_port + worker.place if settings.metrics_port else 0
    server = HealthServer(settings.metrics_host, port, registry, health)
    sys.stdout.write(f"{worker.role} {worker.instance(settings)}: {server.url}/metrics\n")
    sys.stdout.flush()
    return health


def _quiet(settings: Settings) -> Settings:
    """Settings of clients that only ask: what they say, the answer says as well."""
    return settings.model_copy(update={"kafka": {**settings.kafka, "log_level": "0"}})


def _watch_surroundings(settings: Settings, processor: Processor, health: Health) -> None:
    names = names_of(settings)
    groups: dict[str, str] = {role: names.group(role) for role in ROLES}
    # Whoever reads the actions with a program of their own has no deliverer that could be missed.
    members = GroupMembers(_quiet(settings).kafka_config(), groups, optional=("deliver",))
    Surroundings(health, processor.metrics, members.count).start()


def with_logged_clients(settings: Settings) -> Settings:
    """The same settings, under which librdkafka's own lines go to our log."""
    return settings.model_copy(update={"kafka": {**librdkafka_settings(), **settings.kafka}})


def _build(settings: Settings, worker: Worker, registry: CollectorRegistry) -> Processor:
    instance = worker.instance(settings)
    if worker.role == "decide":
        decide = DecideProcess(settings, instance, registry)
        decide.metrics.restarted(worker.restarts)
        return decide
    if worker.role == "deliver":
        # What it needs is an extra: the other roles run without.
        from streams.deliver.process import DeliverProcess

        deliver = DeliverProcess(settings, instance, registry)
        deliver.metrics.restarted(worker.restarts)
        return deliver
    intake = IntakeProcess(settings, instance, registry)
    intake.metrics.restarted(worker.restarts)
    return intake


def _run_processor(processor: Processor, stop: Stop, health: Health) -> None:
    """Open, run, close; all over again when Kafka stays away longer than a cycle waits."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
    garbage = GarbageCollection(SystemClock())

    def attempt() -> None:
        health.beat()
        processor.open()

    while True:
        retry_while_absent(attempt)
        stop.begin()
        log.info("running")
        try:
            while not stop.requested:
                health.beat()
                garbage.after_cycle(processor.run_once())
                processor.refresh()
        except Transient as error:
            log.warning("connecting anew", cause=str(error))
            _close(processor, stop, Transient.exit_code)
        else:
            return


def _close(processor: Processor, stop: Stop, exit_code: int) -> None:
    """Close within the bound: a client's close can hang, and then the process ends the hard way."""
    if not stop.requested:
        stop.arm(exit_code)
    try:
        processor.close()
    except Exception as error:  # noqa: BLE001 - it ends here, and nothing depends on the rest
        log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
        log.warning("closing failed, which is safe", cause=str(error))
    if not stop.requested:
        stop.disarm()
