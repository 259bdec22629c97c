"""Whether the extra `deliver` is installed; imports nothing of it."""

import sys
from importlib.util import find_spec
from typing import Final

from streams.errors import UsageError

# Import names of what the extra brings. cramjam reads what decide compresses.
_MODULES: Final = (
    "faust",
    "aiolimiter",
    "aiosmtplib",
    "circuitbreaker",
    "cramjam",
    "httpx",
    "jinja2",
    "tenacity",
)


def require_installed() -> None:
    """Raise `UsageError` where it is not."""
    missing = [name for name in _MODULES if not _is_there(name)]
    if missing:
        raise UsageError(
            f"run deliver: the extra `deliver` is not installed (no {', '.join(missing)}): "
            "pip install '.[deliver]' where the project is"
        )


def _is_there(name: str) -> bool:
    return name in sys.modules or find_spec(name) is not None
