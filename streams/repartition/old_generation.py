"""The generation that is left: whether it is at rest, and everything that stands in its `rfm.state`.

Nothing is taken from Redis, which only follows.
"""

import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from confluent_kafka import TopicPartition, murmur2

from streams.adapters.kafka.members import GroupMembers
from streams.adapters.kafka.state_log import KafkaStateLog
from streams.bootstrap import names_of
from streams.codec.journal import decode_input
from streams.codec.partition import (
    CUSTOMER_PREFIX,
    PARTITION_KEY,
    RULES_KEY,
    SNAPSHOT_KEY,
    decode_partition,
    decode_rules,
)
from streams.codec.population import decode_snapshot
from streams.core.inputs import Input, Sweep, Tick
from streams.errors import BrokenInvariant, Transient, UsageError
from streams.ports import Record, StateReader
from streams.repartition.beginning import Stood
from streams.repartition.carried import fetch_committed
from streams.settings import Settings

ROLES: Final = ("intake", "decide", "deliver")
_READ: Final = 10_000
# `consume` waits this long for the whole number, so it is what the end of a partition costs.
_WAIT_S: Final = 0.1
# Longer than any transaction may stay open.
_PATIENCE_S: Final = 30.0
# Own records that a stopped decider may leave behind are a handful; more is work left undone.
_FEW: Final = 1_000


class Moving(NamedTuple):
    """A customer's latest state, and the offset of `rfm.state` at which it stands."""

    offset: int
    customer_id: str
    state: bytes


@dataclass(frozen=True, slots=True)
class OldPartition:
    """A partition at rest. `stood` is None where nothing was ever decided.

    `offsets` are those of the latest state of each customer, rising: 8 bytes a customer, so that the
    states themselves can be read one after the other. `spread` is how many of them go to each new
    partition.
    """

    number: int
    stood: Stood | None
    offsets: "array[int]"
    spread: Counter[int]


