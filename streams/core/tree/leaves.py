"""Conditions that ask one thing of a customer, compiled to functions of the view."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from streams.core.products import (
    category_mark,
    folded_product,
    sku_mark,
    units_under,
    was_folded,
)
from streams.core.schemes.scheme import FLAG_SEPARATOR, View
from streams.core.state import Product
from streams.core.tree.comparisons import OPERATORS, WITHIN, compile_comparison
from streams.core.tree.errors import MAX_VALUES, Path, TreeError, listed
from streams.core.tree.fields import (
    ATTRIBUTE,
    FACTS,
    JOURNALED_FACTS,
    NEVER,
    RETURN_RATE,
    Field,
    attribute,
    return_rate_in,
)

# A test, and the same with the first later instant at which the answer can turn by the clock alone.
Test = Callable[[View], bool]
Probe = Callable[[View], tuple[bool, int]]

HOLDS: Final = (True, NEVER)
FAILS: Final = (False, NEVER)
# Keys of `bought` in rule files, with their journaled names.
_BOUGHT_KEYS: Final = {
    "category": "category",
    "sku": "sku",
    "within": "within_ms",
    "at_least": "at_least",
    "at_least_units": "at_least_units_milli",
}


class Condition(NamedTuple):
    """`probe` is None where the clock alone never turns the answer."""

    test: Test
    probe: Probe | None = None


def compile_field(raw: Mapping[str, Any], path: Path, window_ms: int) -> Condition:
    """`{field: ..., <operator>: ...}`; raises `TreeError`."""
    field = _field(raw["field"], (*path, "field"), window_ms)
    keys = [key for key in raw if key != "field"]
    if len(keys) != 1:
        found = listed(map(str, keys)) or "none"
        raise TreeError(path, f"a field needs exactly one operator, found {found}")
    key = keys[0]
    name = WITHIN if key == "within_ms" else key
    if name not in OPERATORS:
        known = listed(OPERATORS)
        raise TreeError(path, f"unknown operator {key!r} for {field.name}; known are {known}")
    at = (*path, name)
    if key == WITHIN:
        raise TreeError(at, "within is journaled as within_ms")
    if name == WITHIN:
        return _within(field, raw[key], at)
    comparison = compile_comparison(field, name, raw[key], at)
    return _compared(field, comparison.test, comparison.steps)


def _field(name: object, path: Path, window_ms: int) -> Field:
    if isinstance(name, str):
        if name.startswith(ATTRIBUTE) and name != ATTRIBUTE:
            return attribute(name.removeprefix(ATTRIBUTE))
        field = JOURNALED_FACTS.get(name)
        if field is not None:
            return return_rate_in(window_ms) if field.name == RETURN_RATE else field
        if name in FACTS:
            raise TreeError(path, f"{name} is journaled as {FACTS[name].journaled}")
    known = listed([f"{ATTRIBUTE}<name>", *FACTS])
    raise TreeError(path, f"unknown field {name!r}; known are {known}")


def _compared(field: Field, test: Callable[[Any], bool], steps: tuple[int, ...]) -> Condition:
    value, changes, grows = field.value, field.changes, field.grows
    if changes is not None:
        return Condition(
            lambda view: test(value(view)), lambda view: (test(value(view)), changes(view))
        )
    if grows is not None:
        return Condition(
            lambda view: test(value(view)), lambda view: (test(value(view)), grows(view, steps))
        )
    return Condition(lambda view: test(value(view)))


def _within(field: Field, within_ms: object, path: Path) -> Condition:
    instant = field.instant
    if instant is None:
        raise TreeError(path, f"within asks for an instant, {field.name} is none")
    span_ms = _whole(within_ms, 1, "duration", path)
    is_span = field.is_span

    def probe(view: View) -> tuple[bool, int]:
        at_ms, now_ms = instant(view), view.now_ms
        if at_ms is None or now_ms >= at_ms + span_ms:
            return FAILS
        if at_ms > now_ms and not is_span:
            return False, at_ms
        return True, at_ms + span_ms

    return Condition(lambda view: probe(view)[0], probe)


def compile_segment(raw: object, path: Path, asked: set[tuple[str, str]]) -> Condition:
    """`{scheme: ..., in: [...]}`: the customer is in one of these segments, or has the flag.

    What was asked is added to `asked` as (scheme, segment). The answer given at this instant, else
    the latest membership; the clock turns it only by turning that scheme's answer.
    """
    if not isinstance(raw, Mapping) or set(raw) != {"scheme", "in"}:
        raise TreeError(path, "segment needs scheme and in, for example scheme: rfm, in: [At Risk]")
    scheme, names = raw["scheme"], raw["in"]
    if not isinstance(scheme, str) or not scheme:
        raise TreeError((*path, "scheme"), f"{scheme!r} is no name of a scheme")
    if (
        not isinstance(names, list)
        or not 0 < len(names) <= MAX_VALUES
        or not all(isinstance(name, str) and name for name in names)
    ):
        raise TreeError((*path, "in"), f"in needs a list of names of segments, found {names!r}")
    wanted = frozenset(names)
    asked.update((scheme, name) for name in wanted)

    def test(view: View) -> bool:
        if scheme in view.segments:
            segment = view.segments[scheme]
        else:
            known = view.state.memberships.get(scheme)
            segment = None if known is None else known.segment
        if segment is None:
            return False
        return segment in wanted or (
            FLAG_SEPARATOR in segment and not wanted.isdisjoint(segment.split(FLAG_SEPARATOR))
        )

    return Condition(test)


class _Bought(NamedTuple):
    """What was bought, by its mark in packed lines, and how often and how much at least."""

    mark: str
    sku: str | None
    category: str | None
    orders: int
    units_milli: int

    def folded(self, view: View) -> Product | None:
        known = folded_product(view.state, sku=self.sku, category=self.category)
        if known is None and self.sku is not None and was_folded(view.state, self.sku):
            return Product(-NEVER, 1, 0.0)
        return known


def compile_bought(raw: object, path: Path) -> Condition:
    """Counting orders with a sku or category, at least so many, with at least so many units.

    In a window folded orders are known by their latest alone, which counts as one order without
    units; a span of the window kept whole is exact.
    """
    if not isinstance(raw, Mapping):
        raise TreeError(path, f"bought needs {listed(_BOUGHT_KEYS)}")
    for key in raw:
        if key in _BOUGHT_KEYS.values():
            continue
        if key in _BOUGHT_KEYS:
            raise TreeError((*path, key), f"{key} is journaled as {_BOUGHT_KEYS[key]}")
        raise TreeError(path, f"unknown key {key!r}; known are {listed(_BOUGHT_KEYS)}")
    sku, category = raw.get("sku"), raw.get("category")
    name = category if sku is None else sku
    if (sku is None) == (category is None) or not isinstance(name, str) or not name:
        raise TreeError(path, "bought needs either a category or a sku, as text")
    units = raw.get("at_least_units_milli")
    at_least = raw.get("at_least", 1)
    bought = _Bought(
        sku_mark(name) if sku is not None else category_mark(name),
        sku,
        category,
        _whole(at_least, 1, "number of orders", (*path, "at_least")),
        0 if units is None else _whole(units, 1, "number of pieces", (*path, "at_least_units")),
    )
    within = raw.get("within_ms")
    if within is None:
        return Condition(_bought_ever(bought))
    span_ms = _whole(within, 1, "duration", (*path, WITHIN))
    probe = _bought_within(bought, span_ms)
    return Condition(lambda view: probe(view)[0], probe)


def _bought_ever(bought: _Bought) -> Test:
    mark = bought.mark

    def test(view: View) -> bool:
        orders, units_milli = bought.orders, bought.units_milli
        for order in view.orders:
            if mark in order.lines:
                orders -= 1
                if units_milli > 0:
                    units_milli -= _milli(units_under(mark, order.lines))
                if orders <= 0 and units_milli <= 0:
                    return True
        known = bought.folded(view)
        return known is not None and orders <= known.orders and units_milli <= _milli(known.units)

    return test


def _bought_within(bought: _Bought, span_ms: int) -> Probe:
    mark = bought.mark

    def probe(view: View) -> tuple[bool, int]:
        since = view.now_ms - span_ms
        orders, units_milli = bought.orders, bought.units_milli
        oldest = NEVER
        for order in reversed(view.orders):
            at_ms = order.occurred_at_ms
            if at_ms <= since:
                break
            if mark in order.lines:
                oldest = at_ms
                orders -= 1
                if units_milli > 0:
                    units_milli -= _milli(units_under(mark, order.lines))
                if orders <= 0 and units_milli <= 0:
                    return True, at_ms + span_ms
        if orders > 1 or units_milli > 0:
            return FAILS
        known = bought.folded(view)
        if known is None or known.last_at_ms <= since:
            return FAILS
        return True, min(oldest, known.last_at_ms) + span_ms

    return probe


def _milli(units: float) -> int:
    return round(units * 1000)


def _whole(value: object, least: int, what: str, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise TreeError(path, f"{value!r} is no {what} of at least {least}")
    return value
