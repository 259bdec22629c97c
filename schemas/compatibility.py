"""Whether one JSON Schema may replace another under the same version of a contract.

Inbound, every message a shop sends today must pass tomorrow, and no field may lose its meaning: the
new schema must not be narrower. Outbound, every message subscribers get tomorrow must be one that
they could get today: the new schema must not be wider, and no field may go.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

Direction = Literal["inbound", "outbound"]
Schema = Mapping[str, Any]

_LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT: Final = ("pattern", "format")


def breaking_changes(old: Schema, new: Schema, direction: Direction) -> list[str]:
    """Name what breaks when `new` takes the place of `old`; an empty list: nothing."""
    before, after = inline_references(old), inline_references(new)
    changes = [f"{path}: field removed" for path in _removed(before, after, "")]
    if direction == "inbound":
        changes += _narrowings(before, after, "")
    else:
        changes += [f"{change} (seen from today)" for change in _narrowings(after, before, "")]
    return changes


def inline_references(schema: Schema) -> dict[str, Any]:
    """Put definitions in the place of references; contracts are never recursive."""
    resolved: dict[str, Any] = _resolve(schema, schema)
    return resolved


def _resolve(schema: Any, root: Schema) -> Any:
    if isinstance(schema, list):
        return [_resolve(part, root) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        beside = {key: part for key, part in schema.items() if key != "$ref"}
        return _resolve({**root["$defs"][name], **beside}, root)
    return {key: _resolve(part, root) for key, part in schema.items() if key != "$defs"}


def _removed(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for name, field in old.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        if name not in new.get("properties", {}):
            yield here
        else:
            yield from _removed(field, new["properties"][name], here)
    if "items" in old and "items" in new:
        yield from _removed(old["items"], new["items"], f"{path}[]")
    before, after = old.get("additionalProperties"), new.get("additionalProperties")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _removed(before, after, f"{path}.*")
    for kind, branch in _objects(old).items():
        if kind in _objects(new):
            yield from _removed(branch, _objects(new)[kind], path)


def _objects(schema: Schema) -> dict[str, Schema]:
    """Alternatives that have an inside, by their JSON type."""
    return {
        branch["type"]: branch
        for branch in schema.get("anyOf", ())
        if branch.get("type") in ("object", "array")
    }


def _narrowings(wide: Schema, narrow: Schema, path: str) -> list[str]:
    """Where a value that `wide` takes may be refused by `narrow`."""
    alternatives = _alternatives(narrow)
    changes: list[str] = []
    for branch in _alternatives(wide):
        problems = [_branch_narrowings(branch, other, path) for other in alternatives]
        # The closest alternative tells best what is wrong.
        closest: list[str] = min(problems, key=len)
        changes += dict.fromkeys(closest)
    return changes


def _alternatives(schema: Schema) -> list[Schema]:
    alternatives: list[Schema] = []
    for branch in schema.get("anyOf", [schema]):
        kinds = branch.get("type")
        if isinstance(kinds, list):
            alternatives += [{**branch, "type": kind} for kind in kinds]
        else:
            alternatives.append(branch)
    return alternatives


def _branch_narrowings(wide: Schema, narrow: Schema, path: str) -> list[str]:
    here = path or "the message"
    before, after = wide.get("type"), narrow.get("type")
    if after not in (None, before) and (before, after) != ("integer", "number"):
        # Twice, so that any alternative of the same type counts as closer; said once.
        return [f"{here}: type {before or 'any'} narrowed to {after}"] * 2
    changes = [f"{here}: {problem}" for problem in _value_narrowings(wide, narrow)]
    required = set(narrow.get("required", ())) - set(wide.get("required", ()))
    changes += [f"{path}.{name}".lstrip(".") + ": newly required" for name in sorted(required)]
    for name, field in narrow.get("properties", {}).items():
        inside = f"{path}.{name}".lstrip(".")
        known = wide.get("properties", {}).get(name)
        if known is not None:
            changes += _narrowings(known, field, inside)
    if "items" in narrow:
        changes += _narrowings(wide.get("items", {}), narrow["items"], f"{path}[]")
    changes += _extra_narrowings(wide, narrow, path)
    return changes


def _value_narrowings(wide: Schema, narrow: Schema) -> Iterator[str]:
    allowed, before = _values(narrow), _values(wide)
    if allowed is not None:
        gone = "other values" if before is None else sorted(map(str, set(before) - set(allowed)))
        if gone:
            yield f"no longer takes {gone}"
    for bound in _LOWER_BOUNDS:
        if bound in narrow and (bound not in wide or narrow[bound] > wide[bound]):
            yield f"{bound} raised to {narrow[bound]}"
    for bound in _UPPER_BOUNDS:
        if bound in narrow and (bound not in wide or narrow[bound] < wide[bound]):
            yield f"{bound} lowered to {narrow[bound]}"
    for rule in _EXACT:
        if rule in narrow and narrow[rule] != wide.get(rule):
            yield f"{rule} changed to {narrow[rule]}"


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _extra_narrowings(wide: Schema, narrow: Schema, path: str) -> list[str]:
    before, after = wide.get("additionalProperties", True), narrow.get("additionalProperties", True)
    if isinstance(after, Mapping):
        return _narrowings(before if isinstance(before, Mapping) else {}, after, f"{path}.*")
    if after is False and before is not False:
        return [f"{path or 'the message'}: other fields no longer allowed"]
    return []
