"""Asking again for a moment: a broker shows a new topic before it serves it."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from streams.errors import Transient

Answer = TypeVar("Answer")
PATIENCE_S: Final = 5.0
_AGAIN_S: Final = 0.1


def patiently(ask: Callable[[], Answer], longest_s: float = PATIENCE_S) -> Answer:
    """The answer; `Transient` where none comes within `longest_s`."""
    deadline_s = time.monotonic() + longest_s
    while True:
        try:
            return ask()
        except Transient:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_AGAIN_S)
