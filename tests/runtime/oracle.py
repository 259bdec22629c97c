"""The oracle: one partition's journal folded straight through the pure core.

No batches, heap, cache, log or store: the next timer is looked for among all customers each time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from streams.codec.journal import EVENT_TYPES, decode_input
from streams.codec.outputs import Message, OutputEncoder
from streams.codec.present_segments import encode_segments
from streams.codec.state import decode_state, encode_state
from streams.core import machine
from streams.core.inputs import (
    CustomerEvent,
    CustomerMoved,
    GenerationBegun,
    Input,
    RulesApplied,
    SegmentsRequested,
    SnapshotTaken,
    Sweep,
    Tick,
)
from streams.core.outputs import Forwarded, NotTaken, Output, SegmentChanged
from streams.core.population.census import Census
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState


@dataclass
class Folded:
    """What a partition's journal amounts to."""

    time_ms: int = 0
    rules: Rules | None = None
    states: dict[str, CustomerState] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    told_ms: int = 0
    censuses: list[tuple[int, dict[str, list[int]]]] = field(default_factory=list)
    # The latest value by key of `customer-segments`, told anew at every change.
    present_segments: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def encoded(self) -> dict[str, bytes]:
        return {key: encode_state(state) for key, state in self.states.items()}

    @property
    def timers(self) -> list[tuple[int, str]]:
        return sorted(
            (state.next_due_ms, key)
            for key, state in self.states.items()
            if state.next_due_ms is not None
        )

    @property
    def messages(self) -> list[Message]:
        encoder = OutputEncoder("EUR")
        # What goes on to another partition of the journal (merges) is no message.
        inward = (Forwarded, NotTaken)
        return [encoder.encode(one) for one in self.outputs if not isinstance(one, inward)]

    def take(self, record: Input) -> None:
        """Fold one more record in."""
        now_ms = max(self.time_ms, record.received_at_ms)
        continuous = isinstance(record, Tick) and record.continuous
        self._count(now_ms, continuous=continuous)
        self._fire(now_ms, now_ms, continuous=continuous)
        self.time_ms = now_ms
        if isinstance(record, RulesApplied):
            self._take_rules(record)
        elif isinstance(record, GenerationBegun):
            rules = compile_rules(record.rules, record.rules_version, record.rules_applied_ms)
            under = rules.under(record.snapshot)
            self.rules = replace(under, limits_number=record.limits_number)
            self.told_ms = record.census_at_ms
        elif isinstance(record, CustomerMoved):
            self.states[record.customer_id] = decode_state(record.customer_id, record.state)
        elif isinstance(record, SnapshotTaken):
            assert self.rules is not None
            if record.snapshot.number > self.rules.snapshot_number:
                self.rules = self.rules.under(record.snapshot)
        elif isinstance(record, Sweep):
            assert self.rules is not None
            for customer_id in record.customers:
                state = self.states[customer_id]
                self._say(state, machine.sweep(state, self.rules, now_ms))
        elif isinstance(record, SegmentsRequested):
            for customer_id in record.customers:
                self._tell_segments(self.states.get(customer_id) or CustomerState(customer_id))
        elif isinstance(record, CustomerEvent):
            assert self.rules is not None
            customer_id = record.customer_id
            state = self.states.setdefault(customer_id, CustomerState(customer_id))
            kind = EVENT_TYPES[type(record)]
            self._say(state, machine.apply(state, record, self.rules, now_ms, kind))

    def _say(self, state: CustomerState, step: machine.Step) -> None:
        self.outputs += step.outputs
        if any(isinstance(one, SegmentChanged) for one in step.outputs):
            self._tell_segments(state)

    def _tell_segments(self, state: CustomerState) -> None:
        assert self.rules is not None
        key = state.customer_id.encode()
        value, _ = encode_segments(state.customer_id, state.memberships, self.rules.schemes)
        if value is not None:
            self.present_segments[key] = value
        else:
            self.present_segments.pop(key, None)

    def _take_rules(self, record: RulesApplied) -> None:
        known = self.rules
        if known is not None and record.version <= known.version:
            return
        self.rules = compile_rules(record.rules, record.version)
        if known is None and self.rules.uses_population:
            self.told_ms = (
                self.time_ms // self.rules.snapshot_every_ms * self.rules.snapshot_every_ms
            )
        if known is not None:
            under = self.rules.under(known.snapshot)
            self.rules = replace(under, limits_number=known.limits_number)

    def _count(self, now_ms: int, *, continuous: bool) -> None:
        """Count everybody anew at a boundary that is passed, after the timers due by then."""
        if self.rules is None or not self.rules.uses_population:
            return
        every_ms = self.rules.snapshot_every_ms
        boundary_ms = now_ms // every_ms * every_ms
        if boundary_ms <= self.told_ms or now_ms < self.told_ms + every_ms:
            return
        self._fire(boundary_ms, now_ms, continuous=continuous)
        if self.told_ms:
            census = Census()
            for state in self.states.values():
                if state.counted is not None:
                    census.add(state.counted)
            plain = {name: list(part) for name, part in census.to_plain().items()}
            self.censuses.append((boundary_ms, plain))
        self.told_ms = boundary_ms

    def _fire(self, until_ms: int, now_ms: int, *, continuous: bool) -> None:
        while self.timers and self.timers[0][0] <= until_ms:
            assert self.rules is not None
            due_ms, customer_id = self.timers[0]
            at_ms = due_ms if continuous else now_ms
            state = self.states[customer_id]
            self._say(state, machine.fire(state, due_ms, self.rules, at_ms))


def fold(records: Iterable[Input | bytes]) -> Folded:
    """Fold a partition's records, decoded or as they stand in the journal."""
    folded = Folded()
    for record in records:
        # Decoded anew each time: no two folds share a list.
        folded.take(decode_input(record) if isinstance(record, bytes) else record)
    return folded
