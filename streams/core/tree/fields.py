"""What a rule tree may ask about: attributes by name, and facts, with how the clock changes them."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from streams.core.behaviour_facts import (
    RESPONSE_MS,
    YEAR_MS,
    discount_share,
    median_gap_ms,
    orders_since,
    responds_to_offers,
    response,
    service_cost_minor,
    units_per_order_milli,
    variation,
)
from streams.core.inputs import AttributeValue
from streams.core.schemes.scheme import View
from streams.core.tree.dates import Date, age_at, birthday_ms, parse_date, parse_instant_ms
from streams.core.values import DAY_MS

NEVER: Final = 1 << 62
ATTRIBUTE: Final = "attribute."
BIRTH_DATE: Final = "birth_date"
RETURN_RATE: Final = "return_rate"

# Attributes that the contract of `customer.updated` types (schemas.customers.Attributes): compared
# with anything else, a rule could never hold.
TEXT_ATTRIBUTES: Final = frozenset(
    {
        "email",
        "phone",
        "first_name",
        "language",
        "time_zone",
        "country",
        "region",
        "postal_code",
        "birth_date",
        "gender",
        "marital_status",
        "income_band",
        "education",
        "leave_reason",
    }
)
LIST_ATTRIBUTES: Final = frozenset({"interests", "values"})

Value = AttributeValue
Values = Callable[[View], Value]
# The first instant after the view's at which the value can be another one; NEVER for never.
Changes = Callable[[View], int]
# The same for a whole number that grows by one: the instant at which it reaches the next of some
# numbers, given as a rising list.
Grows = Callable[[View, tuple[int, ...]], int]


class Unit(Enum):
    """What stands in a field."""

    ANY = "any"
    NUMBER = "number"
    INSTANT = "instant"
    MONEY = "money"
    DURATION = "duration"
    THOUSANDTHS = "thousandths"


# What journaled names end in, so that a figure of a rule file cannot pass for a journaled one.
_SUFFIXES: Final = {Unit.MONEY: "_minor", Unit.DURATION: "_ms", Unit.THOUSANDTHS: "_milli"}


class Field(NamedTuple):
    """`name` as in rule files. At most one of `changes` and `grows` is given.

    `value` is None where the customer has none: no comparison holds then. `instant` is given where
    `within` can be asked, `is_span` says that it then also holds before that instant.
    """

    name: str
    unit: Unit
    value: Values
    changes: Changes | None = None
    grows: Grows | None = None
    instant: Callable[[View], int | None] | None = None
    is_span: bool = False

    @property
    def journaled(self) -> str:
        """The name in journaled trees, which says its unit."""
        return self.name + _SUFFIXES.get(self.unit, "")


def attribute(name: str) -> Field:
    """The attribute of that name, whatever the shop sent as its value."""

    def value(view: View) -> Value:
        known = view.state.attributes.get(name)
        return None if known is None else known.value

    def instant(view: View) -> int | None:
        return parse_instant_ms(value(view))

    return Field(ATTRIBUTE + name, Unit.ANY, value, instant=instant)


def _window_changes(view: View) -> int:
    expiry = view.facts.next_expiry_ms
    return NEVER if expiry is None else expiry


def return_rate_in(window_ms: int) -> Field:
    """The return rate of a shop with that RFM window.

    Fully returned orders are in the rate, and `Facts.next_expiry_ms` does not wait for them.
    """

    def changes(view: View) -> int:
        due = _window_changes(view)
        for order in view.state.orders.values():
            leaves = order.occurred_at_ms + window_ms
            if view.now_ms < leaves < due and not order.cancelled and order.fully_returned:
                due = leaves
        return due

    return FACTS[RETURN_RATE]._replace(changes=changes)


def _year_orders_change(view: View) -> int:
    inside = orders_since(view, view.now_ms - YEAR_MS)
    return inside[0].occurred_at_ms + YEAR_MS if inside else NEVER


def _year_contacts_change(view: View) -> int:
    since = view.now_ms - YEAR_MS
    inside = [one.occurred_at_ms for one in view.state.contacts.values()]
    return min([at_ms + YEAR_MS for at_ms in inside if at_ms > since], default=NEVER)


def _offers_change(view: View) -> int:
    return response(view, YEAR_MS, RESPONSE_MS).until_ms


def _days_since_order(view: View) -> int | None:
    last = view.facts.last_order_at_ms
    # An order of a fast clock lies ahead of now.
    return None if last is None else max(0, (view.now_ms - last) // DAY_MS)


def _days_since_order_grow(view: View, steps: tuple[int, ...]) -> int:
    days, last = _days_since_order(view), view.facts.last_order_at_ms
    if days is None or last is None:
        return NEVER
    index = bisect_right(steps, days)
    return last + steps[index] * DAY_MS if index < len(steps) else NEVER


def _born(view: View) -> Date | None:
    known = view.state.attributes.get(BIRTH_DATE)
    return None if known is None else parse_date(known.value)


def _age(view: View) -> int | None:
    birth = _born(view)
    if birth is None:
        return None
    age = age_at(birth, view.now_ms)
    return age if age >= 0 else None


def _age_grows(view: View, steps: tuple[int, ...]) -> int:
    birth = _born(view)
    if birth is None:
        return NEVER
    age = age_at(birth, view.now_ms)
    if age < 0:
        return birthday_ms(birth, 0)
    index = bisect_right(steps, age)
    return birthday_ms(birth, steps[index]) if index < len(steps) else NEVER


def _first_order_at_ms(view: View) -> int | None:
    return view.facts.first_order_at_ms


def _last_order_at_ms(view: View) -> int | None:
    return view.facts.last_order_at_ms


_FACTS: Final = (
    Field("order_count", Unit.NUMBER, lambda view: view.facts.order_count, _window_changes),
    Field("monetary", Unit.MONEY, lambda view: view.facts.monetary_minor, _window_changes),
    Field(
        "average_order_value",
        Unit.MONEY,
        lambda view: view.facts.average_order_value_minor,
        _window_changes,
    ),
    Field(RETURN_RATE, Unit.NUMBER, lambda view: view.facts.return_rate, _window_changes),
    Field("lifetime_order_count", Unit.NUMBER, lambda view: view.facts.lifetime_order_count),
    Field("lifetime_monetary", Unit.MONEY, lambda view: view.facts.lifetime_monetary_minor),
    Field("days_since_order", Unit.NUMBER, _days_since_order, grows=_days_since_order_grow),
    Field(
        "first_order_at",
        Unit.INSTANT,
        _first_order_at_ms,
        instant=_first_order_at_ms,
        is_span=True,
    ),
    Field(
        "last_order_at", Unit.INSTANT, _last_order_at_ms, instant=_last_order_at_ms, is_span=True
    ),
    Field("age", Unit.NUMBER, _age, grows=_age_grows),
    Field("median_gap", Unit.DURATION, median_gap_ms),
    Field("units_per_order", Unit.THOUSANDTHS, units_per_order_milli),
    Field("discount_share", Unit.NUMBER, discount_share, _year_orders_change),
    Field("variation", Unit.NUMBER, variation, _year_orders_change),
    Field("service_cost", Unit.MONEY, service_cost_minor, _year_contacts_change),
    Field("responds_to_offers", Unit.NUMBER, responds_to_offers, _offers_change),
)
FACTS: Final[Mapping[str, Field]] = {one.name: one for one in _FACTS}
JOURNALED_FACTS: Final[Mapping[str, Field]] = {one.journaled: one for one in _FACTS}
