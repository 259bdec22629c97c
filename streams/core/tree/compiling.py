"""From a journaled rule tree to functions of the view, checked node by node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streams.core.schemes.scheme import View
from streams.core.tree.errors import Extent, Path, TreeError, listed
from streams.core.tree.fields import NEVER
from streams.core.tree.leaves import (
    Condition,
    Probe,
    Test,
    compile_bought,
    compile_field,
    compile_segment,
)
from streams.core.values import DAY_MS

_OPERATORS: Final = ("all", "any", "not", "field", "bought", "segment")
_DEFAULT_WINDOW_MS: Final = 730 * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A compiled rule tree.

    `test` says whether it holds for a view. `probe` says that too, with the first instant after
    the view's at which the answer can be another one by the clock alone, far in the future (2^62)
    for never. `asked` are the segments it asks for, as (scheme, segment): whoever knows all schemes
    checks them. `conditions` are counted with `all`, `any` and `not`.
    """

    test: Test
    probe: Probe
    asked: frozenset[tuple[str, str]]
    conditions: int

    def until_ms(self, view: View) -> int | None:
        """The first instant after the view's at which the answer can turn; None for never.

        Honest as `Answer.until_ms` is. Where it asks for a segment, that scheme's own answer has an
        `until_ms` too, which is not part of this one.
        """
        due = self.probe(view)[1]
        return due if due < NEVER else None


def compile_tree(raw: object, *, window_ms: int = _DEFAULT_WINDOW_MS) -> Tree:
    """A `Tree` from its journaled form; `journaled_tree` makes that of a rule file's.

    `window_ms` is the shop's RFM window: `until_ms` of a rule on `return_rate` needs it.

    Raises:
        TreeError: a ValueError with the path in the tree, what is unknown there and what is known.

    """
    compilation = _Compilation(window_ms)
    test, probe = compilation.node(raw, (), 0)
    return Tree(
        test=test,
        probe=probe or _never_turning(test),
        asked=frozenset(compilation.asked),
        conditions=compilation.extent.conditions,
    )


class _Compilation:
    def __init__(self, window_ms: int) -> None:
        self.window_ms = window_ms
        self.asked: set[tuple[str, str]] = set()
        self.extent = Extent()

    def node(self, raw: object, path: Path, depth: int) -> Condition:
        self.extent.enter(path, depth)
        if not isinstance(raw, Mapping):
            raise TreeError(path, f"a condition is a mapping, found {raw!r}")
        if "field" in raw:
            return compile_field(raw, path, self.window_ms)
        unknown = [key for key in raw if key not in _OPERATORS]
        if unknown:
            known = listed(_OPERATORS)
            raise TreeError(path, f"unknown operator {unknown[0]!r}; known are {known}")
        if len(raw) != 1:
            raise TreeError(
                path, f"a condition has one operator, found {listed(raw) or 'none'}; use all or any"
            )
        (key, below), *_ = raw.items()
        at = (*path, key)
        if key == "segment":
            return compile_segment(below, at, self.asked)
        if key == "bought":
            return compile_bought(below, at)
        if key == "not":
            return _negated(self.node(below, at, depth + 1))
        if not isinstance(below, list) or not below:
            raise TreeError(at, f"{key} needs a list of at least one condition, found {below!r}")
        parts = [self.node(one, (*at, index), depth + 1) for index, one in enumerate(below)]
        return _joined(parts, deciding=key == "any")


def _never_turning(test: Test) -> Probe:
    return lambda view: (test(view), NEVER)


def _negated(part: Condition) -> Condition:
    test, probe = part
    if probe is None:
        return Condition(lambda view: not test(view))
    # Bound anew, since mypy does not carry the narrowing into a function.
    probed = probe

    def negated(view: View) -> tuple[bool, int]:
        holds, due = probed(view)
        return not holds, due

    return Condition(lambda view: not test(view), negated)


def _joined(parts: Sequence[Condition], *, deciding: bool) -> Condition:
    """`any` (an answer of True decides) or `all` (an answer of False decides)."""
    if len(parts) == 1:
        return parts[0]
    tests = tuple(part.test for part in parts)

    def test(view: View) -> bool:
        for one in tests:
            if one(view) is deciding:
                return deciding
        return not deciding

    if all(part.probe is None for part in parts):
        return Condition(test)
    # What the clock never turns is asked first: where it decides, nothing else need be asked.
    fixed = tuple(part.test for part in parts if part.probe is None)
    turning = tuple(part.probe for part in parts if part.probe is not None)

    def probe(view: View) -> tuple[bool, int]:
        for one in fixed:
            if one(view) is deciding:
                return deciding, NEVER
        # One that decides holds the answer as long as it holds; else each can turn it.
        decided_until, earliest = 0, NEVER
        for other in turning:
            answer, due = other(view)
            if answer is deciding:
                if due == NEVER:
                    return deciding, NEVER
                decided_until = max(decided_until, due)
            else:
                earliest = min(earliest, due)
        return (deciding, decided_until) if decided_until else (not deciding, earliest)

    return Condition(test, probe)
