"""JSON number literals that a double would hide: 1e2, or money with more than 15 digits.

The contracts see numbers as doubles, in which 1e2 is 100 and 19.990000000000000001 is 19.99. One
search over the bytes finds the records that may hold such a literal, also in places that do not
matter; only those are parsed again with their literals kept.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, get_args

from schemas.dead_letters import Reason
from schemas.events import Contract
from schemas.fields import Money
from schemas.registry import INBOUND
from streams.errors import Rejected

MAX_NUMBER_DIGITS: Final = 15
"""Up to 15 digits every decimal number has a double of its own (IEEE 754)."""

_find_suspect: Final = re.compile(rb":\s*-?[0-9](?:[0-9.]{15}|[0-9.]*[eE])").search
_ITEMS: Final = "items"


class _Literal(str):
    """A number as it was written."""

    __slots__ = ()


class _MoneyFields(NamedTuple):
    own: tuple[str, ...]
    of_items: tuple[str, ...]


def check_literals(payload: bytes, contract: type) -> None:
    """Refuse money written with an exponent or more than 15 digits; `payload` is valid JSON.

    Raises:
        Rejected: with reason `invalid_money`.

    """
    fields = _MONEY_FIELDS.get(contract)
    if fields is None or _find_suspect(payload) is None:
        return
    content = json.loads(payload, parse_float=_Literal, parse_int=_Literal)
    for path, literal in _money_literals(content, fields):
        digits = sum(character.isdigit() for character in literal)
        if "e" in literal.lower() or digits > MAX_NUMBER_DIGITS:
            message = (
                f"{path}: write {literal[:40]} as plain digits, at most {MAX_NUMBER_DIGITS}, or as "
                "a string"
            )
            raise Rejected(Reason.INVALID_MONEY, message, path)


def _money_literals(content: dict[str, Any], fields: _MoneyFields) -> Iterator[tuple[str, str]]:
    for name in fields.own:
        if isinstance(content.get(name), _Literal):
            yield name, content[name]
    for index, item in enumerate(content.get(_ITEMS) or ()):
        for name in fields.of_items:
            if isinstance(item.get(name), _Literal):
                yield f"{_ITEMS}.{index}.{name}", item[name]


def _holds(annotation: object, kind: type) -> Iterator[object]:
    """Everything of a kind inside a type such as Annotated[list[Item] | None, ...]."""
    if isinstance(annotation, kind) or (
        isinstance(annotation, type) and issubclass(annotation, kind)
    ):
        yield annotation
    for part in get_args(annotation):
        yield from _holds(part, kind)


def _money_names(contract: type[Contract]) -> tuple[str, ...]:
    return tuple(
        name
        for name, info in contract.model_fields.items()
        if any(isinstance(rule, Money) for rule in info.metadata)
        or any(_holds(info.annotation, Money))
    )


def _money_fields(contract: type[Contract]) -> _MoneyFields:
    items = contract.model_fields.get(_ITEMS)
    kinds = list(_holds(items.annotation, Contract)) if items is not None else []
    of_items = tuple(name for kind in kinds for name in _money_names(kind))  # type: ignore[arg-type]
    return _MoneyFields(_money_names(contract), of_items)


_MONEY_FIELDS: Final[dict[type, _MoneyFields]] = {
    contract: _money_fields(contract)
    for contracts in INBOUND.values()
    for contract in contracts
    if any(_money_fields(contract))
}
