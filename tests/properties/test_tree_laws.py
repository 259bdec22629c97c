"""Rule trees: what they say is what a plain reading says, and it holds until they say it may not."""

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.core import behaviour_facts
from streams.core.facts import facts_at
from streams.core.inputs import AttributeValue, Item
from streams.core.products import fold_lines, pack_lines, units_of
from streams.core.schemes.attributes import compile_scheme
from streams.core.schemes.scheme import Shop, View
from streams.core.state import (
    Attribute,
    Contact,
    CustomerState,
    Folded,
    Membership,
    Order,
    Remnant,
    Return,
)
from streams.core.tree import Tree, compile_tree, journaled_tree
from streams.core.tree.dates import Date, age_at, parse_date, parse_instant_ms
from streams.core.values import DAY_MS as DAY
from tests.core.story import T0
from tests.properties.profiles import tried

WINDOW = 730 * DAY
SHOP = Shop(WINDOW, 500, 180 * DAY, count_zero_value_orders=True)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAYS = [0, 1, 30, 90, 365, 730]
SKUS, CATEGORIES = ["S-1", "S-2"], ["tea", "coffee"]
SEGMENTS: dict[str, str | None] = {"rfm": "At Risk", "behaviour": "Bulk Buyer|Promotion Maximizer"}

# Few days and milliseconds around them, so that limits and instants coincide often.
ages = st.builds(
    lambda days, more: days * DAY + more, st.sampled_from(DAYS), st.integers(-2, 2)
) | st.integers(-DAY, 900 * DAY)
instants = ages.map(lambda age: T0 - age)
durations = st.sampled_from(DAYS[1:]).map(lambda days: days * DAY) | st.integers(1, 900 * DAY)
birth_dates = st.dates(datetime(1996, 1, 1, tzinfo=UTC).date()).map(str) | st.sampled_from(
    [
        "2000-02-29",
        "2008-02-29",
        "2008-02-28",
        "2026-01-02",
        "1999-02-29",
    ]
)
texts = st.sampled_from(["", "a", "ab", "tea", "2025-12-02", "2025-12-02T00:00:00+01:00"])
values: st.SearchStrategy[AttributeValue] = st.one_of(
    st.none(),
    texts,
    st.booleans(),
    st.sampled_from([0.0, 1.0, 2.5, 30.0]),
    st.lists(texts, max_size=2),
)
items = st.lists(
    st.builds(
        lambda sku, units, category: Item(sku, units, category=category),
        st.sampled_from(SKUS),
        st.sampled_from([1.0, 0.5, 3.0]),
        st.none() | st.sampled_from(CATEGORIES),
    ),
    max_size=3,
)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    total = draw(st.sampled_from([0, 100, 5_000]))
    lines = draw(items)
    return Order(
        draw(instants),
        draw(st.sampled_from("abc")),
        total,
        cancelled=draw(st.sampled_from([False, False, False, True])),
        returned_minor=draw(st.sampled_from([0, 0, 50, 5_000])),
        discount_minor=draw(st.sampled_from([0, 100])),
        units=units_of(lines),
        lines=pack_lines(lines),
    )


@st.composite
def customers(draw: st.DrawFn) -> CustomerState:
    state = CustomerState("C-1")
    state.orders = {f"o{n}": one for n, one in enumerate(draw(st.lists(orders(), max_size=6)))}
    if draw(st.booleans()) and state.orders:
        fold_lines(state, [state.orders.pop("o0")])
        state.folded = Folded(1, 100, {7: Remnant(draw(instants), 100, counts=True)})
    for index, at_ms in enumerate(draw(st.lists(instants, max_size=2))):
        of = draw(st.sampled_from([None, "o1", "unknown"]))
        state.returns[f"r{index}"] = Return(at_ms, "e", of, 70)
    for index, at_ms in enumerate(draw(st.lists(instants, max_size=2))):
        state.contacts[f"s{index}"] = Contact(
            at_ms, "e", complaint=False, minutes=None, cost_minor=9
        )
    state.offers = sorted(draw(st.lists(instants, max_size=2)))
    state.attributes["birth_date"] = Attribute(draw(birth_dates | values), T0, "e")
    state.attributes["a"] = Attribute(draw(values), T0, "e")
    state.memberships["value"] = Membership(draw(st.sampled_from([None, "A", "C"])), None, 0, 1)
    return state


