"""The shop's own segments: from `schemes/attributes.yaml` to the journaled form."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from schemas.currencies import MINOR_DIGITS
from streams.core.schemes import attributes
from streams.core.schemes.scheme import FLAG_SEPARATOR, Shop
from streams.core.tree import TreeError, compile_tree, journaled_tree
from streams.core.values import DAY_MS
from streams.rules.asked_segments import unknown_segment
from streams.rules.rule_text import Location, RuleText
from streams.rules.values import Strict
from streams.settings import Settings


class AttributeSegment(Strict):
    name: Annotated[str, Field(min_length=1, max_length=attributes.MAX_NAME_CHARACTERS)]
    when: Any


class AttributesFile(Strict):
    """`schemes/attributes.yaml`."""

    segments: list[AttributeSegment]


def journaled_attributes(
    text: RuleText, settings: Settings, segments: Mapping[str, Sequence[str]]
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
        attributes.compile_scheme(raw, _shop(settings))
    except ValueError as error:
        raise text.complaint(("segments",), str(error)) from error
    return raw


def _tree(
    text: RuleText,
    at: Location,
    segment: AttributeSegment,
    settings: Settings,
    segments: Mapping[str, Sequence[str]],
) -> Any:
    inside = (*at, "when")
    try:
        tree = journaled_tree(segment.when, MINOR_DIGITS[settings.base_currency])
        compiled = compile_tree(tree, window_ms=settings.window_days * DAY_MS)
        json.dumps(tree)
    except TreeError as error:
        raise text.complaint((*inside, *error.path), f"{segment.name!r}: {error}") from error
    except TypeError as error:
        # YAML reads 2000-01-31 as a date, which the journal could not give back.
        raise text.complaint(inside, f"{segment.name!r}: {error}; put it in quotes") from error
    for scheme, name in sorted(compiled.asked):
        unknown = unknown_segment(scheme, name, segments)
        if unknown is not None:
            raise text.complaint(inside, f"{segment.name!r}: {unknown}")
    return tree


def _shop(settings: Settings) -> Shop:
    return Shop(
        settings.window_days * DAY_MS,
        settings.population_minimum_customers,
        int(settings.population_minimum_history_days * DAY_MS),
        settings.count_zero_value_orders,
    )
