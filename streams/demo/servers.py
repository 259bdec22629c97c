"""The demo's own servers: an embedded Kafka and Redis on a temporary folder, gone when it ends."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streams.adapters.embedded import EmbeddedKafka, EmbeddedRedis
from streams.errors import Transient

_ANCHOR: Final = "import sys; sys.stdin.read()"
# A guard gives its server 5 s once the anchor is gone, and kills it then.
_GONE_WITHIN_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.05


class DemoServers:
    """A folder, and the servers in it. Leave the `with` block to end and remove everything.

    Everything that is started here belongs to the *anchor*, a process that lives as long as its
    input is open: so whatever was on its way when the demo was interrupted, or killed, ends too.
    """

    def __init__(self) -> None:
        self._cleanup = ExitStack()
        self._running: list[tuple[str, EmbeddedKafka | EmbeddedRedis]] = []
        self.folder = Path(tempfile.mkdtemp(prefix="rfm-demo-"))
        self._cleanup.callback(self._remove)
        self._anchor = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _ANCHOR],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the demo, which ends things in its own order
        )

    @property
    def owner_pid(self) -> int:
        """The process with which everything of the demo ends."""
        return self._anchor.pid

    def start_kafka(self) -> EmbeddedKafka:
        """Start the broker; errors as of `EmbeddedKafka.start`."""
        kafka = EmbeddedKafka.start(self.folder / "kafka", owner_pid=self.owner_pid)
        # Its data goes with the folder, so there is nothing to wait for.
        self.at_end(kafka.kill)
        self._running.append(("Apache Kafka", kafka))
        return kafka

    def start_redis(self) -> EmbeddedRedis:
        """Start the server; errors as of `EmbeddedRedis.start`."""
        redis = EmbeddedRedis.start(
            self.folder / "redis", appendonly=False, owner_pid=self.owner_pid
        )
        self.at_end(redis.kill)
        self._running.append(("Redis", redis))
        return redis

    def check(self) -> None:
        """Raise `Transient` where a server has ended by itself."""
        for name, server in self._running:
            if not server.is_running:
                raise Transient(f"the demo's {name} has ended by itself: start the demo again")

    def at_end(self, end: Callable[[], None]) -> None:
        """Call `end` at the end, before what was named earlier."""
        self._cleanup.callback(end)

    def close(self) -> None:
        """End everything, last started first, and remove the folder."""
        self._cleanup.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _remove(self) -> None:
        self._anchor.communicate()
        deadline_s = time.monotonic() + _GONE_WITHIN_S
        for lock in self.folder.glob("*/*.lock"):  # held by a server's guard until it is gone
            _wait_for(lock, deadline_s)
        shutil.rmtree(self.folder)


def _wait_for(lock: Path, deadline_s: float) -> None:
    descriptor = os.open(lock, os.O_RDWR)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise Transient(
                        f"a server of the demo does not end: see the processes that use "
                        f"{lock.parent}, end them and remove {lock.parent.parent}"
                    ) from None
                time.sleep(_LOOK_EVERY_S)
            else:
                return
    finally:
        os.close(descriptor)
