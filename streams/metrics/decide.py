"""What decide measures: `Measures` of the cycle, on Prometheus."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry

from schemas.dead_letters import Reason
from streams.core import machine
from streams.core.inputs import CustomerEvent
from streams.core.outputs import (
    ActionCancelled,
    ActionRequested,
    CampaignOutcome,
    Message,
    SegmentChanged,
)
from streams.metrics import catalogue as c
from streams.metrics.shared import SharedMetrics, remove_series
from streams.ports import Clock, Outcome
from streams.runtime.measures import NO_POSITIONS
from streams.runtime.partition import Partition, Phase
from streams.runtime.steps import Batch

JOURNAL = "rfm.journal"
# Beside the outcomes of a guarded write: what a guarded read was refused for.
MOVED = "moved"


class DecideMetrics(SharedMetrics):
    """One per process. Called by the main loop only; scraped from another thread."""

    def __init__(self, registry: CollectorRegistry, clock: Clock, *, wall_clock: bool) -> None:
        super().__init__(registry)
        self._clock = clock
        self._wall_clock = wall_clock
        self._partitions: dict[int, Partition] = {}
        self._shown: set[int] = set()
        self._committed_to: dict[int, int] = {}
        self._committed_at_s = 0.0
        self._caught_up_at_ms: dict[int, int] = {}
        self._positioned: set[int] = set()
        self._all_read_to: dict[int, int] = {}
        self._event_to_commit = c.EVENT_TO_COMMIT.histogram(registry)
        self._store_apply = c.STORE_APPLY_SECONDS.histogram(registry)
        self._store_lag = c.STORE_LAG_SECONDS.histogram(registry)
        self._store_lag_offsets = c.STORE_LAG_OFFSETS.gauge(registry)
        self._guard = c.GUARD_OUTCOMES.counter(registry)
        for outcome in (*(one.value for one in Outcome), MOVED):
            self._guard.labels(outcome)
        self._recoveries = c.RECOVERIES.counter(registry)
        self._recovery_failures = c.RECOVERY_FAILURES.counter(registry)
        self._recovery_progress = c.RECOVERY_PROGRESS.gauge(registry)
        self._owned = c.PARTITIONS_OWNED.gauge(registry)
        self._recovering = c.PARTITIONS_RECOVERING.gauge(registry)
        self._timers_pending = c.TIMERS_PENDING.gauge(registry)
        self._timers_overdue = c.TIMERS_OVERDUE.gauge(registry)
        self._timers_fired = c.TIMERS_FIRED.counter(registry)
        self._ticks = c.TICKS.counter(registry)
        self._events = c.EVENTS.counter(registry)
        self._forwarded = c.EVENTS_FORWARDED.counter(registry)
        self._dead_letters = c.DEAD_LETTERS.counter(registry)
        for reason in (Reason.MERGE_CYCLE, Reason.TOO_MANY_ATTRIBUTES):
            self._dead_letters.labels(reason.value)
        self._late = c.EVENTS_LATE.counter(registry)
        self._duplicates = c.EVENTS_DUPLICATE.counter(registry)
        self._said = {
            _CHANGE: c.SEGMENT_CHANGES.counter(registry),
            _ACTION: c.ACTIONS.counter(registry),
            _OUTCOME: c.CAMPAIGN_OUTCOMES.counter(registry),
        }
        self._campaign_paused = c.CAMPAIGN_PAUSED.gauge(registry)
        self._paused: set[str] = set()
        self._snapshot_number = c.SNAPSHOT_NUMBER.gauge(registry)
        self._snapshots_taken = c.SNAPSHOTS_TAKEN.counter(registry)
        self._sweeps_pending = c.SWEEPS_PENDING.gauge(registry)
        self._customers_swept = c.CUSTOMERS_SWEPT.counter(registry)
        self._states_written = c.STATES_WRITTEN.counter(registry)
        self._states_cached = c.STATES_CACHED.gauge(registry)

    # -- told by the cycle -----------------------------------------------------------------------

    def polled(self, batch: Batch) -> None:
        """A batch is about to be decided."""
        self._batch_records.observe(sum(len(inputs) for inputs in batch.inputs.values()))

    def committed(self, batch: Batch, seconds: float) -> None:
        """A transaction is committed; counts what it said."""
        self._committed_at_s = self._clock.monotonic_s()
        self._transactions_committed.inc()
        self._commit_seconds.observe(seconds)
        self._ticks.inc(len(batch.ticks))
        for number, offset in batch.receipts.items():
            self._committed_to[number] = offset + 1
        said: Tally[tuple[str, ...]] = Tally()
        for decided in batch.decided.values():
            _tally(decided.outputs, said)
            counts = decided.counts
            for (event_type, note), count in counts.events.items():
                self._events.labels(event_type, note).inc(count)
                if note == machine.DUPLICATE:
                    self._duplicates.inc(count)
            self._late.inc(counts.late_events)
            self._timers_fired.inc(counts.timers_fired)
            self._customers_swept.inc(counts.swept_customers)
            for paused in decided.paused:
                self.log.error(
                    "a campaign reached more customers than it should and is paused; look at it, "
                    "then `rfm-streams campaigns resume` it",
                    campaign=paused.campaign,
                    partition=paused.partition,
                )
            self._snapshots_taken.inc(len(decided.counting.snapshots))
            self._states_written.inc(len(decided.changed))
            self._forwarded.inc(len(decided.forwarded))
            for _, refused in decided.refused:
                self._dead_letters.labels(refused.reason).inc()
        for (what, *labels), count in said.items():
            self._said[what].labels(*labels).inc(count)
        if self._wall_clock:
            self._observe_latency(batch)
        self.log.debug(
            "batch committed",
            positions={
                f"{JOURNAL}/{number}": decided.next_offset
                for number, decided in batch.decided.items()
            },
            took_ms=round(1_000 * seconds),
        )

    def aborted(self, reason: str, positions: Mapping[str, int] = NO_POSITIONS) -> None:
        """A batch or a recovery was given up and will be tried again."""
        if reason.startswith("recovery:"):
            self._recovery_failures.inc()
            self.log.warning("a recovery begins anew", cause=reason)
        else:
            super().aborted(reason, positions)

    def guarded(self, partition: int, offset: int, outcome: Outcome, seconds: float) -> None:
        """Redis answered to a write, up to `offset` of rfm.state, of the batch committed last."""
        self._guard.labels(outcome.value).inc()
        self._store_apply.observe(seconds)
        if outcome in (Outcome.APPLIED, Outcome.ALREADY):
            self._store_lag.observe(self._clock.monotonic_s() - self._committed_at_s)
        else:
            self.log.warning(
                "Redis refused a write; its partition recovers",
                outcome=outcome.value,
                partition=partition,
                offset=offset,
            )

    def moved(self, partition: int, offset: int) -> None:
        """Redis did not stand at `offset` of rfm.state, where this owner left it."""
        self._guard.labels(MOVED).inc()
        self.log.warning(
            "Redis is not where its owner left it; its partition recovers",
            partition=partition,
            offset=offset,
        )

    def recovering(self, partition: int, progress: float) -> None:
        """A recovery went on."""
        self._recovery_progress.labels(str(partition)).set(progress)

    def recovered(self, partition: int, offset: int) -> None:
        """A partition is ready and goes on at `offset` of the journal."""
        self._recoveries.inc()
        remove_series(self._recovery_progress, str(partition))
        self.log.info("partition recovered", partition=partition, offset=offset)

    def owned(self, partitions: dict[int, Partition]) -> None:
        """The partitions of this process, as of a poll."""
        self._partitions = partitions
        if partitions.keys() != self._shown:
            self._forget(self._shown - partitions.keys())
            self._shown = set(partitions)
            self.log.info("partitions owned", partitions=sorted(partitions))

    # -- told by the main loop about once a second -----------------------------------------------

    def show_lag(self, ends: Mapping[int, int]) -> None:
        """How far behind the ends of the journal's partitions, where known, each one is."""
        now_ms = self._clock.now_ms()
        for number, partition in self._partitions.items():
            if partition.phase is Phase.READY:
                self._positioned.add(number)
            if number not in self._positioned:
                continue  # where it stands is known after its first recovery
            self._position.labels(JOURNAL, str(number)).set(partition.journal_offset)
            count = self._unread(partition, ends.get(number))
            if count is None:
                continue
            if not count:
                self._caught_up_at_ms[number] = now_ms
            # What is unread came after the last record decided, and after the last time that all
            # was read.
            since_ms = max(partition.time_ms, self._caught_up_at_ms.get(number, 0))
            waited_s = (now_ms - since_ms) / 1_000 if count and self._wall_clock else 0.0
            self._lag_records.labels(JOURNAL, str(number)).set(count)
            self._lag_seconds.labels(JOURNAL, str(number)).set(max(0.0, waited_s))

    def _unread(self, partition: Partition, end: int | None) -> int | None:
        """Records behind the committed position; None where that is not known.

        Where all was read once, what lies before that end is control records at most, which count as
        unread otherwise as soon as a partition is being recovered.
        """
        number = partition.number
        if partition.at_end:
            if end is not None:
                self._all_read_to[number] = end
            return 0
        if end is None:
            return None
        return max(0, end - max(partition.journal_offset, self._all_read_to.get(number, 0)))

    def show_partitions(self) -> None:
        """Gauges that the partitions themselves tell."""
        partitions = self._partitions
        self._owned.set(len(partitions))
        pending = sum(one.phase is not Phase.READY for one in partitions.values())
        self._recovering.set(pending)
        self._states_cached.set(sum(len(one.states) for one in partitions.values()))
        sweeping = sum(one.swept != one.standing for one in partitions.values())
        self._sweeps_pending.set(sweeping)
        self._show_paused()
        for number, partition in partitions.items():
            self._snapshot_number.labels(str(number)).set(
                partition.rules.snapshot_number if partition.rules is not None else 0
            )
            behind = self._committed_to.get(number, partition.base) - partition.base
            self._store_lag_offsets.labels(str(number)).set(max(0, behind))

    def _show_paused(self) -> None:
        paused: set[str] = set()
        for partition in self._partitions.values():
            book = partition.rules.book if partition.rules is not None else None
            for campaign in book.current.values() if book is not None else ():
                if partition.guard.holds(campaign):
                    paused.add(campaign.name)
        for name in self._paused - paused:
            remove_series(self._campaign_paused, name)
        for name in paused:
            self._campaign_paused.labels(name).set(1)
        self._paused = paused

    def show_timers(self, partition: int, pending: int, overdue: int) -> None:
        """Timers of a partition as Redis counts them."""
        self._timers_pending.labels(str(partition)).set(pending)
        self._timers_overdue.labels(str(partition)).set(overdue)

    def _observe_latency(self, batch: Batch) -> None:
        now_ms = self._clock.now_ms()
        ages_s: list[float] = []
        for number, inputs in batch.inputs.items():
            end = batch.decided[number].next_offset
            ages_s += [
                (now_ms - record.received_at_ms) / 1_000
                for offset, record in inputs
                if offset < end and isinstance(record, CustomerEvent)
            ]
        self._event_to_commit.observe_many(ages_s)

    def _forget(self, partitions: Iterable[int]) -> None:
        for number in partitions:
            self._committed_to.pop(number, None)
            self._caught_up_at_ms.pop(number, None)
            self._positioned.discard(number)
            self._all_read_to.pop(number, None)
            for gauge in (
                self._recovery_progress,
                self._store_lag_offsets,
                self._snapshot_number,
                self._timers_pending,
                self._timers_overdue,
            ):
                remove_series(gauge, str(number))
            for gauge in (self._lag_records, self._lag_seconds, self._position):
                remove_series(gauge, JOURNAL, str(number))


_CHANGE, _ACTION, _OUTCOME = "change", "action", "outcome"


def _tally(outputs: Iterable[Message], said: Tally[tuple[str, ...]]) -> None:
    """Count outputs by the labels of their metric."""
    for output in outputs:
        if isinstance(output, SegmentChanged):
            said[_CHANGE, output.scheme, output.cause.kind, output.current or "none"] += 1
        elif isinstance(output, ActionRequested):
            said[_ACTION, output.campaign, "requested", ""] += 1
        elif isinstance(output, CampaignOutcome):
            arm = "control" if output.is_control else "addressed"
            said[_OUTCOME, output.campaign, output.stage, arm] += 1
        else:
            kind = "cancelled" if isinstance(output, ActionCancelled) else "suppressed"
            said[_ACTION, output.campaign, kind, output.reason] += 1
