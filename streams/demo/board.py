"""What the outputs add up to: the numbers and the news that the views show."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from schemas.fields import parse_instant_ms
from streams.codec.outputs import ACTIONS, OUTCOMES, SEGMENT_CHANGES
from streams.errors import BrokenInvariant

SCHEME: Final = "rfm"
NOBODY: Final = "new"
GONE: Final = "no segment"

_decode: Final = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Change:
    """A customer changed segment. `at_ms` is when it became true; None means no segment."""

    at_ms: int
    customer_id: str
    previous: str | None
    current: str | None
    cause: str


@dataclass(frozen=True, slots=True)
class Action:
    """A marketing action was fired, due at `at_ms`."""

    at_ms: int
    customer_id: str
    campaign: str
    step: str
    segment: str
    offer: str


@dataclass(slots=True)
class Board:
    """Sums since the shop opened (`segments`) and since it went live (the rest).

    `changes` and `actions` are news that no view has taken yet.
    """

    ranking: Sequence[str]
    live_ms: int
    decided_ms: int = 0
    segments: Counter[str] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    cancelled: int = 0
    held_back: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    changes: list[Change] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    def take(self, topic: str, value: bytes) -> None:
        """Take in one message of an output topic (logical name); outcomes are not shown."""
        body: dict[str, Any] = _decode(value)
        if topic == SEGMENT_CHANGES:
            if body["scheme"] == SCHEME:
                self._take_change(body)
        elif topic == ACTIONS:
            self._take_action(body)
        elif topic != OUTCOMES:
            raise BrokenInvariant(f"the demo does not read {topic}")

    def refuse(self, reason: str) -> None:
        """Take in a dead letter."""
        self.dead_letters[reason] += 1

    def take_news(self) -> tuple[list[Change], list[Action]]:
        """Hand over what is new since the last time."""
        news = self.changes, self.actions
        self.changes, self.actions = [], []
        return news

    @property
    def customers(self) -> int:
        """Customers in a segment now."""
        return self.segments.total()

    def rank(self, segment: str | None) -> int:
        """Place of a segment, 0 for the best; no segment comes last."""
        return self.ranking.index(segment) if segment in self.ranking else len(self.ranking)

    def _take_change(self, body: dict[str, Any]) -> None:
        previous, current = body["previous"], body["current"]
        if previous is not None:
            self.segments[previous] -= 1
        if current is not None:
            self.segments[current] += 1
        decided_ms = parse_instant_ms(body["decided_at"])
        self.decided_ms = max(self.decided_ms, decided_ms)
        if decided_ms < self.live_ms:
            self.before["changes"] += 1
            return
        self.moves[previous or NOBODY, current or GONE] += 1
        cause = body["cause"]
        self.changes.append(
            Change(
                parse_instant_ms(body["effective_at"]),
                body["customer_id"],
                previous,
                current,
                cause.get("event_type") or cause["kind"],
            )
        )

    def _take_action(self, body: dict[str, Any]) -> None:
        kind = body["type"]
        at_ms = parse_instant_ms(body["due_at" if kind == "action.requested" else "decided_at"])
        self.decided_ms = max(self.decided_ms, at_ms)
        if at_ms < self.live_ms:
            self.before["actions"] += kind == "action.requested"
        elif kind == "action.requested":
            self.fired[body["campaign"]] += 1
            self.actions.append(
                Action(
                    at_ms,
                    body["customer_id"],
                    body["campaign"],
                    body["step"],
                    body["segment_context"].get(SCHEME) or "",
                    body["parameters"].get("offer", ""),
                )
            )
        elif kind == "action.cancelled":
            self.cancelled += 1
        else:
            self.held_back[body["reason"]] += 1
