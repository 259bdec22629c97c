"""What the delivery stage needs from outside, as protocols. Adapters implement them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from streams.deliver.action import Action
from streams.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """The person behind a customer id as of now.

    `addresses` holds what is known by channel, `allowed` the channels for which consent holds of
    those that were asked about. `language` is as the shop sent it, such as `de-AT`.
    """

    customer_id: str
    first_name: str | None = None
    language: str | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    erased: bool = False


class Recipients(Protocol):
    """Where recipients are looked up; nothing is ever written there."""

    async def fetch(
        self, customer_id: str, channels: tuple[str, ...], decided_at_ms: int
    ) -> Recipient:
        """The customer as of a moment not before `decided_at_ms`; raises `Transient` until then."""


class Mark(StrEnum):
    """How far the delivery of an action is known to be."""

    NEW = "new"
    BEGUN = "begun"
    DONE = "done"


class SentMemory(Protocol):
    """Remembers for days which actions went out. Raises `Transient`."""

    async def mark(self, action_id: str) -> Mark:
        """How far it is."""

    async def begin(self, action_id: str) -> None:
        """From now on something may have gone out."""

    async def finish(self, action_id: str) -> None:
        """It is done, and its outcome reported."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action. `dead` says why it is a dead letter besides, where it is one."""

    channel: str
    outcome: str
    detail: str
    dead: Rejected | None = None

    @property
    def reason(self) -> str:
        """The first word of the detail, which this project defines; the rest is the receiver's."""
        return self.detail.partition(":")[0] if self.outcome == "failed" else ""


class Reporter(Protocol):
    """Where outcomes and dead letters go. Raises `Transient` where they were not taken."""

    async def report(self, action: Action, outcome: Outcome) -> None:
        """Publish the outcome, and the dead letter before it if there is one."""


class Measures(Protocol):
    """What is counted on the way."""

    def taken(self, kind: str) -> None:
        """A record was taken: requested, cancelled, suppressed, control_group, known, unreadable."""

    def delivered(self, outcome: Outcome, seconds: float) -> None:
        """An action has its outcome, so many seconds after it was decided."""

    def retried(self, transport: str, reason: str) -> None:
        """An attempt failed and will be made again."""

    def circuit(self, transport: str, *, is_open: bool) -> None:
        """A transport is held back as a whole, or no more."""
