"""What is bounded of everything that comes from outside: a table for people, made of the code."""

from schemas import customers, fields
from schemas.topics import TOPIC_BY_NAME
from streams import bounded_text, environment, health
from streams.adapters.kafka import config
from streams.adapters.kafka.publisher import PUBLIC_TOPICS
from streams.core import history, machine, products, profile
from streams.core.campaigns import carts, definition
from streams.core.schemes import attributes
from streams.core.tree import errors as trees
from streams.deliver import lane, sending
from streams.deliver.channels import templates, webhook
from streams.files import json_lines, tables
from streams.insights import dead_letters
from streams.intake import reading
from streams.settings import Settings

_KIB, _MIB = 1024, 1024 * 1024


def rows() -> list[tuple[str, str, str]]:
    """Input, bound, what happens beyond it."""
    return [*_events(), *_customers(), *_files(), *_answers()]


def _events() -> list[tuple[str, str, str]]:
    topic = TOPIC_BY_NAME[PUBLIC_TOPICS[0]].max_message_bytes // _MIB
    record = Settings.model_fields["max_record_bytes"].default // _KIB
    ahead_s = Settings.model_fields["future_tolerance_s"].default
    identifier = fields.MAX_IDENTIFIER_CHARACTERS
    return [
        ("record of a topic, headers included", f"{topic} MiB", "the broker refuses it"),
        (
            "value of a record that is used",
            f"{record} KiB (`RFM_MAX_RECORD_BYTES`, at most 8 MiB)",
            "dead letter `too_large`",
        ),
        ("nesting of JSON", f"{NESTING} levels", "dead letter `invalid_json`"),
        ("ids, labels", f"{identifier} characters", "dead letter"),
        ("free texts, names of products", "2,000 characters", "dead letter"),
        ("URLs", "4,096 characters", "dead letter"),
        ("amounts", "12 digits before the point; 32 characters", "dead letter"),
        ("quantities", f"{fields.MAX_QUANTITY:,.0f}", "dead letter"),
        ("times", f"1970 to {ahead_s} s ahead (`RFM_FUTURE_TOLERANCE_S`)", "dead letter"),
        ("items, coupons of an event", "what the record holds", "dead letter `too_large`"),
        (
            "attributes of an event",
            (
                f"names {identifier} characters, texts 2,000, lists {customers.MAX_LIST_ITEMS} texts of "
                f"{reading.MAX_LIST_CHARACTERS:,} characters together"
            ),
            "dead letter `invalid_field`",
        ),
        ("source of a CloudEvent", "1,000 characters", "dead letter `invalid_cloudevent`"),
        (
            "read ahead of a topic, by process",
            (
                f"{config.QUEUED_KIB // _KIB} MiB, {Settings.model_fields['max_batch_records'].default:,} "
                "records a transaction"
            ),
            "waits in the topic",
        ),
    ]


def _customers() -> list[tuple[str, str, str]]:
    return [
        (
            "attributes of a customer",
            f"{profile.MAX_ATTRIBUTES}",
            "further names become a dead letter, the rest is taken",
        ),
        (
            "carts of a customer",
            f"{carts.MAX_CARTS}, {carts.MAX_CART_ITEMS} lines each",
            "the oldest cart goes, further lines are not kept",
        ),
        (
            "orders of a customer",
            f"{history.MAX_WHOLE_ORDERS} whole, {history.MAX_REMNANTS:,} in short, older ones as sums",
            "the oldest are folded",
        ),
        (
            "lines of an order",
            f"{products.MAX_LINES}, {products.MAX_LINES_BYTES // _KIB} KiB of all orders",
            "the smallest are summed up",
        ),
        (
            "returns, cancellations of a customer",
            f"{history.MAX_RETURNS:,} each",
            "the oldest go",
        ),
        ("service contacts of a customer", f"{history.MAX_CONTACTS}", "the oldest go"),
        ("identities of a customer's events", f"{machine.MAX_SEEN:,}", "the oldest go"),
    ]


def _files() -> list[tuple[str, str, str]]:
    return [
        (
            "settings file, rule files, mappings",
            (
                f"{bounded_text.MAX_FILE_BYTES // _KIB} KiB each; YAML "
                f"{bounded_text.MAX_VALUES:,} values, aliases written out, {bounded_text.MAX_NESTING} levels"
            ),
            "refused",
        ),
        (
            "conditions",
            (
                f"{trees.MAX_CONDITIONS} of a tree, {trees.MAX_DEPTH} deep; "
                f"{attributes.MAX_SEGMENTS} segments and {attributes.MAX_CONDITIONS} conditions of "
                "scheme `attributes`"
            ),
            "refused",
        ),
        ("steps of a campaign", f"{definition.MAX_STEPS}", "refused"),
        ("files with a secret", f"{environment.MAX_SECRET_BYTES // _KIB} KiB", "refused"),
        ("line of JSON Lines", f"{json_lines.MAX_LINE_BYTES // _MIB} MiB", "refused"),
        ("line of a CSV file", f"{tables.MAX_LINE_BYTES // _MIB} MiB", "refused"),
        (
            "CSV and Parquet files",
            "1 GB of memory, then the disk of `TMPDIR`",
            "ends, and says so",
        ),
        (
            "value of `dead-letters retry --value`",
            f"{TOPIC_BY_NAME['dead-letters'].max_message_bytes // _MIB} MiB",
            "refused",
        ),
        (
            "memory of what was retried",
            f"{dead_letters.MAX_MEMORY_BYTES:,} bytes",
            "the oldest are forgotten",
        ),
    ]


def _answers() -> list[tuple[str, str, str]]:
    timeout_s = Settings.model_fields["delivery_timeout_s"].default
    return [
        (
            "answer to a webhook",
            (
                f"{webhook.MAX_ANSWER_BYTES:,} bytes are read, uncompressed; "
                f"{timeout_s:g} s (`RFM_DELIVERY_TIMEOUT_S`); no redirection is followed"
            ),
            "the rest is not read",
        ),
        (
            "`Retry-After`",
            f"{webhook.LONGEST_WAIT_S / 60:g} minutes",
            "asked again by then",
        ),
        ("answer of a mail server", "8 KiB a line, 32 KiB", "tried again"),
        (
            "attempts of an action",
            f"{sending.MAX_FAILURES} while others are taken, and its own `valid_until`",
            "dead letter `delivery_gave_up`",
        ),
        (
            "texts of an action in a mail",
            f"{templates.MAX_CHARACTERS} characters, lists of {templates.MAX_LIST}",
            "cut",
        ),
        ("actions on their way", f"{lane.WINDOW:,} a partition", "waits in the topic"),
        (
            "requests for metrics and health",
            f"{health.MAX_REQUESTS} at once, 64 KiB a line, 100 headers, 10 s of silence",
            "closed",
        ),
    ]


NESTING = 100
