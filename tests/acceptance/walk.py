"""Do what docs/getting-started.md says, for real: its shell blocks, one after the other, in one shell.

`make walk` runs it, under a project name and host ports of its own. It fails where a block fails or
does not end, where the signed webhook does not arrive once, and where the receiver takes a forged one.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from tests.acceptance.compose_project import (
    CheckFailedError,
    Compose,
    console,
    say,
    step,
    wait_until,
)
from tests.contract.documents import ROOT, blocks, read_page

PAGE = "docs/getting-started.md"
# The image, where nothing of it is cached; everything else is a matter of seconds.
IMAGE_TIMEOUT_S = 1_200
BLOCK_TIMEOUT_S = 180
REPORT_TIMEOUT_S = 30
_LINE = re.compile(r"signature ok: order_thanks, step thanks, to C-1001 .* key (\S+)")
_FORGED = """
import urllib.error, urllib.request
request = urllib.request.Request(
    "http://127.0.0.1:8088/actions", data=b"{}", method="POST",
    headers={"webhook-id": "x", "webhook-timestamp": str(__import__("time").time_ns() // 10**9),
             "webhook-signature": "v1,AAAA", "Idempotency-Key": "x"},
)
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def main() -> int:
    """Walk; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the containers running")
    arguments = parser.parse_args()
    compose = Compose("trial")
    say(f"project {compose.project}")
    try:
        walk(compose, blocks(read_page(PAGE), "sh"), keep=arguments.keep)
    except CheckFailedError as failure:
        console.print(f"[red]FAILED[/red] {failure}", soft_wrap=True)
        logs = compose.run("logs", "--no-color", "--tail", "30")
        console.print(logs, markup=False, highlight=False, soft_wrap=True)
        return 1
    finally:
        if not arguments.keep:
            compose.run("down", "-v", "--remove-orphans", "-t", "10")
    say("[green]passed[/green]")
    return 0


def walk(compose: Compose, found: Sequence[str], *, keep: bool) -> None:
    """All blocks; before the last, which ends everything, what must have come is looked at."""
    *shown, last = found
    if "down -v" not in last:
        raise CheckFailedError(f"{PAGE}: the last shell block should end everything, not: {last}")
    shell = Shell(compose.person())
    try:
        for number, block in enumerate(shown, 1):
            with step(f"block {number} of {len(found)}: {block.splitlines()[0]} ..."):
                shell.run(block)
        check_webhook(compose)
        if not keep:
            with step("the last block"):
                shell.run(last)
            if left := compose.run("ps", "-q"):
                raise CheckFailedError(f"containers are left over: {left}")
    finally:
        shell.end()


def check_webhook(compose: Compose) -> None:
    """One signed webhook was taken, its outcome came back, and a forged one is refused."""
    lines = compose.run("logs", "--no-color", "receiver")
    keys = _LINE.findall(lines)
    if len(keys) != 1 or "refused" in lines:
        raise CheckFailedError(f"one signed webhook should have arrived, not: {lines}")
    say(f"a signed webhook arrived, key {keys[0]}")
    status = compose.run("exec", "-T", "receiver", "python", "-c", _FORGED)
    if status != "401":
        raise CheckFailedError(f"the receiver answered {status} to a forged signature, not 401")
    wait_until(
        lambda: _is_told(compose.rfm_streams("explain", "C-1001", "--json"), keys[0]),
        REPORT_TIMEOUT_S,
        f"`explain` tells of action {keys[0]} and of what became of it",
    )
    left = json.loads(compose.rfm_streams("status", "--json"))
    if left["dead_letters"]:
        raise CheckFailedError(f"{left['dead_letters']} dead letters")


def _is_told(story: str, key: str) -> bool:
    return key in story and "delivery.reported" in story


class Shell:
    """One bash, as a person has one: what a block exports, the next one knows."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["/bin/bash", "--norc"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, block: str) -> None:
        """Run a block; raises CheckFailedError where a command fails, or where it does not end."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        done = f"block-done-{time.monotonic_ns()}"
        # A block is read as a whole, so no command can read the next one as its input; and it is
        # not a child, so that what it exports stays.
        process.stdin.write(f"set -e -o pipefail\n{{\n{block}\n}} </dev/null\necho {done}\n")
        process.stdin.flush()
        deadline = _Deadline(
            process.pid, IMAGE_TIMEOUT_S if "make image" in block else BLOCK_TIMEOUT_S
        )
        said: list[str] = []
        try:
            for line in process.stdout:
                if line.strip() == done:
                    return
                said.append(line)
        finally:
            deadline.cancel()
        raise CheckFailedError(
            f"this block failed, or did not end:\n{block}\n{''.join(said[-30:])}"
        )

    def end(self) -> None:
        """End it and whatever it started."""
        _kill_group(self._process.pid)
        self._process.communicate()


class _Deadline:
    """Ends a process group after a time, unless it is cancelled."""

    def __init__(self, pid: int, seconds: float) -> None:
        self._timer = threading.Timer(seconds, _kill_group, [pid])
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main())
