"""Topic `dead-letters`: records that could not be used, untouched, with the reason beside them."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from schemas.events import Contract
from schemas.fields import Instant, described


class Reason(StrEnum):
    """Why a record was refused: the values of the header `dlq.reason`. Codes are never reused."""

    NULL_VALUE = "null_value"
    TOO_LARGE = "too_large"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    NOT_AN_OBJECT = "not_an_object"
    INVALID_CLOUDEVENT = "invalid_cloudevent"
    CLOUDEVENT_CONTRADICTION = "cloudevent_contradiction"
    UNKNOWN_TYPE = "unknown_type"
    WRONG_TOPIC = "wrong_topic"
    UNSUPPORTED_VERSION = "unsupported_version"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    INVALID_IDENTIFIER = "invalid_identifier"
    INVALID_TIME = "invalid_time"
    FUTURE_TIME = "future_time"
    INVALID_MONEY = "invalid_money"
    NEGATIVE_AMOUNT = "negative_amount"
    UNKNOWN_CURRENCY = "unknown_currency"
    NO_EXCHANGE_RATE = "no_exchange_rate"
    GUEST_CUSTOMER = "guest_customer"
    TIME_MARK_UNDER_WALL_CLOCK = "time_mark_under_wall_clock"
    MERGE_CYCLE = "merge_cycle"
    TOO_MANY_ATTRIBUTES = "too_many_attributes"
    INVALID_ACTION = "invalid_action"
    TEMPLATE_ERROR = "template_error"
    NO_ADDRESS = "no_address"
    CUSTOMER_ERASED = "customer_erased"
    NO_TRANSPORT = "no_transport"
    DELIVERY_REFUSED = "delivery_refused"
    DELIVERY_GAVE_UP = "delivery_gave_up"


REMEDIES: Final[dict[Reason, str]] = {
    Reason.NULL_VALUE: "A record needs a value. To forget a customer, send `customer.erased`.",
    Reason.TOO_LARGE: "A record in use has at most 256 KiB. Send fewer or shorter fields.",
    Reason.INVALID_UTF8: "Encode the JSON as UTF-8.",
    Reason.INVALID_JSON: (
        "Send one complete JSON document: nothing after it, at most 100 levels deep."
    ),
    Reason.NOT_AN_OBJECT: "Send a JSON object, one event per record; no lists.",
    Reason.INVALID_CLOUDEVENT: (
        "A CloudEvent has `specversion` 1.0, `id`, `source` and `type`, and JSON data. "
        "Batches are not accepted."
    ),
    Reason.CLOUDEVENT_CONTRADICTION: (
        "The CloudEvents attribute and the field in the payload differ. Send the same value, or "
        "leave the field out of the payload."
    ),
    Reason.UNKNOWN_TYPE: "Send one of the types on this page, spelt as here.",
    Reason.WRONG_TOPIC: "Publish the type to the topic it is listed under.",
    Reason.UNSUPPORTED_VERSION: "Send `schema_version` 1 or leave it out.",
    Reason.MISSING_FIELD: "Add the field named in `dlq.field`.",
    Reason.INVALID_FIELD: "Mend the field named in `dlq.field`; `dlq.message` says what it takes.",
    Reason.INVALID_IDENTIFIER: (
        "Ids are strings of 1 to 200 characters without control characters. Numbers are refused."
    ),
    Reason.INVALID_TIME: (
        "Send an RFC 3339 string with an offset or `Z`, from 1970 on. Numbers, times without "
        "offset and days that do not exist are refused."
    ),
    Reason.FUTURE_TIME: (
        "The time is more than five minutes (setting) ahead of the clock. Set the producer's "
        "clock and time zone right."
    ),
    Reason.INVALID_MONEY: (
        "Send digits and a decimal point, with no more decimals than the currency has."
    ),
    Reason.NEGATIVE_AMOUNT: (
        "Totals are not below zero. Send goods that came back as `return.registered`."
    ),
    Reason.UNKNOWN_CURRENCY: "Send the three capitals of ISO 4217.",
    Reason.NO_EXCHANGE_RATE: (
        "Add a dated rate for the currency to the settings, then retry the dead letter."
    ),
    Reason.GUEST_CUSTOMER: (
        "Guests have no history of their own. Send an id that belongs to one person, or change "
        "`RFM_GUEST_CUSTOMER_IDS`."
    ),
    Reason.TIME_MARK_UNDER_WALL_CLOCK: (
        "Time marks belong to historical loads. Start intake with `RFM_CLOCK=event`."
    ),
    Reason.MERGE_CYCLE: (
        "The customer was merged into another that leads back to it, or over more than 8 merges. "
        "Merge into the customer that stays. The value is the journal record, not the event."
    ),
    Reason.TOO_MANY_ATTRIBUTES: (
        "A customer has at most 200 attributes over all time, removed ones included. The rest of the "
        "event was taken in. Send fewer names. The value is the journal record, not the event."
    ),
    Reason.INVALID_ACTION: (
        "Of the delivery stage: a record of `marketing.actions` that keeps no contract. Only "
        "rfm-streams writes there; find out who else does."
    ),
    Reason.TEMPLATE_ERROR: (
        "Of the delivery stage, like those below; their value is the action. Mend the template named "
        "in `dlq.message`; this action is not sent any more."
    ),
    Reason.NO_ADDRESS: (
        "Send the customer's `email` or `phone` as `customer.updated`; what is there is no address."
    ),
    Reason.CUSTOMER_ERASED: "Nothing: the customer was erased before the action went out.",
    Reason.NO_TRANSPORT: (
        "No channel of the action has a transport: see `RFM_DELIVERY_TRANSPORTS` and the settings of "
        "the transport named in `dlq.message`."
    ),
    Reason.DELIVERY_REFUSED: (
        "The receiver refused this action for good; `dlq.message` holds its own words."
    ),
    Reason.DELIVERY_GAVE_UP: (
        "The receiver failed at this action again and again while it took others; `dlq.message` "
        "holds its latest words."
    ),
}
"""What the producer, or the person on call, does about each reason."""


class DeadLetterHeaders(Contract):
    """Headers of a dead letter, beside the record's own; all values are UTF-8 text."""

    topic: Annotated[
        str, Field(alias="dlq.topic"), described("Topic the record was read from.", "shop.orders")
    ]
    partition: Annotated[
        str, Field(alias="dlq.partition"), described("Partition it was read from.", "3")
    ]
    offset: Annotated[
        str, Field(alias="dlq.offset"), described("Offset it was read at.", "129004", "records")
    ]
    reason: Annotated[
        str, Field(alias="dlq.reason"), described("Why: one of the codes.", "invalid_money")
    ]
    field: Annotated[
        str | None,
        Field(alias="dlq.field"),
        described("Path of the field at fault, if one is.", "items.0.discount"),
    ] = None
    message: Annotated[
        str,
        Field(alias="dlq.message"),
        described("What to mend, in a sentence.", "19.999 has 3 decimals, 2 are allowed"),
    ]
    at: Annotated[
        Instant,
        Field(alias="dlq.at"),
        described("When it was refused.", "2026-03-01T09:30:00.412Z", "instant"),
    ]
    stage: Annotated[
        str, Field(alias="dlq.stage"), described("The processor that refused it.", "intake")
    ]
    version: Annotated[
        str, Field(alias="dlq.version"), described("Version of that processor.", "0.1.0")
    ]
    attempt: Annotated[
        str,
        Field(alias="dlq.attempt"),
        described("How often it was refused, this time included.", "1", "attempts"),
    ]
    truncated: Annotated[
        str | None,
        Field(alias="dlq.truncated"),
        described(
            "Only where the value was cut to fit: its full length and SHA-256.",
            "14680064 sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "bytes",
        ),
    ] = None
