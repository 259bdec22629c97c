"""Suggested limits as lines of a settings file, and as a document."""

from typing import Any

from schemas.currencies import MINOR_DIGITS
from streams.cli.shares import fraction, percent
from streams.codec.text import format_money
from streams.insights.suggestions import (
    GAP_PERCENT,
    MEDIAN_FACTORS,
    MINIMUM_COUNT,
    REPEAT_PERCENT,
    Suggestion,
)


def suggestion_text(suggestion: Suggestion, currency: str) -> str:
    """Lines of TOML: what each limit comes from, the limits, and the shares in comments."""
    digits = MINOR_DIGITS[currency]
    lines = [f"# Suggested by the orders of {suggestion.buyers} customers."]
    lines += ["", *_recency(suggestion)]
    lines += ["", *_frequency(suggestion)]
    lines += ["", *_monetary(suggestion, currency, digits)]
    lines += ["", "# Share of the customers that each score would get:"]
    lines += [f"# score {'R %':>6} {'F %':>6} {'M %':>6}"]
    lines += [
        f"# {one.score:>5} {percent(one.r) or '-':>6} {percent(one.f) or '-':>6} "
        f"{percent(one.m) or '-':>6}"
        for one in suggestion.shares
    ]
    return "\n".join(lines) + "\n"


def describe_suggestion(suggestion: Suggestion, currency: str) -> dict[str, Any]:
    """The same as JSON will show it: money as decimal text, shares from 0 to 1."""
    digits = MINOR_DIGITS[currency]
    money = suggestion.monetary_minor
    median = suggestion.median_order_minor
    return {
        "currency": currency,
        "buyers": suggestion.buyers,
        "orders": suggestion.orders,
        "gaps": suggestion.gaps,
        "repeat_buyers": suggestion.repeat_buyers,
        "median_order": format_money(median, digits) if median is not None else None,
        "window_days": suggestion.window_days,
        "recency_limits_days": suggestion.recency_days,
        "frequency_limits": suggestion.frequency,
        "monetary_limits": [format_money(one, digits) for one in money] if money else None,
        "shares": [
            {"score": one.score, "r": fraction(one.r), "f": fraction(one.f), "m": fraction(one.m)}
            for one in suggestion.shares
        ],
    }


def _recency(suggestion: Suggestion) -> list[str]:
    if suggestion.recency_days is None:
        return [f"# R: {suggestion.gaps} gaps between orders are too few, {MINIMUM_COUNT} needed."]
    lines = [
        (
            f"# R: the gaps that {_listed(GAP_PERCENT)} % of {suggestion.gaps} between orders do not "
            "exceed."
        ),
        f"recency_limits_days = {suggestion.recency_days}",
    ]
    if suggestion.window_days is not None:
        lines += [
            "# The window must exceed the largest of them.",
            f"window_days = {suggestion.window_days}",
        ]
    return lines


def _frequency(suggestion: Suggestion) -> list[str]:
    if suggestion.frequency is None:
        return [
            (
                f"# F: {suggestion.repeat_buyers} repeat buyers in the window are too few, "
                f"{MINIMUM_COUNT} needed."
            )
        ]
    return [
        (
            f"# F: the second order, then more than {_listed(REPEAT_PERCENT)} % of "
            f"{suggestion.repeat_buyers} repeat buyers have."
        ),
        f"frequency_limits = {suggestion.frequency}",
    ]


def _monetary(suggestion: Suggestion, currency: str, digits: int) -> list[str]:
    median = suggestion.median_order_minor
    if median is None:
        return [
            f"# M: {suggestion.orders} orders in the window are too few, {MINIMUM_COUNT} needed."
        ]
    if suggestion.monetary_minor is None:
        return ["# M: most orders are worth nothing, so there is no median to go by."]
    limits = ", ".join(format_money(one, digits) for one in suggestion.monetary_minor)
    return [
        (
            f"# M: {_listed(MEDIAN_FACTORS)} times the median of {suggestion.orders} orders, "
            f"{format_money(median, digits)} {currency}."
        ),
        f"monetary_limits = [{limits}]",
    ]


def _listed(numbers: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
