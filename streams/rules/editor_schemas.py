"""JSON Schemas of campaign files and `policy.yaml`, by which editors complete and check them.

`python -m streams.rules.editor_schemas` renews the committed files. What they cannot say, such as
whether a segment exists, `rfm-streams check-settings` does.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from streams.core.tree.comparisons import OPERATORS
from streams.core.tree.fields import ATTRIBUTE, FACTS
from streams.rules.campaign_models import CONDITION, CampaignFile
from streams.rules.policy_file import PolicyFile
from streams.rules.values import Span, Strict

FOLDER: Final = Path(__file__).parent / "schema"
_MODELS: Final[Mapping[str, type[Strict]]] = {"campaign": CampaignFile, "policy": PolicyFile}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_CONDITION_REF: Final = "#/$defs/Condition"
_SCALAR: Final = {"type": ["string", "number", "boolean"]}
_TEXTS: Final = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
# Keys under which names stand and not keywords.
_NAMED: Final = frozenset({"properties", "$defs"})
# Pydantic's titles repeat names; defaults are in the words, as files write them.
_NOISE: Final = frozenset({"title", "default"})


class _Bought(Strict):
    """Counting orders with a product."""

    category: str | None = None
    sku: str | None = None
    within: Span | None = None
    at_least: int | None = None
    at_least_units: float | None = None


class _Segment(Strict):
    """Whether the customer is in one of these segments, or has one of these flags."""

    scheme: str
    names: list[str]


def render() -> dict[str, str]:
    """The text of each schema by its file name; the same models, the same text."""
    return {
        f"{name}.json": json.dumps(_schema(model), indent=2, ensure_ascii=False) + "\n"
        for name, model in _MODELS.items()
    }


def _schema(model: type[Strict]) -> dict[str, Any]:
    raw = model.model_json_schema()
    schema = {"$schema": _DIALECT, **_plain(raw)}
    if _CONDITION_REF in json.dumps(schema):
        schema["$defs"]["Condition"] = _condition()
    return schema


def _plain(raw: Any) -> Any:
    if isinstance(raw, list):
        return [_plain(one) for one in raw]
    if not isinstance(raw, dict):
        return raw
    if CONDITION.items() <= raw.items():
        return {"description": raw["description"], "$ref": _CONDITION_REF}
    plain: dict[str, Any] = {}
    for key, value in raw.items():
        if key in _NAMED:
            plain[key] = {name: _plain(one) for name, one in value.items()}
        elif key not in _NOISE:
            plain[key] = _plain(value)
    return _without_null(plain)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A field that may be left out need not be written as null."""
    several = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(several) == 1:
        return {**several[0], **{key: one for key, one in schema.items() if key != "anyOf"}}
    return {**schema, "anyOf": several} if several else schema


def _condition() -> dict[str, Any]:
    """A rule tree: all, any, not, segment, bought, or a field with one operator."""
    below = {"$ref": _CONDITION_REF}
    several = {"type": "array", "minItems": 1, "items": below}
    asked = _plain(_Segment.model_json_schema())
    asked["properties"]["in"] = {**asked["properties"].pop("names"), "minItems": 1}
    asked["required"] = ["scheme", "in"]
    leaves = {
        "all": several,
        "any": several,
        "not": below,
        "segment": asked,
        "bought": _plain(_Bought.model_json_schema()),
    }
    return {
        "description": "A condition: docs/campaigns.md, and schemes/attributes.yaml for examples.",
        "oneOf": [*(_only({name: one}, name) for name, one in leaves.items()), _comparison()],
    }


def _comparison() -> dict[str, Any]:
    operands: dict[str, Any] = {
        "in": {"type": "array", "minItems": 1, "items": _SCALAR},
        "between": {"type": "array", "minItems": 2, "maxItems": 2, "items": _SCALAR},
        "contains": _TEXTS,
        "starts_with": _TEXTS,
        "exists": {"type": "boolean"},
        "within": _plain(_Bought.model_json_schema())["properties"]["within"],
    }
    field = {"anyOf": [{"enum": sorted(FACTS)}, {"pattern": f"^{ATTRIBUTE.replace('.', '[.]')}."}]}
    names = {"field": {"type": "string", **field}}
    names |= {name: operands.get(name, _SCALAR) for name in OPERATORS}
    return {**_only(names, "field"), "minProperties": 2, "maxProperties": 2}


def _only(properties: Mapping[str, Any], required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [required],
        "additionalProperties": False,
    }


def main() -> int:
    """Renew the committed files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in render().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name} renewed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
