"""A YAML file that people write: reading it, and errors that name file, line, field and remedy."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from streams.bounded_text import check_values, read_yaml
from streams.errors import UsageError
from streams.yaml_text import PlainLoader

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]
_NULL = "tag:yaml.org,2002:null"
_NO_REMEDIES: Mapping[str, str] = {}


@dataclass(frozen=True)
class YamlFile:
    """The parsed file and its YAML nodes, which know their lines."""

    path: Path
    data: dict[str, Any]
    root: yaml.Node

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and parse; raises `UsageError` for anything that is no YAML mapping."""
        try:
            loader = PlainLoader(read_yaml(path))
            root = loader.get_single_node()
            if root is not None:
                check_values(path, root)
            data = None if root is None else loader.construct_document(root)
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be read ({error.strerror}); check the path"
            ) from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
        except yaml.YAMLError as error:
            raise UsageError(_syntax(path, error)) from error
        if root is None:
            raise UsageError(f"{path}: is empty; fill or remove it")
        if not isinstance(data, dict):
            raise UsageError(f"{path}: is no mapping; write one field to a line, like name: value")
        slip = next((one for find in (_stand_twice, _are_empty) for one in find(root, ())), None)
        if slip is not None:
            field = ".".join(map(str, slip.location))
            raise UsageError(f"{path}, line {slip.line}: field {field} {slip.what}")
        return cls(path, data, root)

    def validate(self, model: type[Model], remedies: Mapping[str, str] = _NO_REMEDIES) -> Model:
        """Check against a model; its first error, unknown fields first, becomes a `UsageError`.

        `remedies` say by the name of a field what to write where it is missing.
        """
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            # A misspelt field is also a missing one; only its own line shows the slip.
            found = sorted(
                error.errors(),
                key=lambda one: (one["type"] != "extra_forbidden", self.line_of(one["loc"])),
            )
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            first = found[0]
            raise self.error(first["loc"], _say(first, model, remedies) + more) from error

    def error(self, location: Location, message: str) -> UsageError:
        """A `UsageError` that points at a field."""
        name = ".".join(str(part) for part in self._known(location))
        return self.complaint(location, f"field {name} {message}" if name else message)

    def complaint(self, location: Location, message: str) -> UsageError:
        """A `UsageError` about the line of a field, where the message says what it is about."""
        return UsageError(f"{self.path}, line {self.line_of(location)}: {message}")

    def line_of(self, location: Location) -> int:
        """The line (from 1) of a field, or of the nearest field around it."""
        node, line = self.root, int(self.root.start_mark.line)
        for part in location:
            found = _child(node, part)
            if found is None:
                break
            node, line = found
        return line + 1

    def _known(self, location: Location) -> Location:
        """A location without what pydantic adds, such as the branch of a union it tried."""
        last = len(location) - 1
        known: list[int | str] = []
        node: yaml.Node | None = self.root
        for index, part in enumerate(location):
            found = _child(node, part) if node is not None else None
            if found is not None:
                node = found[0]
            elif index < last or not str(part).isidentifier():
                continue
            known.append(part)
        return tuple(known)


def _child(node: yaml.Node, part: int | str) -> tuple[yaml.Node, int] | None:
    """The node under a key or an index, and the line on which that begins."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        child = node.value[part]
        return child, child.start_mark.line
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if key.value == str(part):
                return child, key.start_mark.line
    return None


class _Slip(NamedTuple):
    """What YAML takes without a word and nobody means."""

    location: Location
    line: int
    what: str


def _stand_twice(node: yaml.Node, location: Location) -> Iterator[_Slip]:
    # PyYAML keeps the last of two equal keys without a word.
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _stand_twice(child, (*location, index))
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            if key.value in seen:
                at = (*location, key.value)
                yield _Slip(at, key.start_mark.line + 1, "stands twice; remove one")
            seen.add(key.value)
            yield from _stand_twice(child, (*location, key.value))


def _are_empty(node: yaml.Node, location: Location) -> Iterator[_Slip]:
    # `when:` with nothing behind it would be no condition at all.
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _are_empty(child, (*location, index))
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield from _are_empty(child, (*location, key.value))
    elif node.tag == _NULL:
        yield _Slip(location, node.start_mark.line + 1, "is empty; fill or remove it")


def _syntax(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}" if mark else ""
    return f"{path}{where}: is no valid YAML ({getattr(error, 'problem', None) or error}); mend the line"


def _say(error: ErrorDetails, model: type[BaseModel], remedies: Mapping[str, str]) -> str:
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "missing":
        return f"is missing; {remedies[name]}" if name in remedies else "is missing"
    if error["type"] == "extra_forbidden":
        known = _fields_at(model, error["loc"][:-1])
        close = difflib.get_close_matches(name, known, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        return f"is unknown; {meant}known here: {', '.join(sorted(known))}"
    if error["type"] == "value_error":
        return f"is wrong: {error['ctx']['error']}"
    return f"is wrong: {error['msg']} (it is {error['input']!r})"


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """The names of the fields that are known where `location` points."""
    for part in location:
        field = _by_name(model).get(str(part))
        inner = [] if field is None else _models_in(field.annotation)
        if inner:
            model = inner[0]
    return list(_by_name(model))


def _by_name(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields by the names that files give them: `from` cannot be one in Python."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
