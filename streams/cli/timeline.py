"""The time line of `explain`: journal entries as documents, and as lines for people."""

from typing import Any

import msgspec
import typer

from streams.cli.output import clean
from streams.codec.outputs import OutputEncoder
from streams.codec.text import format_instant, format_money
from streams.core.outputs import ActionRequested, Forwarded, NotForwarded, Output
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
    """Describes entries with sums in one base currency."""

    def __init__(self, digits: int, currency: str) -> None:
        self._digits = digits
        self._currency = currency
        self._encoder = OutputEncoder(currency)

    def describe(self, entry: Entry) -> dict[str, Any]:
        """One entry as a document; outputs as they were published."""
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
            "outputs": [self._output(output) for output in entry.outputs],
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

    def _output(self, output: Output) -> dict[str, Any]:
        if isinstance(output, Forwarded):
            event = output.event
            return {
                "type": "forwarded",
                "event_id": event.event_id,
                "to_customer_id": event.customer_id,
            }
        if isinstance(output, NotForwarded):
            return {
                "type": "not_forwarded",
                "event_id": output.event.event_id,
                "reason": output.message,
            }
        document: dict[str, Any] = msgspec.json.decode(self._encoder.encode(output).value)
        if isinstance(output, ActionRequested):
            document["decided_at"] = format_instant(output.decided_at_ms)
        return document


def _line(output: dict[str, Any]) -> str:
    match output["type"]:
        case "segment.changed":
            return (
                f"segment {output['scheme']}: {output['previous'] or 'none'} -> "
                f"{output['current'] or 'none'} (cause {_cause(output['cause'])}, effective "
                f"{output['effective_at']}, sequence {output['sequence']}, rules "
                f"{output['rules_version']})"
            )
        case "action.requested":
            return (
                f"action {output['campaign']}/{output['step']} requested by "
                f"{', '.join(output['channels'])} (cause {_cause(output['cause'])}, due "
                f"{output['due_at']}, until {output['valid_until']}, {output['action_id']})"
            )
        case "action.suppressed":
            return (
                f"action {output['campaign']}/{output['step']} held back: {output['reason']} "
                f"({output['detail']})"
            )
        case "forwarded":
            return f"event {output['event_id']} goes on to customer {output['to_customer_id']}"
        case "not_forwarded":
            return f"event {output['event_id']} became a dead letter: {output['reason']}"
        case _:
            return f"action {output['action_id']} cancelled: {output['reason']}"


def _cause(cause: dict[str, Any]) -> str:
    parts = [cause["kind"], cause["event_type"], cause["event_id"]]
    return " ".join(part for part in parts if part)