def compared(operands: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One operator of any kind of value, with its operand."""
    single = st.builds(
        lambda operator, operand: {operator: operand},
        st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]),
        operands,
    )
    among = st.lists(operands, min_size=1, max_size=3).map(lambda some: {"in": some})
    between = st.tuples(operands, operands).map(lambda two: {"between": sorted(two)})
    exists = st.booleans().map(lambda known: {"exists": known})
    return single | among | between | exists


def field(name: str, operators: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Any]:
    return operators.map(lambda one: {"field": name, **one})


numbers = st.sampled_from([0, 0.5, 1, 2, 3, 30, 365])
amounts = st.sampled_from([0, 9, 50, 100, 5_000])
within = durations.map(lambda one: {"within_ms": one})
textual = st.builds(
    lambda operator, wanted: {operator: wanted},
    st.sampled_from(["contains", "starts_with"]),
    st.sampled_from(["a", "te", ["a", "2025"]]),
)
NUMBER_FACTS = [
    "order_count",
    "return_rate",
    "lifetime_order_count",
    "days_since_order",
    "age",
    "discount_share",
    "variation",
    "responds_to_offers",
]
AMOUNT_FACTS = [
    "monetary_minor",
    "lifetime_monetary_minor",
    "average_order_value_minor",
    "service_cost_minor",
    "units_per_order_milli",
]
bought = st.builds(
    lambda what, within_ms, at_least, units: {
        "bought": {
            **what,
            "within_ms": within_ms,
            "at_least": at_least,
            "at_least_units_milli": units,
        }
    },
    st.sampled_from([{"sku": one, "category": None} for one in SKUS])
    | st.sampled_from([{"sku": None, "category": one} for one in CATEGORIES]),
    st.none() | durations,
    st.integers(1, 3),
    st.sampled_from([None, 500, 1_000, 4_500]),
)
segments = st.sampled_from(
    [
        {"segment": {"scheme": "rfm", "in": ["At Risk"]}},
        {"segment": {"scheme": "rfm", "in": ["Champions", "Risk"]}},
        {"segment": {"scheme": "behaviour", "in": ["Promotion Maximizer"]}},
        {"segment": {"scheme": "value", "in": ["A", "B"]}},
    ]
)
leaves = st.one_of(
    *[field(name, compared(numbers)) for name in NUMBER_FACTS],
    *[field(name, compared(amounts)) for name in AMOUNT_FACTS],
    field("median_gap_ms", compared(durations)),
    field("last_order_at", within),
    field("first_order_at", within),
    field("attribute.a", within | textual | compared(numbers) | compared(texts.filter(bool))),
    field("attribute.a", st.booleans().map(lambda one: {"eq": one})),
    field("attribute.birth_date", within),
    bought,
    segments,
)
trees = st.recursive(
    leaves,
    lambda below: (
        st.builds(
            lambda key, parts: {key: parts},
            st.sampled_from(["all", "any"]),
            st.lists(below, min_size=1, max_size=3),
        )
        | below.map(lambda one: {"not": one})
    ),
    max_leaves=5,
)


def seen(state: CustomerState, at_ms: int) -> View:
    view = View(state, facts_at(state, at_ms, WINDOW), at_ms)
    view.segments.update(SEGMENTS)
    return view


def compiled(raw: Any) -> Tree:
    return compile_tree(raw, window_ms=WINDOW)


@tried(400)
@given(trees, customers(), instants, st.randoms(use_true_random=False))
def test_an_answer_holds_until_the_instant_that_was_said(
    raw: Any, state: CustomerState, now_ms: int, choose: random.Random
) -> None:
    tree = compiled(raw)
    holds, _ = tree.probe(seen(state, now_ms))
    until_ms = tree.until_ms(seen(state, now_ms))
    assert until_ms is None or until_ms > now_ms
    last_ms = until_ms - 1 if until_ms is not None else now_ms + 5_000 * DAY
    near = [now_ms + days * DAY + more for days in DAYS for more in (-1, 0, 1)]
    tried_at = [last_ms, *near, *(choose.randint(now_ms, last_ms) for _ in range(4))]
    for at_ms in tried_at:
        if now_ms <= at_ms <= last_ms:
            assert tree.test(seen(state, at_ms)) is holds, at_ms - now_ms


@tried(60)
@given(trees, customers(), st.randoms(use_true_random=False))
def test_going_from_instant_to_instant_misses_nothing(
    raw: Any, state: CustomerState, choose: random.Random
) -> None:
    tree = compiled(raw)
    from_ms = T0 - 1_000 * DAY
    ends: list[tuple[int, bool]] = []
    at_ms: int | None = from_ms
    while at_ms is not None and at_ms < T0 + 3_000 * DAY:
        ends.append((at_ms, tree.test(seen(state, at_ms))))
        at_ms = tree.until_ms(seen(state, at_ms))
        assert len(ends) < 200, "instants at which nothing can change cost a timer each"
    for _ in range(20):
        drawn = choose.randint(from_ms, T0 + 3_000 * DAY)
        expected = next(holds for start, holds in reversed(ends) if start <= drawn)
        assert tree.test(seen(state, drawn)) is expected


@tried(300)
@given(trees, customers(), instants)
def test_a_tree_says_what_a_plain_reading_says(raw: Any, state: CustomerState, now_ms: int) -> None:
    view = seen(state, now_ms)
    tree = compiled(raw)
    assert tree.test(view) is plain(raw, view)
    assert tree.probe(view)[0] is tree.test(view)
    assert journaled_tree(raw, 2) == raw or "bought" in str(raw)
    assert compiled(journaled_tree(raw, 2)).test(view) is tree.test(view)


@tried(60)
@given(st.lists(trees, min_size=1, max_size=3), customers(), instants, st.randoms())
def test_the_order_in_which_a_state_was_filled_changes_nothing(
    raws: list[Any], state: CustomerState, now_ms: int, shuffle: random.Random
) -> None:
    rows = [{"name": f"S{index}", "when": raw} for index, raw in enumerate(raws)]
    raw = {"kind": "attributes", "name": "attributes", "segments": rows}
    answer = compile_scheme(raw, SHOP).classify(seen(state, now_ms))
    for name in ("orders", "returns", "contacts", "attributes", "memberships"):
        kept = getattr(state, name)
        setattr(state, name, {key: kept[key] for key in shuffle.sample(list(kept), k=len(kept))})
    raw["segments"] = shuffle.sample(rows, k=len(rows))
    assert compile_scheme(raw, SHOP).classify(seen(state, now_ms)) == answer


# -- dates against the standard library ------------------------------------------------------------


@tried(300)
@given(st.datetimes(), st.integers(-23 * 60, 23 * 60))
def test_instants_are_those_of_the_standard_library(naive: datetime, offset: int) -> None:
    sign = "-" if offset < 0 else "+"
    hours, minutes = divmod(abs(offset), 60)
    text = f"{naive.isoformat(timespec='milliseconds')}{sign}{hours:02}:{minutes:02}"
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - both without a zone
    elapsed = (naive - epoch) // timedelta(milliseconds=1)
    assert parse_instant_ms(text) == elapsed - offset * 60_000
    day = naive.date()
    assert parse_date(day.isoformat()) == Date(day.year, day.month, day.day)


@tried(300)
@given(st.dates(), st.datetimes(datetime(1970, 1, 1)))  # noqa: DTZ001 - hypothesis wants it bare
def test_ages_are_those_of_the_calendar(born: Any, now: datetime) -> None:
    now_ms = (now.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    had = (now.month, now.day) >= (born.month, born.day)
    assert age_at(Date(born.year, born.month, born.day), now_ms) == now.year - born.year - (not had)


# -- the plain reading -----------------------------------------------------------------------------


def plain(raw: Any, view: View) -> bool:
    """A tree once more, the slow and obvious way."""
    if "field" in raw:
        return _plain_field(raw, view)
    ((key, below),) = raw.items()
    if key == "not":
        return not plain(below, view)
    if key in {"all", "any"}:
        answers = [plain(one, view) for one in below]
        return all(answers) if key == "all" else any(answers)
    if key == "segment":
        given = {name: one.segment for name, one in view.state.memberships.items()} | view.segments
        return bool(set((given.get(below["scheme"]) or "").split("|")) & set(below["in"]))
    return _plain_bought(below, view)


def _plain_bought(asked: dict[str, Any], view: View) -> bool:
    place, wanted = (0, asked["sku"]) if asked["sku"] else (2, asked["category"])
    since = view.now_ms - asked["within_ms"] if asked["within_ms"] else -(10**18)
    count, milli = 0, Fraction(0)
    for order in view.state.orders.values():
        if order.occurred_at_ms <= since or order.cancelled or order.fully_returned:
            continue
        lines = [line.split("\x1f") for line in order.lines.strip("\x1e").split("\x1e") if line]
        matching = [Fraction(line[1]) * 1000 for line in lines if line[place] == wanted]
        count += bool(matching)
        milli += sum(matching)
    products = view.state.products
    known = products and (products.skus if place == 0 else products.categories).get(wanted)
    if known and asked["within_ms"] is None:
        count, milli = count + known.orders, milli + Fraction(known.units) * 1000
    elif known and known.last_at_ms > since:
        count += 1
    return count >= asked["at_least"] and milli >= (asked["at_least_units_milli"] or 0)


def _plain_value(name: str, view: View) -> Any:
    """The value of a field; an age is counted from one birthday to the next."""
    facts, now_ms = view.facts, view.now_ms
    if name == "age":
        return _plain_age(view.state.attributes["birth_date"].value, now_ms)
    if name == "days_since_order":
        last = facts.last_order_at_ms
        return None if last is None else max(0, (now_ms - last) // DAY)
    if name.startswith("attribute."):
        return view.state.attributes[name.removeprefix("attribute.")].value
    of_facts = {
        "order_count": facts.order_count,
        "monetary_minor": facts.monetary_minor,
        "average_order_value_minor": facts.average_order_value_minor,
        "return_rate": facts.return_rate,
        "lifetime_order_count": facts.lifetime_order_count,
        "lifetime_monetary_minor": facts.lifetime_monetary_minor,
        "first_order_at": facts.first_order_at_ms,
        "last_order_at": facts.last_order_at_ms,
    }
    return of_facts[name] if name in of_facts else getattr(behaviour_facts, name)(view)


def _plain_age(text: AttributeValue, now_ms: int) -> int | None:
    try:
        born = datetime.strptime(str(text), "%Y-%m-%d").date()  # noqa: DTZ007 - a date
    except ValueError:
        return None
    now = EPOCH + timedelta(milliseconds=now_ms)
    age = now.year - born.year - ((now.month, now.day) < (born.month, born.day))
    return age if age >= 0 else None


def _plain_field(raw: dict[str, Any], view: View) -> bool:
    value = _plain_value(raw["field"], view)
    ((operator, operand),) = [(key, one) for key, one in raw.items() if key != "field"]
    if operator == "exists":
        return (value is not None) is operand
    if operator == "within_ms":
        return _plain_within(raw["field"], value, operand, view.now_ms)
    if operator in {"contains", "starts_with"}:
        wanted = operand if isinstance(operand, list) else [operand]
        if operator == "starts_with":
            return isinstance(value, str) and any(value.startswith(one) for one in wanted)
        return isinstance(value, str | list) and any(one in value for one in wanted)
    operands = operand if isinstance(operand, list) else [operand]
    if _kind(value) is None or any(_kind(value) != _kind(one) for one in operands):
        return False
    if operator == "in":
        return value in operands
    if operator == "between":
        return bool(operands[0] <= value <= operands[1])
    return bool(
        {
            "eq": lambda: value == operand,
            "ne": lambda: value != operand,
            "lt": lambda: value < operand,
            "le": lambda: value <= operand,
            "gt": lambda: value > operand,
            "ge": lambda: value >= operand,
        }[operator]()
    )


def _plain_within(name: str, value: Any, span_ms: int, now_ms: int) -> bool:
    if not name.startswith("attribute."):
        return value is not None and now_ms < value + span_ms
    at_ms = parse_instant_ms(value)
    return at_ms is not None and at_ms <= now_ms < at_ms + span_ms


def _kind(value: object) -> str | None:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None
