"""`inspect` and `explain`: one customer, as they are and as they came to be."""

from typing import Annotated, Any

import typer
from confluent_kafka import murmur2

from schemas.currencies import MINOR_DIGITS
from streams.bootstrap import names_of
from streams.cli.context import check_kafka, open_store, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.inspection import describe_customer, print_customer
from streams.cli.output import note, print_json, progress_bar
from streams.cli.timeline import Timeline
from streams.codec.journal import decode_input
from streams.errors import UsageError
from streams.insights.customer_reader import fetch_customer
from streams.insights.history import HistoryFold
from streams.insights.topic_reader import TopicReader
from streams.settings import Settings

_INSPECT = described(
    "The state of one customer: facts, scores, segment, orders, returns, carts, campaigns under "
    "way and what they wait for, what was sent against the caps, what is muted, whose outcome is "
    "still counted, consents and attributes, and what the clock will change next.",
    "inspect C-1001",
    "inspect C-1001 --json | jq .segment",
)
_EXPLAIN = described(
    "How a customer came to be where they are: every event, segment change, action (also of the "
    "control group), suppressed and cancelled action and outcome with its cause, in order, with the "
    "scores after each and the rule that decided: the row of the scheme, or the campaign, its step "
    "and what starts it. Reads the customer's partition of the journal from its beginning.",
    "explain C-1001",
    "explain C-1001 --json > history.jsonl",
)
Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The shop's customer id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("inspect", help=_INSPECT)(_inspect)
    app.command("explain", help=_EXPLAIN)(_explain)


def journal_partition(customer_id: str, settings: Settings) -> int:
    """The journal partition of a customer, by the producers' own partitioner."""
    return murmur2(customer_id.encode(), settings.partitions)


def _inspect(
    ctx: typer.Context,
    customer: Customer,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    show_personal: Annotated[
        bool, typer.Option("--show-personal", help="Show the values of personal attributes.")
    ] = False,
) -> None:
    settings = quiet_settings_of(ctx)
    check_kafka(settings, "rfm.journal")
    store = open_store(settings)
    partition = journal_partition(customer, settings)
    found = fetch_customer(store, partition, customer)
    if found is None:
        raise UsageError(
            f"Redis holds nothing of partition {partition}: see `rfm-streams status`, and start "
            "`rfm-streams run` where no decide is running"
        )
    if found.state is None:
        raise UsageError(
            f"nothing is known of customer {customer!r}: ids are compared as they are, letter case "
            "included; an event that was refused is in `rfm-streams dead-letters list`"
        )
    document = describe_customer(found, show_personal=show_personal)
    if as_json:
        print_json(document)
    else:
        print_customer(document)


def _explain(
    ctx: typer.Context,
    customer: Customer,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
    max_records: Annotated[
        int,
        typer.Option(min=1, help="Stop after so many journal records; says so where it does."),
    ] = 20_000_000,
) -> None:
    settings = quiet_settings_of(ctx)
    check_kafka(settings, "rfm.journal")
    fold = HistoryFold(customer, journal_partition(customer, settings))
    currency = settings.base_currency
    timeline = Timeline(MINOR_DIGITS[currency], currency, fold.deciding)
    shown = 0
    for document in _fold_journal(settings, fold, max_records, timeline):
        shown += 1
        if as_json:
            print_json(document)
        else:
            timeline.print_entry(document)
    if not shown:
        raise UsageError(
            f"the journal has nothing of customer {customer!r}: ids are compared as they are, "
            "letter case included"
        )


def _fold_journal(
    settings: Settings, fold: HistoryFold, max_records: int, timeline: Timeline
) -> list[dict[str, Any]]:
    partition = journal_partition(fold.customer_id, settings)
    topic = names_of(settings).topic("rfm.journal")
    reader = TopicReader(settings.kafka_config(), topic)
    documents: list[dict[str, Any]] = []
    try:
        start, end = reader.bounds(partition)
        if start > 0:
            note(f"{topic} partition {partition} begins at offset {start}: what was before is gone")
        if end - start > max_records:
            end = start + max_records
            note(f"only the first {max_records} journal records are read (--max-records)")
        with progress_bar("Reading the journal", end - start) as advance:
            done = start

            def move(position: int) -> None:
                nonlocal done
                advance(position - done)
                done = position

            for message in reader.read(partition, start, end, move):
                value = message.value()
                record = decode_input(value if isinstance(value, bytes) else b"")
                documents += [
                    timeline.describe(entry) for entry in fold.take(message.offset() or 0, record)
                ]
    finally:
        reader.close()
    return documents
