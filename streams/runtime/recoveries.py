"""The recoveries under way, beside the cycle: each gets a bounded piece of work between two batches."""

from dataclasses import replace

from streams.codec.partition import decode_guard
from streams.core.campaigns.guard import Guard
from streams.core.rules import compile_rules
from streams.errors import BrokenInvariant, Transient
from streams.ports import Clock, JournalLog, PositionChanged, StateLog, StateStore
from streams.runtime.partition import Partition, Phase
from streams.runtime.recovery import Recovered, Recovery, StoreMovedError
from streams.runtime.steps import CycleSettings, Measures


class Recoveries:
    """Brings partitions back to the committed truth; `partitions` is shared with the cycle."""

    def __init__(
        self,
        log: JournalLog,
        state_log: StateLog,
        store: StateStore,
        clock: Clock,
        measures: Measures,
        settings: CycleSettings,
        partitions: dict[int, Partition],
    ) -> None:
        self._log = log
        self._state_log = state_log
        self._store = store
        self._clock = clock
        self._measures = measures
        self._settings = settings
        self._partitions = partitions
        self._under_way: dict[int, Recovery] = {}
        self._retry_at_s: dict[int, float] = {}
        self._must_renew = False
        self._renew_at_s = 0.0

    @property
    def has_work(self) -> bool:
        """Whether a recovery could go on right now."""
        return bool(self._under_way.keys() - self._retry_at_s.keys())

    def begin(self, partition: Partition) -> None:
        """Stop deciding a partition and read it back."""
        partition.forget()
        self._log.halt(partition.number)
        self._end(partition.number)
        self._under_way[partition.number] = self._new(partition.number)

    def tell_moved(self, partition: Partition, error: Exception) -> None:
        """Say so where an error means that the store was emptied, set back or written by others."""
        if isinstance(error, PositionChanged):
            self._measures.moved(partition.number, partition.base)

    def renew(self) -> None:
        """Read every partition back from what is committed, under a new producer."""
        self._must_renew = True
        for partition in self._partitions.values():
            self.begin(partition)

    def drop(self, number: int) -> None:
        """A partition belongs to somebody else."""
        self._partitions.pop(number, None)
        self._retry_at_s.pop(number, None)
        self._end(number)

    def step(self) -> None:
        """One bounded piece of work for each partition that is being recovered."""
        now_s = self._clock.monotonic_s()
        if self._must_renew and not self._renew(now_s):
            return
        for number, recovery in list(self._under_way.items()):
            if self._retry_at_s.get(number, 0.0) > now_s:
                continue
            self._retry_at_s.pop(number, None)
            try:
                recovered = recovery.step(self._settings.poll_timeout_s)
                self._measures.recovering(number, recovery.progress)
                if recovered is not None:
                    self._activate(number, recovered)
            except (Transient, StoreMovedError) as error:
                self._measures.aborted(f"recovery: {error}")
                recovery.close()
                self._under_way[number] = self._new(number)
                self._retry_at_s[number] = now_s + self._settings.retry_after_s

    def close(self) -> None:
        """Let go of every connection."""
        for number in list(self._under_way):
            self._end(number)

    def _new(self, number: int) -> Recovery:
        return Recovery(number, self._log.committed, self._state_log, self._store)

    def _end(self, number: int) -> None:
        recovery = self._under_way.pop(number, None)
        if recovery is not None:
            recovery.close()

    def _renew(self, now_s: float) -> bool:
        """A new producer; nothing is recovered, so nothing decided, before there is one."""
        if now_s < self._renew_at_s:
            return False
        try:
            self._log.renew()
        except Transient as error:
            self._measures.aborted(f"new producer: {error}")
            self._renew_at_s = now_s + self._settings.retry_after_s
            return False
        self._must_renew = False
        return True

    def _activate(self, number: int, recovered: Recovered) -> None:
        partition = self._partitions[number]
        record, rules = recovered.record, recovered.rules
        if record is not None and record.rules_version != (rules.version if rules else 0):
            raise BrokenInvariant(
                f"partition {number} decides by rules version {record.rules_version}, but "
                f"rfm.state holds version {rules.version if rules else 0}"
            )
        known = recovered.snapshot.number if recovered.snapshot is not None else 0
        if record is not None and record.snapshot_number != known:
            raise BrokenInvariant(
                f"partition {number} decides under snapshot {record.snapshot_number}, but rfm.state "
                f"holds snapshot {known}"
            )
        partition.base = recovered.base
        partition.journal_offset = record.journal_offset if record is not None else 0
        partition.time_ms = record.time_ms if record is not None else 0
        partition.rules = None
        if rules is not None and record is not None:
            partition.rules = replace(
                compile_rules(rules.rules, rules.version, rules.applied_ms).under(
                    recovered.snapshot
                ),
                limits_number=record.limits_number,
            )
        partition.guard = (
            decode_guard(record, self._settings.partitions)
            if record is not None
            else Guard(self._settings.partitions)
        )
        partition.population = recovered.population
        partition.swept = (
            (record.swept_rules_version, record.swept_limits_number)
            if record is not None
            else (0, 0)
        )
        self._log.start(number, partition.journal_offset)
        partition.phase = Phase.READY
        partition.checked_at_s = 0.0
        del self._under_way[number]
        self._measures.recovered(number, partition.journal_offset)
