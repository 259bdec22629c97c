"""The cycle of decide: poll, prefetch, apply, commit, store. ARCHITECTURE.md tells why in this order.

`ORDER` is the order of steps. An observer is told each step before it runs, which is how tests crash
a worker at every one of them. A step that returns False ends the cycle early, with nothing to do.
"""

from collections.abc import Callable, Sequence

from streams.codec.journal import EVENT_TYPES, decode_input, encode_input
from streams.codec.outputs import OutputEncoder, dead_letter_of
from streams.codec.partition import (
    CENSUS_KEY,
    GATHERED_PREFIX,
    PARTITION_KEY,
    PRODUCTS_PREFIX,
    RULES_KEY,
    SNAPSHOT_KEY,
    PartitionRecord,
    RulesRecord,
    customer_key,
    encode_guard,
    encode_partition,
    encode_rules,
)
from streams.codec.population import encode_snapshot
from streams.codec.present_segments import CUSTOMER_SEGMENTS, encode_segments
from streams.codec.state import decode_state, encode_state
from streams.core.inputs import CustomerEvent, Input, SegmentsRequested, Sweep, Tick
from streams.core.state import CustomerState
from streams.errors import BrokenInvariant, ForeignStore, Transient, UnknownOutcome
from streams.ports import (
    Clock,
    JournalLog,
    Outcome,
    PositionChanged,
    StateLog,
    StateStore,
    StoreWrite,
)
from streams.runtime.batch import BatchDecider, Decided
from streams.runtime.partition import Partition, Phase
from streams.runtime.planning import Planner
from streams.runtime.population import CENSUS_FIELD, adopt, changed, gathered_field, products_field
from streams.runtime.recoveries import Recoveries
from streams.runtime.steps import ORDER, Batch, CycleSettings, Measures, Step

