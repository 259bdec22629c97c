"""Whether anything can start a campaign under the schemes that run."""

from collections.abc import Collection, Mapping
from typing import Any

Raw = Mapping[str, Any]
_NONE: frozenset[str] = frozenset()


def missing_schemes(trigger: Raw, when: Raw | None, running: Collection[str]) -> frozenset[str]:
    """The schemes without which a journaled trigger starts nothing; empty where it can.

    In a segment of a scheme that does not run is nobody. `when` is the campaign's own condition.
    """
    scheme = trigger.get("scheme")
    if scheme is not None and scheme not in running:
        return frozenset({scheme})
    for tree in (trigger.get("when"), when):
        if tree is not None and _answer(tree, running) is False:
            return _asked(tree) - frozenset(running)
    return _NONE


def _answer(tree: Raw, running: Collection[str]) -> bool | None:
    """What a journaled tree says of everybody; None where it depends on the customer."""
    if "segment" in tree:
        return None if tree["segment"]["scheme"] in running else False
    if "not" in tree:
        inner = _answer(tree["not"], running)
        return None if inner is None else not inner
    for key, deciding in (("all", False), ("any", True)):
        if key in tree:
            answers = {_answer(one, running) for one in tree[key]}
            if deciding in answers:
                return deciding
            return None if None in answers else not deciding
    return None


def _asked(tree: Raw) -> frozenset[str]:
    if "segment" in tree:
        return frozenset({tree["segment"]["scheme"]})
    below = [*tree.get("all", ()), *tree.get("any", ())]
    if "not" in tree:
        below.append(tree["not"])
    return _NONE.union(*(_asked(one) for one in below))
