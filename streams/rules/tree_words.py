"""A journaled rule tree in words, as tables show it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from streams.codec.text import format_money
from streams.core.tree.fields import FACTS, Unit
from streams.rules.spans import format_span

_OPERATORS: Final = {
    "eq": "is",
    "ne": "is not",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "in": "is one of",
    "between": "is between",
    "contains": "contains",
    "starts_with": "starts with",
}
_JOINTS: Final = {"all": " and ", "any": " or "}
_THOUSANDTHS_DIGITS: Final = 3
_BY_JOURNALED: Final = {field.journaled: field for field in FACTS.values()}


def tree_words(tree: Mapping[str, Any], digits: int) -> str:
    """A tree as one sentence; `digits` are the decimals of the base currency."""
    for key, joint in _JOINTS.items():
        if key in tree:
            return joint.join(_inner(one, digits) for one in tree[key])
    if "not" in tree:
        return f"not {_inner(tree['not'], digits)}"
    if "bought" in tree:
        return _bought(tree["bought"])
    if "segment" in tree:
        asked = tree["segment"]
        return f"{asked['scheme']} is {' or '.join(asked['in'])}"
    return _field(tree, digits)


def _inner(tree: Mapping[str, Any], digits: int) -> str:
    words = tree_words(tree, digits)
    is_list = any(len(tree.get(key, ())) > 1 for key in _JOINTS)
    return f"({words})" if is_list else words


def _bought(raw: Mapping[str, Any]) -> str:
    words = ["bought"]
    words += [f"{key} {raw[key]}" for key in ("category", "sku") if raw[key] is not None]
    if raw["within_ms"] is not None:
        words.append(f"within {format_span(raw['within_ms'])}")
    if raw["at_least"] > 1:
        words.append(f"in at least {raw['at_least']} orders")
    if raw["at_least_units_milli"] is not None:
        words.append(f"at least {_thousandths(raw['at_least_units_milli'])} pieces")
    return " ".join(words)


def _field(raw: Mapping[str, Any], digits: int) -> str:
    field = _BY_JOURNALED.get(raw["field"])
    name = field.name if field is not None else raw["field"].removeprefix("attribute.")
    show = _shower(field.unit if field is not None else None, digits)
    ((key, operand),) = ((key, one) for key, one in raw.items() if key != "field")
    if key == "exists":
        return f"{name} is {'known' if operand else 'unknown'}"
    if key == "within_ms":
        return f"{name} within {format_span(operand)}"
    operands = operand if isinstance(operand, list) else [operand]
    joint = " and " if key == "between" else ", "
    return f"{name} {_OPERATORS[key]} {joint.join(show(one) for one in operands)}"


def _shower(unit: Unit | None, digits: int) -> Callable[[Any], str]:
    if unit is Unit.DURATION:
        return format_span
    if unit is Unit.MONEY:
        return lambda value: format_money(value, digits)
    return _thousandths if unit is Unit.THOUSANDTHS else str


def _thousandths(value: int) -> str:
    whole, _, rest = format_money(value, _THOUSANDTHS_DIGITS).partition(".")
    return f"{whole}.{rest.rstrip('0')}".rstrip(".")
