"""Renders the parts of the documentation that repeat the contracts, so that they cannot drift.

`python -m schemas.reference` renews the text between the marks in docs/producers.md and
docs/subscribers.md; a test compares.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from schemas.dead_letters import REMEDIES, DeadLetterHeaders
from schemas.events import Contract, TimeMark
from schemas.export import json_schemas
from schemas.registry import INBOUND, OUTBOUND
from schemas.topics import TOPIC_BY_NAME

DOCS: Final = Path(__file__).parent.parent / "docs"
_MARK: Final = re.compile(
    r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL
)


def refresh(text: str) -> str:
    """Replace every generated part of a page by today's."""
    parts = generated_parts()
    return _MARK.sub(lambda mark: mark[1] + parts[mark["name"]] + mark[3], text)


def generated_parts() -> dict[str, str]:
    """Give the generated parts by the name in their mark."""
    return {
        "inbound": _contracts(INBOUND) + _section(TimeMark),
        "outbound": _contracts(OUTBOUND),
        "reasons": _reasons(),
        "dead-letter-headers": _table(DeadLetterHeaders),
    }


def _contracts(topics: Mapping[str, tuple[type[Contract], ...]]) -> str:
    parts = []
    for topic, contracts in topics.items():
        parts.append(f"## Topic `{topic}`\n\n{TOPIC_BY_NAME[topic].description}\n\n")
        parts += [_section(contract) for contract in contracts]
    return "".join(parts)


def _section(contract: type[Contract]) -> str:
    name = contract.contract_name()
    summary = json_schemas()[name]["description"]
    example = json.dumps(contract.example(), indent=2, ensure_ascii=False)
    inner = "".join(
        f"Fields of `{field}`:\n\n{_table(model)}\n"
        for field, info in contract.model_fields.items()
        for model in _models(info.annotation)
    )
    body = f"{_table(contract)}\n{inner}```json\n{example}\n```\n\n"
    return f"### `{name}`\n\n{summary}\n\n{body}"


def _models(annotation: object) -> list[type[Contract]]:
    if isinstance(annotation, type) and issubclass(annotation, Contract):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _table(contract: type[Contract]) -> str:
    rows = [
        f"| `{info.alias or name}` | {_presence(info)} | {info.description} | {_unit(info)} |\n"
        for name, info in contract.model_fields.items()
    ]
    return "| field | | meaning | unit |\n|---|---|---|---|\n" + "".join(rows)


def _presence(info: FieldInfo) -> str:
    if info.is_required():
        return "required, may be null" if _takes_null(info.annotation) else "required"
    default = info.get_default(call_default_factory=True, validated_data={})
    return "optional" if default is None else f"optional, default {json.dumps(default)}"


def _takes_null(annotation: object) -> bool:
    return isinstance(annotation, UnionType) and type(None) in get_args(annotation)


def _unit(info: FieldInfo) -> str:
    extra: Any = info.json_schema_extra
    unit = str(extra["x-unit"])
    return "" if unit == "none" else unit


def _reasons() -> str:
    rows = [f"| `{reason}` | {remedy} |\n" for reason, remedy in REMEDIES.items()]
    return "| reason | what to do |\n|---|---|\n" + "".join(rows)


def main() -> int:
    """Renew both pages."""
    for page in ("producers.md", "subscribers.md"):
        path = DOCS / page
        path.write_text(refresh(path.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{path.name} renewed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