JOURNAL = "rfm.journal"
STATE = "rfm.state"


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
        self._recoveries = Recoveries(
            log, state_log, store, clock, measures, settings, self.partitions
        )
        self._encoders: dict[str, OutputEncoder] = {}
        self._planner = Planner(store, clock, settings, self._recoveries, self.partitions)

    @property
    def is_ready(self) -> bool:
        """True where no owned partition is being recovered."""
        return all(one.phase is Phase.READY for one in self.partitions.values())

    def run_once(self) -> int:
        """One cycle; returns the number of records decided. Raises only what must stop the worker."""
        self._recoveries.step()
        batch = Batch()
        try:
            for step in self._order:
                self._observe(step)
                if not self._actions[step](batch):
                    return 0
        except UnknownOutcome as error:
            # The old producer may or may not have committed. A new one ends its transaction, and
            # what came of it stands in rfm.state.
            self._measures.aborted(f"unknown outcome: {error}", self._positions_of(batch))
            self._recoveries.renew()
            return 0
        except Transient as error:
            self._give_up(batch, error)
            return 0
        return sum(len(records) for records in batch.inputs.values())

    def close(self) -> None:
        """Let go of what recoveries hold."""
        self._recoveries.close()

    # -- the steps -------------------------------------------------------------------------------

    def _poll(self, batch: Batch) -> bool:
        settings = self._settings
        timeout_s = 0.0 if self._recoveries.has_work else settings.poll_timeout_s
        polled = batch.polled = self._log.poll(settings.max_records, timeout_s)
        for number in polled.lost:
            self._recoveries.drop(number)
        for number in polled.gained:
            self._recoveries.drop(number)
            self._recoveries.begin(self.partitions.setdefault(number, Partition(number)))
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
                # Otherwise what was just read is not in the store before this batch is.
                self.partitions[number].holds_everybody |= number not in batch.inputs
        self._check_idle(batch)
        self._planner.plan(batch)
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
                self._recoveries.tell_moved(partition, error)
                self._recoveries.begin(partition)
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
            elif isinstance(record, Sweep | SegmentsRequested):
                wanted |= dict.fromkeys(record.customers)
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
            batch.decided[number] = BatchDecider(
                self.partitions[number],
                batch.working[number],
                EVENT_TYPES.__getitem__,
                self._settings.max_timers,
                self._settings.partitions,
            ).decide(inputs)
        return True

    def _begin(self, batch: Batch) -> bool:
        try:
            self._log.begin()
        except Transient:
            # A producer that cannot begin has no transaction that an abort would mend.
            self._recoveries.renew()
            raise
        batch.in_transaction = True
        return True

    def _publish(self, batch: Batch) -> bool:
        now_ms = self._clock.now_ms()
        for number, decided in batch.decided.items():
            self._publish_outputs(number, decided)
            self._publish_counted(decided)
            self._publish_for_all(decided.paused)
            batch.writes[number] = self._publish_states(batch, number, decided)
        for number in batch.ticks:
            tick = encode_input(Tick(received_at_ms=now_ms))
            self._log.publish(JOURNAL, None, tick, (), number)
        for number, sweep in batch.sweeps.items():
            self._log.publish(JOURNAL, None, encode_input(sweep), (), number)
        for survey in batch.surveys.values():
            self._log.publish(JOURNAL, None, encode_input(survey), (), 0)
        return True

    def _publish_counted(self, decided: Decided) -> None:
        """A census goes to partition 0, which answers with a snapshot for everybody."""
        for census in decided.counting.told:
            self._log.publish(JOURNAL, None, encode_input(census), (), 0)
        self._publish_for_all(decided.counting.snapshots)

    def _publish_for_all(self, records: Sequence[Input]) -> None:
        for record in records:
            value = encode_input(record)
            for number in range(self._settings.partitions):
                self._log.publish(JOURNAL, None, value, (), number)

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
        if self._settings.tells_segments:
            self._publish_segments(decided)

    def _publish_segments(self, decided: Decided) -> None:
        """Once per customer and batch: of what a topic would be compacted to, only the last."""
        for customer_id, schemes in decided.resegmented.items():
            state = decided.working.get(customer_id)
            # Who is asked for and not known has no segments, which is what a tombstone says.
            memberships = state.memberships if state is not None else {}
            value, headers = encode_segments(customer_id, memberships, schemes)
            self._log.publish(CUSTOMER_SEGMENTS, customer_id.encode(), value, headers, None)

    def _publish_states(self, batch: Batch, number: int, decided: Decided) -> StoreWrite:
        states: list[tuple[str, bytes]] = []
        timers: list[tuple[str, int | None]] = []
        publish, working = self._log.publish, decided.working
        for customer_id in decided.changed:
            state = working[customer_id]
            value = encode_state(state)
            states.append((customer_id, value))
            timers.append((customer_id, state.next_due_ms))
            publish(STATE, customer_key(customer_id), value, (), number)
        rules_record: bytes | None = None
        if decided.rules_record is not None:
            rules = decided.rules_record
            applied_ms = decided.rules.applied_ms if decided.rules is not None else 0
            rules_record = encode_rules(RulesRecord(rules.version, rules.rules, applied_ms))
            publish(STATE, RULES_KEY, rules_record, (), number)
        snapshot_record: bytes | None = None
        if decided.snapshot_record is not None:
            snapshot_record = encode_snapshot(decided.snapshot_record)
            publish(STATE, SNAPSHOT_KEY, snapshot_record, (), number)
        partition = self.partitions[number]
        counted, told_ms = decided.counting, decided.counting.told_ms
        batch.census_changes[number], census = changed(partition.population, counted)
        named: dict[str, bytes] = {}
        if census is not None:
            named[CENSUS_FIELD] = census
            publish(STATE, CENSUS_KEY, census, (), number)
        for other, taken in counted.gathered.items():
            named[gathered_field(other)] = encode_input(taken)
            key = GATHERED_PREFIX + str(other).encode()
            publish(STATE, key, named[gathered_field(other)], (), number)
        for other, products in counted.products.items():
            named[products_field(other)] = products
            publish(STATE, PRODUCTS_PREFIX + str(other).encode(), products, (), number)
        record = encode_partition(
            PartitionRecord(
                decided.next_offset,
                decided.time_ms,
                decided.rules.version if decided.rules is not None else 0,
                decided.rules.snapshot_number if decided.rules is not None else 0,
                decided.rules.limits_number if decided.rules is not None else 0,
                *decided.swept,
                partition.population.told_ms if told_ms is None else told_ms,
                batch.census_changes[number],
                *counted.latest,
                self._surveyed_ms(batch, number, decided),
                decided.guard.customers,
                encode_guard(decided.guard),
            )
        )
        # Last, so that its offset is the position behind everything this commit says.
        self._log.publish_tracked(STATE, PARTITION_KEY, record, number)
        base = partition.base
        return StoreWrite(
            number, base, base, states, timers, record, rules_record, snapshot_record, named
        )

    def _surveyed_ms(self, batch: Batch, number: int, decided: Decided) -> int:
        """Up to where sales are counted once this is committed."""
        if number in batch.surveys:
            return batch.surveys[number].as_of_ms
        known_ms = self.partitions[number].population.surveyed_ms
        surveyed_ms = decided.counting.surveyed_ms
        return known_ms if surveyed_ms is None else surveyed_ms

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
        for number in batch.sweeps:
            self.partitions[number].unread_sweep = True
        for number, taken in batch.surveys.items():
            self.partitions[number].population.surveyed_ms = taken.as_of_ms
            self.partitions[number].survey = None
        return True

    def _store_states(self, batch: Batch) -> bool:
        for number, write in batch.writes.items():
            write.new = batch.receipts[number] + 1
            started_s = self._clock.monotonic_s()
            try:
                outcome = self._store.apply(write)
            except Transient:
                # Committed, but the store does not have it: recovery reads it from rfm.state.
                self._recoveries.begin(self.partitions[number])
                continue
            self._measures.guarded(
                number, write.new, outcome, self._clock.monotonic_s() - started_s
            )
            if outcome is Outcome.FOREIGN:
                raise ForeignStore(
                    f"Redis holds partition {number} of another journal generation; run "
                    "`rfm-streams redis rebuild` if this journal is the right one"
                )
            if outcome not in (Outcome.APPLIED, Outcome.ALREADY):
                self._recoveries.begin(self.partitions[number])
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
            partition.swept = decided.swept
            partition.guard = decided.guard
            adopt(partition.population, decided.counting, batch.census_changes[number])
            if decided.tick_read:
                partition.unread_tick = False
            if decided.sweep_read:
                partition.unread_sweep = False
            partition.checked_at_s = self._clock.monotonic_s()
            share = self._settings.cached_states // max(1, len(self.partitions))
            partition.keep(decided.working, share)
            if not decided.complete:
                partition.at_end = False
                self._log.start(number, decided.next_offset)
            partition.holds_everybody |= decided.lives or partition.at_end
        return True

    # -- checks and failures -----------------------------------------------------------------------

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
            except (PositionChanged, Transient) as error:
                self._recoveries.tell_moved(partition, error)
                self._recoveries.begin(partition)

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
        self._measures.aborted(str(error), self._positions_of(batch))
        if batch.in_transaction:
            try:
                self._log.abort()
            except UnknownOutcome:
                self._recoveries.renew()
        for number in batch.partitions:
            partition = self.partitions.get(number)
            if partition is None or partition.phase is not Phase.READY:
                continue
            # The states of this batch have left the cache, and the timers were popped: both are
            # read anew.
            self._recoveries.begin(partition)

    def _positions_of(self, batch: Batch) -> dict[str, int]:
        """Where the partitions of a batch go on, for people."""
        return {
            f"{JOURNAL}/{number}": self.partitions[number].journal_offset
            for number in sorted(batch.partitions & self.partitions.keys())
        }
