"""What several workers of one run need and is dear to make: made by the first, read by the others."""

import pickle
from collections.abc import Callable
from typing import TypeVar, cast

from tests.servers import locked, run_dir

Made = TypeVar("Made")


def once(name: str, make: Callable[[], Made]) -> Made:
    """What `make` gives, made once in this run under this name."""
    path = run_dir() / f"{name}.pickle"
    with locked(run_dir() / f"{name}.making"):
        if not path.exists():
            path.write_bytes(pickle.dumps(make()))
        # Also for who made it: nobody changes what others get.
        return cast("Made", pickle.loads(path.read_bytes()))  # noqa: S301 - written above
