"""A mapping file as text: reading the YAML, and errors that name file, line, field and remedy."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streams.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]

# What to write where a required field is missing.
_REMEDIES = {
    "currency": "write currency: EUR, or currency: {column: <name>} where a column names it",
    "source": "write source: <a name for this shop's file>, which makes the event ids stable",
    "time": "write time: {column: <name>, zone: <IANA zone>}",
    "zone": "write the zone of times without an offset, for example zone: Europe/London",
    "customer": "write customer: {column: <name>, missing: skip}",
    "missing": "write missing: skip to leave rows without customer out, or missing: send",
    "order": "write order: {id: <column>}",
    "id": "name the column, or for order ids write id: {computed: row}",
    "line": "write line: {sku: <column>, quantity: <column>, unit_price: <column>}",
    "cart": "write cart: {id: <column>, added: {column: <name>, op: eq, value: <text>}}",
}


@dataclass(frozen=True)
class MappingText:
    """The parsed file and the YAML nodes, which know their lines."""

    path: Path
    data: dict[str, Any]
    root: yaml.Node

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and parse. Raises UsageError for anything that is no YAML mapping."""
        try:
            text = path.read_text(encoding="utf-8-sig")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            data = yaml.safe_load(text)
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be read ({error.strerror}); check the path"
            ) from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{path}: is not UTF-8 text; save the mapping as UTF-8") from error
        except yaml.YAMLError as error:
            raise _syntax_error(path, error) from error
        if not isinstance(data, dict) or root is None:
            raise UsageError(f"{path}: is no mapping; it starts with kind: orders or kind: carts")
        loaded = cls(path, data, root)
        loaded._refuse_duplicate_keys(root, ())
        return loaded

    def validate(self, model: type[Model]) -> Model:
        """Check against the model. The first error (unknown fields first) becomes a UsageError."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            # A misspelt field is also a missing one; only its own line shows the slip.
            found = sorted(
                error.errors(),
                key=lambda one: (one["type"] != "extra_forbidden", self.line_of(one["loc"])),
            )
            first = found[0]
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise self.error(first["loc"], _say(first, model) + more) from error

    def error(self, location: Location, message: str) -> UsageError:
        """Return a UsageError that points at a field."""
        field = ".".join(str(part) for part in location)
        where = f"field {field} " if field else ""
        return UsageError(f"{self.path}, line {self.line_of(location)}: {where}{message}")

    def line_of(self, location: Location) -> int:
        """Return the line (from 1) of a field, or of the nearest field around it."""
        node, mark = self.root, self.root.start_mark
        for part in location:
            if isinstance(node, yaml.MappingNode):
                found = [(key, child) for key, child in node.value if key.value == part]
                if not found:
                    break
                key, node = found[0]
                mark = key.start_mark
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                mark = node.start_mark
        return mark.line + 1

    def _refuse_duplicate_keys(self, node: yaml.Node, location: Location) -> None:
        # PyYAML keeps the last of two equal keys without a word.
        if isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                self._refuse_duplicate_keys(child, (*location, index))
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, child in node.value:
                if key.value in seen:
                    field = ".".join(str(part) for part in (*location, key.value))
                    raise UsageError(
                        f"{self.path}, line {key.start_mark.line + 1}: field {field} stands twice; "
                        "remove one"
                    )
                seen.add(key.value)
                self._refuse_duplicate_keys(child, (*location, key.value))


def _syntax_error(path: Path, error: yaml.YAMLError) -> UsageError:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    return UsageError(f"{path}{where}: is no valid YAML ({problem}); mend the line")


def _say(error: ErrorDetails, model: type[BaseModel]) -> str:
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "missing":
        return f"is missing; {_REMEDIES.get(name, 'add it')}"
    if error["type"] == "extra_forbidden":
        known = _fields_at(model, error["loc"][:-1])
        close = difflib.get_close_matches(name, known, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        return f"is unknown; {meant}known here: {', '.join(sorted(known))}"
    if error["type"] == "value_error":
        return f"is wrong: {error['ctx']['error']}"
    if name == "code" and error["type"] == "string_pattern_mismatch":
        return "is no ISO 4217 code; write three capital letters like EUR"
    return f"is wrong: {error['msg']} (it is {error['input']!r})"


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the names of the fields that are known where `location` points."""
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = [] if field is None else _models_in(field.annotation)
        if not inner:
            break
        model = inner[0]
    return list(model.model_fields)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
