"""Segments that campaigns and trees name: whether they exist under the schemes that run."""

from collections.abc import Mapping, Sequence


def unknown_segment(scheme: str, segment: str, segments: Mapping[str, Sequence[str]]) -> str | None:
    """What to say about a segment of a scheme that is not there; None if it is."""
    if scheme not in segments:
        return f"no scheme {scheme!r} runs; there are {', '.join(segments)}"
    known = segments[scheme]
    if segment in known:
        return None
    return f"scheme {scheme} has no segment {segment!r}; its segments are {', '.join(known)}"
