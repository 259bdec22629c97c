"""From a rule tree as people write it in YAML to the journaled one, which needs no unit.

In rule files durations are texts (`90d`), money is in the base currency's major units, units per
order are pieces; the journal holds milliseconds, minor units and thousandths under names that say
so. Everything else passes as it is, what is wrong with it included: `compile_tree` says that.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from streams.core.tree.errors import Extent, Path, TreeError
from streams.core.tree.fields import FACTS, Unit
from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_DURATION: Final = re.compile(r"([0-9]{1,9})\s*([smhdw])")
_UNITS_MS: Final = {
    "s": SECOND_MS,
    "m": MINUTE_MS,
    "h": HOUR_MS,
    "d": DAY_MS,
    "w": 7 * DAY_MS,
}
_THOUSANDTHS_DIGITS: Final = 3
# As much as a contract allows in any amount: twelve digits before the point.
_MOST: Final = 10**12
_Convert = Callable[[object, Path], object]


def journaled_tree(raw: object, minor_digits: int) -> Any:
    """The journaled form of a tree from a rule file; a journaled one comes back unchanged.

    `minor_digits` are the decimals of the base currency. Paths of errors hold for both forms.

    Raises:
        TreeError: a duration, amount or number of pieces that is none; a tree that is too large.

    """
    return _node(raw, (), 0, minor_digits, Extent())


def _node(raw: object, path: Path, depth: int, minor_digits: int, extent: Extent) -> object:
    extent.enter(path, depth)
    if not isinstance(raw, Mapping):
        return raw
    if "field" in raw:
        return _leaf(raw, path, minor_digits)
    node: dict[object, object] = {}
    for key, below in raw.items():
        at = (*path, str(key))
        if key in {"all", "any"} and isinstance(below, list):
            node[key] = [
                _node(one, (*at, index), depth + 1, minor_digits, extent)
                for index, one in enumerate(below)
            ]
        elif key == "not":
            node[key] = _node(below, at, depth + 1, minor_digits, extent)
        elif key == "bought" and isinstance(below, Mapping):
            node[key] = _bought(below, at)
        else:
            node[key] = below
    return node


def _bought(raw: Mapping[Any, object], path: Path) -> dict[object, object]:
    bought: dict[object, object] = {
        "category": None,
        "sku": None,
        "within_ms": None,
        "at_least": 1,
        "at_least_units_milli": None,
    }
    for key, value in raw.items():
        if key == "within":
            bought["within_ms"] = None if value is None else _duration(value, (*path, key))
        elif key == "at_least_units":
            milli = None if value is None else _thousandths(value, (*path, key))
            bought["at_least_units_milli"] = milli
        else:
            bought[key] = value
    return bought


def _leaf(raw: Mapping[Any, object], path: Path, minor_digits: int) -> dict[object, object]:
    field = FACTS.get(raw["field"]) if isinstance(raw["field"], str) else None
    convert = _converter(field.unit, minor_digits) if field is not None else None
    leaf: dict[object, object] = {}
    for key, operand in raw.items():
        at = (*path, str(key))
        if key == "field":
            leaf[key] = operand if field is None else field.journaled
        elif key == "within":
            leaf["within_ms"] = _duration(operand, at)
        elif convert is None or key == "exists":
            leaf[key] = operand
        elif isinstance(operand, list):
            leaf[key] = [convert(one, at) for one in operand]
        else:
            leaf[key] = convert(operand, at)
    return leaf


def _converter(unit: Unit, minor_digits: int) -> _Convert | None:
    if unit is Unit.DURATION:
        return _duration
    if unit is Unit.THOUSANDTHS:
        return _thousandths
    if unit is Unit.MONEY:
        return lambda value, path: _scaled(value, minor_digits, "amount", path)
    return None


def _duration(value: object, path: Path) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise TreeError(path, f"{value!r} is no duration; write 4h, 90d or 26w")
    return int(match[1]) * _UNITS_MS[match[2]]


def _thousandths(value: object, path: Path) -> int:
    return _scaled(value, _THOUSANDTHS_DIGITS, "number of pieces", path)


def _scaled(value: object, digits: int, what: str, path: Path) -> int:
    """A decimal number or its text, times ten to the power of `digits`."""
    try:
        number = Decimal("NaN" if isinstance(value, bool) else str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) >= _MOST:
        raise TreeError(path, f"{value!r} is no {what}; write 100 or 99.90")
    scaled = number.scaleb(digits)
    if scaled != int(scaled):
        raise TreeError(path, f"{value!r} has more than {digits} decimals")
    return int(scaled)
