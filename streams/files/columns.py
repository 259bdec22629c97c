"""Which columns of a file a mapping uses, under which short names they are staged."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from streams.errors import UsageError
from streams.files.conditions import Condition
from streams.files.mapping import CartsMapping, Mapping, OrdersMapping

# The roles whose text must be a number.
NUMBER_ROLES = ("quantity", "unit_price", "discount", "total")


class UsedColumn(NamedTuple):
    """A column of the file: its staged alias, its name there and the mapping's field."""

    alias: str
    name: str
    field: str


def used_columns(mapping: Mapping) -> list[UsedColumn]:
    """Return every column the mapping names, one alias per role and one per condition."""
    named = [
        UsedColumn("time", mapping.time.column, "time.column"),
        UsedColumn("customer", mapping.customer.column, "customer.column"),
    ]
    if mapping.currency.column is not None:
        named.append(UsedColumn("currency", mapping.currency.column, "currency.column"))
    for role, name in mapping.line.model_dump(exclude_none=True).items():
        named.append(UsedColumn(role, name, f"line.{role}"))
    named.extend(_order_columns(mapping))
    named.extend(
        UsedColumn(alias, condition.column, f"{alias}.column")
        for alias, condition in conditions(mapping)
    )
    return named


def conditions(mapping: Mapping) -> Iterator[tuple[str, Condition]]:
    """Yield every condition with the alias of its column, which is also its field's path."""
    for index, condition in enumerate(mapping.leave_out):
        yield f"leave_out.{index}", condition
    if isinstance(mapping, CartsMapping):
        cart = mapping.cart
        for name, found in (
            ("added", cart.added),
            ("removed", cart.removed),
            ("bought", cart.bought),
        ):
            if found is not None:
                yield f"cart.{name}", found


def _order_columns(mapping: Mapping) -> Iterator[UsedColumn]:
    if isinstance(mapping, OrdersMapping):
        order, returns = mapping.order, mapping.returns
        if order.id.column is not None:
            yield UsedColumn("number", order.id.column, "order.id.column")
        if order.channel is not None:
            yield UsedColumn("channel", order.channel, "order.channel")
        if order.cart_id is not None:
            yield UsedColumn("cart", order.cart_id, "order.cart_id")
        if returns is not None and returns.order_id is not None:
            yield UsedColumn("returned_order", returns.order_id, "returns.order_id")
    else:
        yield UsedColumn("number", mapping.cart.id, "cart.id")


def check_columns(mapping: Mapping, path: Path, present: list[str]) -> None:
    """Raise UsageError for the first column of the mapping that the file does not have."""
    for used in used_columns(mapping):
        if used.name not in present:
            close = difflib.get_close_matches(used.name, present, n=1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            raise UsageError(
                f"{mapping.origin}: field {used.field}: {path} has no column {used.name!r}; "
                f"{meant}it has: {', '.join(present)}"
            )
