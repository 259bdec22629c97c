"""URLs of Redis as people write them. What is wrong with one is told without what stands in it."""

from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from redis.connection import parse_url

_UNREADABLE: Final = (
    "is no URL with a port that is a number: write redis://USER:PASSWORD@HOST:PORT/0, and in a password "
    "%2F for /, %3F for ?, %23 for #, %40 for @, %5B for [ and %5D for ]"
)
# Of redis-py's own complaints, those that quote nothing.
_HARMLESS: Final = ("Redis URL must specify", "Invalid value for")


def is_torn(parts: SplitResult) -> bool:
    """Whether a password may have ended the host early: then it stands somewhere in the other parts."""
    return "@" in f"{parts.path}{parts.query}{parts.fragment}"


def parse(url: str) -> dict[str, Any]:
    """What redis-py reads in the URL of one server; raises ValueError, which tells no password."""
    try:
        is_bad = _is_bad(urlsplit(url))
        options: dict[str, Any] = parse_url(url)
    except ValueError as error:
        said = str(error)
        raise ValueError(said if said.startswith(_HARMLESS) else _UNREADABLE) from None
    if is_bad:
        raise ValueError(_UNREADABLE)
    return options


def _is_bad(parts: SplitResult) -> bool:
    if parts.scheme not in ("redis", "rediss"):
        return False
    # Reading the port raises where it is no number. A `#` is never meant, and every option has a value.
    has_stray = (
        any("=" not in option for option in parts.query.split("&")) if parts.query else False
    )
    return parts.port == 0 or "@" in parts.path or bool(parts.fragment) or has_stray
