"""The committed export is today's, valid, and never changes incompatibly."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from schemas.compatibility import Direction, breaking_changes
from schemas.dead_letters import DeadLetterHeaders
from schemas.events import Contract, TimeMark
from schemas.export import (
    GENERATED,
    BreakingChangeError,
    differences,
    export,
    incompatibilities,
    json_schemas,
)
from schemas.registry import INBOUND, OUTBOUND
from tests.contract.messages import order

CONTRACTS: list[type[Contract]] = [TimeMark]
for _listed in (*INBOUND.values(), *OUTBOUND.values()):
    CONTRACTS.extend(_listed)
ORDER = json_schemas()["order.placed"]


def _ids(contract: type[Contract]) -> str:
    return contract.__name__


def test_the_committed_export_is_todays() -> None:
    assert differences(GENERATED) == [], "run: python -m schemas.export"


def test_todays_contracts_break_nobody() -> None:
    assert incompatibilities(GENERATED) == []


@pytest.mark.parametrize("contract", CONTRACTS, ids=_ids)
def test_schemas_are_valid_and_take_their_examples(contract: type[Contract]) -> None:
    schema = json_schemas()[contract.contract_name()]
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    validator.validate(contract.example())
    assert list(validator.iter_errors({})), "a schema that takes anything checks nothing"
    contract.model_validate_json(json.dumps(contract.example()))


@pytest.mark.parametrize("total", ["1e2", "1,5", "-5", " 5", "\u0665", -1, None, True])
def test_the_json_schema_refuses_money_too(total: object) -> None:
    validator = Draft202012Validator(ORDER)
    assert validator.is_valid(json.loads(order()))
    assert not validator.is_valid(json.loads(order(total=total)))


@pytest.mark.parametrize("contract", [*CONTRACTS, DeadLetterHeaders], ids=_ids)
def test_every_field_says_what_it_is(contract: type[Contract]) -> None:
    schema = contract.model_json_schema(by_alias=True)
    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["description"]
        for name, field in part["properties"].items():
            assert field["description"], name
            assert field["examples"], name
            assert field["x-unit"], name


def test_the_asyncapi_document_names_every_topic_and_message() -> None:
    document = json.loads((GENERATED / "asyncapi.json").read_text(encoding="utf-8"))
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {*INBOUND, *OUTBOUND, "dead-letters"}
    messages = document["components"]["messages"]
    assert '"#/$defs' not in json.dumps(messages), "such references lead nowhere in this document"
    assert set(messages) == {contract.contract_name() for contract in CONTRACTS} | {"dead.letter"}
    for topic, channel in document["channels"].items():
        for reference in channel["messages"].values():
            assert reference["$ref"].removeprefix("#/components/messages/") in messages
        action = "receive" if topic in INBOUND else "send"
        operation = document["operations"][f"{action}.{topic}"]
        assert operation["channel"]["$ref"] == f"#/channels/{topic}"
    for topic, contracts in INBOUND.items():
        assert "time.mark" in document["channels"][topic]["messages"]
        for contract in contracts:
            assert contract.contract_name() in document["channels"][topic]["messages"]


def test_an_export_is_the_same_every_time(tmp_path: Path) -> None:
    export(tmp_path / "one")
    export(tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert differences(tmp_path / "one") == []


def test_an_export_never_overwrites_what_it_would_break(tmp_path: Path) -> None:
    export(tmp_path)
    path = tmp_path / "order.placed.v1.schema.json"
    promised = copy.deepcopy(ORDER)
    promised["properties"]["gift_note"] = {"type": "string"}
    path.write_text(json.dumps(promised), encoding="utf-8")
    with pytest.raises(BreakingChangeError, match="gift_note: field removed"):
        export(tmp_path)
    assert json.loads(path.read_text(encoding="utf-8")) == promised


def test_a_contract_is_never_withdrawn(tmp_path: Path) -> None:
    export(tmp_path)
    (tmp_path / "order.paid.v1.schema.json").write_text("{}", encoding="utf-8")
    assert incompatibilities(tmp_path) == ["order.paid: contract removed"]
    assert differences(tmp_path) == ["order.paid.v1.schema.json"]


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": ["id"]}


TEXT = {"type": "string", "maxLength": 10, "pattern": "^a"}
NUMBER = {"type": "number", "minimum": 0}
COLOUR = {"enum": ["red", "blue"], "type": "string"}
MAYBE = {"anyOf": [TEXT, {"type": "null"}]}
LINES = {"type": "array", "items": _object(id=TEXT, size=NUMBER)}
OLD = _object(id=TEXT, size=NUMBER, colour=COLOUR, note=MAYBE, lines=LINES)

INBOUND_BREAKS: list[tuple[dict[str, Any], str]] = [
    ({"size": None}, "size: field removed"),
    ({"lines": {**LINES, "items": _object(id=TEXT)}}, "lines[].size: field removed"),
    ({"size": {**NUMBER, "type": "integer"}}, "size: type number narrowed to integer"),
    ({"size": {**NUMBER, "minimum": 1}}, "size: minimum raised to 1"),
    ({"size": {**NUMBER, "maximum": 9}}, "size: maximum lowered to 9"),
    ({"id": {**TEXT, "maxLength": 9}}, "id: maxLength lowered to 9"),
    ({"id": {**TEXT, "pattern": "^b"}}, "id: pattern changed to ^b"),
    ({"colour": {**COLOUR, "enum": ["red"]}}, "colour: no longer takes ['blue']"),
    ({"colour": {"type": "string", "const": "red"}}, "colour: no longer takes ['blue']"),
    ({"size": {**NUMBER, "enum": [1]}}, "size: no longer takes other values"),
    ({"note": TEXT}, "note: type null narrowed to string"),
    ({"lines": {**LINES, "items": {**_object(id=TEXT, size=NUMBER), "required": ["id", "size"]}}},
     "lines[].size: newly required"),
]  # fmt: skip


def _changed(changes: dict[str, Any]) -> dict[str, Any]:
    properties = {**OLD["properties"], **changes}
    return _object(**{name: field for name, field in properties.items() if field is not None})


@pytest.mark.parametrize(
    ("changes", "expected"), INBOUND_BREAKS, ids=[row[1] for row in INBOUND_BREAKS]
)
def test_what_breaks_producers_is_found(changes: dict[str, Any], expected: str) -> None:
    found = breaking_changes(OLD, _changed(changes), "inbound")
    assert expected in found
    assert all(change.partition(":")[0] == expected.partition(":")[0] for change in found)


def test_a_newly_required_field_is_found() -> None:
    new = {**OLD, "required": ["id", "size"]}
    assert breaking_changes(OLD, new, "inbound") == ["size: newly required"]
    assert breaking_changes(OLD, new, "outbound") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"weight": NUMBER},
        {"size": {"type": "number"}},
        {"colour": {**COLOUR, "enum": ["red", "blue", "green"]}},
        {"id": {**MAYBE}},
        {"id": {**TEXT, "maxLength": 20, "description": "said better"}},
    ],
)
def test_what_producers_do_not_notice_is_allowed(changes: dict[str, Any]) -> None:
    assert breaking_changes(OLD, _changed(changes), "inbound") == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"size": None}, "size"),
        ({"id": MAYBE}, "id"),
        ({"colour": {**COLOUR, "enum": ["red", "blue", "green"]}}, "colour"),
        ({"size": {"type": "string"}}, "size"),
    ],
)
def test_what_breaks_subscribers_is_found(changes: dict[str, Any], field: str) -> None:
    found = breaking_changes(OLD, _changed(changes), "outbound")
    assert [change.partition(":")[0] for change in found] == [field]


def test_a_field_that_may_be_missing_breaks_subscribers() -> None:
    assert breaking_changes(OLD, {**OLD, "required": []}, "outbound")
    assert breaking_changes(OLD, {**OLD, "required": []}, "inbound") == []


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
@pytest.mark.parametrize("contract", CONTRACTS, ids=_ids)
def test_every_contract_can_replace_itself(contract: type[Contract], direction: Direction) -> None:
    schema = json_schemas()[contract.contract_name()]
    assert breaking_changes(schema, schema, direction) == []


@pytest.mark.parametrize("contract", CONTRACTS, ids=_ids)
def test_losing_any_field_of_a_real_contract_is_found(contract: type[Contract]) -> None:
    old = json_schemas()[contract.contract_name()]
    for name in old["properties"]:
        new = copy.deepcopy(old)
        del new["properties"][name]
        assert f"{name}: field removed" in breaking_changes(old, new, "inbound")
