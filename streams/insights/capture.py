"""One journal partition's customers as of one commit, out of a store that goes on changing.

A scan of the store sees some customers before and some after what is committed meanwhile. All of
that stands in `rfm.state` between the store's position before and after the scan: laid over the
scan, it gives every customer exactly as of the position after it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from streams.codec.partition import (
    CUSTOMER_PREFIX,
    PartitionRecord,
    decode_partition,
)
from streams.codec.state import decode_state
from streams.core.rules import Rules
from streams.core.state import CustomerState
from streams.errors import Transient
from streams.insights.stored_rules import stored_rules
from streams.ports import StateLog, StateStore, StoredPosition

# The store follows a commit within milliseconds; a decider that was killed in between is back and
# recovering within its session timeout, or it is not running.
PATIENCE_S = 5.0
_POLL_S = 0.2
# Three scans that a rebuild ran into: it is not done in a moment.
_ATTEMPTS = 3
# A rebuild in the middle of a scan is noticed this often.
_CHECK_EVERY = 10_000
_READ_TIMEOUT_S = 0.5
_LENGTH_BYTES = 4

Progress = Callable[[int], None]


class NotReadyError(Transient):
    """The store does not hold all that was committed: a rebuild is under way, or nobody decides."""


@dataclass(slots=True)
class Captured:
    """Customers of one partition as of one commit.

    `time_ms` is the partition's time then, `rules` what it decides by; `changed` overrides what the
    spool file holds between `start` and `end`. `missing` says what is not in it, None if nothing is.
    """

    partition: int
    time_ms: int
    rules: Rules | None
    customer_count: int = 0
    start: int = 0
    end: int = 0
    changed: dict[str, bytes] = field(default_factory=dict)
    missing: str | None = None


class Capturing:
    """Captures partitions into one spool file, which the caller owns."""

    def __init__(
        self,
        store: StateStore,
        state_log: StateLog,
        spool: BinaryIO,
        progress: Progress,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._store = store
        self._state_log = state_log
        self._spool = spool
        self._progress = progress
        self._patience_s = patience_s

    def capture(self, partition: int, *, partial: bool = False) -> Captured:
        """Capture a partition; raises `NotReadyError`, or with `partial` takes what there is."""
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                before = wait_until_current(
                    self._store, self._state_log, partition, self._patience_s
                )
                if before is None:
                    return Captured(partition, 0, None)
                return self._scan(partition, before)
            except NotReadyError as error:
                if partial:
                    return self._take(partition, str(error))
                if not attempts_left or not isinstance(error, _MovedError):
                    raise
        raise AssertionError  # the loop returns or raises

    def states(self, captured: Captured) -> Iterator[CustomerState]:
        """Every customer of a captured partition, once, in no order."""
        for customer_id, value in self._spooled(captured):
            if customer_id not in captured.changed:
                yield decode_state(customer_id, value)
        for customer_id, value in captured.changed.items():
            yield decode_state(customer_id, value)

    def _scan(self, partition: int, before: StoredPosition) -> Captured:
        captured = self._spool_all(partition, self._checked(partition, before.offset))
        after = self._position_after(partition, before.offset)
        captured.changed = self._changes(partition, before.offset, after.offset)
        record = _record_of(after)
        captured.time_ms = record.time_ms if record is not None else 0
        captured.rules = _rules_of(after)
        return captured

    def _take(self, partition: int, missing: str) -> Captured:
        """What the store holds right now, whole or not."""
        captured = self._spool_all(partition, self._store.scan(partition))
        found = self._store.position(partition)
        captured.missing = missing
        if found is not None:
            record = _record_of(found)
            captured.time_ms = record.time_ms if record is not None else 0
            captured.rules = _rules_of(found)
        return captured

    def _checked(self, partition: int, base: int) -> Iterator[tuple[str, bytes]]:
        for number, customer in enumerate(self._store.scan(partition)):
            if number % _CHECK_EVERY == 0:
                base = self._position_after(partition, base).offset
            yield customer

    def _position_after(self, partition: int, base: int) -> StoredPosition:
        found = self._store.position(partition)
        if found is None or found.offset < base:
            raise _MovedError(
                f"partition {partition} is being rebuilt: Redis fell back behind offset {base} "
                "while it was read"
            )
        return found

    def _spool_all(self, partition: int, customers: Iterable[tuple[str, bytes]]) -> Captured:
        spool = self._spool
        captured = Captured(partition, 0, None, start=spool.tell())
        for customer_id, value in customers:
            for part in (customer_id.encode(), value):
                spool.write(len(part).to_bytes(_LENGTH_BYTES, "little"))
                spool.write(part)
            captured.customer_count += 1
            self._progress(1)
        captured.end = spool.tell()
        return captured

    def _spooled(self, captured: Captured) -> Iterator[tuple[str, bytes]]:
        spool = self._spool
        spool.seek(captured.start)
        for _ in range(captured.customer_count):
            customer_id = spool.read(int.from_bytes(spool.read(_LENGTH_BYTES), "little"))
            yield (
                customer_id.decode(),
                spool.read(int.from_bytes(spool.read(_LENGTH_BYTES), "little")),
            )

    def _changes(self, partition: int, start: int, end: int) -> dict[str, bytes]:
        changed: dict[str, bytes] = {}
        if start >= end:
            return changed
        reader = self._state_log.open(partition, start)
        deadline_s = time.monotonic() + PATIENCE_S
        try:
            while reader.position < min(end, reader.end_offset):
                for record in reader.read(2_000, _READ_TIMEOUT_S):
                    key = record.key or b""
                    if record.offset < end and key.startswith(CUSTOMER_PREFIX):
                        changed[key[len(CUSTOMER_PREFIX) :].decode()] = record.value or b""
                    deadline_s = time.monotonic() + PATIENCE_S
                if time.monotonic() > deadline_s:
                    raise Transient(f"rfm.state partition {partition} does not answer")
        finally:
            reader.close()
        return changed


class _MovedError(NotReadyError):
    """The store fell back in the middle of a scan; another scan may succeed."""


def wait_until_current(
    store: StateStore, state_log: StateLog, partition: int, patience_s: float = PATIENCE_S
) -> StoredPosition | None:
    """The store's position once it holds all that was committed when this was asked.

    None where nothing was ever decided. Raises `NotReadyError` after `patience_s`.
    """
    end = state_log.end(partition)
    deadline_s = time.monotonic() + patience_s
    while True:
        found = store.position(partition)
        offset = found.offset if found is not None else 0
        # Behind the last record there may be control records, which only reading tells.
        if offset >= end or not is_behind(state_log, partition, offset):
            return found
        if time.monotonic() > deadline_s:
            break
        time.sleep(_POLL_S)
    if found is None:
        raise NotReadyError(
            f"partition {partition} is being rebuilt: Redis holds nothing of it yet. Wait until "
            "`rfm-streams status` shows it current; if no decide is running, start one or run "
            "`rfm-streams redis rebuild --now`"
        )
    raise NotReadyError(
        f"partition {partition} is behind: Redis stands at offset {offset} of rfm.state, which ends "
        f"at {end} ({end - offset} offsets behind). If no decide is running, start one or run "
        "`rfm-streams redis rebuild --now`"
    )


def is_behind(state_log: StateLog, partition: int, offset: int) -> bool:
    """Whether `rfm.state` holds any committed record from `offset` on."""
    reader = state_log.open(partition, offset)
    deadline_s = time.monotonic() + 2 * _READ_TIMEOUT_S
    try:
        while reader.position < reader.end_offset and time.monotonic() < deadline_s:
            if reader.read(1, _READ_TIMEOUT_S):
                return True
    finally:
        reader.close()
    # What is left is a transaction under way: it may still come to nothing.
    return False


def _record_of(position: StoredPosition) -> PartitionRecord | None:
    record = position.partition_record
    return decode_partition(record) if record is not None else None


def _rules_of(position: StoredPosition) -> Rules | None:
    stored = stored_rules(position)
    return stored.rules if stored is not None else None
