"""Outcomes of campaigns as messages that keep the contract."""

import json
from typing import Any

from schemas.outcomes import CampaignOutcome


def told(number: int, customer: str | None = None, **changes: Any) -> bytes:
    """The message of a run: its number names the run, and the customer where none is given.

    Without changes a preliminary one of a run that was sent in At Risk and brought nothing.
    """
    body = {
        **CampaignOutcome.example(),
        "customer_id": customer or f"c{number}",
        "campaign": "win_back",
        "segment": "At Risk",
        "control_group": False,
        "stage": "preliminary",
        "actions": 1,
        "first_action_at": "2026-03-01T10:00:00.000Z",
        "counted_until": "2026-03-08T10:00:00.000Z",
        "orders": 0,
        "net": "0.00",
        "opened": False,
        "clicked": False,
        "unsubscribed": False,
        **changes,
    }
    body["event_id"] = changes.get("event_id", f"{body['campaign']}-{number}-{body['stage']}")
    text = json.dumps(body)
    CampaignOutcome.model_validate_json(text)
    return text.encode()


def bought(net: str = "10.00") -> dict[str, Any]:
    """A run with an order."""
    return {"orders": 1, "net": net}


FINAL: dict[str, Any] = {"stage": "final"}
CONTROL: dict[str, Any] = {"control_group": True}
