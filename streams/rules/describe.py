"""Rules in words: the journaled document as rows for people.

It reads the document and not the compiled rules, so that rules in force and rules in files are
described alike.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from schemas.currencies import MINOR_DIGITS
from streams.codec.text import format_money
from streams.core.schemes import behaviour, frequency, lifecycle, loyalty, maps, value
from streams.rules.campaign_words import describe_campaign
from streams.rules.map_grid import named_cells
from streams.rules.policy_words import describe_policy
from streams.rules.spans import format_span
from streams.rules.tree_words import tree_words

Raw = Mapping[str, Any]
Rows = list[tuple[str, str]]
FIXED_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "loyalty": loyalty.SEGMENTS,
    "value": value.SEGMENTS,
    "lifecycle": lifecycle.SEGMENTS,
    "frequency": frequency.SEGMENTS,
    "behaviour": behaviour.SEGMENTS,
}


def segments_of(scheme: Raw) -> list[str]:
    """The names of a journaled scheme's segments, in its order."""
    named = FIXED_NAMES.get(scheme["kind"])
    if named is not None:
        return list(named)
    return [row["name"] for row in scheme["rows" if scheme["kind"] == maps.KIND else "segments"]]


def describe_rules(text: str) -> Rows:
    """Names and values of journaled rules; raises KeyError and ValueError for other documents."""
    rules: Raw = json.loads(text)
    consent = ", ".join(f"{k} {v}" for k, v in sorted(rules["consent_unknown"].items()))
    population = rules["population"]
    rows = [
        ("base currency", rules["base_currency"]),
        ("window", format_span(rules["window_ms"])),
        ("history kept", format_span(rules["window_ms"] + rules["history_margin_ms"])),
        ("orders of value 0", "count" if rules["count_zero_value_orders"] else "do not count"),
        ("events start campaigns up to", format_span(rules["max_event_age_ms"])),
        ("carts are abandoned after", format_span(rules["cart_abandoned_after_ms"])),
        ("consent where unknown", consent or "deny"),
        ("limits move from", _enough(population)),
        ("snapshot every", format_span(population["snapshot_every_ms"])),
        ("sweep", f"{population['sweep_customers_per_s']} customers a second"),
    ]
    for scheme in rules["schemes"]:
        rows += [
            (f"{scheme['name']}: {what}", said) for what, said in describe_scheme(scheme, rules)
        ]
    rows += describe_policy(rules["policy"])
    for campaign in sorted(rules["campaigns"], key=lambda one: (one["priority"], one["name"])):
        rows += describe_campaign(campaign, rules)
    return rows


def describe_scheme(scheme: Raw, rules: Raw) -> Rows:
    """What a scheme measures by and, for each segment, its limits."""
    rows = [*_SCHEMES[scheme["kind"]](scheme, rules)]
    if scheme.get("hold_ms"):
        rows.append(("a fall by moving limits", f"counts after {format_span(scheme['hold_ms'])}"))
    return rows


def _enough(population: Raw) -> str:
    return (
        f"{population['minimum_customers']} customers with an order in the window and "
        f"{format_span(population['minimum_history_ms'])} of history on"
    )


# -- schemes -------------------------------------------------------------------------------------


def _map(scheme: Raw, rules: Raw) -> Rows:
    digits = MINOR_DIGITS[rules["base_currency"]]
    shown: dict[str, Callable[[int], str]] = {
        "r": format_span,
        "f": str,
        "m": lambda limit: format_money(limit, digits),
    }
    rows = [_score(key, scheme["scores"][key], show) for key, show in shown.items()]
    cells = named_cells(scheme)
    counts = Counter(cells.values())
    return rows + [(name, f"{counts[name]} of {len(cells)} cells") for name in segments_of(scheme)]


def _score(key: str, score: Raw, show: Callable[[int], str]) -> tuple[str, str]:
    """A score's levels and their limits, R from the best down, F and M from the second worst up."""
    levels = len(score["limits"]) + 1
    scores = range(levels, 1, -1) if key == "r" else range(2, levels + 1)
    name = f"{key.upper()} {', '.join(map(str, scores))}"
    closed = score["edge"] == maps.LEFT_CLOSED
    words = ("younger than", "up to an age of") if key == "r" else ("from", "above")
    limits = f"{words[not closed]} {', '.join(show(limit) for limit in score['limits'])}"
    if key == "f":
        limits += " orders"
    if score["mode"] == maps.FIXED:
        return name, limits
    parts = {2: "halves", 3: "thirds", 4: "quarters", 5: "fifths"}[levels]
    return name, f"{parts} of the customers with an order in the window; for too few, {limits}"


