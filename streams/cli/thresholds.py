"""`thresholds` and `thresholds suggest`: the limits that move with the customers, and better ones."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.currencies import MINOR_DIGITS
from streams.adapters.system_clock import SystemClock
from streams.bootstrap import build_rates, limits_of
from streams.cli.context import quiet_settings_of
from streams.cli.event_files import open_events, say_left_out
from streams.cli.help_text import described
from streams.cli.live import Live, open_live
from streams.cli.output import (
    Cell,
    note,
    print_fields,
    print_json,
    print_table,
    progress_bar,
)
from streams.cli.suggested_settings import describe_suggestion, suggestion_text
from streams.codec.text import format_instant, format_money
from streams.core.population.snapshot import Snapshot
from streams.core.values import DAY_MS
from streams.errors import Transient, UsageError
from streams.insights import thresholds
from streams.insights.customers import facts_under
from streams.insights.suggestions import Habits, Suggestion
from streams.insights.thresholds import (
    METRICS,
    SHOWN_PERCENT,
    Comparison,
    Figures,
    quarter_name,
    sales_document,
)
from streams.replay.replay import Replay
from streams.rules.files import rules_text
from streams.settings import Settings

_THRESHOLDS = described(
    "The current snapshot of the customer base: its number and instant, whether there are customers "
    "and history enough, the cut points, and the limits of the schemes as they are decided by.\n\n"
    "--exact computes the same figures a second time from the states in Redis, for the instant of "
    "the snapshot; what customers did since then is in them too.\n\n"
    "--products shows what the shop sold instead: the top products of each segment in the latest "
    "quarter, return rates of the best sellers, and revenue by quarter.",
    "thresholds",
    "thresholds --exact",
    "thresholds --products",
    "thresholds --json | jq .percentiles.frequency",
)
_SUGGEST = described(
    "Limits for R, F and M that suit the shop, as lines for the settings file, with the share of "
    "customers that each score would get. M: 1, 2, 4 and 8 times the median order of the window. R: "
    "the gaps between orders that 50, 75, 90 and 95 % of them do not exceed, in whole days. F: the "
    "second order, then more orders than 50, 75 and 90 % of the repeat buyers. Out of Redis, or out "
    "of files before anything is installed.",
    "thresholds suggest",
    "thresholds suggest --orders orders.csv.gz --mapping examples/uci.yaml > shop.toml",
)
# How each metric is called and shown; money is minor units of the base currency.
_LABELS = {
    "customers": "customers with an order in the window",
    "buyers": "customers with an order ever",
    "repeat_buyers": "repeat buyers",
    "repeat_orders": "orders of repeat buyers",
    "history_ms": "age of the oldest order, days",
    "recency_ms": "age of the latest order, days",
    "frequency": "orders in the window",
    "monetary_minor": "net revenue in the window",
    "lifetime_orders": "orders ever",
    "lifetime_net_minor": "net revenue ever",
    "value_minor": "net revenue in the value window",
    "units_milli": "units per order",
}
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
# Nobody needs to be counted where only orders are read.
_NO_SNAPSHOT = Snapshot(0, 0, 0, 0, 0, 0, 0, {}, {}, [])


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help=_THRESHOLDS, rich_markup_mode=None, invoke_without_command=True)
    group.callback()(_thresholds)
    group.command("suggest", help=_SUGGEST)(_suggest)
    app.add_typer(group, name="thresholds")


def _thresholds(
    ctx: typer.Context,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compute the figures exactly too, from all states.")
    ] = False,
    products: Annotated[
        bool, typer.Option("--products", help="What was sold, by segment, product and quarter.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    if ctx.invoked_subcommand is not None:
        if exact or products or as_json:
            raise UsageError("options of `thresholds` itself are none of `thresholds suggest`")
        return
    if exact and products:
        raise UsageError("--products shows what was sold and --exact compares limits: give one")
    live = open_live(quiet_settings_of(ctx))
    snapshot = live.rules.snapshot
    if snapshot is None and not exact:
        raise _no_snapshot(live)
    if products and snapshot is not None:
        _show_sales(live, snapshot, as_json=as_json)
        return
    compared = thresholds.comparisons(snapshot, _exactly(live)) if exact else None
    if as_json:
        print_json(_document(live, snapshot, compared))
        return
    digits = MINOR_DIGITS[live.rules.base_currency]
    if snapshot is not None:
        _print_snapshot(live, snapshot, digits)
    else:
        note("no snapshot was taken yet: there is nothing to compare with")
    if compared is not None:
        typer.echo()
        _print_comparisons(compared, digits)


def _no_snapshot(live: Live) -> Exception:
    if not live.rules.uses_population:
        return UsageError(
            "no scheme of the rules in force looks at the customer base, so no snapshot is taken"
        )
    hours = live.rules.snapshot_every_ms / (DAY_MS / 24)
    return Transient(
        f"no snapshot was taken yet: the first comes within {hours:g} hours of running "
        "`rfm-streams run`; --exact computes the figures now"
    )


def _exactly(live: Live) -> Snapshot:
    """The figures at the instant of the snapshot, or now where there is none, from the states."""
    snapshot, rules = live.rules.snapshot, live.rules
    as_of_ms = snapshot.as_of_ms if snapshot is not None else live.as_of_ms
    figures = Figures()
    for _, state in live.customers():
        figures.add(state, facts_under(state, rules, as_of_ms), as_of_ms)
    number = snapshot.number if snapshot is not None else 0
    return figures.snapshot(number, as_of_ms, rules.value_shares_percent)


def _minimum(live: Live) -> tuple[int, int]:
    """Customers and milliseconds of history below which the limits do not move."""
    population = json.loads(live.newest.rules_text)["population"]
    return int(population["minimum_customers"]), int(population["minimum_history_ms"])


def _document(
    live: Live, snapshot: Snapshot | None, compared: list[Comparison] | None
) -> dict[str, Any]:
    customers, history_ms = _minimum(live)
    document: dict[str, Any] = {
        **(snapshot or _NO_SNAPSHOT)._asdict(),
        "as_of": format_instant(snapshot.as_of_ms if snapshot is not None else live.as_of_ms),
        "currency": live.rules.base_currency,
        "minimum_customers": customers,
        "minimum_history_ms": history_ms,
        "is_enough": snapshot is not None and snapshot.is_enough(customers, history_ms),
        "limits": [one._asdict() for one in thresholds.limits_of(live.rules)],
    }
    del document["as_of_ms"], document["sales"]
    if compared is not None:
        document["exact"] = [
            {**one._asdict(), "difference": one.difference, "relative": one.relative}
            for one in compared
        ]
    return document


def _print_snapshot(live: Live, snapshot: Snapshot, digits: int) -> None:
    customers, history_ms = _minimum(live)
    enough = snapshot.is_enough(customers, history_ms)
    repeat = snapshot.repeat_buyers
    print_fields(
        [
            ("snapshot", snapshot.number),
            ("as of", format_instant(snapshot.as_of_ms)),
            *(
                (_LABELS[name], _shown(name, getattr(snapshot, name), digits))
                for name in ("customers", "buyers", "repeat_buyers", "history_ms")
            ),
            (
                "orders of a repeat buyer",
                f"{snapshot.repeat_orders / repeat:.2f}" if repeat else "",
            ),
            (
                "enough for limits that move",
                (
                    f"{'yes' if enough else 'no, the fixed limits apply'}: {customers} customers and "
                    f"{history_ms / DAY_MS:g} days are needed"
                ),
            ),
        ]
    )
    typer.echo()
    thirds: dict[str, list[int]] = snapshot.thirds
    print_table(
        ("figure", *(f"{one} %" for one in SHOWN_PERCENT), "1/3", "2/3"),
        [
            (
                _LABELS[metric],
                *(
                    _shown(metric, value, digits)
                    for value in (
                        *(snapshot.quantile(metric, one) for one in SHOWN_PERCENT),
                        *thirds.get(metric, (None, None)),
                    )
                ),
            )
            for metric in METRICS
        ],
        f"Cut points, money in {live.rules.base_currency}",
    )
    typer.echo()
    print_table(
        ("scheme", "what", "from", "of", "limit"),
        [
            (one.scheme, one.what, _shown(one.metric, one.least, digits), _LABELS[one.metric],
             one.source)
            for one in thresholds.limits_of(live.rules)
        ],
        "Limits in force",
    )  # fmt: skip


def _print_comparisons(compared: list[Comparison], digits: int) -> None:
    print_table(
        ("figure", "what", "estimated", "exact", "difference", "difference %"),
        [
            (
                _LABELS[one.metric],
                one.what,
                _shown(one.metric, one.estimated, digits),
                _shown(one.metric, one.exact, digits),
                _shown(one.metric, one.difference, digits),
                f"{100 * one.relative:.2f}" if one.relative is not None else None,
            )
            for one in compared
        ],
        "Estimated and exact",
    )


# -- products ------------------------------------------------------------------------------------


def _show_sales(live: Live, snapshot: Snapshot, *, as_json: bool) -> None:
    sales, currency = snapshot.sales, live.rules.base_currency
    if sales is None:
        raise Transient(
            "the current snapshot does not say what was sold: that is counted after a boundary and "
            "stands in the snapshot of the next one"
        )
    if as_json:
        print_json({"snapshot": snapshot.number, **sales_document(sales, currency)})
        return
    digits = MINOR_DIGITS[currency]
    print_fields([("snapshot", snapshot.number), ("sold before", format_instant(sales.as_of_ms))])
    typer.echo()
    lists = thresholds.latest_lists(sales)
    print_table(
        ("segment", "place", "product", "orders", "may be missed", "pieces", "net of the orders"),
        [
            (top.segment, place, one.sku, one.orders, one.missed, _pieces(one.units_milli),
             format_money(one.net_minor, digits))
            for top in lists
            for place, one in enumerate(top.products, start=1)
        ],
        f"Top products in {quarter_name(lists[0].quarter)}" if lists else "Top products",
    )  # fmt: skip
    typer.echo()
    print_table(
        ("product", "sold", "returned", "return rate %"),
        [
            (one.sku, _pieces(one.sold_milli), _pieces(one.returned_milli),
             f"{100 * one.return_rate:.2f}")
            for one in sales.sold
        ],
        "Best sellers, pieces",
    )  # fmt: skip
    typer.echo()
    print_table(
        ("quarter", "revenue"),
        [(quarter_name(one.quarter), format_money(one.net_minor, digits)) for one in sales.revenue],
        f"Net revenue by quarter, {currency}",
    )


def _pieces(milli: int) -> str:
    return f"{milli / 1000:g}"


def _shown(metric: str, value: int | None, digits: int) -> Cell:
    """A figure in the unit of its label."""
    if value is None:
        return None
    if metric.endswith("_minor"):
        return format_money(value, digits)
    if metric.endswith("_ms"):
        return f"{value / DAY_MS:.1f}"
    return f"{value / 1000:.3f}" if metric.endswith("_milli") else value


# -- suggest -------------------------------------------------------------------------------------


def _suggest(
    ctx: typer.Context,
    orders: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="JSON Lines of contract events, or CSV/Parquet with --mapping; may be given again.",
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="M", help="YAML that says what the columns mean; see examples/."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    if mapping is not None and not orders:
        raise UsageError("--mapping says what the columns of a file mean: give it with --orders")
    settings = quiet_settings_of(ctx)
    if orders:
        suggestion, currency = _from_files(settings, orders, mapping), settings.base_currency
    else:
        live = open_live(settings)
        habits = Habits()
        for partition, state in live.customers():
            rules, now_ms = partition.rules, partition.time_ms
            habits.add(state, facts_under(state, rules, now_ms), now_ms, rules.window_ms)
        suggestion, currency = habits.suggest(live.rules.window_ms), live.rules.base_currency
    if as_json:
        print_json(describe_suggestion(suggestion, currency))
    else:
        typer.echo(suggestion_text(suggestion, currency), nl=False)


def _from_files(settings: Settings, orders: list[Path], mapping: Path | None) -> Suggestion:
    """The files lived through in memory: returns and cancellations count as they would live."""
    with open_events(orders, mapping, None) as events:
        replay = Replay(
            rules_text(settings),
            limits_of(settings),
            build_rates(settings),
            SystemClock().now_ms(),
            lambda topic, record: None,
            lambda letter: None,
            backfill=True,
            pinned=_NO_SNAPSHOT,
        )
        with progress_bar("Reading orders", events.event_count) as advance:
            _advance_by(replay.take_all(events), advance)
        replay.finish()
        say_left_out(events.report)
    refused = sum(replay.counts.dead_letters.values())
    if refused:
        note(f"{refused} events were refused; `rfm-streams replay` says why")
    habits, rules = Habits(), replay.rules
    for state in replay.states():
        facts = facts_under(state, rules, replay.time_ms)
        habits.add(state, facts, replay.time_ms, rules.window_ms)
    return habits.suggest(rules.window_ms)


def _advance_by(taken: Iterator[int], advance: Callable[[int], None]) -> None:
    before = 0
    for count in taken:
        advance(count - before)
        before = count
