"""Topic `shop.customers`: what the shop knows of a customer, and what the customer allows."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from schemas.events import Contract, InboundEvent, contract_type
from schemas.fields import (
    CountryCode,
    DateText,
    EmailAddress,
    FreeText,
    Identifier,
    Label,
    TimeZone,
    described,
)

MAX_LIST_ITEMS: Final = 200
"""The longest list seen in a shop's export had 60 interests."""


@dataclass(frozen=True)
class _AnyAttribute:
    """A string, number, boolean, list of strings, or null."""

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = core_schema.str_schema(strict=True, max_length=2000)
        union = core_schema.union_schema(
            [
                text,
                core_schema.bool_schema(strict=True),
                core_schema.float_schema(strict=True, allow_inf_nan=False),
                core_schema.list_schema(text, max_length=MAX_LIST_ITEMS, strict=True),
            ],
            mode="left_to_right",
            custom_error_type="field",
            custom_error_message=(
                "Send a string of at most 2,000 characters, a number, true or false, a list of at "
                "most 200 strings, or null to remove the attribute"
            ),
        )
        return core_schema.nullable_schema(union)

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        text = {"type": "string", "maxLength": 2000}
        strings = {"type": "array", "items": text, "maxItems": MAX_LIST_ITEMS}
        kinds = [text, {"type": "boolean"}, {"type": "number"}, strings, {"type": "null"}]
        return {"anyOf": kinds}


AttributeValue = Annotated[str | bool | float | list[str] | None, _AnyAttribute()]
Words = Annotated[list[Label], Field(max_length=MAX_LIST_ITEMS)]


class Attributes(Contract):
    """Well-known attributes are typed; any other name is the shop's own. Null removes one."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, AttributeValue] = Field(init=False)

    email: Annotated[EmailAddress | None, described("E-mail address.", "ann@example.org")] = None
    phone: Annotated[Label | None, described("Telephone number.", "+49 30 901820")] = None
    first_name: Annotated[Label | None, described("First name.", "Ann")] = None
    language: Annotated[Label | None, described("Language of the texts sent (BCP 47).", "de")] = (
        None
    )
    time_zone: Annotated[
        TimeZone | None, described("IANA time zone; quiet hours follow it.", "Europe/Berlin")
    ] = None
    country: Annotated[CountryCode | None, described("Country (ISO 3166-1).", "DE")] = None
    region: Annotated[Label | None, described("State, province or region.", "Berlin")] = None
    postal_code: Annotated[Label | None, described("Postal code.", "10117")] = None
    birth_date: Annotated[
        DateText | None, described("Date of birth, year first.", "1984-05-23", "date")
    ] = None
    gender: Annotated[Label | None, described("Gender as the shop records it.", "female")] = None
    household: Annotated[
        AttributeValue, described("Household: persons, or a word for it.", 3, "persons")
    ] = None
    marital_status: Annotated[Label | None, described("Marital status.", "married")] = None
    income_band: Annotated[
        Label | None, described("Income band as the shop names it.", "40-60k")
    ] = None
    education: Annotated[Label | None, described("Education.", "university")] = None
    interests: Annotated[
        Words | None, described("What the customer is interested in.", ["running"])
    ] = None
    values: Annotated[Words | None, described("What matters to the customer.", ["fair trade"])] = (
        None
    )
    lifestyle: Annotated[
        AttributeValue, described("Way of life: one word or several.", ["outdoor"])
    ] = None
    leave_reason: Annotated[
        FreeText | None, described("Why the customer stopped buying.", "moved abroad")
    ] = None


class CustomerUpdated(InboundEvent):
    """Attributes of a customer that changed; those not named stay as they are."""

    type: Annotated[Literal["customer.updated"], contract_type("customer.updated")]
    attributes: Annotated[
        Attributes,
        described(
            "Name to value: string, number, boolean, list of strings, or null to remove.",
            {**Attributes.example(), "club_level": "silver"},
        ),
    ]


class ConsentChanged(InboundEvent):
    """A customer allowed a channel, or withdrew it."""

    type: Annotated[Literal["consent.changed"], contract_type("consent.changed")]
    channel: Annotated[
        Literal["email", "sms", "push", "post"], described("The channel in question.", "email")
    ]
    granted: Annotated[bool, described("True allows, false withdraws.", True)]
    source: Annotated[
        Label | None, described("Where consent was given or withdrawn.", "newsletter form")
    ] = None


class CustomerErased(InboundEvent):
    """Forget the customer: state, timers and memberships go; later events start from nothing."""

    type: Annotated[Literal["customer.erased"], contract_type("customer.erased")]


class CustomerMerged(InboundEvent):
    """`customer_id` turned out to be the same person as `into_customer_id`."""

    type: Annotated[Literal["customer.merged"], contract_type("customer.merged")]
    into_customer_id: Annotated[
        Identifier, described("The customer that stays and takes over all facts.", "C-1000")
    ]


def attribute_values(attributes: Attributes) -> dict[str, Any]:
    """Give the attributes that the message named, and only those; None asks for removal."""
    return attributes.model_dump(exclude_unset=True)
