"""The cycle of decide: poll, prefetch, apply, commit, store. ARCHITECTURE.md tells why in this order.

`ORDER` is the order of steps. An observer is told each step before it runs, which is how tests crash
a worker at every one of them. A step that returns False ends the cycle early, with nothing to do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from streams.codec.journal import EVENT_TYPES, decode_input, encode_input
from streams.codec.outputs import Message, OutputEncoder, dead_letter_of
from streams.codec.partition import (
    PARTITION_KEY,
    RULES_KEY,
    PartitionRecord,
    RulesRecord,
    customer_key,
    encode_partition,
    encode_rules,
)
from streams.codec.state import decode_state, encode_state
from streams.core.inputs import CustomerEvent, Input, Tick
from streams.core.rules import compile_rules
from streams.core.state import CustomerState
from streams.errors import BrokenInvariant, ForeignStore, Transient, UnknownOutcome
from streams.ports import (
    Clock,
    JournalLog,
    Outcome,
    Polled,
    PositionChanged,
    StateLog,
    StateStore,
    StoreWrite,
)
from streams.runtime.batch import MAX_TIMERS, BatchDecider, Decided
from streams.runtime.partition import Partition, Phase
from streams.runtime.recovery import Recovered, Recovery, StoreMovedError

JOURNAL = "rfm.journal"
STATE = "rfm.state"


class Step(StrEnum):
    """The steps of a cycle, each an I/O boundary or the pure part between two."""

    POLL = "poll"
    PREFETCH = "prefetch"
    APPLY = "apply"
    BEGIN = "begin"
    PUBLISH = "publish"
    POSITIONS = "positions"
    COMMIT = "commit"
    STORE = "store"
    ADOPT = "adopt"


ORDER: tuple[Step, ...] = tuple(Step)


@dataclass(slots=True, frozen=True, kw_only=True)
class CycleSettings:
    """Bounds of a cycle; the reasons stand with the settings of the same names."""

    max_records: int = 10_000
    max_timers: int = MAX_TIMERS
    poll_timeout_s: float = 0.02
    cached_states: int = 200_000
    tick_every_ms: int = 100
    check_store_every_s: float = 5.0
    retry_after_s: float = 0.5
    ticks: bool = True


@dataclass(slots=True)
class Batch:
    """What one cycle carries from step to step."""

    polled: Polled = field(default_factory=Polled)
    inputs: dict[int, list[tuple[int, Input]]] = field(default_factory=dict)
    working: dict[int, dict[str, CustomerState]] = field(default_factory=dict)
    decided: dict[int, Decided] = field(default_factory=dict)
    ticks: list[int] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    writes: dict[int, StoreWrite] = field(default_factory=dict)
    receipts: dict[int, int] = field(default_factory=dict)
    in_transaction: bool = False

    @property
    def partitions(self) -> set[int]:
        """Every partition this batch touches."""
        return {*self.inputs, *self.ticks}


class Measures(Protocol):
    """What the cycle tells about itself."""

    def polled(self, batch: Batch) -> None: ...
    def committed(self, batch: Batch, seconds: float) -> None: ...
    def aborted(self, reason: str) -> None: ...
    def guarded(self, outcome: Outcome, seconds: float) -> None: ...
    def recovering(self, partition: int, progress: float) -> None: ...
    def recovered(self, partition: int) -> None: ...
    def owned(self, partitions: dict[int, Partition]) -> None: ...


class Cycle:
    """Decides the owned partitions, one batch at a time. Not safe for threads."""

    def __init__(
        self,
        log: JournalLog,
        state_log: StateLog,
        store: StateStore,
        clock: Clock,
        measures: Measures,
        settings: CycleSettings,
        observe: Callable[[Step], None] = lambda step: None,
        order: Sequence[Step] = ORDER,
    ) -> None:
        self._log = log
        self._state_log = state_log
        self._store = store
        self._clock = clock
        self._measures = measures
        self._settings = settings
        self._observe = observe
        self._order = order
        self._actions: dict[Step, Callable[[Batch], bool]] = {
            Step.POLL: self._poll,
            Step.PREFETCH: self._prefetch,
            Step.APPLY: self._apply,
            Step.BEGIN: self._begin,
            Step.PUBLISH: self._publish,
            Step.POSITIONS: self._positions,
            Step.COMMIT: self._commit,
            Step.STORE: self._store_states,
            Step.ADOPT: self._adopt,
        }
        self.partitions: dict[int, Partition] = {}
        self._recoveries: dict[int, Recovery] = {}
        self._retry_at_s: dict[int, float] = {}
        self._must_renew = False
        self._renew_at_s = 0.0
        self._encoders: dict[str, OutputEncoder] = {}

    @property
    def is_ready(self) -> bool:
        """True where no owned partition is being recovered."""
        return all(one.phase is Phase.READY for one in self.partitions.values())

    def run_once(self) -> int:
        """One cycle; returns the number of records decided. Raises only what must stop the worker."""
        self._recover()
        batch = Batch()
        try:
            for step in self._order:
                self._observe(step)
                if not self._actions[step](batch):
                    return 0
        except UnknownOutcome as error:
            # The old producer may or may not have committed. A new one ends its transaction, and
            # what came of it stands in rfm.state.
            self._measures.aborted(f"unknown outcome: {error}")
            self._renew_soon()
            return 0
        except Transient as error:
            self._give_up(batch, error)
            return 0
        return sum(len(records) for records in batch.inputs.values())

    def close(self) -> None:
        """Let go of what recoveries hold."""
        for recovery in self._recoveries.values():
            recovery.close()
        self._recoveries.clear()

    # -- the steps -------------------------------------------------------------------------------

    def _poll(self, batch: Batch) -> bool:
        settings = self._settings
        waiting = self._recoveries.keys() - self._retry_at_s.keys()
        timeout_s = 0.0 if waiting else settings.poll_timeout_s
        polled = batch.polled = self._log.poll(settings.max_records, timeout_s)
        for number in polled.lost:
            self._drop(number)
        for number in polled.gained:
            self._drop(number)
            self._send_to_recovery(self.partitions.setdefault(number, Partition(number)))
        for number, records in polled.records.items():
            partition = self.partitions[number]
            if partition.phase is not Phase.READY:
                raise BrokenInvariant(f"partition {number} was read before it was recovered")
            partition.at_end = False
            batch.inputs[number] = [
                (record.offset, decode_input(record.value or b"")) for record in records
            ]
        for number in polled.at_end:
            if number in self.partitions:
                self.partitions[number].at_end = True
        self._check_idle(batch)
        self._plan_ticks(batch)
        self._measures.owned(self.partitions)
        if not batch.partitions:
            return False
        self._measures.polled(batch)
        return True

    def _prefetch(self, batch: Batch) -> bool:
        for number, inputs in batch.inputs.items():
            partition = self.partitions[number]
            try:
                batch.working[number] = self._fetch_states(partition, inputs)
            except PositionChanged as error:
                self._send_to_recovery(partition)
                raise Transient(f"partition {number}: {error}") from error
        return True

    def _fetch_states(
        self, partition: Partition, inputs: list[tuple[int, Input]]
    ) -> dict[str, CustomerState]:
        number, base = partition.number, partition.base
        until_ms = max(partition.time_ms, *(record.received_at_ms for _, record in inputs))
        partition.timers.refill(
            until_ms,
            lambda after, limit: self._store.load_timers(number, base, after, limit),
        )
        due = partition.timers.due_customers(until_ms, self._settings.max_timers)
        wanted = dict.fromkeys(due)
        for _, record in inputs:
            if isinstance(record, CustomerEvent):
                wanted[record.customer_id] = None
        working: dict[str, CustomerState] = {}
        missing: list[str] = []
        # States leave the cache while they are worked on: what a failed batch did to them is gone.
        for customer_id in wanted:
            state = partition.states.pop(customer_id, None)
            if state is None:
                missing.append(customer_id)
            else:
                working[customer_id] = state
        if missing:
            for customer_id, value in zip(
                missing, self._store.load(number, base, missing), strict=True
            ):
                if value is not None:
                    working[customer_id] = decode_state(customer_id, value)
        if any(customer_id not in working for customer_id in due):
            raise BrokenInvariant(
                f"partition {number}: Redis holds a timer of a customer whose state it does not "
                "hold; somebody wrote to it by hand. Run `rfm-streams redis rebuild`"
            )
        return working

    def _apply(self, batch: Batch) -> bool:
        for number, inputs in batch.inputs.items():
            partition = self.partitions[number]
            decided = Decided(
                partition.journal_offset,
                partition.time_ms,
                partition.rules,
                None,
                batch.working[number],
            )
            batch.decided[number] = BatchDecider(
                partition.timers, decided, EVENT_TYPES.__getitem__, self._settings.max_timers
            ).decide(inputs)
        return True

    def _begin(self, batch: Batch) -> bool:
        try:
            self._log.begin()
        except Transient:
            # A producer that cannot begin has no transaction that an abort would mend.
            self._renew_soon()
            raise
        batch.in_transaction = True
        return True

    def _publish(self, batch: Batch) -> bool:
        now_ms = self._clock.now_ms()
        for number, decided in batch.decided.items():
            self._publish_outputs(number, decided)
            batch.writes[number] = self._publish_states(number, decided)
        for number in batch.ticks:
            tick = encode_input(Tick(received_at_ms=now_ms))
            self._log.publish(JOURNAL, None, tick, (), number)
        return True

    def _publish_outputs(self, number: int, decided: Decided) -> None:
        if decided.rules is None:
            return
        currency = decided.rules.base_currency
        encoder = self._encoders.get(currency)
        if encoder is None:
            encoder = self._encoders[currency] = OutputEncoder(currency)
        publish = self._log.publish
        for output in decided.outputs:
            topic, key, value, headers = encoder.encode(output)
            publish(topic, key, value, headers, None)
        for event in decided.forwarded:
            publish(JOURNAL, event.customer_id.encode(), encode_input(event), (), None)
        for offset, refused in decided.refused:
            letter = dead_letter_of(refused, number, offset, decided.time_ms)
            publish(letter.topic, letter.key, letter.value, letter.headers, None)

    def _publish_states(self, number: int, decided: Decided) -> StoreWrite:
        states: list[tuple[str, bytes]] = []
        timers: list[tuple[str, int | None]] = []
        publish = self._log.publish
        for customer_id in decided.changed:
            state = decided.working[customer_id]
            value = encode_state(state)
            states.append((customer_id, value))
            timers.append((customer_id, state.next_due_ms))
            publish(STATE, customer_key(customer_id), value, (), number)
        rules_record: bytes | None = None
        if decided.rules_record is not None:
            rules = decided.rules_record
            rules_record = encode_rules(RulesRecord(rules.version, rules.rules))
            publish(STATE, RULES_KEY, rules_record, (), number)
        record = encode_partition(
            PartitionRecord(
                decided.next_offset,
                decided.time_ms,
                decided.rules.version if decided.rules is not None else 0,
            )
        )
        # Last, so that its offset is the position behind everything this commit says.
        self._log.publish_tracked(STATE, PARTITION_KEY, record, number)
        base = self.partitions[number].base
        return StoreWrite(number, base, base, states, timers, record, rules_record)

    def _positions(self, batch: Batch) -> bool:
        positions = {
            number: batch.decided[number].next_offset
            if number in batch.decided
            else self.partitions[number].journal_offset
            for number in batch.partitions
        }
        self._log.send_positions(positions, batch.polled.membership)
        return True

    def _commit(self, batch: Batch) -> bool:
        started_s = self._clock.monotonic_s()
        batch.receipts = self._log.commit()
        batch.in_transaction = False
        self._measures.committed(batch, self._clock.monotonic_s() - started_s)
        for number in batch.ticks:
            self.partitions[number].unread_tick = True
        return True

    def _store_states(self, batch: Batch) -> bool:
        for number, write in batch.writes.items():
            write.new = batch.receipts[number] + 1
            started_s = self._clock.monotonic_s()
            try:
                outcome = self._store.apply(write)
            except Transient:
                # Committed, but the store does not have it: recovery reads it from rfm.state.
                self._send_to_recovery(self.partitions[number])
                continue
            self._measures.guarded(outcome, self._clock.monotonic_s() - started_s)
            if outcome is Outcome.FOREIGN:
                raise ForeignStore(
                    f"Redis holds partition {number} of another journal generation; run "
                    "`rfm-streams redis rebuild` if this journal is the right one"
                )
            if outcome not in (Outcome.APPLIED, Outcome.ALREADY):
                self._send_to_recovery(self.partitions[number])
        return True

    def _adopt(self, batch: Batch) -> bool:
        for number, decided in batch.decided.items():
            partition = self.partitions[number]
            if partition.phase is not Phase.READY:
                continue
            partition.base = batch.writes[number].new
            partition.journal_offset = decided.next_offset
            partition.time_ms = decided.time_ms
            partition.rules = decided.rules
            if decided.tick_read:
                partition.unread_tick = False
            partition.checked_at_s = self._clock.monotonic_s()
            share = self._settings.cached_states // max(1, len(self.partitions))
            partition.keep(decided.working, share)
            if not decided.complete:
                partition.at_end = False
                self._log.start(number, decided.next_offset)
        return True

    # -- ticks, checks, failures -----------------------------------------------------------------

    def _plan_ticks(self, batch: Batch) -> None:
        if not self._settings.ticks:
            return
        now_ms = self._clock.now_ms()
        for number, partition in self.partitions.items():
            due_ms = partition.timers.first_due_ms
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

    def _check_idle(self, batch: Batch) -> None:
        """See that the store of idle partitions is where it was left, and look ahead at timers.

        Idle is a matter of the partition: others of this worker may be busy all day.
        """
        now_s = self._clock.monotonic_s()
        for number, partition in self.partitions.items():
            if partition.phase is not Phase.READY or number in batch.inputs:
                continue
            if now_s - partition.checked_at_s < self._settings.check_store_every_s:
                continue
            partition.checked_at_s = now_s
            try:
                self._look_ahead(partition)
            except (PositionChanged, Transient):
                self._send_to_recovery(partition)

    def _look_ahead(self, partition: Partition) -> None:
        number, base = partition.number, partition.base
        soon_ms = self._clock.now_ms() + int(2_000 * self._settings.check_store_every_s)
        partition.timers.refill(
            soon_ms,
            lambda after, limit: self._store.load_timers(number, base, after, limit),
        )
        stored = self._store.position(number)
        if (stored.offset if stored is not None else 0) != base:
            raise PositionChanged(f"the store left offset {base}")

    def _give_up(self, batch: Batch, error: Transient) -> None:
        """Nothing was committed: drop the new states and read the batch again."""
        self._measures.aborted(str(error))
        if batch.in_transaction:
            try:
                self._log.abort()
            except UnknownOutcome:
                self._renew_soon()
        for number in batch.partitions:
            partition = self.partitions.get(number)
            if partition is None or partition.phase is not Phase.READY:
                continue
            # The states of this batch have left the cache, and the timers were popped: both are
            # read anew.
            self._send_to_recovery(partition)

    def _renew_soon(self) -> None:
        """Read every partition back from what is committed, under a new producer."""
        self._must_renew = True
        for partition in self.partitions.values():
            self._send_to_recovery(partition)

    def _send_to_recovery(self, partition: Partition) -> None:
        partition.forget()
        self._log.halt(partition.number)
        recovery = self._recoveries.pop(partition.number, None)
        if recovery is not None:
            recovery.close()
        self._recoveries[partition.number] = self._new_recovery(partition.number)

    def _new_recovery(self, number: int) -> Recovery:
        return Recovery(number, self._log.committed, self._state_log, self._store)

    def _drop(self, number: int) -> None:
        self.partitions.pop(number, None)
        self._retry_at_s.pop(number, None)
        recovery = self._recoveries.pop(number, None)
        if recovery is not None:
            recovery.close()

    # -- recovery --------------------------------------------------------------------------------

    def _recover(self) -> None:
        """One bounded piece of work for each partition that is being recovered."""
        now_s = self._clock.monotonic_s()
        if self._must_renew and not self._renew(now_s):
            return
        for number, recovery in list(self._recoveries.items()):
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
                self._recoveries[number] = self._new_recovery(number)
                self._retry_at_s[number] = now_s + self._settings.retry_after_s

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
        partition = self.partitions[number]
        record, rules = recovered.record, recovered.rules
        if record is not None and record.rules_version != (rules.version if rules else 0):
            raise BrokenInvariant(
                f"partition {number} decides by rules version {record.rules_version}, but "
                f"rfm.state holds version {rules.version if rules else 0}"
            )
        partition.base = recovered.base
        partition.journal_offset = record.journal_offset if record is not None else 0
        partition.time_ms = record.time_ms if record is not None else 0
        partition.rules = compile_rules(rules.rules, rules.version) if rules is not None else None
        self._log.start(number, partition.journal_offset)
        partition.phase = Phase.READY
        partition.checked_at_s = 0.0
        del self._recoveries[number]
        self._measures.recovered(number)