def _loyalty(scheme: Raw, rules: Raw) -> Rows:
    del rules
    small, mean = scheme["small_shop"], "more orders than the mean of all repeat buyers"
    texts = (
        (
            f"more orders and more lifetime net revenue than {scheme['vip_percent']} % of all buyers, and "
            f"{mean}; for too few customers, {small['vip_orders']} orders"
        ),
        f"{mean}; for too few customers, {small['frequent_orders']} orders",
        f"at least {loyalty.LOYAL_ORDERS} orders",
        "exactly 1 order",
    )
    return list(zip(loyalty.SEGMENTS, texts, strict=True))


def _value(scheme: Raw, rules: Raw) -> Rows:
    del rules
    window, (first, second) = format_span(scheme["window_ms"]), scheme["shares_percent"]
    worth = f"all who are worth more make up less than {{}} % of the net value in {window}"
    texts = (
        worth.format(first),
        worth.format(second),
        f"every other customer with an order in {window}, and whose net value is not above 0",
    )
    return list(zip(value.SEGMENTS, texts, strict=True))


def _lifecycle(scheme: Raw, rules: Raw) -> Rows:
    del rules
    sleeper = format_span(scheme["sleeper_ms"])
    texts = (
        "no counting order",
        f"silent for {format_span(scheme['lost_ms'])}",
        f"silent for {sleeper}",
        f"an order in the last {format_span(scheme['reactivated_ms'])} after a gap of {sleeper}",
        f"one order, younger than {format_span(scheme['new_ms'])}",
        (
            f"silent for {scheme['slipping_factor_percent']} % of the median of the latest gaps, at least "
            f"{format_span(scheme['slipping_floor_ms'])}; below three orders: for "
            f"{format_span(scheme['slipping_default_ms'])}"
        ),
        "everybody else",
    )
    return list(zip(lifecycle.SEGMENTS, texts, strict=True))


def _frequency(scheme: Raw, rules: Raw) -> Rows:
    del rules
    silence = format_span(scheme["inactive_ms"])
    texts = (
        f"at least {scheme['frequent_orders']} orders in {format_span(scheme['window_ms'])}",
        f"fewer, and silent for less than {silence}",
        f"silent for {silence}",
    )
    return list(zip(frequency.SEGMENTS, texts, strict=True))


def _behaviour(scheme: Raw, rules: Raw) -> Rows:
    digits = MINOR_DIGITS[rules["base_currency"]]
    back, promoted = scheme["revenue_reverser"], scheme["promotion_maximizer"]
    limiter, service, bulk = (
        scheme[name] for name in ("spending_limiter", "service_demander", "bulk_buyer")
    )
    weight = promoted["value_weight_percent"]
    texts = {
        behaviour.BULK_BUYER: f"more units per order than {bulk['percent']} % of the customers with "
        f"3 orders; from {bulk['minimum_orders']} orders",
        behaviour.PROMOTION_MAXIMIZER: f"{weight} % x the share of value and {100 - weight} % x the "
        f"share of orders with a coupon or at least {promoted['discount_percent']} % off make "
        f"{promoted['score_percent']} %; from {promoted['minimum_orders']} orders",
        behaviour.REVENUE_REVERSER: f"returned value above {back['return_rate_percent']} % of gross, "
        f"from {back['minimum_returns']} returns and {back['minimum_orders']} orders; or from "
        f"{back['minimum_complaints']} complaints and above "
        f"{back['complaint_return_rate_percent']} %",
        behaviour.SERVICE_DEMANDER: f"service costs above {service['cost_percent']} % of net revenue, "
        f"from {service['minimum_contacts']} contacts; a minute costs "
        f"{_rate(service['minute_rate_milli'], digits)}, an unknown contact takes "
        f"{service['default_minutes']}m",
        behaviour.SPENDING_LIMITER: f"order values vary by at most {limiter['variation_percent']} %, "
        f"from {limiter['minimum_orders']} orders; of at least {limiter['minimum_offers']} offers, if "
        f"there were any, none was followed by an order within {format_span(limiter['response_ms'])}",
    }
    rows = [("window", format_span(scheme["window_ms"]))]
    return rows + [(name, texts[name]) for name in behaviour.SEGMENTS]


def _rate(milli: int, digits: int) -> str:
    """Thousandths of a minor unit as money, without zeros that say nothing."""
    whole, _, rest = format_money(milli, digits + 3).partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(digits, '0')}".rstrip(".")


def _attributes(scheme: Raw, rules: Raw) -> Rows:
    digits = MINOR_DIGITS[rules["base_currency"]]
    return [(one["name"], tree_words(one["when"], digits)) for one in scheme["segments"]]


_SCHEMES: Final[Mapping[str, Callable[[Raw, Raw], Rows]]] = {
    maps.KIND: _map,
    "loyalty": _loyalty,
    "value": _value,
    "lifecycle": _lifecycle,
    "frequency": _frequency,
    "behaviour": _behaviour,
    "attributes": _attributes,
}
