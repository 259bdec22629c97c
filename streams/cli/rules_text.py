"""Rules as rows for people, and the map of segments as a grid."""

from collections.abc import Sequence
from itertools import groupby

from schemas.currencies import MINOR_DIGITS
from streams.codec.text import format_money
from streams.core.campaigns.definition import Campaign
from streams.core.rules import SCORES, Rules, compile_rules
from streams.core.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_UNITS = ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s"))


def describe_rules(text: str) -> list[tuple[str, str]]:
    """Names and values of journaled rules; raises `RulesError` where they cannot be read."""
    rules = compile_rules(text, 0)
    digits = MINOR_DIGITS[rules.base_currency]
    money = [format_money(limit, digits) for limit in rules.monetary_limits_minor]
    consent = ", ".join(f"{k} {v}" for k, v in sorted(rules.consent_unknown.items()))
    rows = [
        ("base currency", rules.base_currency),
        ("window", format_span(rules.window_ms)),
        ("history kept", format_span(rules.window_ms + rules.history_margin_ms)),
        ("R 5, 4, 3, 2 younger than", ", ".join(map(format_span, rules.recency_limits_ms))),
        ("F 2, 3, 4, 5 from orders", ", ".join(map(str, rules.frequency_limits))),
        ("M 2, 3, 4, 5 from", ", ".join(money)),
        ("orders of value 0", "count" if rules.count_zero_value_orders else "do not count"),
        ("events start campaigns up to", format_span(rules.max_event_age_ms)),
        ("carts are abandoned after", format_span(rules.cart_abandoned_after_ms)),
        ("consent where unknown", consent or "deny"),
    ]
    rows += [(f"segment {name}", _cells(rules, name)) for name in rules.rfm_segments]
    rows += [
        (f"campaign {campaign.name}", _campaign(campaign))
        for campaign in sorted(rules.campaigns.values(), key=lambda one: (one.priority, one.name))
    ]
    return rows


def map_grid(rules: Rules) -> list[tuple[str, ...]]:
    """The map of segments: one row per R from 5 down, one column per F, in a cell the Ms."""
    return [(f"R{r}", *(_cell(rules, r, f) for f in SCORES)) for r in reversed(SCORES)]


def format_span(ms: int) -> str:
    """A span in its greatest whole unit: 30d, 4h."""
    for unit_ms, name in _UNITS:
        if ms and ms % unit_ms == 0:
            return f"{ms // unit_ms}{name}"
    return f"{ms}ms" if ms else "0s"


def _cell(rules: Rules, r: int, f: int) -> str:
    start = (r - 1) * 25 + (f - 1) * 5
    names = rules.rfm_cells[start : start + 5]
    if len(set(names)) == 1:
        return names[0]
    parts = []
    for name, group in groupby(zip(SCORES, names, strict=True), key=lambda pair: pair[1]):
        scores = [m for m, _ in group]
        parts.append(f"M{_range(scores)} {name}")
    return ", ".join(parts)


def _cells(rules: Rules, name: str) -> str:
    count = sum(cell == name for cell in rules.rfm_cells)
    return f"{count} of {len(rules.rfm_cells)} cells"


def _range(scores: Sequence[int]) -> str:
    return f"{scores[0]}-{scores[-1]}" if len(scores) > 1 else str(scores[0])


def _campaign(campaign: Campaign) -> str:
    when = "cart abandoned" if campaign.enters is None else f"enters {campaign.enters[1]}"
    steps = ", ".join(f"{step.name} after {format_span(step.after_ms)}" for step in campaign.steps)
    return (
        f"version {campaign.version}, {when} by {' or '.join(sorted(campaign.causes))}: {steps}; "
        f"by {', '.join(campaign.channels)}"
    )
