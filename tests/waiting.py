"""Waiting for something outside this process, with a bound and a clear failure."""

import time
from collections.abc import Callable

import pytest

POLL_S = 0.05


def wait_until(is_true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return once `is_true()`; fail the test with `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s:g} s in vain until {what}")
        time.sleep(POLL_S)
