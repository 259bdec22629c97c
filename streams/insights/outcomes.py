"""Outcomes of campaigns as they were published, read back from topic `campaign.outcomes`."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from schemas.currencies import MINOR_DIGITS
from schemas.fields import parse_instant_ms
from schemas.money import Amount, parse_amount
from streams.errors import BrokenInvariant
from streams.insights.topic_reader import Bounds, Progress, TopicReader

FINAL: Final = "final"
Stage = Literal["preliminary", "final"]
_TELL_EVERY: Final = 1_000


class Outcome(msgspec.Struct, frozen=True):
    """What is read of a `campaign.outcome`; its further fields are passed over."""

    event_id: str
    customer_id: str
    campaign: str
    segment: str | None
    control_group: bool
    stage: Stage
    first_action_at: str
    counted_until: str
    orders: int
    net: Amount
    currency: str
    opened: bool
    clicked: bool
    unsubscribed: bool

    @property
    def first_action_at_ms(self) -> int:
        """`first_action_at` in milliseconds since 1970 (UTC)."""
        return parse_instant_ms(self.first_action_at)

    @property
    def counted_until_ms(self) -> int:
        """`counted_until` in milliseconds since 1970 (UTC)."""
        return parse_instant_ms(self.counted_until)

    @property
    def net_minor(self) -> int:
        """`net` in minor units."""
        return parse_amount(self.net, MINOR_DIGITS[self.currency])


_decode = msgspec.json.Decoder(Outcome).decode


def decode_outcome(value: bytes) -> Outcome:
    """An outcome from its record; raises `BrokenInvariant` where it does not keep the contract."""
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        raise foreign_record(error) from error


def foreign_record(error: Exception) -> BrokenInvariant:
    """The error for a record that does not keep the contract."""
    return BrokenInvariant(
        f"a record of campaign.outcomes cannot be read ({error}): something else writes there"
    )


def read_outcomes(
    reader: TopicReader, partitions: Mapping[int, Bounds], progress: Progress
) -> Iterator[Outcome]:
    """Committed outcomes of each partition within its bounds, each customer's in order.

    `progress` is told now and then by how many offsets it went on.
    """
    for number, (start, end) in partitions.items():
        done = start
        for message in reader.read(number, start, end):
            offset, value = message.offset() or 0, message.value()
            if offset - done >= _TELL_EVERY:
                progress(offset - done)
                done = offset
            yield decode_outcome(value if isinstance(value, bytes) else b"")
        progress(end - done)
