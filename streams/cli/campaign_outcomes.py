"""`campaigns outcomes`: what campaigns changed, as topic `campaign.outcomes` tells it."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from schemas.currencies import MINOR_DIGITS
from streams.bootstrap import names_of
from streams.cli.context import check_kafka, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.output import Cell, note, print_csv, print_json, print_table, progress_bar
from streams.cli.segment_changes import read_instant
from streams.cli.shares import NOWHERE
from streams.codec.text import format_money
from streams.errors import UsageError
from streams.insights.outcome_table import Figures, OutcomeTable
from streams.insights.outcomes import FINAL, read_outcomes
from streams.insights.topic_reader import TopicReader
from streams.insights.uplift import (
    CONFIDENCE,
    LEAST_BUYERS,
    LEAST_CUSTOMERS,
    Arm,
    Interval,
    uplift_of,
)
from streams.settings import Settings

OUTCOMES = "campaign.outcomes"
_ALL = "all"
_DIGITS = 6
_HELP = described(
    "What campaigns changed: runs sent and runs of the control group, per campaign and segment, and "
    "the difference between both with a 95 % interval.\n\n"
    "A run counts from its first action to 7 days after its last. A conversion is a run with at "
    "least one order; net is what its orders brought less what came back, here per customer. "
    "Preliminary figures are told when that time is over, final ones 30 days later, when returns "
    "are in; the final ones take the place of the preliminary. The uplift is sent minus control. "
    "While its interval holds 0, the campaign may have changed nothing.\n\n"
    f"An uplift is shown from {LEAST_CUSTOMERS} customers in each arm on, that of net from "
    f"{LEAST_BUYERS} buyers in each; before that the smaller number stands in its place. A campaign "
    "without a control group has no uplift. The topic keeps 90 days. Reads Kafka only; needs disk "
    "space in the temporary folder (TMPDIR), about 300 bytes a message.",
    "campaigns outcomes",
    "campaigns outcomes win_back_at_risk --stage final",
    "campaigns outcomes --since 2026-03-01T00:00:00Z --format csv > outcomes.csv",
    "campaigns outcomes --format json | jq '.campaigns[].all.uplift'",
)


class StageName(StrEnum):
    """Which of a run's two messages count."""

    FINAL = "final"
    ANY = "any"


class FormatName(StrEnum):
    """For people, for spreadsheets, for programs."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the command to the group `campaigns`."""
    app.command("outcomes", help=_HELP)(_outcomes)


def _outcomes(
    ctx: typer.Context,
    campaign: Annotated[
        str | None, typer.Argument(metavar="[CAMPAIGN]", help="Only this campaign.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="Only runs whose first action was then or later; RFC 3339, such as "
            "2026-03-01T00:00:00Z.",
        ),
    ] = None,
    stage: Annotated[
        StageName,
        typer.Option(help="final: only runs whose returns are in; any: preliminary ones too."),
    ] = StageName.ANY,
    file_format: Annotated[
        FormatName,
        typer.Option("--format", help="csv has one row per campaign and segment, json all of it."),
    ] = FormatName.TABLE,
) -> None:
    since_ms = read_instant("--since", since) if since is not None else None
    settings = quiet_settings_of(ctx)
    with OutcomeTable(campaign=campaign, since_ms=since_ms, stage=stage) as table:
        _fill(table, settings, warn=since_ms is None)
        if campaign is not None and campaign not in table.campaigns:
            raise UsageError(
                f"{OUTCOMES} has nothing of campaign {campaign!r}; it has "
                f"{', '.join(sorted(table.campaigns)) or 'none yet'}"
            )
        currency = _currency(table, settings)
        figures = list(table.figures())
    if file_format is FormatName.JSON:
        print_json(_document(figures, currency, since, stage))
    elif file_format is FormatName.CSV:
        rows = [_flat(one, MINOR_DIGITS[currency]) for one in figures]
        columns = _flat(Figures("", True, None, Arm(), Arm()), 2)
        print_csv(list(columns), [list(row.values()) for row in rows])
    else:
        _print_tables(figures, currency)
    _note_stages(figures, stage)


