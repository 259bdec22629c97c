"""Intake as a role of the worker, once there is one."""
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from streams.settings import Settings


class _S(StrEnum):
    A = "a"
    B = "b"


ORDER = tuple(_S)


def build(settings: Settings, instance: str, observe: Any) -> tuple[Callable[[], int], Callable[[], None]]:
    raise NotImplementedError
