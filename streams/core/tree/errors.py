"""What is wrong with a rule tree, where in it, and how large a tree may be."""

from collections.abc import Iterable
from typing import Final

Path = tuple[str | int, ...]

# Each level is one call inside another; a person follows four or five.
MAX_DEPTH: Final = 12
# A condition costs 0.2 to 1.5 microseconds a decision, and nobody reads a hundred of them.
MAX_CONDITIONS: Final = 100
# All postal codes of a country are 8,000 to 40,000: those are regions, to be named by their first
# digits. 2,000 texts of 20 characters are 40 KB in a rules record of at most 1 MiB.
MAX_VALUES: Final = 2_000


class TreeError(ValueError):
    """A rule tree cannot be decided by.

    `path` leads to the place: keys and indices from the root of the tree. `inside` names what the
    tree belongs to.
    """

    def __init__(self, path: Path, problem: str, inside: str | None = None) -> None:
        self.path = path
        self.problem = problem
        where = text_of(path) if inside is None else f"{inside}: {text_of(path)}"
        super().__init__(f"{where}: {problem}")


def text_of(path: Path) -> str:
    """A path as people read it: `all[1].not`; the root is `tree`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "tree"


def listed(names: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(names)


class Extent:
    """How much of a tree was read; refuses what is too deep or too large."""

    __slots__ = ("conditions",)

    def __init__(self) -> None:
        self.conditions = 0

    def enter(self, path: Path, depth: int) -> None:
        """Count one more condition, `depth` levels below the root."""
        if depth > MAX_DEPTH:
            raise TreeError(
                path, f"conditions are nested deeper than {MAX_DEPTH}; use fewer levels"
            )
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise TreeError(path, f"more than {MAX_CONDITIONS} conditions; make several segments")
