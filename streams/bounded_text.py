"""Files that people write (settings, rules, mappings), read up to a bound.

A file named by mistake, or made to hurt, is refused with a word instead of filling the memory.
"""

from pathlib import Path
from typing import Final

import yaml

from streams.errors import UsageError

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # pragma: no cover - PyYAML built without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

# The largest that is shipped has 9 KiB; a thousand rules of a line each have some 100.
MAX_FILE_BYTES: Final = 1024 * 1024
# As if every alias were written out: a few lines of aliases of aliases can stand for billions.
MAX_VALUES: Final = 100_000
# Trees of conditions are 12 deep. The loader's own recursion, in C, ends the process some way beyond.
MAX_NESTING: Final = 50
_UNDER_WAY: Final = -1


def read_yaml(path: Path) -> str:
    """The text of a YAML file (UTF-8, a byte order mark or none); `UsageError` beyond a bound.

    Raises OSError and UnicodeDecodeError as `Path.read_text` does.
    """
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(
            f"{path}: is larger than {MAX_FILE_BYTES // 1024} KiB, which no such file needs: divide "
            "it, or name the right one"
        )
    text = content.decode("utf-8-sig")
    _check_nesting(path, text)
    return text


def _check_nesting(path: Path, text: str) -> None:
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_NESTING:
                mark = event.start_mark
                line = mark.line + 1 if mark is not None else "?"
                raise UsageError(
                    f"{path}, line {line}: is nested more than {MAX_NESTING} levels deep, which "
                    "nothing here is"
                )
    except yaml.YAMLError:
        return  # who reads it next says what is wrong, and where


def check_values(path: Path, root: yaml.Node) -> None:
    """Raise `UsageError` where a document, its aliases written out, has too many values."""
    found = _count(path, root, {})
    if found > MAX_VALUES:
        raise UsageError(
            f"{path}: stands for {found} values with its aliases written out, at most {MAX_VALUES} "
            "are taken: write fewer aliases"
        )


def _count(path: Path, node: yaml.Node, known: dict[int, int]) -> int:
    count = known.get(id(node))
    if count == _UNDER_WAY:
        raise UsageError(f"{path}: an alias stands within its own anchor")
    if count is None:
        known[id(node)] = _UNDER_WAY
        count = 1
        if isinstance(node, yaml.SequenceNode):
            count += sum(_count(path, one, known) for one in node.value)
        elif isinstance(node, yaml.MappingNode):
            count += sum(_count(path, one, known) for pair in node.value for one in pair)
        known[id(node)] = count
    return count
