"""Segments that campaigns, policies and trees name: whether they exist."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

# Schemes with a file whose segments go from best to worst, and those whose segments are flags; maps
# say it themselves.
RANKED: Final = frozenset({"loyalty", "value", "frequency"})
FLAGS: Final = frozenset({"behaviour", "attributes"})


class KnownScheme(NamedTuple):
    """A scheme that could run: its segments, best to worst where `is_ranked`, and whether it runs."""

    segments: Sequence[str]
    is_ranked: bool
    is_flags: bool
    runs: bool


def unknown_segment(scheme: str, segment: str, segments: Mapping[str, Sequence[str]]) -> str | None:
    """What to say about a segment of a scheme that does not run; None if it is there."""
    if scheme not in segments:
        return f"no scheme {scheme!r} runs; there are {', '.join(segments)}"
    return _unknown_in(scheme, segment, segments[scheme])


def nonexistent_segment(scheme: str, segment: str, known: Mapping[str, KnownScheme]) -> str | None:
    """What to say about a segment that no scheme has, running or not; None if there is one."""
    if scheme not in known:
        return f"there is no scheme {scheme!r}; known are {', '.join(known)}"
    return _unknown_in(scheme, segment, known[scheme].segments)


def _unknown_in(scheme: str, segment: str, segments: Sequence[str]) -> str | None:
    if segment in segments:
        return None
    return f"scheme {scheme} has no segment {segment!r}; its segments are {', '.join(segments)}"
