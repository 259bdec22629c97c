"""How complete the shop's data is: attributes that are known, and what customers said to channels."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from streams.core.campaigns.limits import CHANNELS_WITHOUT_CONSENT
from streams.core.rules import Rules
from streams.core.state import CustomerState

# A shop has dozens. Beyond this a producer puts values into names, and a list of them helps nobody.
MAX_NAMES = 10_000


class ConsentCount(NamedTuple):
    """Customers by what they said to one channel."""

    channel: str
    granted: int
    withdrawn: int
    unknown: int


class Coverage:
    """Counts customers by what is known of them. `channels` are listed even if nobody said a word.

    `names_left_out` says that there were more names of attributes than are counted.
    """

    def __init__(self, channels: Iterable[str]) -> None:
        self.customers = 0
        self.names_left_out = False
        self._attributes = Counter[str]()
        self._granted = Counter[str](dict.fromkeys(channels, 0))
        self._withdrawn = Counter[str]()

    def add(self, state: CustomerState) -> None:
        """Count one customer."""
        self.customers += 1
        for name, attribute in state.attributes.items():
            if attribute.value is None:
                continue
            if name not in self._attributes and len(self._attributes) >= MAX_NAMES:
                self.names_left_out = True
            else:
                self._attributes[name] += 1
        for channel, consent in state.consents.items():
            (self._granted if consent.granted else self._withdrawn)[channel] += 1

    def attributes(self) -> list[tuple[str, int]]:
        """Customers by attribute: the most complete first, then by name."""
        return sorted(self._attributes.items(), key=lambda one: (-one[1], one[0]))

    def consents(self) -> list[ConsentCount]:
        """Customers by channel and consent, channels by name."""
        return [
            ConsentCount(
                channel,
                self._granted[channel],
                self._withdrawn[channel],
                self.customers - self._granted[channel] - self._withdrawn[channel],
            )
            for channel in sorted({*self._granted, *self._withdrawn})
        ]


def channels_of(rules: Rules) -> set[str]:
    """Channels of the campaigns for which a customer's consent counts."""
    used = {channel for one in rules.book.current.values() for channel in one.channels}
    return used - CHANNELS_WITHOUT_CONSENT
