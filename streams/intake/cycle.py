"""The cycle of intake: poll, read, begin, publish, positions, commit.

`ORDER` is the order of steps. An observer is told each step before it runs, which is how tests
crash a worker at every one of them. A step that returns False ends the cycle early, with nothing to
do. Whatever fails, the sources go on from their committed positions: a batch is in the journal and
the dead letters whole, or it is read again.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from streams.errors import BrokenInvariant, Fenced, Transient, UnknownOutcome, UsageError
from streams.intake.conversion import Work
from streams.intake.ports import IntakeLog, IntakeMeasures, Position, Source, SourcesPolled
from streams.ports import Clock


class Step(StrEnum):
    """The steps of a cycle, each an I/O boundary or the pure part between two."""

    POLL = "poll"
    READ = "read"
    BEGIN = "begin"
    PUBLISH = "publish"
    POSITIONS = "positions"
    COMMIT = "commit"


ORDER: tuple[Step, ...] = tuple(Step)


class Timing(Protocol):
    """What journal time is, and in which order records are taken: one for each clock."""

    exclusive: bool
    """Whether one worker must own every source."""

    @property
    def is_waiting(self) -> bool:
        """True where nothing can be taken before the next poll brings more."""

    def restart(self, source: Source, position: Position) -> None:
        """Go on with a source from its committed position."""

    def forget(self, source: Source) -> None:
        """Drop what was read of a source."""

    def feed(self, polled: SourcesPolled) -> bool:
        """Take over what a poll brought; True where there is work."""

    def take(self, now_ms: int, max_records: int) -> Work:
        """Convert the next records."""

    def flow(self) -> tuple[list[Source], list[tuple[Source, int]]]:
        """Give the sources to read no further for now, and those to read on, with their offsets."""


@dataclass(slots=True, frozen=True, kw_only=True)
class IntakeSettings:
    """Bounds of a cycle.

    `max_clock_difference_s` None switches the check off. `await_sources_s` is how long a worker
    that must own every source waits for them: a dead one holds its share for the session timeout.
    """

    max_records: int = 10_000
    poll_timeout_s: float = 0.02
    max_clock_difference_s: float | None = 5.0
    await_sources_s: float = 15.0
    first_retry_s: float = 0.1
    last_retry_s: float = 5.0
    tell_owned_every_s: float = 1.0


@dataclass(slots=True)
class IntakeBatch:
    """What one cycle carries from step to step."""

    membership: object = None
    work: Work = field(default_factory=Work)
    in_transaction: bool = False
    published_at_ms: int = 0


class IntakeCycle:
    """Takes the owned sources into the journal, one batch at a time. Not safe for threads."""

    def __init__(
        self,
        log: IntakeLog,
        timing: Timing,
        clock: Clock,
        measures: IntakeMeasures,
        settings: IntakeSettings,
        observe: Callable[[Step], None] = lambda step: None,
        order: Sequence[Step] = ORDER,
    ) -> None:
        self._log = log
        self._timing = timing
        self._clock = clock
        self._measures = measures
        self._settings = settings
        self._observe = observe
        self._order = order
        self._actions: dict[Step, Callable[[IntakeBatch], bool]] = {
            Step.POLL: self._poll,
            Step.READ: self._read,
            Step.BEGIN: self._begin,
            Step.PUBLISH: self._publish,
            Step.POSITIONS: self._positions,
            Step.COMMIT: self._commit,
        }
        self.owned: set[Source] = set()
        self._unstarted: set[Source] = set()
        self._taken_to: dict[Source, int] = {}
        self._must_renew = False
        self._retry_s = settings.first_retry_s
        self._start_at_s = 0.0
        self._has_enough = True
        self._incomplete_since_s = clock.monotonic_s()
        self._told_owned_at_s = 0.0

    @property
    def is_ready(self) -> bool:
        """True where every owned source is being read and, if it must be so, all are owned."""
        if self._must_renew or self._unstarted:
            return False
        return not self._timing.exclusive or self.owned == self._log.sources()

    def run_once(self) -> int:
        """One cycle; returns the number of records taken. Raises only what must stop the worker."""
        try:
            return self._run_steps()
        except Fenced:
            # Also where it shows only in an abort.
            self._measures.fenced()
            raise

    def _run_steps(self) -> int:
        batch = IntakeBatch()
        collecting = gc.isenabled()
        try:
            if self._clock.monotonic_s() >= self._start_at_s:
                self._start_sources()
            for step in self._order:
                self._observe(step)
                if not self._actions[step](batch):
                    return 0
        except Fenced:
            raise
        except (BrokenInvariant, UsageError):
            self._abort(batch)
            raise
        except (UnknownOutcome, Transient) as error:
            self._give_up(batch, error)
            return 0
        finally:
            # Collected between batches only, when the thousands of objects of this one are gone:
            # a collection that walks them while they live costs more than the reading.
            batch.work.outgoing.clear()
            if collecting:
                gc.enable()
        self._retry_s = self._settings.first_retry_s
        return batch.work.taken

    # -- the steps -------------------------------------------------------------------------------

    def _poll(self, batch: IntakeBatch) -> bool:
        settings = self._settings
        busy = self._has_enough and not self._timing.is_waiting
        timeout_s = 0.0 if busy else settings.poll_timeout_s
        polled = self._log.poll(settings.max_records, timeout_s)
        for source in polled.lost:
            self.owned.discard(source)
            self._taken_to.pop(source, None)
            self._unstarted.discard(source)
            self._timing.forget(source)
        for source in polled.gained:
            self.owned.add(source)
            self._unstarted.add(source)
            self._timing.forget(source)
        for trouble in polled.troubles:
            self._measures.aborted(f"poll: {trouble}")
        has_work = self._timing.feed(polled)
        self._regulate()
        self._tell_owned()
        batch.membership = polled.membership
        self._has_enough = self._owns_enough()
        return self._has_enough and has_work

    def _read(self, batch: IntakeBatch) -> bool:
        gc.disable()
        now_ms = self._clock.now_ms()
        batch.work = self._timing.take(now_ms, self._settings.max_records)
        self._measures.polled(batch.work.taken)
        return bool(batch.work.positions)

    def _begin(self, batch: IntakeBatch) -> bool:
        try:
            self._log.begin()
        except Transient:
            # A producer that cannot begin has no transaction that an abort would mend.
            self._must_renew = True
            raise
        batch.in_transaction = True
        return True

    def _publish(self, batch: IntakeBatch) -> bool:
        batch.published_at_ms = self._clock.now_ms()
        self._log.publish(batch.work.outgoing)
        return True

    def _positions(self, batch: IntakeBatch) -> bool:
        self._log.send_positions(batch.work.positions, batch.membership)
        return True

    def _commit(self, batch: IntakeBatch) -> bool:
        started_s = self._clock.monotonic_s()
        self._check_clock(batch)
        self._log.commit()
        batch.in_transaction = False
        seconds = self._clock.monotonic_s() - started_s
        work = batch.work
        for source, position in work.positions.items():
            self._taken_to[source] = position.offset or 0
        age_s: float | None = None
        if work.live:
            waited_ms = self._clock.now_ms() - batch.published_at_ms
            age_s = (work.age_total_ms / work.live + waited_ms) / 1000
        self._measures.committed(work.taken, seconds, age_s)
        for reason in work.refusals:
            self._measures.dead_letter(reason)
        self._regulate()
        return True

    # -- checks ----------------------------------------------------------------------------------

    def _check_clock(self, batch: IntakeBatch) -> None:
        """Stop before the commit where this clock and the broker's differ: times would be wrong."""
        limit_s = self._settings.max_clock_difference_s
        if limit_s is None:
            return
        broker_ms = self._log.fetch_broker_time()
        if broker_ms is None:
            return
        # The broker stamped the record at some instant between these two.
        ahead_ms = batch.published_at_ms - broker_ms
        behind_ms = broker_ms - self._clock.now_ms()
        difference_s = max(ahead_ms, behind_ms, 0) / 1000
        if difference_s > limit_s:
            direction = "ahead of" if ahead_ms > 0 else "behind"
            raise BrokenInvariant(
                f"this machine's clock is {difference_s:.1f} s {direction} the broker's, more than "
                f"the {limit_s:g} s allowed: set both clocks right (NTP), or raise "
                "RFM_MAX_CLOCK_DIFFERENCE_S. Nothing was taken into the journal"
            )

    def _owns_enough(self) -> bool:
        """Whether work may go on; under the event clock that takes every source."""
        if not self._timing.exclusive:
            return True
        sources = self._log.sources()
        if self.owned == sources:
            self._incomplete_since_s = self._clock.monotonic_s()
            return not self._unstarted
        waited_s = self._clock.monotonic_s() - self._incomplete_since_s
        if waited_s > self._settings.await_sources_s:
            raise BrokenInvariant(
                f"under RFM_CLOCK=event one intake worker reads everything, but this one owns "
                f"{len(self.owned)} of {len(sources)} partitions of the public topics: stop the "
                "other intake workers of this namespace, then start this one again"
            )
        return False

    def _tell_owned(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._told_owned_at_s < self._settings.tell_owned_every_s:
            return
        self._told_owned_at_s = now_s
        unread = ((source, self._log.unread(source)) for source in sorted(self.owned))
        known = {source: count for source, count in unread if count is not None}
        self._measures.owned(known, self._taken_to)

    # -- reading on, failures --------------------------------------------------------------------

    def _start_sources(self) -> None:
        """Begin with the sources that came, or come again after a failure. Polling never waits."""
        try:
            if self._must_renew:
                self._log.renew()
                self._must_renew = False
            if not self._unstarted:
                return
            for source, position in self._log.committed(self._unstarted).items():
                self._log.start(source, position.offset)
                self._timing.restart(source, position)
                self._taken_to[source] = position.offset or 0
                self._unstarted.discard(source)
        except Transient as error:
            self._measures.aborted(f"start: {error}")
            self._wait()

    def _regulate(self) -> None:
        ahead, behind = self._timing.flow()
        for source in ahead:
            self._log.halt(source)
        for source, offset in behind:
            self._log.start(source, offset)

    def _give_up(self, batch: IntakeBatch, error: Exception) -> None:
        """Go on from the committed positions, after a little while."""
        unknown = isinstance(error, UnknownOutcome)
        self._measures.aborted(
            f"unknown outcome: {error}" if unknown else str(error),
            {
                f"{topic}/{partition}": offset
                for (topic, partition), offset in sorted(self._taken_to.items())
                if (topic, partition) in batch.work.positions
            },
        )
        # The old producer may or may not have committed. A new one ends its transaction, and what
        # came of it shows in the committed positions.
        self._must_renew |= unknown
        if not unknown:
            self._abort(batch)
        for source in self.owned:
            self._log.halt(source)
            self._timing.forget(source)
        self._unstarted = set(self.owned)
        self._wait()

    def _wait(self) -> None:
        """Start nothing for a while, each time longer; the sources stay halted and polled."""
        self._start_at_s = self._clock.monotonic_s() + self._retry_s
        self._retry_s = min(2 * self._retry_s, self._settings.last_retry_s)

    def _abort(self, batch: IntakeBatch) -> None:
        if not batch.in_transaction:
            return
        batch.in_transaction = False
        try:
            self._log.abort()
        except UnknownOutcome:
            self._must_renew = True
