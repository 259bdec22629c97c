"""Entry of a supervised worker: `python -P -m streams.processes.child`, its task on standard input.

Standard input stays open as long as the supervisor lives: its end is the end of this process too.
"""

import os
import pickle
import signal
import sys
import threading

import structlog

from streams.logs import configure_logging
from streams.processes.stop import Stop, exit_now
from streams.processes.worker import Worker, run_worker
from streams.settings import Settings


def main() -> None:
    """Run the worker that the supervisor describes."""
    task: tuple[Settings, Worker] = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our parent
    settings, worker = task
    configure_logging(settings, role=worker.role, instance=worker.instance(settings))
    stop = Stop(settings.shutdown_timeout_s)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    exit_now(run_worker(settings, worker, stop, prepare_first=False))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
    log.warning("the supervising process is gone, so this one ends")
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
