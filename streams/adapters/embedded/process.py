"""One server as a child process: started under a guard, logging to a file, ended for certain."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from streams.adapters.embedded import guard
from streams.errors import Transient, UsageError

LOG_LINES = 15
POLL_S = 0.05
PID_WAIT_S = 10
LOCK_WAIT_S = 20  # the guard of a killed owner needs up to 5 s to end its server


class ServerProcess:
    """A running server. Use `ServerProcess.start`, then `wait_until_ready`."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", files: "ServerFiles") -> None:
        self._name = name
        self._guard = process
        self._files = files

    @classmethod
    def start(
        cls,
        name: str,
        command: list[str],
        data_dir: Path,
        *,
        dropped_variables: tuple[str, ...] = (),
        owner_pid: int | None = None,
        grace_s: float = 15,
    ) -> "ServerProcess":
        """Start `command` under a guard that ends it when process `owner_pid` ends.

        The owner is this process unless given. Output goes to `<data_dir>/<name>.log`, the
        environment is ours without `dropped_variables`. The guard gives the server `grace_s` to
        end when it is told to.

        Raises UsageError where another server still uses `data_dir`.
        """
        files = ServerFiles(data_dir, name)
        lock = files.acquire_lock()
        files.pid.unlink(missing_ok=True)
        files.log_start = files.log.stat().st_size if files.log.exists() else 0
        guarded = [
            *[sys.executable, "-I", "-S", guard.__file__],
            *[str(owner_pid or os.getpid()), str(files.pid), str(grace_s)],
            *command,
        ]
        try:
            with files.log.open("ab") as log:
                process = subprocess.Popen(
                    guarded,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=data_dir,
                    env={k: v for k, v in os.environ.items() if k not in dropped_variables},
                    start_new_session=True,  # Ctrl-C reaches us only: we end it in our order
                    pass_fds=[lock],  # the guard holds the lock for as long as the server runs
                )
        finally:
            os.close(lock)
        return cls(name, process, files)

    def wait_until_ready(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Return once `is_ready` says so.

        Raises Transient with the last lines of its log when it ends first or the time is over; it
        is not left running then.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._guard.poll() is not None:
                self._fail(f"ended with code {self._guard.returncode} while starting")
            if is_ready():
                return
            time.sleep(POLL_S)
        self.kill()
        self._fail(f"did not answer within {timeout_s:g} s")

    def wait_until_ended(self, timeout_s: float) -> None:
        """Return once the program has ended well. Raises Transient otherwise."""
        try:
            code = self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._fail(f"did not end within {timeout_s:g} s")
        if code != 0:
            self._fail(f"ended with code {code}")

    @property
    def pid(self) -> int:
        """The server's own process id. Raises Transient where it has not started or has ended."""
        deadline = time.monotonic() + PID_WAIT_S
        while not self._files.pid.exists():
            if self._guard.poll() is not None or time.monotonic() > deadline:
                self._fail("has not started")
            time.sleep(0.005)
        if self._guard.poll() is not None:
            self._fail("is not running")
        return int(self._files.pid.read_text())

    @property
    def is_running(self) -> bool:
        """Whether the server has been started and has not ended."""
        return self._guard.poll() is None

    def stop(self, timeout_s: float = 30) -> None:
        """End the server in its own order; SIGKILL when it takes too long."""
        if self._guard.poll() is None:
            self._guard.terminate()
            try:
                self._guard.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL the server and wait until it is gone."""
        if self._guard.poll() is None:
            with contextlib.suppress(Transient, ProcessLookupError):  # it ended in this moment
                os.kill(self.pid, signal.SIGKILL)
            self._guard.wait(10)

    def _fail(self, what: str) -> NoReturn:
        message = (
            f"the embedded {self._name} {what}. Its last lines, from {self._files.log}:\n"
            f"{self._files.load_log_tail()}\n"
            "Start again; if it stays, use servers of your own through RFM_KAFKA_BOOTSTRAP_SERVERS "
            "and RFM_REDIS_URL, or the memory backend."
        )
        raise Transient(message)


class ServerFiles:
    """What stands beside a server's data: its log, its process id, its lock."""

    def __init__(self, data_dir: Path, name: str) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir = data_dir
        self.log = data_dir / f"{name}.log"
        self.pid = data_dir / f"{name}.pid"
        self.lock = data_dir / "server.lock"  # one for the folder, whatever runs in it
        self.log_start = 0

    def acquire_lock(self) -> int:
        """Return an open descriptor that holds the lock; wait for a server about to end."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(POLL_S)
                    continue
                os.close(descriptor)
                message = (
                    f"{self.data_dir} is in use by another server: stop it, or name another folder"
                )
                raise UsageError(message) from None
            return descriptor

    def load_log_tail(self) -> str:
        """Give the last lines that this start wrote."""
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])
