"""What pydantic found wrong with a record, said in the reason codes of dead letters."""

import math
import re
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.dead_letters import Reason
from schemas.registry import INBOUND_TYPES
from streams.errors import Rejected

_SHOWN_CHARACTERS: Final = 60
_NEGATIVE: Final = re.compile(r"-[0-9]{1,12}(\.[0-9]+)?")
_BY_TYPE: Final = {
    "missing": Reason.MISSING_FIELD,
    "missing_currency": Reason.MISSING_FIELD,
    "union_tag_not_found": Reason.MISSING_FIELD,
    "currency": Reason.UNKNOWN_CURRENCY,
    "instant": Reason.INVALID_TIME,
}


def refuse(
    error: ValidationError, topic: str, payload: bytes, guest_ids: frozenset[str]
) -> Rejected:
    """Turn the first problem that pydantic found into the reason for the dead letter."""
    first = error.errors(include_url=False)[0]
    kind = first["type"]
    if kind == "json_invalid":
        return refuse_bytes(payload, first["msg"])
    if kind == "union_tag_invalid":
        return _refuse_type(first["ctx"]["tag"], topic)
    if kind == "union_tag_not_found":
        return Rejected(Reason.MISSING_FIELD, "type is missing: it names the contract", "type")
    if not first["loc"]:
        return Rejected(Reason.NOT_AN_OBJECT, "the value is JSON but not an object")
    field = _path(first)
    if kind == "missing":
        return Rejected(Reason.MISSING_FIELD, f"{field} is missing", field)
    message = f"{field}: {first['msg']}"
    if isinstance(first["input"], str | int | float | None):
        message += f"; it is {_shown(first['input'])}"
    return Rejected(_reason(first, field, guest_ids), message, field)


def refuse_bytes(payload: bytes, problem: str) -> Rejected:
    """Say why bytes are not one JSON document."""
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start} of the value is not UTF-8"
        return Rejected(Reason.INVALID_UTF8, message)
    return Rejected(Reason.INVALID_JSON, f"not one JSON document: {problem[:200]}")


def _refuse_type(tag: str, topic: str) -> Rejected:
    home = INBOUND_TYPES.get(tag)
    if home is None:
        message = f"no contract is called {_shown(tag)}"
        return Rejected(Reason.UNKNOWN_TYPE, message, "type")
    return Rejected(Reason.WRONG_TOPIC, f"{tag} belongs on {home}, not on {topic}", "type")


def _path(error: ErrorDetails) -> str:
    named = error.get("ctx", {}).get("field")
    # The first part of the location is the type, by which the contract was chosen.
    return str(named) if named else ".".join(str(part)[:200] for part in error["loc"][1:])


def _reason(error: ErrorDetails, field: str, guest_ids: frozenset[str]) -> Reason:
    kind, given = error["type"], error["input"]
    if field == "schema_version":
        return Reason.UNSUPPORTED_VERSION
    if kind == "money":
        return Reason.NEGATIVE_AMOUNT if _is_negative(given) else Reason.INVALID_MONEY
    if kind == "identifier":
        guest = isinstance(given, str) and given in guest_ids and field.endswith("customer_id")
        return Reason.GUEST_CUSTOMER if guest else Reason.INVALID_IDENTIFIER
    return _BY_TYPE.get(kind, Reason.INVALID_FIELD)


def _is_negative(given: object) -> bool:
    if isinstance(given, str):
        return _NEGATIVE.fullmatch(given) is not None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return False
    return given < 0 and not math.isinf(given)


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
