"""A process whose main loop hangs ends by itself, so that it can be started again."""

import subprocess
import sys

HANGING = """
import time
from streams.adapters.system_clock import SystemClock
from streams.health import Health
from streams.processes.watchdog import Watchdog
health = Health(SystemClock(), "decide", lambda: [], live_within_s={live_within_s})
Watchdog(health, check_every_s=0.02).start()
for _ in range(20):
    time.sleep(0.05)
    {beat}
"""


def run(*, beat: str, live_within_s: float) -> "subprocess.CompletedProcess[str]":
    script = HANGING.format(beat=beat, live_within_s=live_within_s)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )


def test_a_hanging_process_ends_with_a_reason() -> None:
    ended = run(beat="pass", live_within_s=0.2)
    assert ended.returncode == 1
    assert "the main loop has not gone on" in ended.stdout + ended.stderr


def test_a_process_that_goes_on_is_left_alone() -> None:
    assert run(beat="health.beat()", live_within_s=30).returncode == 0
