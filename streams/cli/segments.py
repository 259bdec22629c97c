"""`segments` and `segments coverage`: who is where right now, and what is known of them."""

from typing import Annotated, Any

import typer

from schemas.currencies import MINOR_DIGITS
from streams.cli import segment_changes, segments_publish
from streams.cli.context import quiet_settings_of
from streams.cli.help_text import described
from streams.cli.live import open_live
from streams.cli.output import note, print_json, print_table
from streams.cli.shares import NOWHERE, check_scheme, fraction, percent
from streams.codec.text import format_instant, format_money
from streams.errors import UsageError
from streams.insights.coverage import MAX_NAMES, ConsentCount, Coverage, channels_of
from streams.insights.customers import facts_under
from streams.insights.segments import SchemeCount, SegmentTally, outlines_of, share, warnings_of

_SEGMENTS = described(
    "Members and net revenue in the RFM window of every scheme and segment, as Redis has them right "
    "now; flags one a row. Shares are of the customers with a segment in the scheme, of flags of all "
    "customers. Warns where a segment is empty or holds more than 70 % of the customers. Refuses "
    "while a partition is being rebuilt or Redis is behind.",
    "segments",
    "segments --scheme rfm",
    "segments --json | jq .warnings",
)
_COVERAGE = described(
    "How complete the data is: customers with a value for each attribute, and customers who granted "
    "or withdrew consent, by channel; unknown are those who never said either.",
    "segments coverage",
    "segments coverage --json | jq .consents",
)
SchemeOption = Annotated[
    str | None, typer.Option("--scheme", metavar="NAME", help="Only this scheme.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help=_SEGMENTS, rich_markup_mode=None, invoke_without_command=True)
    group.callback()(_segments)
    segment_changes.register(group)
    segments_publish.register(group)
    group.command("coverage", help=_COVERAGE)(_coverage)
    app.add_typer(group, name="segments")


def _segments(ctx: typer.Context, scheme: SchemeOption = None, as_json: AsJson = False) -> None:
    if ctx.invoked_subcommand is not None:
        if scheme is not None or as_json:
            raise UsageError(
                f"options of `segments` itself stand before {ctx.invoked_subcommand}: give them "
                "after it"
            )
        return
    settings = quiet_settings_of(ctx)
    live = open_live(settings)
    rules = live.rules
    outlines = outlines_of(rules)
    if scheme is not None:
        check_scheme(scheme, rules)
        outlines = [one for one in outlines if one.name == scheme]
    tally = SegmentTally(outlines)
    for partition, state in live.customers():
        facts = facts_under(state, partition.rules, partition.time_ms)
        tally.add(state.memberships, facts.monetary_minor)
    counts = tally.counts()
    warnings = warnings_of(counts)
    if as_json:
        digits = MINOR_DIGITS[rules.base_currency]
        print_json(
            {
                "as_of": format_instant(live.as_of_ms),
                "currency": rules.base_currency,
                "customers": tally.customers.members,
                "rules_version": rules.version,
                "snapshot": rules.snapshot_number or None,
                "schemes": [_scheme_document(one, digits) for one in counts],
                "warnings": warnings,
            }
        )
    else:
        _print_counts(counts, rules.base_currency)
    for warning in warnings:
        note(f"warning: {warning}")


def _scheme_document(one: SchemeCount, digits: int) -> dict[str, Any]:
    return {
        "scheme": one.scheme,
        "flags": one.is_flags,
        "segments": [
            {
                "segment": count.segment,
                "members": count.members,
                "member_share": fraction(count.member_share),
                "net_revenue": format_money(count.net_minor, digits),
                "net_share": fraction(count.net_share),
            }
            for count in one.segments
        ],
    }


def _print_counts(counts: list[SchemeCount], currency: str) -> None:
    digits = MINOR_DIGITS[currency]
    print_table(
        ("scheme", "segment", "members", "members %", f"net revenue {currency}", "revenue %"),
        [
            (
                scheme.scheme,
                count.segment or NOWHERE,
                count.members,
                percent(count.member_share),
                format_money(count.net_minor, digits),
                percent(count.net_share),
            )
            for scheme in counts
            for count in scheme.segments
        ],
        "Segments",
    )


def _coverage(ctx: typer.Context, as_json: AsJson = False) -> None:
    settings = quiet_settings_of(ctx)
    live = open_live(settings)
    coverage = Coverage(channels_of(live.rules))
    for _, state in live.customers():
        coverage.add(state)
    if coverage.names_left_out:
        note(
            f"warning: there are more than {MAX_NAMES} names of attributes, those met later are not "
            "counted: some producer puts values into names"
        )
    whole = coverage.customers
    if as_json:
        print_json(
            {
                "as_of": format_instant(live.as_of_ms),
                "customers": whole,
                "attributes": [
                    {"attribute": name, "customers": count, "share": fraction(share(count, whole))}
                    for name, count in coverage.attributes()
                ],
                "consents": [
                    {
                        "channel": one.channel,
                        **{
                            part: {"customers": count, "share": fraction(share(count, whole))}
                            for part, count in _by_consent(one)
                        },
                    }
                    for one in coverage.consents()
                ],
            }
        )
        return
    print_table(
        ("attribute", "customers", "customers %"),
        [(name, count, percent(share(count, whole))) for name, count in coverage.attributes()],
        f"Attributes of {whole} customers",
    )
    typer.echo()
    print_table(
        ("channel", "granted", "granted %", "withdrawn", "withdrawn %", "unknown", "unknown %"),
        [
            (
                one.channel,
                *(
                    cell
                    for _, count in _by_consent(one)
                    for cell in (count, percent(share(count, whole)))
                ),
            )
            for one in coverage.consents()
        ],
        "Consent",
    )


def _by_consent(one: ConsentCount) -> list[tuple[str, int]]:
    return [("granted", one.granted), ("withdrawn", one.withdrawn), ("unknown", one.unknown)]
