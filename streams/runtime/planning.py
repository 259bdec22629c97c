"""What an owner journals by itself beside live records: ticks, sweeps, and what a survey counted."""

from streams.core.inputs import CustomerEvent
from streams.errors import Transient
from streams.ports import Clock, PositionChanged, StateStore
from streams.runtime.partition import Partition, Phase
from streams.runtime.recoveries import Recoveries
from streams.runtime.steps import Batch, CycleSettings
from streams.runtime.survey import Survey
from streams.runtime.sweeping import Pace, Sweeper


class Planner:
    """Decides after each poll what goes into the batch besides the records that were read."""

    def __init__(
        self,
        store: StateStore,
        clock: Clock,
        settings: CycleSettings,
        recoveries: Recoveries,
        partitions: dict[int, Partition],
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._recoveries = recoveries
        self.partitions = partitions
        self._pace = Pace()

    def plan(self, batch: Batch) -> None:
        """Add what is due to the batch."""
        self._plan_ticks(batch)
        self._pace.see(self._waited_ms(batch))
        self._plan_sweeps(batch)
        self._plan_surveys(batch)

    def _waited_ms(self, batch: Batch) -> int:
        """How long the oldest event of the batch has waited; 0 where time is simulated."""
        if not self._settings.ticks:
            return 0
        oldest = [
            record.received_at_ms
            for inputs in batch.inputs.values()
            for _, record in inputs[:1]
            if isinstance(record, CustomerEvent)
        ]
        return self._clock.now_ms() - min(oldest) if oldest else 0

    def _plan_ticks(self, batch: Batch) -> None:
        if not self._settings.ticks:
            return
        now_ms = self._clock.now_ms()
        for number, partition in self.partitions.items():
            due_ms = partition.next_due_ms
            if (
                partition.phase is Phase.READY
                and partition.at_end
                and not partition.unread_tick
                and number not in batch.inputs
                and due_ms is not None
                and due_ms <= now_ms
                and now_ms - partition.last_tick_ms >= self._settings.tick_every_ms
            ):
                partition.last_tick_ms = now_ms
                batch.ticks.append(number)

    def _plan_sweeps(self, batch: Batch) -> None:
        """Journal the next chunk of a partition whose customers stand under older rules or limits.

        One partition at a time, so that a live event waits behind one chunk at most.
        """
        if not self._settings.sweeps:
            return
        waiting = [
            partition
            for partition in self.partitions.values()
            if partition.phase is Phase.READY
            and partition.holds_everybody
            and not partition.unread_sweep
            and partition.swept != partition.standing
        ]
        if not waiting:
            return
        now_s = self._clock.monotonic_s()
        partition = min(waiting, key=lambda one: one.sweeper.latest_s if one.sweeper else 0.0)
        if self._settings.sweeps_at_once or self._pace.is_due(now_s):
            self._sweep(batch, partition, now_s)

    def _sweep(self, batch: Batch, partition: Partition, now_s: float) -> None:
        rules = partition.rules
        if rules is None:
            return
        sweeper = partition.sweeper
        if sweeper is None or sweeper.target != partition.standing:
            sweeper = partition.sweeper = Sweeper(partition.number, partition.standing, self._store)
        # Under the event clock this machine's clock says nothing about the journal's time.
        now_ms = self._clock.now_ms() if self._settings.ticks else partition.time_ms
        try:
            chunk = sweeper.next_chunk(now_ms, now_s, self._pace.size)
            # A page of a Redis that lost its customers meanwhile would say that everybody is done.
            self._store.load(partition.number, partition.base, [])
        except (PositionChanged, Transient) as error:
            self._read_again(batch, partition, error)
            return
        self._pace.swept(now_s, len(chunk.customers), rules.sweep_customers_per_s)
        if chunk.customers or chunk.done:
            batch.sweeps[partition.number] = chunk

    def _read_again(self, batch: Batch, partition: Partition, error: Exception) -> None:
        """Recover a partition whose walk failed, and the whole batch where its records are in it."""
        self._recoveries.tell_moved(partition, error)
        if partition.number in batch.inputs:
            raise Transient(f"partition {partition.number}: {error}") from error
        self._recoveries.begin(partition)

    def _plan_surveys(self, batch: Batch) -> None:
        """Read on in the walk that counts sales; journal what a finished one counted.

        Walks wait for sweeps, which read the same customers and are in more of a hurry. One partition
        after the other: what a walk has counted can be 10 MB.
        """
        if not self._settings.surveys:
            return
        waiting: list[Partition] = []
        for partition in self.partitions.values():
            if partition.survey_due_ms is None:
                partition.survey = None
            elif (
                partition.phase is Phase.READY
                and partition.holds_everybody
                and partition.swept == partition.standing
            ):
                waiting.append(partition)
        if waiting:
            self._survey(
                batch,
                min(waiting, key=lambda one: (one.survey is None, not one.at_end, one.number)),
            )

    def _survey(self, batch: Batch, partition: Partition) -> None:
        rules, due_ms = partition.rules, partition.survey_due_ms
        if rules is None or due_ms is None:
            return
        now_s = self._clock.monotonic_s()
        survey = partition.survey
        if survey is None:
            # A walk under way goes on to its end, though a later boundary has passed meanwhile.
            survey = partition.survey = Survey(partition.number, due_ms, self._store, now_s)
        if now_s < survey.next_at_s + self._pace.pause_s and not self._settings.sweeps_at_once:
            return
        try:
            is_done = survey.take_page(partition.base, rules, now_s)
        except (PositionChanged, Transient) as error:
            self._read_again(batch, partition, error)
            return
        if is_done:
            now_ms = self._clock.now_ms() if self._settings.ticks else partition.time_ms
            batch.surveys[partition.number] = survey.result(now_ms)
