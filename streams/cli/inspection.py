"""The state of one customer as a document, and that document for people."""

from typing import Any

import typer

from schemas.currencies import MINOR_DIGITS
from streams.cli.customer_campaigns import campaign_dues, describe_campaigns
from streams.cli.output import clean, print_fields
from streams.codec.text import format_instant, format_money
from streams.core.campaigns.carts import abandonment_due_ms
from streams.core.rules import RFM, Rules
from streams.core.schemes.maps import MapScheme
from streams.core.state import CustomerState
from streams.errors import BrokenInvariant
from streams.insights.customer_reader import CustomerNow
from streams.insights.customers import Standing, next_segment, standing_at

# Names no person and leads to none; every other attribute is a shop's own and taken as personal.
_IMPERSONAL = {"language", "time_zone", "country"}
_HIDDEN = "(hidden, --show-personal shows it)"


def describe_customer(now: CustomerNow, *, show_personal: bool) -> dict[str, Any]:
    """The customer at the partition's time, as JSON will show it."""
    state, rules = now.state, now.rules
    if state is None:
        raise BrokenInvariant("a customer without a state was asked for")
    standing = standing_at(state, rules, now.time_ms)
    facts, scores = standing.facts, standing.scores
    money = _Money(rules.base_currency)
    upcoming = next_segment(state, rules, standing)
    average = facts.average_order_value_minor
    return {
        "customer_id": state.customer_id,
        "partition": now.partition,
        "as_of": format_instant(now.time_ms),
        "rules_version": rules.version,
        "segment": standing.segment,
        "segment_since": _instant(standing.since_ms),
        "segment_before": standing.previous,
        "scores": {"r": scores.r, "f": scores.f, "m": scores.m} if scores else None,
        "facts": {
            "last_order_at": _instant(facts.last_order_at_ms),
            "order_count": facts.order_count,
            "monetary": money.text(facts.monetary_minor),
            "currency": rules.base_currency,
            "average_order_value": money.text(average) if average is not None else None,
            "return_rate": facts.return_rate,
            "lifetime_order_count": facts.lifetime_order_count,
            "lifetime_monetary": money.text(facts.lifetime_monetary_minor),
            "beyond_history": state.beyond_history_count,
        },
        "next_segment": (
            {"at": format_instant(upcoming[0]), "segment": upcoming[1]} if upcoming else None
        ),
        "next_due_at": _instant(state.next_due_ms),
        "due": [
            {"at": format_instant(at_ms), "what": what}
            for at_ms, what in sorted(_due(state, rules, standing, now.time_ms))
        ],
        **_history(state, money),
        **describe_campaigns(now),
        **_profile(state, show_personal=show_personal),
    }


def _due(
    state: CustomerState, rules: Rules, standing: Standing, now_ms: int
) -> list[tuple[int, str]]:
    """What the clock will do, each with its instant."""
    facts, due = standing.facts, list[tuple[int, str]]()
    rfm = rules.scheme(RFM)
    if facts.last_order_at_ms is not None and standing.scores is not None:
        if isinstance(rfm, MapScheme):
            ends = [facts.last_order_at_ms + cut for cut in rfm.recency.cuts]
            r = standing.scores.r
            due += [(at_ms, f"R falls from {r} to {r - 1}") for at_ms in ends if at_ms > now_ms][:1]
        if facts.next_expiry_ms is not None:
            due.append((facts.next_expiry_ms, "an order or return leaves the window"))
    for cart_id, cart in state.carts.items():
        abandoned_ms = abandonment_due_ms(cart, rules)
        if abandoned_ms is not None:
            due.append((abandoned_ms, f"cart {cart_id} counts as abandoned"))
    return due + campaign_dues(state, rules, facts, now_ms)


