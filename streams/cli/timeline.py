"""The time line of `explain`: journal entries as documents, and as lines for people."""

from typing import Any

import msgspec
import typer

from streams.cli.output import clean
from streams.codec.outputs import OutputEncoder
from streams.codec.text import format_instant, format_money
from streams.core.outputs import (
    ActionRequested,
    ActionSuppressed,
    Forwarded,
    NotTaken,
    Output,
    SegmentChanged,
)
from streams.insights.deciding_rules import DecidingRules
from streams.insights.history import Entry

# What an event is about, by field and the word for it, in order of interest.
_ABOUT = (
    ("order_id", "order"),
    ("return_id", "return"),
    ("cart_id", "cart"),
    ("contact_id", "contact"),
    ("channel", "channel"),
    ("outcome", "outcome"),
    ("granted", "granted"),
)
_MONEY = ("total_minor", "amount_minor", "value_minor")


class Timeline:
    """Describes entries with sums in one base currency; `deciding` are the rules in words."""

    def __init__(self, digits: int, currency: str, deciding: DecidingRules) -> None:
        self._digits = digits
        self._currency = currency
        self._encoder = OutputEncoder(currency)
        self._deciding = deciding

    def describe(self, entry: Entry) -> dict[str, Any]:
        """One entry as a document; outputs as they were published, with the rule that decided."""
        standing = entry.standing
        scores = standing.scores
        return {
            "at": format_instant(entry.at_ms),
            "decided_at": format_instant(entry.time_ms),
            "journal_offset": entry.offset,
            "what": entry.event_type,
            "event_id": entry.event.event_id if entry.event is not None else None,
            "backfill": entry.event.backfill if entry.event is not None else False,
            "about": self._about(entry),
            "note": entry.note,
            "scores": {"r": scores.r, "f": scores.f, "m": scores.m} if scores else None,
            "segment": standing.segment,
            "order_count": standing.facts.order_count,
            "monetary": format_money(standing.facts.monetary_minor, self._digits),
            "rules_version": entry.rules_version,
            "outputs": [self._output(output, entry) for output in entry.outputs],
        }

    def print_entry(self, document: dict[str, Any]) -> None:
        """One entry for people: what happened, then what came of it."""
        scores = document["scores"]
        shown = f"R{scores['r']} F{scores['f']} M{scores['m']}" if scores else "no scores"
        remarks = [document["about"]]
        if document["event_id"] is not None:
            remarks.append(f"event {document['event_id']}")
        if document["note"] != "applied":
            remarks.append(document["note"])
        if document["backfill"]:
            remarks.append("backfill")
        said = ", ".join(remark for remark in remarks if remark)
        typer.echo(
            clean(
                f"{document['at']}  {document['what']:<17}  {shown:<9}  "
                f"{document['segment'] or '-'}{f'  ({said})' if said else ''}"
            )
        )
        for output in document["outputs"]:
            typer.echo(clean(f"    {_line(output)}"))
            if output.get("rule"):
                typer.echo(clean(f"        {output['rule']}"))

    def _about(self, entry: Entry) -> str:
        event = entry.event
        if event is None:
            return ""
        said = [
            f"{word} {getattr(event, name)}"
            for name, word in _ABOUT
            if getattr(event, name, None) is not None
        ]
        said += [
            f"{format_money(getattr(event, name), self._digits)} {self._currency}"
            for name in _MONEY
            if hasattr(event, name)
        ]
        return ", ".join(said)

    def _output(self, output: Output, entry: Entry) -> dict[str, Any]:
        if isinstance(output, Forwarded):
            event = output.event
            return {
                "type": "forwarded",
                "event_id": event.event_id,
                "to_customer_id": event.customer_id,
            }
        if isinstance(output, NotTaken):
            return {
                "type": "not_taken",
                "event_id": output.event.event_id,
                "reason": output.message,
            }
        document: dict[str, Any] = msgspec.json.decode(self._encoder.encode(output).value)
        if isinstance(output, ActionRequested):
            document["decided_at"] = format_instant(output.decided_at_ms)
        if isinstance(output, SegmentChanged):
            document["rule"] = self._deciding.of_change(output)
        elif isinstance(output, ActionRequested | ActionSuppressed):
            document["rule"] = self._deciding.of_action(output, entry.rules_version)
        return document


def _line(output: dict[str, Any]) -> str:
    match output["type"]:
        case "segment.changed":
            return (
                f"segment {output['scheme']}: {_segment(output['previous'])} -> "
                f"{_segment(output['current'])} (cause {_cause(output['cause'])}, effective "
                f"{output['effective_at']}, sequence {output['sequence']}, rules "
                f"{output['rules_version']})"
            )
        case "action.requested":
            control = " (control group, nothing is sent)" if output["control_group"] else ""
            return (
                f"action {output['campaign']}/{output['step']} requested{control} by "
                f"{', '.join(output['channels'])}: {output['template']}{_voucher(output)} (cause "
                f"{_cause(output['cause'])}, due {output['due_at']}, until "
                f"{output['valid_until']}, {output['action_id']})"
            )
        case "action.suppressed":
            return (
                f"action {output['campaign']}/{output['step']} held back: {output['reason']} "
                f"({output['detail']})"
            )
        case "campaign.outcome":
            return f"outcome of {output['campaign']} ({output['stage']}): {_outcome(output)}"
        case "forwarded":
            return f"event {output['event_id']} goes on to customer {output['to_customer_id']}"
        case "not_taken":
            return f"event {output['event_id']} became a dead letter: {output['reason']}"
        case _:
            return (
                f"action {output['action_id']} of {output['campaign']} cancelled: "
                f"{output['reason']}"
            )


def _segment(segment: str | list[str] | None) -> str:
    """A segment, or the flags of a flag scheme."""
    named = ", ".join(segment) if isinstance(segment, list) else segment
    return named or "none"


def _voucher(action: dict[str, Any]) -> str:
    voucher = action["parameters"].get("voucher")
    return f" with {voucher['class']} until {voucher['expires_at']}" if voucher else ""


def _outcome(output: dict[str, Any]) -> str:
    said = [
        f"{output['actions']} actions",
        f"{output['orders']} orders worth {output['net']} {output['currency']}",
        *(name for name in ("opened", "clicked", "unsubscribed") if output[name]),
    ]
    if output["control_group"]:
        said.insert(0, "control group")
    return f"{', '.join(said)}, from {output['first_action_at']} to {output['counted_until']}"


def _cause(cause: dict[str, Any]) -> str:
    parts = [cause["kind"], cause["event_type"], cause["event_id"]]
    return " ".join(part for part in parts if part)
