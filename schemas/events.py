"""What every message of a shop carries, and how a contract shows an example of itself."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from schemas.fields import Identifier, Instant, described

SchemaVersion = Annotated[int, Field(ge=1, le=1)]


class Contract(BaseModel):
    """Strict about types, deaf to fields it does not know."""

    model_config = ConfigDict(strict=True, extra="ignore")

    @classmethod
    def example(cls) -> dict[str, Any]:
        """One complete, valid message, put together from the fields' own examples."""
        return {
            info.alias or name: info.examples[0]
            for name, info in cls.model_fields.items()
            if info.examples
        }

    @classmethod
    def contract_name(cls) -> str:
        """Name of the contract: the value of its `type`."""
        return str(get_args(cls.model_fields["type"].annotation)[0])


def contract_type(name: str) -> Any:
    """Describe the field `type`."""
    return described("Names the contract.", name)


def contract_version() -> Any:
    """Describe the field `schema_version`."""
    return described("Version of the contract.", 1)


class InboundEvent(Contract):
    """The fields of every event about a customer."""

    event_id: Annotated[
        Identifier,
        described(
            "Names the event for ever. The same customer, source, type and event_id seen twice is "
            "one event.",
            "0f9c1c52-5d4b-4c8e-9a61-0e1f6f1f7d11",
        ),
    ]
    type: Annotated[str, described("Names the contract.", "")]
    schema_version: Annotated[SchemaVersion, contract_version()] = 1
    customer_id: Annotated[
        Identifier, described("The shop's id of the customer; never a guest's.", "C-1001")
    ]
    occurred_at: Annotated[
        Instant,
        described(
            "When it happened in the shop: RFC 3339 with an offset or Z, from 1970 to now; kept in "
            "whole milliseconds.",
            "2026-03-01T09:30:00.000Z",
            "instant",
        ),
    ]


class TimeMark(Contract):
    """Every event up to `until` was published to this partition. For historical loads only."""

    event_id: Annotated[
        Identifier, described("Names the mark.", "5a0d1f0e-1d0c-4c86-8b0f-6d8f1c3a2b10")
    ]
    type: Annotated[Literal["time.mark"], contract_type("time.mark")]
    schema_version: Annotated[SchemaVersion, contract_version()] = 1
    until: Annotated[
        Instant,
        described(
            "RFC 3339 instant up to which the partition is complete.",
            "2026-03-01T00:00:00Z",
            "instant",
        ),
    ]
