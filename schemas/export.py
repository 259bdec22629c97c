"""Writes the contracts for other people's tools: JSON Schema 2020-12, and one AsyncAPI document.

`python -m schemas.export` renews the committed folder, and refuses a change that would break those
who built against it under the same version.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from schemas.asyncapi import asyncapi_document
from schemas.compatibility import Direction, breaking_changes
from schemas.events import Contract, TimeMark
from schemas.registry import INBOUND, OUTBOUND

GENERATED: Final = Path(__file__).parent / "generated"
_ASYNCAPI: Final = "asyncapi.json"


class BreakingChangeError(Exception):
    """A contract would change incompatibly under the same version; the message names where."""


def json_schemas() -> dict[str, dict[str, Any]]:
    """Give the JSON Schema of every contract by the contract's name."""
    contracts: list[type[Contract]] = [TimeMark]
    for listed in (*INBOUND.values(), *OUTBOUND.values()):
        contracts += listed
    return {contract.contract_name(): _json_schema(contract) for contract in contracts}


def render() -> dict[str, str]:
    """Give the text of every exported file by its name; the same contracts, the same text."""
    schemas = json_schemas()
    files = {f"{name}.v1.schema.json": _text(schema) for name, schema in schemas.items()}
    files[_ASYNCAPI] = _text(asyncapi_document(schemas))
    return files


def export(folder: Path) -> list[Path]:
    """Write all files into `folder`, which is made if need be, and give their paths.

    Raises:
        BreakingChangeError: the folder holds an export that this one would break. Nothing is
            written.

    """
    broken = incompatibilities(folder)
    if broken:
        msg = "; ".join(broken) + ": give the changed contract a new schema_version"
        raise BreakingChangeError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in render().items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def differences(folder: Path) -> list[str]:
    """Name the files in which today's export differs from the one in `folder`."""
    today = render()
    there = {path.name for path in folder.glob("*.json")}
    return sorted(
        name
        for name in today.keys() | there
        if name not in today
        or name not in there
        or (folder / name).read_text(encoding="utf-8") != today[name]
    )


def incompatibilities(folder: Path) -> list[str]:
    """Name what today's export would break for those who use the one in `folder`."""
    today = json_schemas()
    outbound = {contract.contract_name() for listed in OUTBOUND.values() for contract in listed}
    found = []
    for path in sorted(folder.glob("*.v1.schema.json")):
        name = path.name.removesuffix(".v1.schema.json")
        if name not in today:
            found.append(f"{name}: contract removed")
            continue
        direction: Direction = "outbound" if name in outbound else "inbound"
        old = json.loads(path.read_text(encoding="utf-8"))
        found += [f"{name}: {change}" for change in breaking_changes(old, today[name], direction)]
    return found


def _json_schema(contract: type[Contract]) -> dict[str, Any]:
    schema = contract.model_json_schema(by_alias=True)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:rfm-streams:{contract.contract_name()}:v1",
        **schema,
        "examples": [contract.example()],
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    """Renew the committed export."""
    try:
        paths = export(GENERATED)
    except BreakingChangeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{len(paths)} files written to {GENERATED}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