class OldGeneration:
    """Journal and state of the settings' generation. Close it after use."""

    def __init__(self, settings: Settings, new_partitions: int) -> None:
        self._new_partitions = new_partitions
        self._names = names_of(settings)
        self._base = settings.kafka_config()
        self.partitions = settings.partitions
        self._journal = KafkaStateLog(self._base, self._names.topic("rfm.journal"))
        self._state = KafkaStateLog(self._base, self._names.topic("rfm.state"))

    def close(self) -> None:
        """Close the connections."""
        self._journal.close()
        self._state.close()

    def require_rest(self) -> list[int | None]:
        """The positions of decide by partition, None for none.

        Raises `UsageError`, saying what to do, while anybody works or anything is undecided.
        """
        self.require_nobody()
        return self.require_decided()

    def require_nobody(self) -> None:
        """Raise `UsageError`, saying what to do, while anybody works."""
        groups = {role: self._names.group(role) for role in ROLES}
        members = {
            role: count for role, count in GroupMembers(self._base, groups).count().items() if count
        }
        if members:
            running = ", ".join(f"{role}: {count}" for role, count in members.items())
            raise UsageError(
                f"processes are running ({running}): stop intake, let decide come to the end of the "
                "journal, then stop decide and deliver. One that was killed counts until its session "
                "times out, 10 s"
            )

    def require_decided(self) -> list[int | None]:
        """The positions of decide, None for none; `UsageError` while anything is undecided."""
        positions = self._positions()
        for number, position in enumerate(positions):
            self._require_decided(number, position)
        return positions

    def read(self, number: int) -> OldPartition:
        """Everything of a partition but the states themselves; raises where it is not whole."""
        latest: dict[bytes, int] = {}
        special: dict[bytes, bytes] = {}
        for record in self._records(self._state.open(number, 0)):
            key = record.key or b""
            if key.startswith(CUSTOMER_PREFIX):
                latest[key] = record.offset
            else:
                special[key] = record.value or b""
        offsets = array("q", sorted(latest.values()))
        self._require_keyed(number, latest)
        spread = Counter(
            murmur2(key[len(CUSTOMER_PREFIX) :], self._new_partitions) for key in latest
        )
        return OldPartition(number, self._stood(number, special, len(offsets)), offsets, spread)

    def customers(self, partition: OldPartition, behind: int = -1) -> Iterator[Moving]:
        """The latest state of each customer behind an offset, in the order of offsets."""
        wanted = iter(partition.offsets)
        next_offset = next((one for one in wanted if one > behind), None)
        if next_offset is None:
            return
        for record in self._records(self._state.open(partition.number, next_offset)):
            if record.offset != next_offset:
                continue
            key = record.key or b""
            customer_id = key[len(CUSTOMER_PREFIX) :].decode()
            yield Moving(record.offset, customer_id, record.value or b"")
            next_offset = next(wanted, None)
            if next_offset is None:
                return
        raise BrokenInvariant(
            f"rfm.state partition {partition.number} lacks what it held a moment ago: somebody writes "
            "or deletes there. Find out who, then run this again"
        )

    def _positions(self) -> list[int | None]:
        """Where decide stands in the journal."""
        topic = self._names.topic("rfm.journal")
        asked = [TopicPartition(topic, number) for number in range(self.partitions)]
        found = fetch_committed(self._base, self._names, "decide", asked)
        by_number = {one.partition: one.offset for one in found}
        return [by_number.get(number) for number in range(self.partitions)]

    def _require_decided(self, number: int, position: int | None) -> None:
        """Raise where the journal holds more than what a decider says again by itself."""
        reader = self._journal.open(number, position or 0)
        undecided = 0
        for record in self._records(reader):
            undecided += not _is_said_again(decode_input(record.value or b""))
            if undecided > _FEW:
                break
        if undecided:
            count = f"more than {_FEW}" if undecided > _FEW else str(undecided)
            raise UsageError(
                f"journal partition {number} has records that are not decided ({count}): start "
                "`rfm-streams run decide` until `rfm-streams status` shows no lag, stop it and "
                "try again"
            )

    def _records(self, reader: StateReader) -> Iterator[Record]:
        """Everything up to the reader's end, committed records only."""
        deadline_s = time.monotonic() + _PATIENCE_S
        try:
            while reader.position < reader.end_offset:
                position = reader.position
                yield from reader.read(_READ, _WAIT_S)
                if reader.position > position:
                    deadline_s = time.monotonic() + _PATIENCE_S
                elif time.monotonic() > deadline_s:
                    raise Transient(
                        f"reading stands still at offset {position}: a transaction is open, or the "
                        "broker does not answer. Try again in a minute"
                    )
        finally:
            reader.close()

    def _require_keyed(self, number: int, keys: dict[bytes, int]) -> None:
        for key in keys:
            if murmur2(key[len(CUSTOMER_PREFIX) :], self.partitions) != number:
                raise BrokenInvariant(
                    f"rfm.state partition {number} holds a customer who belongs to another one of "
                    f"{self.partitions}: somebody wrote there by hand, or RFM_PARTITIONS is not what "
                    "it was"
                )

    def _stood(self, number: int, special: dict[bytes, bytes], customers: int) -> Stood | None:
        value = special.get(PARTITION_KEY)
        if value is None:
            return None
        record, rules = decode_partition(value), decode_rules(special[RULES_KEY])
        if record.customers != customers:
            raise BrokenInvariant(
                f"rfm.state partition {number} holds {customers} customers, its partition record "
                f"counts {record.customers}: it was cut. Restore it from the backup"
            )
        snapshot = special.get(SNAPSHOT_KEY)
        return Stood(
            number, record, rules, decode_snapshot(snapshot) if snapshot is not None else None
        )


def _is_said_again(record: Input) -> bool:
    """Whether the next owner says this by itself: that time passed, or whom a sweep is to meet."""
    return isinstance(record, Sweep) or (isinstance(record, Tick) and not record.continuous)
