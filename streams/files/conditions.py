"""Conditions on one column, as a mapping declares them, and their meaning in SQL."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Scalar = str | int | float

TEXT_OPS = {"eq": "=", "ne": "<>"}
NUMBER_OPS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
LIST_OPS = {"in": "IN", "not_in": "NOT IN"}


def identifier(name: str) -> str:
    """Quote a column or table name for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text value for DuckDB."""
    return "'" + text.replace("'", "''") + "'"


class Condition(BaseModel):
    """`column op value`. A row without a value in the column meets `missing` only.

    `eq`, `ne`, `in`, `not_in` and `starts_with` compare text as it stands in the file; where the
    value is a number, `eq` and `ne` compare numbers, as `lt`, `le`, `gt`, `ge` always do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: ColumnName
    op: Literal[
        "eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "starts_with", "missing", "present"
    ]
    value: Scalar | list[Scalar] | None = None
    reason: Annotated[str, Field(max_length=100)] | None = None

    @model_validator(mode="after")
    def _value_fits_op(self) -> Self:
        if self.op in {"missing", "present"}:
            if self.value is not None:
                raise ValueError(f"'{self.op}' takes no value; remove it")
        elif self.op in LIST_OPS:
            if not isinstance(self.value, list) or not self.value:
                raise ValueError(f"'{self.op}' needs a list, for example value: [A, B]")
        elif isinstance(self.value, list) or self.value is None:
            raise ValueError(f"'{self.op}' needs one value")
        elif self.op in NUMBER_OPS:
            _decimal(self.value)
        return self

    def __str__(self) -> str:
        """Say why rows are left out."""
        return self.reason or " ".join(
            str(part) for part in (self.column, self.op, self.value) if part is not None
        )

    def sql(self, expression: str) -> str:
        """Say the condition about `expression`, a VARCHAR; never NULL (uses macro `number`)."""
        return f"coalesce({self._test(expression)}, false)"

    def _test(self, expression: str) -> str:
        if self.op == "missing":
            return f"{expression} IS NULL"
        if self.op == "present":
            return f"{expression} IS NOT NULL"
        if isinstance(self.value, list):
            values = ", ".join(literal(str(value)) for value in self.value)
            return f"{expression} {LIST_OPS[self.op]} ({values})"
        if self.op == "starts_with":
            return f"starts_with({expression}, {literal(str(self.value))})"
        if self.op in NUMBER_OPS or not isinstance(self.value, str):
            sign = (NUMBER_OPS | TEXT_OPS)[self.op]
            return f"number({expression}) {sign} {_decimal(self.value):f}"
        return f"{expression} {TEXT_OPS[self.op]} {literal(self.value)}"


def _decimal(value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{value!r} is no number; compare with one, for example value: 0")
    return number
