"""The tables that `backtest` prints: two rule sets stand side by side."""

from collections.abc import Callable, Mapping, Sequence

from streams.backtest.figures import Figures, Share
from streams.cli.output import Cell, print_table

Column = tuple[str, Callable[[Figures], Cell]]


def print_figures(names: Sequence[str], figures: Sequence[Mapping[str, Figures]]) -> None:
    """Print counts, shares and reasons per campaign; `names` are those of the rule sets."""
    rows = _rows(figures)
    _print(names, rows, _COUNTS, "What would have been sent")
    _print(
        names, rows, _SHARES, "Actions followed by a purchase within 7 days, without any message"
    )
    columns = [_named("suppressed", name, names) for name in names]
    reasons: list[list[Cell]] = [
        [one[0].campaign, reason, *(some.suppressed.get(reason, 0) for some in one)]
        for one in rows
        for reason in sorted({reason for some in one for reason in some.suppressed})
    ]
    print_table(("campaign", "reason", *columns), reasons, "Held back")


def _rows(figures: Sequence[Mapping[str, Figures]]) -> list[list[Figures]]:
    campaigns = sorted({name for known in figures for name in known})
    return [[known.get(name, Figures(name)) for known in figures] for name in campaigns]


def _print(
    names: Sequence[str], rows: Sequence[Sequence[Figures]], columns: Sequence[Column], title: str
) -> None:
    heads = [_named(column, name, names) for column, _ in columns for name in names]
    cells = [[one[0].campaign, *(ask(some) for _, ask in columns for some in one)] for one in rows]
    print_table(("campaign", *heads), cells, title)


def _named(column: str, name: str, names: Sequence[str]) -> str:
    """The first set's columns have no addition: most of the time it is the only one."""
    return column if name == names[0] else f"{column} ({name})"


def _share(share: Share) -> Cell:
    if share.percent is None:
        return None
    return f"{share.percent} % ({share.bought} of {share.actions})"


def _base(one: Figures) -> Cell:
    return f"{one.base_percent} %" if one.base_percent is not None else None


_COUNTS: tuple[Column, ...] = (
    ("sent", lambda one: one.sent),
    ("customers", lambda one: one.customers),
    ("controls", lambda one: one.controls),
    ("called off", lambda one: one.called_off),
    ("suppressed", lambda one: sum(one.suppressed.values())),
)
_SHARES: tuple[Column, ...] = (
    ("sent", lambda one: _share(one.sent_share)),
    ("control group", lambda one: _share(one.control_share)),
    ("all customers", _base),
)
