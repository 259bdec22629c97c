"""Deliveries to start from, and simple parts for them to pass through."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from streams.adapters.system_clock import SystemClock
from streams.deliver.action import Action
from streams.deliver.channels.channel import Delivery
from streams.deliver.ports import Mark, Outcome, Recipient
from streams.errors import Rejected, Transient
from streams.intake.ports import SourceRecord

CLOCK = SystemClock()
Result = TypeVar("Result")


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, within a bound, until every connection is closed again."""

    async def bounded() -> Result:
        loop: Any = asyncio.get_running_loop()
        watched = len(loop._selector.get_map())
        async with asyncio.timeout(30):
            try:
                return await coroutine
            finally:
                # Those over TLS say goodbye to each other, in the loop's own time.
                while len(loop._selector.get_map()) > watched:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

    return asyncio.run(bounded())


def action(**changed: Any) -> Action:
    """An action due now, valid for an hour."""
    now_ms = CLOCK.now_ms()
    said: dict[str, Any] = {
        "action_id": "7e7c2d60-64f1-5a49-9d10-3c3f6f3f8a01",
        "customer_id": "C-1",
        "campaign": "cart_reminder",
        "channels": ("email",),
        "template": "cart_reminder_first",
        "parameters": {},
        "decided_at_ms": now_ms,
        "valid_until_ms": now_ms + 3_600_000,
        "control_group": False,
        "idempotency_key": "7e7c2d60-64f1-5a49-9d10-3c3f6f3f8a01",
        "body": {"type": "action.requested"},
        "record": SourceRecord(0, b"C-1", b"{}", []),
        "partition": 0,
    }
    return Action(**(said | changed))


def recipient(**changed: Any) -> Recipient:
    """Anna, who allows mail."""
    said: dict[str, Any] = {
        "customer_id": "C-1",
        "first_name": "Anna",
        "language": "en",
        "addresses": {"email": "anna@customer.example"},
        "allowed": frozenset({"email", "webhook"}),
    }
    return Recipient(**(said | changed))


def delivery(channel: str = "email", **changed: Any) -> Delivery:
    """Something on its way to Anna; `recipient` and the fields of the action can be changed."""
    to = changed.pop("recipient", recipient())
    address = changed.pop("address", to.addresses.get(channel))
    return Delivery(action=action(**changed), channel=channel, recipient=to, address=address)


class Known:
    """`Recipients` that know one person; `refusals` are raised first, one by one."""

    def __init__(self, person: Recipient, refusals: list[Transient] | None = None) -> None:
        self.person = person
        self.refusals = refusals or []
        self.asked = 0

    async def fetch(
        self, customer_id: str, channels: tuple[str, ...], decided_at_ms: int
    ) -> Recipient:
        self.asked += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return self.person


class Marks:
    """`SentMemory` in a dictionary."""

    def __init__(self, **marks: Mark) -> None:
        self.marks = dict(marks)

    async def mark(self, action_id: str) -> Mark:
        return self.marks.get(action_id, Mark.NEW)

    async def begin(self, action_id: str) -> None:
        self.marks.setdefault(action_id, Mark.BEGUN)

    async def finish(self, action_id: str) -> None:
        self.marks[action_id] = Mark.DONE


class Reports:
    """`Reporter` that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Outcome] = []
        self.rejected: list[Rejected] = []

    async def report(self, told: Action, outcome: Outcome) -> None:
        self.told.append(outcome)

    async def reject(self, record: SourceRecord, partition: int, why: Rejected) -> None:
        self.rejected.append(why)


class Counts:
    """`Measures` that keep what they are told."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.outcomes: list[Outcome] = []
        self.retries: list[tuple[str, str]] = []
        self.circuits: list[bool] = []

    def taken(self, kind: str) -> None:
        self.kinds.append(kind)

    def delivered(self, outcome: Outcome, seconds: float) -> None:
        self.outcomes.append(outcome)

    def retried(self, transport: str, reason: str) -> None:
        self.retries.append((transport, reason))

    def circuit(self, transport: str, *, is_open: bool) -> None:
        self.circuits.append(is_open)


class Scripted:
    """A `Channel` of somebody else's: each attempt does the next thing of its script."""

    def __init__(self, *script: Exception | str | Callable[[], None]) -> None:
        self._script = list(script)
        self.sent: list[Delivery] = []
        self.attempts = 0

    async def open(self) -> None:
        """Nothing to do."""

    async def send(self, delivery: Delivery) -> str:
        self.attempts += 1
        step = self._script.pop(0) if self._script else "taken"
        if isinstance(step, Exception):
            raise step
        if not isinstance(step, str):
            step()
        self.sent.append(delivery)
        return step if isinstance(step, str) else "taken"

    async def close(self) -> None:
        """Nothing to do."""