def _fill(table: OutcomeTable, settings: Settings, *, warn: bool) -> None:
    topic = names_of(settings).topic(OUTCOMES)
    partitions = sorted(check_kafka(settings, OUTCOMES)[topic].partitions)
    reader = TopicReader(settings.kafka_config(), topic)
    try:
        bounds = {number: reader.bounds(number) for number in partitions}
        if warn and any(one.start for one in bounds.values()):
            note(f"{OUTCOMES} no longer has its beginning: runs told before that are missing")
        total = sum(one.end - one.start for one in bounds.values())
        with progress_bar("Reading outcomes", total) as advance:
            for outcome in read_outcomes(reader, bounds, advance):
                table.take(outcome)
    finally:
        reader.close()


def _currency(table: OutcomeTable, settings: Settings) -> str:
    if len(table.currencies) > 1:
        raise UsageError(
            f"{OUTCOMES} has sums in {' and '.join(sorted(table.currencies))}, which cannot be "
            "added: give --since with an instant after the base currency was changed"
        )
    return next(iter(table.currencies), settings.base_currency)


def _note_stages(figures: list[Figures], stage: str) -> None:
    whole = [one for one in figures if one.is_all]
    runs = sum(one.sent.runs + one.controls.runs for one in whole)
    final = sum(one.sent.final + one.controls.final for one in whole)
    if not runs:
        note(
            "no such outcome: a run is told 7 days after its last action, finally 30 days later"
            f"{'; --stage any shows the preliminary figures' if stage == FINAL else ''}"
        )
    elif final < runs:
        note(
            f"{runs - final} of {runs} runs are preliminary: returns of 30 more days will count; "
            "--stage final leaves them out"
        )


# -- for people -----------------------------------------------------------------------------------


def _print_tables(figures: list[Figures], currency: str) -> None:
    """One table per question, each narrow enough for a terminal."""
    digits = MINOR_DIGITS[currency]
    names = ("campaign", "segment")
    print_table(
        (*names, "sent", "ordered", "control", "ordered", "uplift, points (95 %)"),
        [(*_names(one), *_order_cells(one)) for one in figures],
        "Runs with an order",
    )
    typer.echo()
    print_table(
        (*names, "sent", "net each", "control", "net each", f"uplift, {currency} (95 %)"),
        [(*_names(one), *_net_cells(one, digits)) for one in figures],
        f"Customers, and what each brought in {currency}",
    )
    typer.echo()
    print_table(
        (*names, "opened %", "clicked %", "unsubscribed %"),
        [
            (*_names(one), *(_percent(count, one.sent.runs) for count in _reactions(one.sent)))
            for one in figures
        ],
        "Runs sent, reactions",
    )


def _names(one: Figures) -> tuple[str, str]:
    return one.campaign, _ALL if one.is_all else one.segment or NOWHERE


def _order_cells(one: Figures) -> Iterator[Cell]:
    for arm in (one.sent, one.controls):
        share = _percent(arm.conversions, arm.runs)
        yield arm.runs
        yield f"{arm.conversions} ({share} %)" if share is not None else arm.conversions
    rate = uplift_of(one.sent, one.controls).conversion_rate
    yield _cell(rate, lambda share: f"{100 * share:+.2f}", _too_few(one))


def _net_cells(one: Figures, digits: int) -> Iterator[Cell]:
    for arm in (one.sent, one.controls):
        yield arm.customers
        yield _money(arm.mean_net_minor, digits)
    net_minor = uplift_of(one.sent, one.controls).net_minor
    yield _cell(net_minor, lambda minor: _signed(minor, digits), _too_few(one))


def _reactions(arm: Arm) -> tuple[int, int, int]:
    return arm.opened, arm.clicked, arm.unsubscribed


