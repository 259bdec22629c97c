"""Operators of a rule tree: from an operator and what is compared with to a test of one value.

A value compares with values of its own kind only: texts, numbers, or true and false. A missing value
and one of another kind meet no comparison, `ne` included; who wants those writes `not`.
"""

import operator
from collections.abc import Callable, Sequence
from math import ceil, floor, isfinite
from typing import Any, Final, NamedTuple, TypeGuard

from streams.core.tree.errors import MAX_VALUES, Path, TreeError
from streams.core.tree.fields import LIST_ATTRIBUTES, TEXT_ATTRIBUTES, Field, Unit, Value

Test = Callable[[Value], bool]

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
_ORDERING: Final = frozenset({"lt", "le", "gt", "ge"})
_TEXTUAL: Final = frozenset({"contains", "starts_with"})
WITHIN: Final = "within"
OPERATORS: Final = (*_COMPARE, "in", "between", "contains", "starts_with", "exists", WITHIN)

_NUMBERS: Final = frozenset({int, float})
_TEXTS: Final = frozenset({str})
_BOOLEANS: Final = frozenset({bool})
_KINDS: Final = (
    (_TEXTS, "texts"),
    (_BOOLEANS, "true and false"),
    (_NUMBERS, "numbers"),
)
_YAML: Final = "quote it: YAML reads true as no text, 10117 as a number and 2026-01-31 as a date"


class Comparison(NamedTuple):
    """`test` a value; `steps` are, rising, the whole numbers at which its answer turns."""

    test: Test
    steps: tuple[int, ...] = ()


def compile_comparison(field: Field, name: str, operand: object, path: Path) -> Comparison:
    """The operator `name` (any but `within`) with its operand; raises `TreeError`."""
    if name == "exists":
        return _exists(operand, path)
    if field.unit is Unit.INSTANT:
        raise TreeError(path, f"{field.name} is an instant: ask it within or exists")
    if name in _TEXTUAL:
        return _textual(field, name, operand, path)
    if name == "in":
        return _among(field, operand, path)
    if name == "between":
        return _between(field, operand, path)
    classes = _classes_of(field, [operand], path)
    if name in _ORDERING and classes is _BOOLEANS:
        raise TreeError(path, f"true and false have no order; use eq, not {name}")
    compare = _COMPARE[name]
    return _comparison(
        lambda value: value.__class__ in classes and compare(value, operand), [operand]
    )


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that can be compared; true and false are none."""
    return value.__class__ is int or (isinstance(value, float) and isfinite(value))


def _exists(operand: object, path: Path) -> Comparison:
    if operand is True:
        return Comparison(lambda value: value is not None)
    if operand is False:
        return Comparison(lambda value: value is None)
    raise TreeError(path, f"exists is true or false, found {operand!r}")


def _between(field: Field, operand: object, path: Path) -> Comparison:
    if not isinstance(operand, list) or len(operand) != 2:  # noqa: PLR2004 - said below
        raise TreeError(path, f"between needs two values, lowest and highest, found {operand!r}")
    classes = _classes_of(field, operand, path)
    if classes is _BOOLEANS:
        raise TreeError(path, "true and false have no order; use eq")
    low, high = operand
    if high < low:
        raise TreeError(path, f"between {low!r} and {high!r} lies nothing: give the lowest first")
    return _comparison(lambda value: value.__class__ in classes and low <= value <= high, operand)


def _among(field: Field, operand: object, path: Path) -> Comparison:
    values = _list_of(operand, "in", path)
    classes = _classes_of(field, values, path)
    wanted = frozenset(values)
    return _comparison(lambda value: value.__class__ in classes and value in wanted, values)


def _textual(field: Field, name: str, operand: object, path: Path) -> Comparison:
    if field.unit is not Unit.ANY:
        raise TreeError(path, f"{name} asks texts, {field.name} is a number; compare it with ge")
    values = _list_of(operand, name, path) if isinstance(operand, list) else [operand]
    for value in values:
        if not isinstance(value, str) or not value:
            raise TreeError(path, f"{name} needs text, found {value!r}; {_YAML}")
    wanted = tuple(values)
    if name == "contains":
        return _contains(wanted)
    if field.name.partition(".")[2] in LIST_ATTRIBUTES:
        raise TreeError(path, f"{field.name} is a list; ask what it contains")
    return Comparison(lambda value: value.__class__ is str and value.startswith(wanted))


def _contains(wanted: tuple[str, ...]) -> Comparison:
    members = frozenset(wanted)

    def test(value: Value) -> bool:
        if isinstance(value, list):
            return not members.isdisjoint(value)
        return isinstance(value, str) and any(one in value for one in wanted)

    return Comparison(test)


def _list_of(operand: object, name: str, path: Path) -> list[Any]:
    if not isinstance(operand, list) or not operand:
        raise TreeError(path, f"{name} needs a list of values, found {operand!r}")
    if len(operand) > MAX_VALUES:
        raise TreeError(path, f"{len(operand)} values; at most {MAX_VALUES}, or use starts_with")
    return operand


def _classes_of(field: Field, operands: Sequence[object], path: Path) -> frozenset[type]:
    """The classes of value that these operands compare with; they must be of one kind."""
    for operand in operands:
        if operand.__class__ not in _TEXTS | _BOOLEANS and not is_number(operand):
            raise TreeError(path, f"{operand!r} is no text, number, true or false; {_YAML}")
    found = [
        (classes, kind) for classes, kind in _KINDS if {type(one) for one in operands} & classes
    ]
    if len(found) > 1:
        raise TreeError(path, f"mixes {' and '.join(kind for _, kind in found)}; {_YAML}")
    classes, kind = found[0]
    if field.unit is not Unit.ANY and classes is not _NUMBERS:
        raise TreeError(path, f"{field.name} is a number, compared with {kind}: {operands[0]!r}")
    name = field.name.partition(".")[2]
    if name in LIST_ATTRIBUTES:
        raise TreeError(path, f"{field.name} is a list; ask what it contains")
    if name in TEXT_ATTRIBUTES and classes is not _TEXTS:
        raise TreeError(
            path, f"{field.name} is text, compared with {kind}: {operands[0]!r}; {_YAML}"
        )
    return classes


def _comparison(test: Test, operands: Sequence[object]) -> Comparison:
    """With c the answer can turn at the first whole number from c on, and at the first beyond c."""
    numbers = [one for one in operands if is_number(one)]
    steps = {step for one in numbers for step in (ceil(one), floor(one) + 1)}
    return Comparison(test, tuple(sorted(one for one in steps if test(one) != test(one - 1))))
