"""`rfm-streams run` as a real process, and what one asks it from outside."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import wait_until

START_S = 60.0
_ADDRESS = re.compile(r"^(intake|decide|deliver) (\S+): (http://\S+)/metrics$")


class Run:
    """One `rfm-streams run`; its output is read as it comes."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "run", *arguments],
            env={**os.environ, **environment},
            cwd=folder,  # no settings file or package of the project is found by chance
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=_read, args=(self.process.stdout, self.out)),
            threading.Thread(target=_read, args=(self.process.stderr, self.err)),
        ]
        for reader in self._readers:
            reader.start()

    def addresses(self) -> dict[str, str]:
        """The latest address of each worker, as `role name`."""
        found: dict[str, str] = {}
        for line in self.out:
            if (match := _ADDRESS.match(line)) is not None:
                found[f"{match[1]} {match[2]}"] = match[3]
        return found

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Log lines with this event."""
        return [line for line in map(json.loads, list(self.err)) if line["event"] == event]

    def wait_ready(self, *workers: str) -> None:
        """Until these workers say that they are ready."""

        def all_ready() -> bool:
            addresses = self.addresses()
            assert self.process.poll() is None, "\n".join(self.err)
            return all(
                worker in addresses and fetch(addresses[worker], "/health/ready")[0] == 200
                for worker in workers
            )

        wait_until(all_ready, START_S, f"{workers} are ready")

    def metric(self, worker: str, name: str, **labels: str) -> float:
        """Sum of a metric's series that have these labels."""
        _, text = fetch(self.addresses()[worker], "/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def children(self) -> list[psutil.Process]:
        """The worker processes."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 20.0) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float) -> int:
        """The exit code, once the process is gone and its output read."""
        code = self.process.wait(timeout_s)
        for reader in self._readers:
            reader.join(timeout_s)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


def _read(stream: Any, lines: list[str]) -> None:
    lines.extend(line.rstrip("\n") for line in stream)


@contextmanager
def running(arguments: Sequence[str], environment: dict[str, str], folder: Path) -> Iterator[Run]:
    """A run that is gone at the end, whatever the test did."""
    run = Run(arguments, environment, folder)
    try:
        yield run
    except BaseException:
        sys.stdout.write("\n".join(["", *run.out, *run.err[-40:], ""]))  # pytest shows it
        raise
    finally:
        if run.process.poll() is None:
            left = run.children()
            run.process.kill()
            for process in left:
                if process.is_running():
                    process.kill()
            run.wait(10)


def fetch(address: str, path: str) -> tuple[int, str]:
    """Status and body; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return 0, ""


def gone_within(processes: list[psutil.Process], seconds: float) -> bool:
    """Whether all of them end in time."""
    deadline = time.monotonic() + seconds
    while any(_is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
