"""Log lines: to standard error, JSON or text, our own and those of the libraries in one form.

Nothing that names a customer is logged above debug, and never a setting: they hold passwords.
"""

import logging
import sys
from typing import Any

import stamina.instrumentation
import structlog
from stamina.instrumentation import RetryDetails
from structlog.typing import EventDict, Processor, WrappedLogger

from streams.settings import Settings

LIBRDKAFKA = "librdkafka"
# While a broker is away, clients say so several times a second, for ever.
REPEATED_AFTER_S = 30.0
_CHATTY = frozenset({LIBRDKAFKA, "aiokafka", "faust", "mode"})
# Kinds of lines name clients and addresses, which come and go.
KINDS_KEPT = 1_000
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logging(settings: Settings, **bound: str) -> None:
    """Set up logging of this process; `bound` (role, instance) stands in every line."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Binder(bound),
    ]
    as_text = settings.log_format == "text" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    level = _LEVELS[settings.log_level]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(as_text=as_text),
            ],
        )
    )
    handler.addFilter(_Repeated())
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    logging.getLogger("streams").setLevel(level)
    logging.getLogger(LIBRDKAFKA).setLevel(max(level, logging.INFO))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    # The default hooks log the arguments, among which are settings.
    stamina.instrumentation.set_on_retry_hooks([_log_retry])


def _rendering(*, as_text: bool) -> list[Processor]:
    if as_text:
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The default shows the variables of every frame, among which are passwords.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _log_retry(details: RetryDetails) -> None:
    """Name and cause only: arguments may hold what nobody should read."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
    log.warning(
        "trying again",
        what=details.name,
        attempt=details.retry_num,
        cause=str(details.caused_by),
        wait_s=round(details.wait_for, 1),
        waited_s=round(details.waited_so_far, 1),
    )


class _Binder:
    """Adds the process's own names to every line, whichever thread writes it."""

    def __init__(self, bound: dict[str, str]) -> None:
        self._bound = bound

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**self._bound, **event}


class _Repeated(logging.Filter):
    """Lets one kind of clients' lines through once per while, with the number held back."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written."""
        if record.name.partition(".")[0] not in _CHATTY:
            return True
        # "FAIL [rdkafka#consumer-2] [thrd:...]: ... (after 3ms in state CONNECT)": client and cause
        # tell kinds apart, without the time it took.
        text = record.getMessage()
        kind = text.split("(after", 1)[0][:200]
        said_s, held = self._said.get(kind, (0.0, 0))
        if said_s and record.created - said_s < REPEATED_AFTER_S:
            self._said[kind] = (said_s, held + 1)
            return False
        if len(self._said) >= KINDS_KEPT:
            self._said.clear()
        self._said[kind] = (record.created, 0)
        if held:
            record.msg, record.args = f"{text} (and {held} more like it)", ()
        return True


def librdkafka_settings() -> dict[str, Any]:
    """Client settings that send librdkafka's own lines here instead of to the terminal."""
    return {
        "logger": logging.getLogger(LIBRDKAFKA),
        # Brokers close idle connections; that is no news.
        "log.connection.close": False,
    }
