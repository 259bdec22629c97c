"""`backtest`: what campaigns would have sent in history, and what customers did anyway."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.fields import read_instant_ms
from streams.adapters.system_clock import SystemClock
from streams.backtest.figures import Findings
from streams.backtest.folder import BacktestFolder
from streams.backtest.ledger import Ledger
from streams.backtest.picture import check_pictures, draw
from streams.backtest.play import Period, Played, play
from streams.backtest.rule_sets import Consent, RuleSet, load_rule_set
from streams.backtest.telling import Told
from streams.bootstrap import build_rates, limits_of
from streams.cli.backtest_tables import print_figures
from streams.cli.context import quiet_settings_of
from streams.cli.event_files import Files, MappingFile, open_events, say_left_out
from streams.cli.help_text import described
from streams.cli.output import note, progress_bar
from streams.errors import UsageError
from streams.settings import Settings

CAMPAIGNS, AGAINST = "campaigns", "against"
_HELP = described(
    "What campaigns would have done in history: whom they address, when, and what is held back.\n\n"
    "Events before --from build state and start nothing; campaigns act from --from until --to. "
    "Orders are followed for 7 days after each action, beside the same share of the control group and "
    "of all customers. Nobody got these messages, so none of these shares is an effect. With "
    "--against a second set of rules plays the same history.",
    "backtest events.jsonl --from 2026-01-01T00:00:00Z --to 2026-04-01T00:00:00Z",
    "backtest orders.csv.gz --mapping examples/uci.yaml --from 2011-06-01T00:00:00Z "
    "--to 2011-12-01T00:00:00Z --campaigns mine --against theirs --out out",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest", help=_HELP)(_backtest)


def _backtest(
    ctx: typer.Context,
    files: Files,
    begin: Annotated[
        str, typer.Option("--from", metavar="T", help="RFC 3339 instant from which campaigns act.")
    ],
    end: Annotated[
        str, typer.Option("--to", metavar="T", help="RFC 3339 instant from which they do not.")
    ],
    mapping: MappingFile = None,
    campaigns: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder of rules, or of campaign files alone; the rules of the settings if unset.",
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The same of a second set to compare with.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the results; made if missing.")
    ] = None,
    consent: Annotated[
        Consent,
        typer.Option(
            help="What customers allow who never said yes or no, in place of RFM_CONSENT_UNKNOWN: "
            "history seldom has consents."
        ),
    ] = "after_purchase",
    picture: Annotated[
        bool, typer.Option("--picture/--no-picture", help="Draw what is sent per week.")
    ] = True,
) -> None:
    period = _period(begin, end)
    if out is not None and picture:
        check_pictures()
    settings = quiet_settings_of(ctx)
    rule_sets = [load_rule_set(CAMPAIGNS, settings, campaigns, consent)]
    if against is not None:
        rule_sets.append(load_rule_set(AGAINST, settings, against, consent))
    folder = BacktestFolder(out, rule_sets, settings.base_currency) if out is not None else None
    with Ledger() as ledger:
        played = [
            _play(settings, files, mapping, one, set_no, period, ledger)
            for set_no, one in enumerate(rule_sets)
        ]
        findings = Findings(ledger.load(), rule_sets, played[0].known_ms)
        figures = findings.figures()
        told = Told(
            period,
            consent,
            rule_sets,
            played,
            findings.customers_addressed(),
            findings.customers_of_one_only(),
        )
        if folder is not None:
            folder.save_rows(findings)
            folder.save_summary(figures, told.document())
            if picture:
                draw(folder.path, rule_sets, findings.weeks(), period)
        print_figures([one.name for one in rule_sets], figures)
        for line in told.lines():
            note(line)


def _period(begin: str, end: str) -> Period:
    from_ms, to_ms = _instant(begin, "--from"), _instant(end, "--to")
    if from_ms >= to_ms:
        raise UsageError("--from must lie before --to")
    return Period(from_ms, to_ms)


def _instant(text: str, option: str) -> int:
    try:
        return read_instant_ms(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}; write 2026-04-01T00:00:00Z") from None


def _play(
    settings: Settings,
    files: list[Path],
    mapping: Path | None,
    rule_set: RuleSet,
    set_no: int,
    period: Period,
    ledger: Ledger,
) -> Played:
    with (
        open_events(files, mapping, period.followed_ms) as events,
        progress_bar(f"playing {rule_set.name}", events.event_count) as advance,
    ):
        played = play(
            rule_set,
            set_no,
            events,
            period,
            ledger,
            limits_of(settings),
            build_rates(settings),
            SystemClock().now_ms(),
            advance,
        )
    if set_no == 0:
        say_left_out(events.report)
        if played.refused:
            note(f"{played.refused} dead letters; `rfm-streams replay` shows them")
    return played