def _percent(count: int, whole: int) -> str | None:
    return f"{100 * count / whole:.1f}" if whole else None


def _money(amount_minor: float | None, digits: int) -> str | None:
    return format_money(round(amount_minor), digits) if amount_minor is not None else None


def _cell(interval: Interval | None, shown: Callable[[float], str], why: str | None) -> str:
    if interval is None:
        return why or "all the same"
    return f"{shown(interval.estimate)} ({shown(interval.low)} to {shown(interval.high)})"


def _signed(amount_minor: float, digits: int) -> str:
    text = format_money(round(amount_minor), digits)
    return text if text.startswith("-") else f"+{text}"


def _too_few(one: Figures) -> str | None:
    """Why there is no uplift, or none of net: the smaller arm, and what it should have."""
    customers = min(one.sent.customers, one.controls.customers)
    buyers = min(one.sent.buyers, one.controls.buyers)
    if customers < LEAST_CUSTOMERS:
        return f"too few ({customers} of {LEAST_CUSTOMERS})"
    if buyers < LEAST_BUYERS:
        return f"too few buyers ({buyers} of {LEAST_BUYERS})"
    return None


# -- for programs ---------------------------------------------------------------------------------


def _document(
    figures: list[Figures], currency: str, since: str | None, stage: str
) -> dict[str, Any]:
    digits = MINOR_DIGITS[currency]
    campaigns: dict[str, dict[str, Any]] = {}
    for one in figures:
        group = _group(one, digits)
        if one.is_all:
            campaigns[one.campaign] = {"campaign": one.campaign, "all": group, "segments": []}
        else:
            campaigns[one.campaign]["segments"].append({"segment": one.segment, **group})
    return {
        "since": since,
        "stage": stage,
        "currency": currency,
        "confidence": CONFIDENCE,
        "least_customers": LEAST_CUSTOMERS,
        "least_buyers": LEAST_BUYERS,
        "campaigns": list(campaigns.values()),
    }


def _group(one: Figures, digits: int) -> dict[str, Any]:
    uplift = uplift_of(one.sent, one.controls)
    rate = uplift.conversion_rate
    net = uplift.net_minor
    return {
        "sent": {
            **_arm(one.sent, digits),
            "opened": one.sent.opened,
            "clicked": one.sent.clicked,
            "unsubscribed": one.sent.unsubscribed,
        },
        "control": _arm(one.controls, digits),
        "uplift": {
            "conversion_rate": (
                {name: round(value, _DIGITS) for name, value in rate._asdict().items()}
                if rate is not None
                else None
            ),
            "net_per_customer": (
                {name: _money(value, digits) for name, value in net._asdict().items()}
                if net is not None
                else None
            ),
            "too_few": _too_few(one),
        },
    }


def _arm(arm: Arm, digits: int) -> dict[str, Any]:
    rate = arm.conversion_rate
    return {
        "runs": arm.runs,
        "final_runs": arm.final,
        "customers": arm.customers,
        "buyers": arm.buyers,
        "conversions": arm.conversions,
        "conversion_rate": round(rate, _DIGITS) if rate is not None else None,
        "net": format_money(arm.net_minor, digits),
        "net_per_customer": _money(arm.mean_net_minor, digits),
    }


def _flat(one: Figures, digits: int) -> dict[str, Cell]:
    """One row of CSV by its columns: the JSON document's fields, joined by their names."""
    flat: dict[str, Cell] = {
        "campaign": one.campaign,
        "level": "campaign" if one.is_all else "segment",
        "segment": one.segment,
    }
    group = _group(one, digits)
    for arm in ("sent", "control"):
        flat.update({f"{arm}_{name}": value for name, value in group[arm].items()})
    uplift = group["uplift"]
    for figure in ("conversion_rate", "net_per_customer"):
        told = uplift[figure] or {}
        for name in Interval._fields:
            flat[f"uplift_{figure}_{name}"] = told.get(name)
    return {**flat, "too_few": uplift["too_few"]}
