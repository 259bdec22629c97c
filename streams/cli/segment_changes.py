"""`segments history` and `segments flow`: what topic `segment-changes` tells."""

from collections.abc import Iterator
from typing import Annotated

import typer
from confluent_kafka import murmur2

from schemas.fields import read_instant_ms
from streams.bootstrap import build_rules_log, names_of
from streams.cli.context import check_kafka, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.output import (
    Cell,
    clean,
    note,
    print_csv,
    print_json,
    print_table,
    progress_bar,
)
from streams.cli.shares import NOWHERE, check_scheme, fraction, percent
from streams.core.rules import RFM, Rules, compile_rules
from streams.errors import UsageError
from streams.insights.flows import FlagFlow, FlowFold, Transition
from streams.insights.segment_history import (
    Published,
    SegmentChange,
    decode_change,
    histories,
    segment_text,
)
from streams.insights.segments import outlines_of, share
from streams.insights.topic_reader import TopicReader
from streams.settings import Settings

CHANGES = "segment-changes"
_TELL_EVERY = 1_000
_HISTORY = described(
    "The changes of segment of one customer as they were published, by scheme, oldest first. The "
    "topic keeps 90 days; `rfm-streams explain` computes all of them from the journal.",
    "segments history C-1001",
    "segments history C-1001 --scheme rfm --json",
)
_FLOW = described(
    "How customers moved between the segments of a scheme from one instant to another: counts, and "
    "shares of each row. A customer is where the last change decided at or before the instant led. "
    "Flag schemes: what became of each flag.",
    "segments flow --from 2026-01-01T00:00:00Z --to 2026-04-01T00:00:00Z",
    "segments flow --from 2026-01-01T00:00:00Z --to 2026-04-01T00:00:00Z --csv > flow.csv",
)


def register(group: typer.Typer) -> None:
    """Add the commands to the group `segments`."""
    group.command("history", help=_HISTORY)(_history)
    group.command("flow", help=_FLOW)(_flow)


