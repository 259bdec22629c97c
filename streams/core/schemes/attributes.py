"""Scheme `attributes`: the shop's own segments, each a flag with a rule tree (segments.md).

Demographic, geographic, psychographic and by usage: whatever can be said of a customer's
attributes, facts, products and memberships. Asked last, because a tree may look at the segments of
the other schemes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from streams.core.population.snapshot import Snapshot
from streams.core.schemes.scheme import FLAG_SEPARATOR, Answer, Shop, View
from streams.core.tree import Tree, TreeError, compile_tree
from streams.core.tree.fields import NEVER
from streams.core.tree.leaves import Probe

KIND: Final = "attributes"
# "Start with few, large segments": beyond fifty nobody knows any more what each is for, and every
# event of every customer is held against all of them.
MAX_SEGMENTS: Final = 50
# Every event pays for every condition: 400, eight for each of fifty segments, take some 200
# microseconds, more than all the rest of a decision.
MAX_CONDITIONS: Final = 400
# As long as a label of the contracts; 50 of them stay far below a record.
MAX_NAME_CHARACTERS: Final = 200

_NOWHERE: Final = Answer(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """`segments` stand in the order of the rules, `probes` by name, as flags are joined.

    `asked` are the segments of other schemes its trees look at, as (scheme, segment).
    """

    name: str
    segments: tuple[str, ...]
    probes: tuple[tuple[str, Probe], ...]
    asked: frozenset[tuple[str, str]]
    kind: str = KIND
    is_flags: bool = True
    is_ranked: bool = False
    uses_population: bool = False
    hold_ms: int | None = None

    def classify(self, view: View) -> Answer:
        """All flags whose tree holds, sorted and joined; None without any."""
        flags = []
        until = NEVER
        for name, probe in self.probes:
            holds, due = probe(view)
            if holds:
                flags.append(name)
            until = min(until, due)
        if not flags and until == NEVER:
            return _NOWHERE
        return Answer(FLAG_SEPARATOR.join(flags) or None, until if until < NEVER else None)

    def under(self, snapshot: Snapshot | None) -> "Attributes":
        """Itself: the customer base changes nothing here."""
        return self


def compile_scheme(raw: Mapping[str, Any], shop: Shop) -> Attributes:
    """`Attributes` from its journaled form.

    Raises:
        ValueError: no, too many or equal names; a name that cannot be a flag; a tree that cannot be
            decided by, with the segment's name and the path in its tree; a tree that asks for this
            very scheme, whose answers do not exist yet.

    """
    scheme = str(raw["name"])
    rows = raw["segments"]
    if not 0 < len(rows) <= MAX_SEGMENTS:
        raise ValueError(f"between 1 and {MAX_SEGMENTS} segments, found {len(rows)}")
    trees: dict[str, Tree] = {}
    for index, row in enumerate(rows):
        name = _checked_name(row["name"], index)
        if name in trees:
            raise ValueError(f"two segments are named {name!r}")
        trees[name] = _compile_tree(name, row["when"], scheme, shop)
    conditions = sum(tree.conditions for tree in trees.values())
    if conditions > MAX_CONDITIONS:
        raise ValueError(
            f"{conditions} conditions in all segments together; at most {MAX_CONDITIONS}"
        )
    return Attributes(
        name=scheme,
        segments=tuple(trees),
        probes=tuple((name, trees[name].probe) for name in sorted(trees)),
        asked=frozenset().union(*(tree.asked for tree in trees.values())),
    )


def _checked_name(name: object, index: int) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_CHARACTERS:
        raise ValueError(
            f"segments[{index}]: {name!r} is no name of 1 to {MAX_NAME_CHARACTERS} characters"
        )
    if FLAG_SEPARATOR in name or not name.isprintable():
        raise ValueError(
            f"segments[{index}]: {name!r} contains {FLAG_SEPARATOR!r} or a control character, "
            f"and {FLAG_SEPARATOR!r} stands between flags"
        )
    return name


def _compile_tree(name: str, when: object, scheme: str, shop: Shop) -> Tree:
    try:
        tree = compile_tree(when, window_ms=shop.window_ms)
    except TreeError as error:
        raise TreeError(error.path, error.problem, inside=f"segment {name!r}") from error
    if any(asked == scheme for asked, _ in tree.asked):
        raise ValueError(f"segment {name!r}: a tree of scheme {scheme!r} cannot ask for {scheme!r}")
    return tree
