"""Whether a customer meets a condition of a rule file, asked of the tree as it stands in the file."""

from __future__ import annotations

from fractions import Fraction
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, Any

from .customer_facts import MONEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .customer_facts import Facts

Tree = dict[str, Any]
_COMPARISONS = {"eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge}
_MINOR = 100  # pence in a pound: the only currency that this oracle's files know


def holds(tree: Tree | None, facts: Facts, segments: Mapping[str, frozenset[str]]) -> bool:
    """Whether `tree` is met; None is met by everybody. `segments`: those of each scheme.

    Raises ValueError for what this oracle does not know.
    """
    if tree is None:
        return True
    if "all" in tree:
        return all(holds(one, facts, segments) for one in tree["all"])
    if "any" in tree:
        return any(holds(one, facts, segments) for one in tree["any"])
    if "not" in tree:
        return not holds(tree["not"], facts, segments)
    if "segment" in tree:
        asked = tree["segment"]
        return bool(segments.get(asked["scheme"], frozenset()) & set(asked["in"]))
    if "field" in tree:
        return _compares(tree, facts)
    message = f"teach the oracle the condition {tree!r}"
    raise ValueError(message)


def _compares(tree: Tree, facts: Facts) -> bool:
    name = tree["field"]
    (word,) = tree.keys() - {"field"}
    if word not in _COMPARISONS:
        message = f"teach the oracle the comparison {word!r}"
        raise ValueError(message)
    value = facts.figure(name)
    # An unknown value is in no comparison, not even in `ne`.
    if value is None:
        return False
    asked = Fraction(tree[word]) * (_MINOR if name in MONEY else 1)
    return bool(_COMPARISONS[word](value, asked))
