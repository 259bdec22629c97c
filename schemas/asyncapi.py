"""The AsyncAPI 3.0 document: every public topic, who sends and who receives, and its messages."""

from typing import Any, Final

from schemas.compatibility import inline_references
from schemas.dead_letters import DeadLetterHeaders
from schemas.events import Contract, TimeMark
from schemas.registry import INBOUND, OUTBOUND
from schemas.topics import TOPIC_BY_NAME

_JSON_SCHEMA: Final = "application/schema+json;version=draft-2020-12"


def asyncapi_document(schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Describe the topics; `schemas` maps a contract's name to its JSON Schema.

    From the point of view of rfm-streams: it receives the inbound topics and sends the others.
    """
    contracts: dict[str, tuple[type[Contract], ...]] = {
        topic: (*inbound, TimeMark) for topic, inbound in INBOUND.items()
    }
    contracts |= OUTBOUND
    messages = {
        contract.contract_name(): _message(contract, schemas[contract.contract_name()])
        for listed in contracts.values()
        for contract in listed
    }
    channels = {topic: _channel(topic, listed) for topic, listed in contracts.items()}
    channels["dead-letters"] = _dead_letter_channel()
    messages["dead.letter"] = _dead_letter()
    operations = {
        f"{_action(topic)}.{topic}": {
            "action": _action(topic),
            "channel": {"$ref": f"#/channels/{topic}"},
            "summary": TOPIC_BY_NAME[topic].description,
        }
        for topic in channels
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "rfm-streams",
            "version": "1",
            "description": (
                "Events of a web shop in, segment changes and marketing actions out. Topic names "
                "carry the prefix of RFM_NAMESPACE, if it is set."
            ),
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _action(topic: str) -> str:
    return "receive" if topic in INBOUND else "send"


def _channel(topic: str, contracts: tuple[type[Contract], ...]) -> dict[str, Any]:
    names = [contract.contract_name() for contract in contracts]
    return {
        "address": topic,
        "description": TOPIC_BY_NAME[topic].description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": _kafka(topic),
    }


def _dead_letter_channel() -> dict[str, Any]:
    return {
        "address": "dead-letters",
        "description": TOPIC_BY_NAME["dead-letters"].description,
        "messages": {"dead.letter": {"$ref": "#/components/messages/dead.letter"}},
        "bindings": _kafka("dead-letters"),
    }


def _kafka(topic: str) -> dict[str, Any]:
    settings = TOPIC_BY_NAME[topic]
    configuration: dict[str, Any] = {
        "cleanup.policy": [settings.cleanup_policy],
        "max.message.bytes": settings.max_message_bytes,
    }
    if settings.retention_ms is not None:
        configuration["retention.ms"] = settings.retention_ms
    if settings.tombstones_ms is not None:
        configuration["delete.retention.ms"] = settings.tombstones_ms
    binding = {"partitions": settings.partitions, "topicConfiguration": configuration}
    return {"kafka": {**binding, "bindingVersion": "0.5.0"}}


def _message(contract: type[Contract], schema: dict[str, Any]) -> dict[str, Any]:
    name = contract.contract_name()
    # References start at the root of the document they stand in, so none may be left here.
    inline = {key: part for key, part in inline_references(schema).items() if key != "$id"}
    return {
        "name": name,
        "title": schema["title"],
        "summary": schema["description"],
        "contentType": "application/json",
        "payload": {"schemaFormat": _JSON_SCHEMA, "schema": inline},
        "examples": [{"name": "complete", "payload": contract.example()}],
    }


def _dead_letter() -> dict[str, Any]:
    headers = DeadLetterHeaders.model_json_schema(by_alias=True)
    return {
        "name": "dead.letter",
        "title": "DeadLetter",
        "summary": "A record as it came, key, value and headers untouched; headers say why.",
        "headers": {"schemaFormat": _JSON_SCHEMA, "schema": headers},
        "examples": [
            {
                "name": "complete",
                "headers": DeadLetterHeaders.example(),
                "payload": {"any": "thing"},
            }
        ],
    }
