"""The lanes of one process: records in, positions out, through every change of hands."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Protocol

import structlog

from streams.deliver.action import Action, Cancelled, read_action
from streams.deliver.lane import Lane
from streams.deliver.ports import Measures
from streams.deliver.sending import Sender
from streams.errors import Rejected, Transient
from streams.intake.ports import SourceRecord
from streams.ports import Clock

# Beyond the time-out of an attempt: its outcome is to be told, and remembered.
REPORT_GRACE_S: Final = 5.0

Reject = Callable[[SourceRecord, int, Rejected], Coroutine[Any, Any, None]]


class Source(Protocol):
    """What lanes need of whoever reads."""

    async def commit(self, positions: Mapping[int, int]) -> bool:
        """Commit next-to-read offsets by partition; False where partitions are changing hands."""

    def pause(self, partition: int) -> None:
        """Read no more of a partition for now."""

    def resume(self, partition: int) -> None:
        """Read it again."""


class Lanes:
    """Every partition that this process has now."""

    def __init__(
        self,
        sender: Sender,
        reject: Reject,
        clock: Clock,
        measures: Measures,
        grace_s: float,
    ) -> None:
        self._sender = sender
        self._reject = reject
        self._clock = clock
        self._measures = measures
        self._grace_s = grace_s + REPORT_GRACE_S
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
        self._lanes: dict[int, Lane] = {}
        self._paused: set[int] = set()
        self._committed: dict[int, int] = {}
        self._rejecting: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None

    @property
    def pending(self) -> dict[int, int]:
        """Actions on their way by partition."""
        return {number: len(lane) for number, lane in self._lanes.items()}

    @property
    def positions(self) -> dict[int, int]:
        """The next offset to read in another life, by partition."""
        return _positions(self._lanes)

    async def assign(self, source: Source, partitions: set[int]) -> None:
        """Begin anew with these."""
        if self._lanes:
            await self.revoke(source)
        self._lanes = {
            number: Lane(self._sender.deliver, self._clock) for number in sorted(partitions)
        }
        self._committed.clear()

    def receive(self, source: Source, partition: int, record: SourceRecord) -> None:
        """Take a record; never waits."""
        lane = self._lanes.get(partition)
        if lane is None:
            return  # not ours any more; its new owner reads it
        try:
            reading = read_action(record, partition)
        except Rejected as refusal:
            self._put_aside(lane, partition, record, refusal)
            return
        match reading:
            case Action():
                kind = "control_group" if reading.control_group else "requested"
                if reading.control_group:
                    lane.skip(record.offset)
                else:
                    lane.deliver(record.offset, reading)
            case Cancelled():
                kind = "cancelled"
                lane.cancel(record.offset, reading.action_id)
            case _:
                kind = "suppressed"
                lane.skip(record.offset)
        self._measures.taken(kind)
        if lane.is_full:
            # Said again with every record: the reader may have taken its own buffer's ebb for ours.
            self._paused.add(partition)
            source.pause(partition)

    async def tend(self, source: Source) -> None:
        """Once in a while: commit, read on where there is room again, raise what went wrong."""
        self.check()
        for number in list(self._paused):
            if self._lanes[number].has_room:
                self._paused.discard(number)
                source.resume(number)
        await self._commit(source, self.positions)

    def check(self) -> None:
        """Raise what ended a delivery that should not have."""
        failures = [self.failure, *(lane.failure for lane in self._lanes.values())]
        for failure in failures:
            if isinstance(failure, Exception):
                raise failure

    async def revoke(self, source: Source, grace_s: float | None = None) -> None:
        """Give everything back: what waits at once, what is at a receiver when it has an answer.

        After `grace_s`, or else the time that an attempt may take, the rest is left as it is.
        """
        lanes, self._lanes = self._lanes, {}
        self._paused.clear()
        within_s = self._grace_s if grace_s is None else grace_s
        await asyncio.gather(*(lane.stop(within_s) for lane in lanes.values()))
        if self._rejecting:
            await asyncio.wait(self._rejecting, timeout=within_s)
        try:
            await self._commit(source, _positions(lanes))
        except Transient as error:
            # Read again, and known by its marks.
            self._log.info("the latest positions were not committed", cause=str(error))

    async def _commit(self, source: Source, positions: Mapping[int, int]) -> None:
        if self._rejecting or self.failure is not None:
            return  # the dead letters first
        changed = {
            number: offset
            for number, offset in positions.items()
            if self._committed.get(number) != offset
        }
        if changed and await source.commit(changed):
            self._committed.update(changed)

    def _put_aside(
        self, lane: Lane, partition: int, record: SourceRecord, refusal: Rejected
    ) -> None:
        self._measures.taken("unreadable")
        lane.skip(record.offset)
        task = asyncio.create_task(self._reject(record, partition, refusal))
        self._rejecting.add(task)
        task.add_done_callback(self._put_away)

    def _put_away(self, task: "asyncio.Task[None]") -> None:
        self._rejecting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failure = self.failure or task.exception()


def _positions(lanes: Mapping[int, Lane]) -> dict[int, int]:
    found = {number: lane.position for number, lane in lanes.items()}
    return {number: offset for number, offset in found.items() if offset is not None}
