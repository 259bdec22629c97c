"""`rfm-streams demo` as a person starts it: what it shows, how it ends, that nothing stays behind."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import psutil
import pytest

# The promise is two minutes; the machine may be busy with other tests.
DEADLINE_S = 180.0
GONE_WITHIN_S = 60.0
SERVERS = {"Kafka", "Redis", "processors"}


class Demo:
    """A running demo and the lines that it has written so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.lines: list[str] = []
        self.family: dict[int, psutil.Process] = {}
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, *patterns: str) -> None:
        """Return once some line matches each pattern."""
        self._wait(lambda: all(self.find(pattern) for pattern in patterns), f"{patterns}")

    def wait_until_ended(self) -> int:
        """Give the exit code, once everything that was written has been read."""
        self._wait(lambda: self.process.poll() is not None, "the end")
        self._reader.join()
        return self.process.returncode

    def find(self, pattern: str) -> list[str]:
        """Give the lines that match."""
        return [line for line in self.lines if re.search(pattern, line)]

    def remember_family(self) -> set[str]:
        """Note every process below the demo; give the servers found among them."""
        found = set()
        for one in psutil.Process(self.process.pid).children(recursive=True):
            self.family[one.pid] = one
            text = " ".join(one.cmdline())
            found |= {"Kafka"} if "kafka.Kafka" in text and "java" in one.name() else set()
            found |= {"Redis"} if one.name() in {"redis-server", "valkey-server"} else set()
            found |= {"processors"} if "streams.processes.child" in text else set()
        return found

    def assert_nothing_left(self) -> None:
        """See that every process that was ever below the demo is gone, and its folder too."""
        _, alive = psutil.wait_procs(list(self.family.values()), timeout=GONE_WITHIN_S)
        assert alive == []
        assert list(self.folder.iterdir()) == []

    def _wait(self, is_true: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while not is_true():
            if time.monotonic() > deadline_s or (
                what != "the end" and self.process.poll() is not None
            ):
                pytest.fail(f"no {what}; the last lines are {self.lines[-20:]}")
            time.sleep(0.05)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder for temporary files, the demo's alone."""
    made = tmp_path / "tmp"
    made.mkdir()
    return made


@contextmanager
def running(folder: Path, *arguments: str, **variables: str) -> Iterator[Demo]:
    with subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "demo", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(folder, **variables),
    ) as process:
        try:
            yield Demo(process, folder)
        finally:
            if process.poll() is None:
                process.terminate()


def environment(folder: Path, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RFM_")}
    return {**kept, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", **variables}


@pytest.fixture
def no_broker(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give the variables of a person who never fetched the broker and whose mirror is down."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else's
        yield {
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "RFM_MAVEN_REPOSITORY": f"http://127.0.0.1:{taken.getsockname()[1]}",
        }


def test_customers_move_and_are_addressed_on_real_servers(folder: Path) -> None:
    with running(folder) as demo:
        demo.wait_for(r"^live from ")
        assert demo.remember_family() == SERVERS

        demo.wait_for(
            r" change \w+ .+ -> At Risk by clock$",
            r" change \w+ .+ -> .+ by order\.placed$",
            r"^first win_back_\w+ fired: ",
            r"^first cart_reminder fired: ",
            r"^live: .+ [1-9]\d* dead letters",
        )
        demo.remember_family()
        demo.process.send_signal(signal.SIGTERM)

        assert demo.wait_until_ended() == 0
    assert demo.find(r"^intake: http://127\.0\.0\.1:\d+/metrics http://\S+/health/ready$")
    assert demo.find(r"^decide: http://127\.0\.0\.1:\d+/metrics ")
    assert demo.find(r"^  .+ -> At Risk: \d+$")
    assert demo.find(r"^  win_back_\w+: \d+$")
    assert demo.find(r"^  cart_reminder: \d+$")
    demo.assert_nothing_left()


def test_without_a_broker_it_says_so_and_shows_the_same(
    folder: Path, no_broker: dict[str, str]
) -> None:
    with running(folder, **no_broker) as demo:
        demo.wait_for(
            r" change \w+ .+ -> At Risk by clock$",
            r" change \w+ .+ -> .+ by order\.placed$",
            r"^first win_back_\w+ fired: ",
            r"^first cart_reminder fired: ",
        )
        assert demo.remember_family() == set()
        demo.process.send_signal(signal.SIGINT)

        assert demo.wait_until_ended() == 0
    assert len(demo.find(r"could not fetch .+ on the memory backend")) == 1
    assert demo.find(r"^  cart_reminder: \d+$")
    demo.assert_nothing_left()


def test_it_ends_by_itself_after_the_seconds_asked_for(
    folder: Path, no_broker: dict[str, str]
) -> None:
    with running(folder, "--seconds", "2", **no_broker) as demo:
        assert demo.wait_until_ended() == 0
    assert demo.find(r"^segment changes: \d+$")
    demo.assert_nothing_left()


@pytest.mark.parametrize("line", ["starting an embedded", "starting intake"])
def test_ctrl_c_while_it_starts_leaves_nothing(folder: Path, line: str) -> None:
    with running(folder) as demo:
        demo.wait_for(line)
        demo.remember_family()
        demo.process.send_signal(signal.SIGINT)

        assert demo.wait_until_ended() == 0
    assert demo.find("nothing is left")
    demo.assert_nothing_left()


def test_killed_it_takes_its_servers_with_it(folder: Path) -> None:
    with running(folder) as demo:
        demo.wait_for("^loading history")
        assert demo.remember_family() == SERVERS
        demo.process.kill()

        assert demo.wait_until_ended() == -signal.SIGKILL
    _, alive = psutil.wait_procs(list(demo.family.values()), timeout=GONE_WITHIN_S)
    assert alive == []


def test_a_failure_is_one_line_that_says_what_to_do(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running(folder, RFM_METRICS_PORT=str(port)) as demo:
            demo.wait_for("starting intake")
            demo.remember_family()

            assert demo.wait_until_ended() == 1
    assert demo.lines[-1].startswith("rfm-streams: the demo's processors have ended. ")
    assert "RFM_METRICS_PORT" in demo.lines[-1]
    demo.assert_nothing_left()


def test_on_a_terminal_ctrl_c_ends_the_picture_and_sums_up(
    folder: Path, no_broker: dict[str, str]
) -> None:
    # given a terminal of 80 columns
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "demo"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(folder, TERM="xterm", COLUMNS="80", LINES="24", **no_broker),
        start_new_session=True,
    )
    os.close(theirs)
    # when Ctrl-C is pressed once actions are on the screen
    shown = b""
    pressed = False
    while chunk := _read(ours):
        shown += chunk
        if not pressed and re.search(rb"Marketing actions, [1-9]", shown):
            pressed = True
            process.send_signal(signal.SIGINT)
    os.close(ours)
    # then the terminal is as before, and the sums stand on it
    assert process.wait(DEADLINE_S) == 0
    assert pressed
    entered, left = shown.index(b"\x1b[?1049h"), shown.index(b"\x1b[?1049l")
    assert entered < left
    assert b"customers by segment" in shown[entered:left]
    assert b"segment changes: " in shown[left:]
    assert b"\x1b[?25h" in shown[left - 100 :], "the cursor is back"
    assert list(folder.iterdir()) == []


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so when the other end is closed
        return b""
