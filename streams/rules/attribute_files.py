"""The shop's own segments: from `schemes/attributes.yaml` to the journaled form."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from streams.core.schemes import attributes
from streams.core.schemes.scheme import FLAG_SEPARATOR
from streams.rules.asked_segments import unknown_segment
from streams.rules.rule_trees import read_tree, shop_of
from streams.rules.values import Strict
from streams.settings import Settings
from streams.yaml_file import Location, YamlFile


class AttributeSegment(Strict):
    name: Annotated[str, Field(min_length=1, max_length=attributes.MAX_NAME_CHARACTERS)]
    when: Any


class AttributesFile(Strict):
    """`schemes/attributes.yaml`."""

    segments: list[AttributeSegment]


def journaled_attributes(
    text: YamlFile, settings: Settings, segments: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """`attributes.yaml` as the core compiles it; `segments` are those of the schemes asked before.

    Raises `UsageError` with the line within the tree.
    """
    file = text.validate(AttributesFile)
    seen: set[str] = set()
    rows: list[dict[str, Any]] = []
    for index, segment in enumerate(file.segments):
        at = ("segments", index)
        if FLAG_SEPARATOR in segment.name:
            raise text.complaint(
                at, f"the name {segment.name!r} must not contain {FLAG_SEPARATOR!r}"
            )
        if segment.name in seen:
            raise text.complaint(at, f"the name {segment.name!r} is given twice")
        seen.add(segment.name)
        rows.append({"name": segment.name, "when": _tree(text, at, segment, settings, segments)})
    raw = {"kind": "attributes", "name": "attributes", "segments": rows}
    try:
        attributes.compile_scheme(raw, shop_of(settings))
    except ValueError as error:
        raise text.complaint(("segments",), str(error)) from error
    return raw


def _tree(
    text: YamlFile,
    at: Location,
    segment: AttributeSegment,
    settings: Settings,
    segments: Mapping[str, Sequence[str]],
) -> Any:
    inside, what = (*at, "when"), repr(segment.name)
    tree = read_tree(text, inside, what, segment.when, settings)
    for scheme, name in sorted(tree.asked):
        unknown = unknown_segment(scheme, name, segments)
        if unknown is not None:
            raise text.complaint(inside, f"{what}: {unknown}")
    return tree.journaled
