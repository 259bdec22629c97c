"""What a transport is, and how it says that something did not go out.

Own ones are registered under the entry point group `rfm_streams.channels`: a callable that takes
the `Settings` and returns a `Channel`. Its name is then a transport for RFM_DELIVERY_TRANSPORTS.
"""

from dataclasses import dataclass
from typing import Protocol

from schemas.dead_letters import Reason
from streams.deliver.action import Action
from streams.deliver.ports import Recipient
from streams.errors import Rejected, Transient

ENTRY_POINTS = "rfm_streams.channels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One action on its way to one person over one channel. `address` is None where none is known."""

    action: Action
    channel: str
    recipient: Recipient
    address: str | None


class Refused(Rejected):
    """It will never be taken.

    `code` is short and goes into the outcome, so it holds no personal data; `message` may, and goes
    into the dead letter only.
    """

    def __init__(self, code: str, message: str, reason: Reason = Reason.DELIVERY_REFUSED) -> None:
        super().__init__(reason, message)
        self.code = code


class TryAgain(Transient):
    """It was not taken this time, or nobody knows.

    `code` is a short word for metrics and logs, without personal data. `after_s` is how long the
    receiver asks to be left alone. `words` are the receiver's own, for the dead letter.
    """

    def __init__(self, code: str, words: str = "", after_s: float = 0.0) -> None:
        super().__init__(code)
        self.code = code
        self.words = words
        self.after_s = after_s


class Channel(Protocol):
    """One transport. Everything runs in one event loop; `send` is called for several at once."""

    async def open(self) -> None:
        """Get ready; a receiver that is away is no reason to fail."""

    async def send(self, delivery: Delivery) -> str:
        """Hand it over; returns the receiver's answer in a few words without personal data.

        The same delivery may come again after a crash or a time-out, under the same idempotency key.
        Raises `Refused` or `TryAgain`. It is cancelled after RFM_DELIVERY_TIMEOUT_S.
        """

    async def close(self) -> None:
        """Let go of connections; safe to repeat."""
