"""What is sent in each week, as a picture: one panel per rule set, campaigns stacked.

matplotlib is an extra of the package (`pictures`), so it is imported late.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streams.backtest.figures import Week
from streams.backtest.play import Period
from streams.backtest.rule_sets import RuleSet
from streams.codec.text import format_instant
from streams.core.values import DAY_MS
from streams.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES: Final = ("backtest.svg", "backtest.png")
_WEEK_MS: Final = 7 * DAY_MS
# 1970-01-05 was the first Monday.
_FIRST_MONDAY_MS: Final = 4 * DAY_MS
# More labels than this stand on top of each other.
_LABELS: Final = 14
_PANEL_INCHES: Final = (11.0, 4.2)
# Nothing of this machine: no date, no random id, no settings of its user; text stays text.
_STYLE: Final[dict[str, Any]] = {
    "svg.hashsalt": "rfm-streams",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
}
_METADATA: Final[dict[str, dict[str, Any]]] = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
}


def check_pictures() -> None:
    """Raise `UsageError` where matplotlib is not installed, before anything is computed."""
    if find_spec("matplotlib") is None:
        raise UsageError(
            "--out draws a picture with matplotlib, which is not installed: install "
            "rfm-streams[pictures], or add --no-picture"
        )


def draw(folder: Path, rule_sets: Sequence[RuleSet], weeks: Sequence[Week], period: Period) -> None:
    """Write the picture as SVG and PNG; the same weeks give the same bytes.

    All panels have one scale, and a campaign the same colour in each.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", _STYLE]):
        width, height = _PANEL_INCHES
        figure = Figure(figsize=(width, height * len(rule_sets)), layout="constrained")
        panels = figure.subplots(len(rule_sets), 1, sharex=True, sharey=True, squeeze=False)
        campaigns = sorted({name for one in rule_sets for name in one.campaigns})
        for set_no, rule_set in enumerate(rule_sets):
            own = [week for week in weeks if week.set_no == set_no]
            _draw_panel(panels[set_no, 0], rule_set, own, campaigns, period)
        _add_legend(figure, panels[0, 0])
        for name in PICTURES:
            metadata = _METADATA[Path(name).suffix]
            figure.savefig(folder / name, dpi=120, metadata=metadata)


def _draw_panel(
    axes: "Axes",
    rule_set: RuleSet,
    weeks: Sequence[Week],
    campaigns: Sequence[str],
    period: Period,
) -> None:
    from matplotlib import colormaps

    colours = colormaps["tab20"]
    first_ms = period.from_ms - (period.from_ms - _FIRST_MONDAY_MS) % _WEEK_MS
    count = -(-(period.to_ms - first_ms) // _WEEK_MS)
    tops = [0] * count
    for number, campaign in enumerate(campaigns):
        sent = [0] * count
        for week in weeks:
            if week.campaign == campaign:
                sent[(week.week_ms - first_ms) // _WEEK_MS] = week.sent
        # A bar for every campaign, though it may be empty: the panels share one legend.
        axes.bar(
            range(count),
            sent,
            bottom=tops,
            width=0.9,
            label=campaign,
            color=colours(number % 20),
            hatch="//" if number >= 20 else None,  # noqa: PLR2004 - the map has 20 colours
        )
        tops = [top + more for top, more in zip(tops, sent, strict=True)]
    shown = range(0, count, -(-count // _LABELS))
    labels = [format_instant(first_ms + place * _WEEK_MS)[:10] for place in shown]
    axes.set_xticks(list(shown), labels, rotation=30, ha="right")
    axes.tick_params(labelbottom=True)
    axes.set_ylabel("actions sent per week")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_title(_printable(f"{rule_set.name}: {rule_set.source}"), loc="left", parse_math=False)


def _add_legend(figure: "Figure", axes: "Axes") -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        # In the order in which they are stacked, the uppermost first.
        figure.legend(handles[::-1], labels[::-1], loc="outside right upper")


def _printable(text: str) -> str:
    """Text in letters that the font of every installation has."""
    return text.encode("ascii", "backslashreplace").decode()