def _history(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The shop's customer id.")],
    scheme: Annotated[
        str | None, typer.Option("--scheme", metavar="NAME", help="Only this scheme.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    settings = quiet_settings_of(ctx)
    count = len(check_kafka(settings, CHANGES)[names_of(settings).topic(CHANGES)].partitions)
    key = customer.encode()
    # The producer's own partitioner: all changes of a customer are in one partition.
    found = histories(
        change
        for change in _changes(settings, [murmur2(key, count)], key)
        if scheme is None or change.scheme == scheme
    )
    if not found:
        raise UsageError(
            f"{CHANGES} has nothing of customer {customer!r}"
            f"{f' in scheme {scheme}' if scheme is not None else ''}: ids are compared as they are, "
            "letter case included; changes older than 90 days are in `rfm-streams explain`"
        )
    for history in found:
        if history.missing:
            note(
                f"scheme {history.scheme}: {history.missing} earlier changes are no longer in the "
                "topic; `rfm-streams explain` computes them from the journal"
            )
    changes = [change for history in found for change in history.changes]
    if as_json:
        for change in changes:
            print_json(change)
        return
    print_table(
        (
            "scheme", "sequence", "effective", "from", "to", "cause", "decided", "rules",
            "snapshot",
        ),
        [
            (
                change.scheme, change.sequence, change.effective_at, _shown(change.previous),
                _shown(change.current), _cause(change), change.decided_at, change.rules_version,
                change.snapshot,
            )
            for change in changes
        ],
        f"Changes of {clean(customer)}",
    )  # fmt: skip


def _changes(
    settings: Settings, partitions: list[int], key: bytes | None = None
) -> Iterator[SegmentChange]:
    """Published changes, those of one key where it is given; each customer's in order."""
    reader = TopicReader(settings.kafka_config(), names_of(settings).topic(CHANGES))
    try:
        bounds = {number: reader.bounds(number) for number in partitions}
        total = sum(one.end - one.start for one in bounds.values())
        with progress_bar("Reading segment changes", total) as advance:
            for number, (start, end) in bounds.items():
                done = start
                for message in reader.read(number, start, end):
                    offset, value = message.offset() or 0, message.value()
                    if offset - done >= _TELL_EVERY:
                        advance(offset - done)
                        done = offset
                    if key is None or message.key() == key:
                        yield decode_change(value if isinstance(value, bytes) else b"")
                advance(end - done)
    finally:
        reader.close()


def _cause(change: SegmentChange) -> str:
    cause = change.cause
    return " ".join(part for part in (cause.kind, cause.event_type, cause.event_id) if part)


def _shown(segment: Published) -> str:
    return segment_text(segment) or NOWHERE


def _flow(
    ctx: typer.Context,
    from_text: Annotated[
        str,
        typer.Option("--from", metavar="INSTANT", help="RFC 3339, such as 2026-01-01T00:00:00Z."),
    ],
    to_text: Annotated[
        str, typer.Option("--to", metavar="INSTANT", help="RFC 3339, not before --from.")
    ],
    scheme: Annotated[
        str, typer.Option("--scheme", metavar="NAME", help="The scheme of segments.")
    ] = RFM,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV: from, to, customers, row_share; flags one a row.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    if as_csv and as_json:
        raise UsageError("give either --csv or --json")
    from_ms, to_ms = read_instant("--from", from_text), read_instant("--to", to_text)
    if from_ms > to_ms:
        raise UsageError(f"--from {from_text} lies after --to {to_text}")
    settings = quiet_settings_of(ctx)
    topics = check_kafka(settings, CHANGES, "rfm.rules")
    rules = _journaled_rules(settings)
    fold = FlowFold(scheme, from_ms, to_ms)
    partitions = sorted(topics[names_of(settings).topic(CHANGES)].partitions)
    _warn_of_retention(settings, partitions)
    for change in _changes(settings, partitions):
        fold.take(change)
    outline = next((one for one in outlines_of(rules) if one.name == scheme), None)
    if outline is None and not fold.change_count:
        check_scheme(scheme, rules)
    order = outline.segments if outline is not None else ()
    if fold.is_flags or (outline is not None and outline.is_flags):
        _print_flags(fold.flag_flows(order), as_csv=as_csv, as_json=as_json)
    else:
        _print_transitions(fold.transitions(order), as_csv=as_csv, as_json=as_json)
    note(f"{fold.customer_count} customers with a segment in scheme {scheme} at either instant")


def read_instant(option: str, text: str) -> int:
    """An instant given by a person, in milliseconds since 1970; raises `UsageError`."""
    try:
        return read_instant_ms(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}; write 2026-04-01T00:00:00Z") from None


def _journaled_rules(settings: Settings) -> Rules:
    record = build_rules_log(settings).load()
    if record is None:
        raise UsageError("no rules were journaled yet: start `rfm-streams run`")
    return compile_rules(record.rules, record.version)


def _warn_of_retention(settings: Settings, partitions: list[int]) -> None:
    reader = TopicReader(settings.kafka_config(), names_of(settings).topic(CHANGES))
    try:
        cut = [number for number in partitions if reader.bounds(number).start > 0]
    finally:
        reader.close()
    if cut:
        note(
            f"partition {', '.join(map(str, cut))} of {CHANGES} no longer has its beginning: "
            "customers whose latest change is gone from it are missing, those who changed since "
            "are whole"
        )


def _print_transitions(found: list[Transition], *, as_csv: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "from": one.before,
                    "to": one.after,
                    "customers": one.customers,
                    "row_share": fraction(share(one.customers, one.row_total)),
                }
                for one in found
            ]
        )
    elif as_csv:
        print_csv(
            ("from", "to", "customers", "row_share"),
            [
                (one.before, one.after, one.customers,
                 fraction(share(one.customers, one.row_total)))
                for one in found
            ],
        )  # fmt: skip
    else:
        _print_matrix(found)


def _print_matrix(found: list[Transition]) -> None:
    """One row per segment at the first instant, one column per segment at the second."""
    cells = {(one.before, one.after): one for one in found}
    befores = list(dict.fromkeys(one.before for one in found))
    afters = list(dict.fromkeys(one.after for one in found))
    totals = {one.before: one.row_total for one in found}
    rows: list[tuple[Cell, ...]] = [
        (
            before or NOWHERE,
            *(_cell(cells.get((before, after))) for after in afters),
            totals[before],
        )
        for before in befores
    ]
    print_table(("from \\ to", *(after or NOWHERE for after in afters), "all"), rows, "Customers")


def _cell(one: Transition | None) -> str:
    if one is None or not one.customers:
        return ""
    return f"{one.customers} ({percent(share(one.customers, one.row_total))} %)"


def _print_flags(found: list[FlagFlow], *, as_csv: bool, as_json: bool) -> None:
    if as_json:
        print_json([one._asdict() for one in found])
    elif as_csv:
        print_csv(FlagFlow._fields, found)
    else:
        print_table(("flag", "before", "kept", "gained", "lost", "after"), found, "Customers")
