"""Runs one server and ends it when its owner ends. Started as a script, standard library only.

    python guard.py OWNER_PID PID_FILE GRACE_SECONDS COMMAND...

Why a process of its own: a Java that outlives a SIGKILLed parent keeps its port, its memory and
its lock on the data. PR_SET_PDEATHSIG set by the parent itself would not do: it needs code between
fork and exec of a threaded process, and it fires when the *thread* that forked ends. The guard has
one thread, so it may use it for the case that the guard is killed.

SIGTERM: end the server within the grace period, SIGKILL after it. The exit code is the server's.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
OWNER_POLL_S = 0.5  # only where the kernel has no pidfd
ORPHAN_GRACE_S = 5.0
EXIT_OWNER_GONE = 75


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie (an unreaped zombie answers signal 0)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # no /proc on this system, or gone in this very moment: ask again next time
        return True
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _end_with_guard() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _owner_fd(owner_pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(owner_pid)
    except OSError:  # no such process, or a kernel before 5.3: is_alive tells them apart
        return None


def _publish_pid(pid_file: Path, pid: int) -> None:
    partial = pid_file.with_suffix(".partial")
    partial.write_text(f"{pid}\n")
    partial.replace(pid_file)


def _end(child: "subprocess.Popen[bytes]", grace_s: float) -> None:
    child.terminate()
    try:
        child.wait(grace_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def guard(owner_pid: int, pid_file: Path, grace_s: float, command: list[str]) -> int:
    """Run `command` until it ends, the owner ends or SIGTERM comes; returns the exit code."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    asked_to_end = False

    def on_end(_number: int, _frame: object) -> None:
        nonlocal asked_to_end
        asked_to_end = True

    signal.signal(signal.SIGTERM, on_end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only wakes the wait below
    owner_fd = _owner_fd(owner_pid)
    child = subprocess.Popen(command, preexec_fn=_end_with_guard)  # noqa: PLW1509  one thread
    _publish_pid(pid_file, child.pid)
    waited = [wake_read] if owner_fd is None else [wake_read, owner_fd]
    while child.poll() is None:
        if asked_to_end:
            _end(child, grace_s)
            break
        ready, _, _ = select.select(waited, [], [], OWNER_POLL_S if owner_fd is None else None)
        if owner_fd in ready or (owner_fd is None and not is_alive(owner_pid)):
            _end(child, min(grace_s, ORPHAN_GRACE_S))
            return EXIT_OWNER_GONE
        if wake_read in ready:
            os.read(wake_read, 4096)
    return child.returncode if child.returncode is not None else 1


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