def _history(state: CustomerState, money: "_Money") -> dict[str, Any]:
    orders = sorted(state.orders.items(), key=lambda item: (item[1].occurred_at_ms, item[0]))
    returns = sorted(state.returns.items(), key=lambda item: (item[1].occurred_at_ms, item[0]))
    folded = state.folded
    return {
        "orders": [
            {
                "order_id": order_id,
                "occurred_at": format_instant(order.occurred_at_ms),
                "total": money.text(order.total_minor),
                "returned": money.text(order.returned_minor),
                "net": money.text(order.net_minor),
                "state": _state_of(order.cancelled, order.fully_returned),
            }
            for order_id, order in orders
        ],
        "older_orders": len(folded.remnants) + folded.order_count if folded is not None else 0,
        "returns": [
            {
                "return_id": return_id,
                "occurred_at": format_instant(back.occurred_at_ms),
                "order_id": back.order_id,
                "amount": money.text(back.amount_minor),
                "order_known": back.order_id in state.orders,
            }
            for return_id, back in returns
        ],
        "cancellations_waiting": sorted(state.cancellations),
        "carts": [
            {
                "cart_id": cart_id,
                "changed_at": format_instant(cart.changed_at_ms),
                "value": money.text(cart.value_minor),
                "items": [f"{item.quantity:g} x {item.sku}" for item in cart.items],
                "settled_or_abandoned": cart.abandoned,
            }
            for cart_id, cart in sorted(state.carts.items())
        ],
    }


def _profile(state: CustomerState, *, show_personal: bool) -> dict[str, Any]:
    return {
        "consents": {
            channel: {
                "granted": consent.granted,
                "since": format_instant(consent.occurred_at_ms),
            }
            for channel, consent in sorted(state.consents.items())
        },
        "attributes": {
            name: attribute.value if show_personal or name in _IMPERSONAL else _HIDDEN
            for name, attribute in sorted(state.attributes.items())
            if attribute.value is not None
        },
        "last_event_at": _instant(state.last_event_at_ms or None),
        "erased_at": _instant(state.erased_at_ms),
        "merged_into": state.merged_into,
    }


def print_customer(document: dict[str, Any]) -> None:
    """The document for people: the standing first, then lists that are not empty."""
    facts, scores, upcoming = document["facts"], document["scores"], document["next_segment"]
    shown = f"R{scores['r']} F{scores['f']} M{scores['m']}" if scores else "none"
    since = f" since {document['segment_since']}" if document["segment_since"] else ""
    before = f", before: {document['segment_before']}" if document["segment_before"] else ""
    print_fields(
        [
            ("customer", document["customer_id"]),
            ("as of", f"{document['as_of']} (partition {document['partition']})"),
            ("segment", f"{document['segment'] or 'none'}{since}{before}"),
            ("scores", f"{shown} (rules {document['rules_version']})"),
            (
                "next segment",
                f"{upcoming['segment'] or 'none'} at {upcoming['at']}, if nothing happens"
                if upcoming
                else "stays, if nothing happens",
            ),
            *((name.replace("_", " "), value) for name, value in facts.items()),
            ("last event at", document["last_event_at"]),
            ("erased at", document["erased_at"]),
            ("merged into", document["merged_into"]),
            ("older orders", document["older_orders"]),
        ]
    )
    for name in ("due", "orders", "returns", "carts", "runs", "pending", "caps", "outcomes_open"):
        _print_list(name.replace("_", " "), [_words(entry) for entry in document[name]])
    _print_list("cancellations waiting", document["cancellations_waiting"])
    _print_list("muted", [f"{tag}: until {until}" for tag, until in document["muted"].items()])
    _print_list("sent", [_words(entry) for entry in document["sent"]])
    _print_list("last starts", [f"{k}: {v}" for k, v in document["last_starts"].items()])
    _print_list("consents", [f"{k}: {_words(v)}" for k, v in document["consents"].items()])
    _print_list("attributes", [f"{k}: {v}" for k, v in document["attributes"].items()])


def _print_list(title: str, lines: list[str]) -> None:
    if lines:
        typer.echo(f"{title}:")
        for line in lines:
            typer.echo(clean(f"  {line}"))


def _words(entry: dict[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {_shown(value)}"
        for name, value in entry.items()
        if value not in (None, [], "")
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values() if part is not None)
    return ", ".join(value) if isinstance(value, list) else str(value)


def _state_of(cancelled: bool, fully_returned: bool) -> str:
    if cancelled:
        return "cancelled"
    return "fully returned" if fully_returned else "counts"


def _instant(at_ms: int | None) -> str | None:
    return format_instant(at_ms) if at_ms is not None else None


class _Money:
    def __init__(self, currency: str) -> None:
        self._digits = MINOR_DIGITS[currency]

    def text(self, amount_minor: int) -> str:
        return format_money(amount_minor, self._digits)
