"""How one customer came to be where they are: the journal folded for this customer alone.

Other customers' records only tell what time it was. Outputs are computed, not read back: by the
first invariant they are those that were published, with the same ids.
"""

from dataclasses import dataclass, field, replace

from streams.codec.journal import EVENT_TYPES
from streams.core import machine
from streams.core.inputs import (
    CustomerEvent,
    Input,
    RulesApplied,
    SnapshotTaken,
    Sweep,
    Tick,
)
from streams.core.outputs import Output
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState
from streams.errors import BrokenInvariant
from streams.insights.customers import Standing, standing_at


@dataclass(slots=True)
class Entry:
    """One thing that happened to the customer.

    `offset` is the journal record that made it known, `event` the customer's own event or None for
    the clock. `at_ms` is when it became true: the event's own time, or the due instant; `time_ms`
    the partition's time at the decision. `note` is what became of an event.
    """

    offset: int
    at_ms: int
    time_ms: int
    event: CustomerEvent | None
    event_type: str
    note: str
    standing: Standing
    outputs: list[Output] = field(default_factory=list)


class HistoryFold:
    """Folds one partition of the journal for `customer_id`; feed it every record in order."""

    def __init__(self, customer_id: str) -> None:
        self.customer_id = customer_id
        self.state: CustomerState | None = None
        self.rules: Rules | None = None
        self.time_ms = 0

    @property
    def rules_version(self) -> int:
        """Version of the rules in force; 0 before the first."""
        return self.rules.version if self.rules is not None else 0

    def take(self, offset: int, record: Input) -> list[Entry]:
        """Take one journal record; returns what it made happen to the customer."""
        now_ms = max(self.time_ms, record.received_at_ms)
        entries = self._let_time_pass(offset, record, now_ms)
        self.time_ms = now_ms
        if isinstance(record, CustomerEvent):
            if record.customer_id == self.customer_id:
                entries.append(self._apply(offset, record))
        elif isinstance(record, RulesApplied):
            self._take_rules(record)
        elif isinstance(record, SnapshotTaken):
            rules = self._rules()
            if record.snapshot.number > rules.snapshot_number:
                self.rules = rules.under(record.snapshot)
        elif isinstance(record, Sweep) and self.customer_id in record.customers:
            entries += self._sweep(offset)
        return entries

    def _take_rules(self, record: RulesApplied) -> None:
        if record.version <= self.rules_version:
            return
        known, rules = self.rules, compile_rules(record.rules, record.version)
        if known is not None:
            rules = replace(rules.under(known.snapshot), limits_number=known.limits_number)
        self.rules = rules

    def _sweep(self, offset: int) -> list[Entry]:
        """Decide the customer anew under moved limits or changed rules, as the journal says."""
        state, rules = self.state, self._rules()
        if state is None:
            return []
        by_rules = state.rules_version != rules.version
        step = machine.sweep(state, rules, self.time_ms)
        if step.note != machine.APPLIED:
            return []
        standing = standing_at(state, rules, self.time_ms)
        kind = "rules" if by_rules else "population"
        return [
            Entry(offset, self.time_ms, self.time_ms, None, kind, step.note, standing, step.outputs)
        ]

    def _let_time_pass(self, offset: int, record: Input, now_ms: int) -> list[Entry]:
        state, entries = self.state, list[Entry]()
        if state is None:
            return entries
        continuous = isinstance(record, Tick) and record.continuous
        while state.next_due_ms is not None and state.next_due_ms <= now_ms:
            due_ms = state.next_due_ms
            time_ms = due_ms if continuous else now_ms
            step = machine.fire(state, due_ms, self._rules(), time_ms)
            standing = standing_at(state, self._rules(), due_ms)
            entries.append(
                Entry(offset, due_ms, time_ms, None, "clock", step.note, standing, step.outputs)
            )
        return entries

    def _apply(self, offset: int, event: CustomerEvent) -> Entry:
        if self.state is None:
            self.state = CustomerState(self.customer_id)
        event_type = EVENT_TYPES[type(event)]
        step = machine.apply(self.state, event, self._rules(), self.time_ms, event_type)
        standing = standing_at(self.state, self._rules(), self.time_ms)
        return Entry(
            offset,
            event.occurred_at_ms,
            self.time_ms,
            event,
            event_type,
            step.note,
            standing,
            step.outputs,
        )

    def _rules(self) -> Rules:
        if self.rules is None:
            raise BrokenInvariant(
                "the journal has events before any rules, or its beginning is gone: what happened "
                "cannot be told from what is left of it"
            )
        return self.rules
