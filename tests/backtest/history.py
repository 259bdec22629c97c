"""A history of three months in which every figure of a back-test is known.

Campaigns act from 1 to 21 February 2026, 12:00. `thanks` says thanks a day after an order, `cart`
asks two hours after a cart was left.
"""

import json
from pathlib import Path
from typing import Any

FROM, TO = "2026-02-01T00:00:00Z", "2026-02-21T12:00:00Z"
ENVIRONMENT = {"RFM_SCHEMES": "rfm"}
POLICY = """
caps: []
quiet_hours: none
holdout: 0%
seasons: [3, 4]
mutes: []
offers:
  classes:
    free_delivery: {perk: true, expires: 14d}
  floor: 10%
  floors: {}
  never_discounted: []
  without_costs: perks
"""
THANKS = """
name: thanks
version: 1
priority: 10
channels: [email]
trigger: {event: order.placed}
re_entry: 30d
exits: {events: []}
control: 0%
steps:
  - {name: first, after: 1d, template: thanks, offer: free_delivery, valid_for: 3d}
"""
CART = """
name: cart
version: 1
priority: 5
channels: [email]
trigger: {event: cart.abandoned}
control: 0%
steps:
  - {name: ask, after: 2h, template: your_cart, valid_for: 1d}
"""
# The history goes on for long enough to know what followed the last action.
LAST = "order A A4 2026-03-10T10:00:00Z 10.00"
HISTORY = """
order   A A1 2026-01-10T10:00:00Z 10.00
order   B B1 2026-01-31T12:00:00Z 10.00
cart    D D1 2026-01-31T22:30:00Z 10.00
cart    H H1 2026-01-31T23:00:00Z 10.00
cart    C C1 2026-01-31T23:30:00Z 10.00
consent G no 2026-02-01T12:00:00Z
order   A A2 2026-02-02T10:00:00Z 10.00
order   G G1 2026-02-03T10:00:00Z 10.00
order   A A3 2026-02-05T10:00:00Z 30.00
return  A A3 2026-02-09T10:00:00Z 10.00
order   B B2 2026-02-10T10:00:00Z 10.00
order   B B3 2026-02-12T10:00:00Z 10.00
cancel  B B3 2026-02-13T10:00:00Z
order   E E1 2026-02-20T10:00:00Z 10.00
order   F F1 2026-02-21T11:00:00Z 10.00
order   E E2 2026-02-26T10:00:00Z 40.00
"""


def write_history(folder: Path, text: str = HISTORY + LAST) -> Path:
    """The history as JSON Lines of contract events."""
    path = folder / "events.jsonl"
    lines = [_event(*line.split()) for line in text.strip().splitlines()]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return path


def write_rules(folder: Path, *campaigns: str, policy: str = POLICY) -> Path:
    """A folder of rules with these campaigns."""
    (folder / "campaigns").mkdir(parents=True)
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    write_campaigns(folder / "campaigns", *campaigns)
    return folder


def write_campaigns(folder: Path, *campaigns: str) -> Path:
    """A folder of campaign files alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(campaigns):
        (folder / f"campaign_{number}.yaml").write_text(text, encoding="utf-8")
    return folder


def _event(kind: str, customer: str, subject: str, at: str, amount: str = "") -> dict[str, Any]:
    head = {
        "event_id": f"{kind}-{subject}-{at}",
        "schema_version": 1,
        "customer_id": customer,
        "occurred_at": at,
    }
    item = {"sku": "S", "quantity": 1, "unit_price": amount}
    match kind:
        case "order":
            body: dict[str, Any] = {
                "type": "order.placed",
                "order_id": subject,
                "currency": "EUR",
                "total": amount,
                "items": [item],
            }
        case "cart":
            body = {
                "type": "cart.updated",
                "cart_id": subject,
                "currency": "EUR",
                "value": amount,
                "items": [item],
            }
        case "return":
            body = {
                "type": "return.registered",
                "return_id": f"R-{subject}",
                "order_id": subject,
                "currency": "EUR",
                "amount": amount,
                "items": [],
            }
        case "cancel":
            body = {"type": "order.cancelled", "order_id": subject}
        case _:
            body = {"type": "consent.changed", "channel": "email", "granted": subject == "yes"}
    return head | body
